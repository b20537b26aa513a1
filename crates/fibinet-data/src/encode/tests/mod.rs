//! What a fit reads and what the encoder makes of the same rows.

mod earlier;
mod numbers;

use std::fs;
use std::path::{Path, PathBuf};

use crate::config::RowFormat;
use crate::config::split::SplitKind;
use crate::encode::encoder::Encoder;
use crate::encode::fit::EncoderFit;
use crate::error::DataError;
use crate::fields::{
    Categorical, FieldEncoding, FieldSpec, Hashed, Id, Log2, MultiCategorical, Quantile, Scaling,
    TimePart, Timestamp, Value,
};
use crate::formats::blocks::Blocks;
use crate::formats::parts::open_rows;
use crate::formats::reader::{Label, RowReader};
use crate::shards::batch::Batch;
use crate::shards::columns::Columns;
use crate::shards::layout::{FieldShape, Pooling};

fn format() -> RowFormat {
    RowFormat {
        missing: vec!["?".to_owned(), "N/A".to_owned()],
        ..RowFormat::csv("y")
    }
}

fn write(directory: &Path, text: &str) -> PathBuf {
    let path = directory.join("rows.csv");
    fs::write(&path, text).unwrap();
    path
}

fn reader(path: &Path, format: &RowFormat) -> Box<dyn RowReader> {
    open_rows(path, format, Label::Required).unwrap()
}

/// An encoder of all rows, whose columns must hold what it encodes row by row.
fn fit(directory: &Path, fields: &[FieldSpec], text: &str) -> Result<Encoder, DataError> {
    fit_file(&write(directory, text), &format(), fields)
}

/// [`fit`] for a file.
fn fit_file(path: &Path, format: &RowFormat, fields: &[FieldSpec]) -> Result<Encoder, DataError> {
    let reader = reader(path, format);
    let mut fit = EncoderFit::new(format, fields, None, reader.as_ref())?;
    let mut waiting = Vec::new();
    for block in Blocks::new(reader) {
        let block = block?;
        let rows = (0..block.num_rows()).map(|row| (row, SplitKind::Train));
        let (read, refused) = fit.add(&block, &rows.collect::<Vec<_>>());
        if let Some((_, error)) = block.bad.into_iter().chain(refused).next() {
            return Err(error);
        }
        waiting.push(read.columns);
    }
    let encoder = fit.finish();
    let batch = encode_file(&encoder, path)?;
    let mut expected = Columns::new(&encoder.layout());
    (0..batch.num_rows).for_each(|row| expected.push_row(&batch, row));
    let mut fitted = Columns::new(&encoder.layout());
    let mut seen = encoder.nothing_seen();
    for mut columns in waiting {
        let kinds = vec![SplitKind::Train; columns.num_rows()];
        assert_eq!(encoder.encode_fitted(&mut columns, &kinds, &mut seen), []);
        let rows: Vec<u32> = (0..columns.num_rows() as u32).collect();
        fitted.extend(&columns, &rows);
    }
    assert_eq!(fitted, expected);
    Ok(encoder)
}

fn encode(encoder: &Encoder, directory: &Path, text: &str) -> Result<Batch, DataError> {
    encode_file(encoder, &write(directory, text))
}

fn encode_file(encoder: &Encoder, path: &Path) -> Result<Batch, DataError> {
    let mut reader = reader(path, encoder.format());
    let mut rows = encoder.rows(reader.as_ref(), true)?;
    let mut batch = Batch::default();
    while reader.read_row()? {
        rows.encode(reader.row(), &reader.position(), &mut batch)?;
    }
    Ok(batch)
}

#[test]
fn ids_tell_missing_unknown_and_known_tokens_apart_after_a_round_trip() {
    let directory = tempfile::tempdir().unwrap();
    let fields = [
        FieldSpec::categorical("site", 2),
        FieldSpec::new("age", Quantile::new(2)),
        FieldSpec::new("price", Value::new(Scaling::MinMax)),
    ];
    let text = "price,y,site,age\n0,1,b,10\n4,0,a,20\n2,0,a,30\n,1,c,\n?,0,b,?\n1,1,b,40\n";
    let encoder = fit(directory.path(), &fields, text).unwrap();
    encoder.save(directory.path()).unwrap();
    let encoder = Encoder::open(directory.path()).unwrap();

    let layout = encoder.layout();
    let num_ids: Vec<_> = layout.iter().map(|field| field.shape.num_ids()).collect();
    assert_eq!(num_ids, [Some(5), Some(5), None]);
    // Other columns between, another order: columns are found by name.
    let text = "y,age,x,site,price\n1,20,,b,1\n0,20.5,,a,?\n0,?,,c,8\n1,-5,,,4\n";
    let batch = encode(&encoder, directory.path(), text).unwrap();
    // site: b three times, a twice, c once. age: an edge at 20.
    assert_eq!(batch.ids, [3, 3, 4, 4, 1, 2, 2, 3]);
    assert_eq!(batch.numerics, [0.25, 0.0, 1.0, 1.0]);
    assert_eq!(batch.labels, [1.0, 0.0, 0.0, 1.0]);
    assert_eq!(batch.num_rows, 4);
}

#[test]
fn ids_hashes_and_times_follow_from_their_cells() {
    let directory = tempfile::tempdir().unwrap();
    let mut fields = vec![
        FieldSpec::new("item", Id { num_ids: 10 }),
        FieldSpec::new("site", Hashed { buckets: 1000 }),
    ];
    for part in [TimePart::Hour, TimePart::Weekday] {
        let mut field = FieldSpec::new(
            part.name(),
            Timestamp {
                format: "%y%m%d%H".to_owned(),
                parts: vec![part],
            },
        );
        field.column = "at".to_owned();
        fields.push(field);
    }
    let text = "y,item,site,at\n1,0,a,14102113\n0,9,b,14102600\n1,,,\n0,3,a,14102113\n";
    let encoder = fit(directory.path(), &fields, text).unwrap();
    encoder.save(directory.path()).unwrap();
    let encoder = Encoder::open(directory.path()).unwrap();
    let layout = encoder.layout();
    let num_ids: Vec<_> = layout.iter().map(|field| field.shape.num_ids()).collect();
    assert_eq!(num_ids, [Some(13), Some(1003), Some(27), Some(10)]);
    let ids = encode(&encoder, directory.path(), text).unwrap().ids;
    let (a, b) = (ids[1], ids[5]);
    assert!(a != b && (3..1003).contains(&a) && (3..1003).contains(&b));
    assert_eq!(ids, [3, a, 16, 4, 12, b, 3, 9, 2, 2, 2, 2, 6, a, 16, 4]);

    for (row, expected) in [
        (
            "1,10,a,14102113",
            "`item`: an id must be an integer below 10, but the cell is `10`",
        ),
        (
            "1,-1,a,14102113",
            "`item`: an id must be an integer below 10, but the cell is `-1`",
        ),
        (
            "1,1,a,14102125",
            "`at`: expected a time of the form `%y%m%d%H`",
        ),
    ] {
        let text = format!("y,item,site,at\n{row}\n");
        for error in [
            encode(&encoder, directory.path(), &text).unwrap_err(),
            fit(directory.path(), &fields, &text).unwrap_err(),
        ] {
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}

#[test]
fn a_cell_of_several_tokens_has_a_list_of_ids() {
    let directory = tempfile::tempdir().unwrap();
    let tags = MultiCategorical {
        min_count: 2,
        separator: "::".to_owned(),
        brackets: false,
        pooling: Pooling::Max,
    };
    let fields = [
        FieldSpec::new("tags", tags),
        FieldSpec::categorical("site", 1),
    ];
    let text = "y,tags,site\n1,a::b,p\n0,a,q\n1,b::a::c,p\n0,,q\n0,?::::,p\n";
    let encoder = fit(directory.path(), &fields, text).unwrap();
    encoder.save(directory.path()).unwrap();
    let encoder = Encoder::open(directory.path()).unwrap();
    let layout = encoder.layout();
    let pooling = Pooling::Max;
    assert_eq!(
        layout[0].shape,
        FieldShape::Ids {
            num_ids: 5,
            pooling
        }
    );
    let batch = encode(&encoder, directory.path(), text).unwrap();
    let rows: Vec<&[u32]> = (0..5).map(|row| batch.lists[0].row(row)).collect();
    // a occurs three times, b twice, c once.
    assert_eq!(rows, [&[3, 4][..], &[3], &[4, 3, 1], &[2], &[2]]);
    assert_eq!(batch.ids, [3, 4, 3, 4, 3]);
    let bad = encode(&encoder, directory.path(), "y,tags,site\n2,a::b,p\n").unwrap_err();
    assert!(bad.is_bad_row(), "{bad}");
}

#[test]
fn what_means_no_value_is_not_cut_into_tokens() {
    let directory = tempfile::tempdir().unwrap();
    let tags = MultiCategorical {
        min_count: 1,
        separator: "/".to_owned(),
        brackets: false,
        pooling: Pooling::Mean,
    };
    let text = "y,tags\n1,a/b\n0,N/A\n1,a\n0,N/A\n";
    let encoder = fit(directory.path(), &[FieldSpec::new("tags", tags)], text).unwrap();
    assert_eq!(
        encoder.known_field(0).tokens,
        [Box::from(*b"a") as Box<[u8]>, Box::from(*b"b")]
    );
    let batch = encode(&encoder, directory.path(), text).unwrap();
    let rows: Vec<&[u32]> = (0..4).map(|row| batch.lists[0].row(row)).collect();
    assert_eq!(rows, [&[3, 4][..], &[2], &[3], &[2]]);
}

#[test]
fn rows_of_a_fit_have_the_ids_of_the_encoder() {
    let directory = tempfile::tempdir().unwrap();
    let log2 = Log2::new(2);
    let tags = MultiCategorical {
        min_count: 3,
        separator: "|".to_owned(),
        brackets: false,
        pooling: Pooling::Mean,
    };
    let of_site = |encoding| FieldSpec {
        column: "site".to_owned(),
        ..FieldSpec::new("of_site", encoding)
    };
    let fields = [
        FieldSpec::categorical("site", 2),
        of_site(Hashed { buckets: 7 }),
        FieldSpec::new("n", log2),
        FieldSpec::new("tags", tags),
    ];
    let numbers = [
        "0", "-0", "1", "2", "2.5", "3", "03", "-1", "-16", "-17", "-1.5", "4079", "4080", "1e9",
        "3e38", "-1e20", "?", "",
    ];
    let rows: String = (0..5000_usize)
        .map(|i| {
            let (number, token) = (numbers[i % numbers.len()], i * i % 311);
            let long = "é".repeat(i % 13);
            format!(
                "{},{token}{long},{number},{}|?|{token}{long}\n",
                i % 2,
                i % 9
            )
        })
        .collect();
    let encoder = fit(directory.path(), &fields, &format!("y,site,n,tags\n{rows}")).unwrap();
    // `0` and `-0`, `3` and `03`, `4079` and `4080` are one token each, and two cells are missing.
    assert_eq!(encoder.layout()[2].shape.num_ids(), Some(3 + 13));
}

#[test]
fn bad_cells_name_the_place_and_leave_the_batch_alone() {
    let directory = tempfile::tempdir().unwrap();
    let fields = [
        FieldSpec::categorical("site", 1),
        FieldSpec::new("age", Quantile::new(2)),
    ];
    let encoder = fit(directory.path(), &fields, "y,site,age\n1,a,1\n0,b,2\n").unwrap();
    let message = |text: &str| {
        encode(&encoder, directory.path(), text)
            .unwrap_err()
            .to_string()
    };
    for label in ["2", "", "yes", "NaN"] {
        let message = message(&format!("y,site,age\n1,a,1\n{label},a,1\n"));
        let expected = format!("rows.csv:3, column `y`: a label must be 0 or 1, but is `{label}`");
        assert!(message.contains(&expected), "{message}");
    }
    for number in ["x", "inf", "1,5"] {
        let number = format!("\"{number}\"");
        let message = message(&format!("y,site,age\n0,a,{number}\n"));
        assert!(
            message.contains("rows.csv:2, column `age`: expected a number"),
            "{message}"
        );
    }
    let lacking = message("y,sites,age\n1,a,1\n");
    assert!(
        lacking.contains("no column `site`, did you mean `sites`?"),
        "{lacking}"
    );

    let path = write(directory.path(), "y,site,age\n1,a,1\n2,a,1\n");
    let mut reader = reader(&path, &format());
    let mut rows = encoder.rows(reader.as_ref(), true).unwrap();
    let mut batch = Batch::default();
    reader.read_row().unwrap();
    rows.encode(reader.row(), &reader.position(), &mut batch)
        .unwrap();
    let before = batch.clone();
    reader.read_row().unwrap();
    rows.encode(reader.row(), &reader.position(), &mut batch)
        .unwrap_err();
    assert_eq!(batch, before);
}

#[test]
fn every_kind_encodes_the_same_by_columns_and_by_rows() {
    let directory = tempfile::tempdir().unwrap();
    let named = |name: &str, column: &str, encoding: FieldEncoding| FieldSpec {
        column: column.to_owned(),
        ..FieldSpec::new(name, encoding)
    };
    let scaling = Scaling::Standard;
    let fields = [
        named("categorical", "text", Categorical { min_count: 2 }.into()),
        named("hashed", "text", Hashed { buckets: 5 }.into()),
        named(
            "multi_categorical",
            "text",
            MultiCategorical {
                min_count: 2,
                separator: "-".to_owned(),
                brackets: false,
                pooling: Pooling::Sum,
            }
            .into(),
        ),
        named("quantile", "number", Quantile::new(4).into()),
        named("log2", "number", Log2::new(2).into()),
        named("value", "number", Value::new(scaling).into()),
        named("id", "id", Id { num_ids: 7 }.into()),
        named(
            "timestamp",
            "day",
            Timestamp {
                format: "%Y-%m-%d".to_owned(),
                parts: vec![TimePart::Weekday],
            }
            .into(),
        ),
    ];
    let mut text = "y,text,number,id,day\n".to_owned();
    for i in 0..500_usize {
        let missing = |cell: String| if i % 7 == 3 { "?".to_owned() } else { cell };
        let (a, b) = (missing(format!("t{}", i % 11)), i * i % 13);
        let number = missing(format!("{}", i as f64 / 4.0 - 20.0));
        let (id, day) = (
            missing((i % 7).to_string()),
            missing(format!("2024-02-{:02}", i % 28 + 1)),
        );
        text += &format!("{},{a}-t{b},{number},{id},{day}\n", i % 2);
    }
    // `fit` compares both.
    let encoder = fit(directory.path(), &fields, &text).unwrap();
    let before = encode(&encoder, directory.path(), &text).unwrap();
    encoder.save(directory.path()).unwrap();
    let opened = Encoder::open(directory.path()).unwrap();
    assert_eq!(opened.layout(), encoder.layout());
    let after = encode(&opened, directory.path(), &text).unwrap();
    assert_eq!(after, before);
    // No field is constant, and no id is out of its range.
    for (i, field) in encoder
        .layout()
        .iter()
        .filter(|f| matches!(f.shape, FieldShape::Id { .. }))
        .enumerate()
    {
        let ids: Vec<u32> = (0..500).map(|row| after.ids[row * 6 + i]).collect();
        let (min, max) = (ids.iter().min().unwrap(), ids.iter().max().unwrap());
        assert!(
            min < max && (*max as usize) < field.shape.num_ids().unwrap(),
            "{}",
            field.name
        );
    }
}

#[test]
fn an_encoder_with_a_fit_of_another_kind_is_damaged() {
    let directory = tempfile::tempdir().unwrap();
    let quantile = Quantile::new(2);
    let fields = [FieldSpec::new("age", quantile)];
    let encoder = fit(directory.path(), &fields, "y,age\n1,1\n0,2\n").unwrap();
    encoder.save(directory.path()).unwrap();
    let path = directory.path().join("fields.toml");
    let text = fs::read_to_string(&path).unwrap();
    let quantile = "encoding = \"quantile\"\nbuckets = 2";
    assert!(text.contains(quantile), "{text}");
    fs::write(
        &path,
        text.replace(quantile, "encoding = \"value\"\nscaling = \"none\""),
    )
    .unwrap();
    let error = Encoder::open(directory.path()).unwrap_err().to_string();
    assert!(
        error.contains("field `age` has a fit of another kind, Buckets"),
        "{error}"
    );
}
