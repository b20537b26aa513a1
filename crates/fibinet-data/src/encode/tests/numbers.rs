//! Numbers of a Parquet file against their texts in a CSV file.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Float32Array, Float64Array, Int64Array, RecordBatch, UInt64Array,
};
use parquet::arrow::ArrowWriter;

use super::{encode_file, fit_file, format, reader, write};
use crate::config::RowFormat;
use crate::fields::{
    Categorical, FieldEncoding, FieldSpec, Hashed, Id, Log2, MultiCategorical, Quantile, Scaling,
    TimePart, Timestamp, Value,
};
use crate::formats::raw_row::texts;
use crate::shards::layout::Pooling;

/// Writes columns as Parquet, and the texts of their cells as CSV.
fn write_numbers(directory: &Path, columns: Vec<(&str, ArrayRef)>) -> [PathBuf; 2] {
    let parquet = directory.join("rows.parquet");
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, array)| (name, array, true)),
    );
    let batch = batch.unwrap();
    let file = File::create(&parquet).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let mut reader = reader(&parquet, &format());
    let mut text = reader.columns().join(",") + "\n";
    while reader.read_row().unwrap() {
        text += &(texts(reader.row()).join(",") + "\n");
    }
    [parquet, write(directory, &text)]
}

/// Columns of 5000 numbers of each type, some of them null or NaN.
fn columns_of_numbers() -> Vec<(&'static str, ArrayRef)> {
    let rows = || 0..5000_i64;
    let some = |i: i64| (i % 11 != 3).then_some(i);
    let integer = |i: i64| some(i).map(|i| (i * i % 113 - 40) << (i % 40));
    let unsigned = |i: i64| some(i).map(|i| u64::MAX >> (i % 64));
    let single = |i: i64| {
        some(i).map(|i| {
            if i % 13 == 0 {
                f32::NAN
            } else {
                i as f32 / 7.0 - 9.0
            }
        })
    };
    let double = |i: i64| {
        some(i).map(|i| {
            if i % 17 == 0 {
                f64::NAN
            } else {
                i as f64 / 3.0 - 99.5
            }
        })
    };
    vec![
        (
            "y",
            Arc::new(BooleanArray::from_iter(rows().map(|i| Some(i % 3 == 0)))) as ArrayRef,
        ),
        (
            "integer",
            Arc::new(Int64Array::from_iter(rows().map(integer))),
        ),
        (
            "unsigned",
            Arc::new(UInt64Array::from_iter(rows().map(unsigned))),
        ),
        (
            "single",
            Arc::new(Float32Array::from_iter(rows().map(single))),
        ),
        (
            "double",
            Arc::new(Float64Array::from_iter(rows().map(double))),
        ),
        (
            "flag",
            Arc::new(BooleanArray::from_iter(rows().map(|i| Some(i % 5 == 0)))),
        ),
    ]
}

#[test]
fn numbers_are_encoded_as_their_texts_are() {
    let directory = tempfile::tempdir().unwrap();
    let [parquet, csv] = write_numbers(directory.path(), columns_of_numbers());
    let missing = ["?", "nan", "-1", "-99.5", "5"];
    let format = RowFormat {
        missing: missing.map(str::to_owned).to_vec(),
        group: Some("single".to_owned()),
        positive: Some("1".to_owned()),
        ..RowFormat::csv("y")
    };
    let tags = MultiCategorical {
        min_count: 1,
        separator: "5".to_owned(),
        brackets: false,
        pooling: Pooling::Mean,
    };
    let scaling = Scaling::Standard;
    let kinds: [FieldEncoding; 6] = [
        Categorical { min_count: 2 }.into(),
        Hashed { buckets: 100 }.into(),
        tags.into(),
        Quantile::new(10).into(),
        Log2::new(2).into(),
        Value::new(scaling).into(),
    ];
    let field = |column: &str, kind: usize, encoding: FieldEncoding| FieldSpec {
        column: column.to_owned(),
        ..FieldSpec::new(format!("{column}{kind}"), encoding)
    };
    let columns = ["integer", "unsigned", "single", "double", "flag"];
    let mut fields: Vec<FieldSpec> = columns
        .iter()
        .flat_map(|column| {
            (0..)
                .zip(&kinds)
                .map(|(i, kind)| field(column, i, kind.clone()))
        })
        .collect();
    fields.push(field("flag", 6, Id { num_ids: 2 }.into()));
    for (i, part) in (6..).zip(TimePart::ALL) {
        let unix = Timestamp {
            format: "unix".to_owned(),
            parts: vec![part],
        };
        fields.push(field("double", i, unix.into()));
    }
    let [by_number, by_text] = [&parquet, &csv].map(|path| {
        let encoder = fit_file(path, &format, &fields).unwrap();
        let batch = encode_file(&encoder, path).unwrap();
        // Floats of a typed file choose another rule for texts, which rewrites none of these.
        let fingerprint = encoder
            .fingerprint()
            .replace("text: Float", "text: Trimmed");
        (fingerprint, batch)
    });
    assert!(by_number == by_text);
}

#[test]
fn an_error_shows_a_number_as_its_text() {
    let directory = tempfile::tempdir().unwrap();
    let columns = |label: f64, id: i64, number: f64| -> Vec<(&str, ArrayRef)> {
        vec![
            ("y", Arc::new(Float64Array::from_iter_values([1.0, label]))),
            ("id", Arc::new(Int64Array::from_iter_values([2, id]))),
            ("n", Arc::new(Float64Array::from_iter_values([0.1, number]))),
        ]
    };
    let fields = [
        FieldSpec::new("id", Id { num_ids: 3 }),
        FieldSpec::new("n", Quantile::new(2)),
    ];
    for (columns, expected) in [
        (columns(0.5, 1, 1.0), "but is `0.5`"),
        (columns(0.0, -7, 1.0), "the cell is `-7`"),
        (columns(0.0, 1, f64::INFINITY), "expected a number"),
    ] {
        let [parquet, csv] = write_numbers(directory.path(), columns);
        for path in [parquet, csv] {
            let error = fit_file(&path, &format(), &fields).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}
