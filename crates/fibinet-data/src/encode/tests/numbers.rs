//! Numbers of a Parquet file against their texts in a CSV file.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Float32Array, Float64Array, Int64Array, RecordBatch, UInt64Array,
};
use parquet::arrow::ArrowWriter;

use super::{encode, encode_file, fit, fit_file, format, reader, write};
use crate::config::RowFormat;
use crate::config::split::SplitKind;
use crate::encode::encoder::Encoder;
use crate::encode::fit::EncoderFit;
use crate::fields::{
    Categorical, FieldEncoding, FieldSpec, Hashed, Id, Log2, MultiCategorical, Quantile, Scaling,
    TimePart, Timestamp, Value,
};
use crate::formats::blocks::Blocks;
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
        let fingerprint = ["PythonFloat", "ExactFloat", "Float", "SingleFloat"]
            .iter()
            .fold(encoder.fingerprint(), |text, rule| {
                text.replace(&format!("text: {rule}"), "text: Trimmed")
            });
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

/// Writes a fitted encoder as earlier versions did.
fn save_as_earlier(encoder: &Encoder, directory: &Path) {
    encoder.save(directory).unwrap();
    let path = directory.join("fields.toml");
    let mut file: toml::Table = fs::read_to_string(&path).unwrap().parse().unwrap();
    for field in file["fields"].as_array_mut().unwrap() {
        let fitted = field["fitted"].as_table_mut().unwrap();
        for (name, earlier, keys) in [
            ("ranked_tokens", "tokens", &["lowest", "highest"][..]),
            ("buckets", "quantile", &["range"]),
            ("scaled", "value", &["range"]),
        ] {
            if let Some(toml::Value::Table(mut of)) = fitted.remove(name) {
                keys.iter()
                    .for_each(|key| assert!(of.remove(*key).is_some(), "{key}"));
                fitted.insert(earlier.to_owned(), of.into());
            }
        }
    }
    fs::write(path, toml::to_string(&file).unwrap()).unwrap();
}

fn fields_of_numbers() -> [FieldSpec; 3] {
    let of = |name: &str, encoding: FieldEncoding| FieldSpec {
        column: "n".to_owned(),
        ..FieldSpec::new(name, encoding)
    };
    [
        of("quantile", Quantile::new(2).into()),
        of("log2", Log2::new(2).into()),
        of("value", Value::new(Scaling::MinMax).into()),
    ]
}

#[test]
fn numbers_beyond_the_training_rows_are_at_the_ends_of_new_fits_alone() {
    let directory = tempfile::tempdir().unwrap();
    // Tokens of log2 with an id: `=-1`, `=0` and `21`.
    let text = "y,n\n1,-1\n0,-1\n1,0\n0,0\n0,100\n1,100\n";
    let encoder = fit(directory.path(), &fields_of_numbers(), text).unwrap();
    let outside = "y,n\n1,-3\n1,-1e300\n0,7\n0,101\n0,1e30\n0,1e39\n";
    let encoded = |encoder: &Encoder, text: &str| {
        let batch = encode(encoder, directory.path(), text).unwrap();
        (batch.ids, batch.numerics)
    };
    let (ids, numbers) = encoded(&encoder, outside);
    // The quantiles up to 0 and above, and the tokens `=-1`, none, and `21`.
    assert_eq!(ids, [3, 4, 3, 4, 4, 1, 4, 3, 4, 3, 4, 3]);
    assert_eq!(numbers[..2], [0.0, 0.0]);
    assert_eq!(numbers[3..], [1.0, 1.0, 1.0]);

    let before = encoded(&encoder, text);
    save_as_earlier(&encoder, directory.path());
    let earlier = Encoder::open(directory.path()).unwrap();
    assert_eq!(encoded(&earlier, text), before);
    let (ids, numbers) = encoded(&earlier, "y,n\n1,-3\n0,101\n0,1e30\n");
    assert_eq!(ids, [3, 1, 4, 3, 4, 1]);
    assert!(numbers[0] < -0.01 && numbers[1] > 1.0, "{numbers:?}");
    encode(&earlier, directory.path(), "y,n\n1,1e39\n").unwrap_err();
}

#[test]
fn rows_of_a_fit_are_at_the_ends_as_others_are() {
    let directory = tempfile::tempdir().unwrap();
    // Of the tokens, `=0` and `21` occur twice; `fit` compares the rows of the fit with others.
    let text = "y,n\n1,0\n0,0\n0,100\n1,100\n0,-7\n1,-1e30\n0,7\n1,1e9\n0,1e300\n";
    let encoder = fit(directory.path(), &fields_of_numbers(), text).unwrap();
    let ids = encode(&encoder, directory.path(), text).unwrap().ids;
    let log2: Vec<u32> = ids.into_iter().skip(1).step_by(2).collect();
    assert_eq!(log2, [4, 4, 3, 3, 4, 4, 1, 3, 3]);
}

#[test]
fn a_fit_of_an_earlier_version_reads_texts_as_single_precision() {
    let directory = tempfile::tempdir().unwrap();
    let text = "y,n\n1,16777216\n0,16777220\n";
    let fields = [FieldSpec::new("n", Quantile::new(2))];
    let encoder = fit(directory.path(), &fields, text).unwrap();
    save_as_earlier(&encoder, directory.path());
    let earlier = Encoder::open(directory.path()).unwrap();
    // The second is nearer to 16777218, but as an `f64` it is 16777217.
    let text = "y,n\n1,16777217\n1,16777217.0000000001\n0,16777219\n";
    let ids = |encoder| encode(encoder, directory.path(), text).unwrap().ids;
    assert_eq!(ids(&earlier), [3, 4, 4]);
    assert_eq!(ids(&encoder), [4, 4, 4]);
}

#[test]
fn what_is_fitted_on_numbers_is_read_as_it_was_written() {
    let directory = tempfile::tempdir().unwrap();
    let numbers = [
        "0.1",
        "-1e-300",
        "1e300",
        "1500000007",
        "16777217.3",
        "3e-5",
    ];
    let rows = (0..600).map(|i| format!("{},{}\n", i % 2, numbers[i * i % 7 % 6]));
    let text = format!("y,n\n{}", rows.collect::<String>());
    let encoder = fit(directory.path(), &fields_of_numbers(), &text).unwrap();
    encoder.save(directory.path()).unwrap();
    let opened = Encoder::open(directory.path()).unwrap();
    assert_eq!(opened.fingerprint(), encoder.fingerprint());
}

#[test]
fn a_fit_that_continues_keeps_the_version_of_its_base() {
    let directory = tempfile::tempdir().unwrap();
    let fields = fields_of_numbers();
    let base = fit(directory.path(), &fields, "y,n\n1,0\n0,0\n1,100\n0,100\n").unwrap();
    let next = tempfile::tempdir().unwrap();
    let path = write(next.path(), "y,n\n1,0\n0,1e9\n1,1e9\n0,-5\n");
    let continued = |base: &Encoder| {
        let reader = reader(&path, &format());
        let mut fit = EncoderFit::new(&format(), &fields, Some(base), reader.as_ref()).unwrap();
        let block = Blocks::new(reader).next().unwrap().unwrap();
        fit.add(&block, &[0, 1, 2, 3].map(|row| (row, SplitKind::Train)));
        fit.finish()
    };
    let row = |encoder: &Encoder, number: &str| {
        let batch = encode(encoder, directory.path(), &format!("y,n\n1,{number}\n")).unwrap();
        (batch.ids, batch.numerics)
    };
    // The token of 1e9 is new. The other fields are those of the base.
    let now = continued(&base);
    assert_eq!(row(&now, "1e20"), (vec![4, 5], vec![1.0]));
    assert_eq!(row(&now, "-1"), (vec![3, 4], vec![0.0]));
    save_as_earlier(&base, directory.path());
    let earlier = continued(&Encoder::open(directory.path()).unwrap());
    assert_eq!(row(&earlier, "1e9"), (vec![4, 5], vec![1e7]));
    assert_eq!(row(&earlier, "1e10"), (vec![4, 1], vec![1e8]));
    assert_eq!(row(&earlier, "-100"), (vec![3, 1], vec![-1.0]));
}
