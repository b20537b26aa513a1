//! Lists of numbers of single precision beyond 2^24, which NumPy writes with the digits of their longest element.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::{Float32Builder, ListBuilder};
use arrow_array::{Int64Array, RecordBatch};
use parquet::arrow::ArrowWriter;

use crate::cli::{json, scores, scratch, succeed};

/// Lists with what pandas 3.1 writes of them into a CSV file: NumPy's text if they are arrays, and Python's if
/// they are lists.
const LISTS: [(&[f32], &str, &str); 8] = [
    (
        &[12.0, 83_886_088.0],
        "[1.200000e+01 8.388609e+07]",
        "[12.0, 83886088.0]",
    ),
    (
        &[83_886_088.0, 16_777_218.0],
        "[8.3886088e+07 1.6777218e+07]",
        "[83886088.0, 16777218.0]",
    ),
    (&[83_886_088.0], "[8.388609e+07]", "[83886088.0]"),
    (&[1e8, 3.0], "[1.e+08 3.e+00]", "[100000000.0, 3.0]"),
    (
        &[0.0, 33_554_436.0],
        "[0.0000000e+00 3.3554436e+07]",
        "[0.0, 33554436.0]",
    ),
    (&[5.0, 7.0], "[5. 7.]", "[5.0, 7.0]"),
    (
        &[123_456_792.0, 83_886_088.0, 0.0],
        "[1.2345679e+08 8.3886088e+07 0.0000000e+00]",
        "[123456792.0, 83886088.0, 0.0]",
    ),
    (
        &[250_000.0, 1_250_000.0],
        "[2.50e+05 1.25e+06]",
        "[250000.0, 1250000.0]",
    ),
];
const ROWS: u64 = 400;

fn list(row: u64) -> (&'static [f32], &'static str, &'static str) {
    LISTS[(fibinet::data::mix_seed(1, row) % 8) as usize]
}

/// Clicks that depend on the list.
fn is_click(row: u64) -> bool {
    list(row).0[0] > 1e6 || row.is_multiple_of(3)
}

fn write_parquet(path: &Path) {
    let mut lists = ListBuilder::new(Float32Builder::new());
    for row in 0..ROWS {
        let elements = list(row).0.iter().map(|element| Some(*element));
        lists.append_value(elements.collect::<Vec<_>>());
    }
    let clicks: Int64Array = (0..ROWS)
        .map(|row| Some(i64::from(is_click(row))))
        .collect();
    let columns: [(&str, arrow_array::ArrayRef); 2] = [
        ("click", Arc::new(clicks)),
        ("items", Arc::new(lists.finish())),
    ];
    let rows = RecordBatch::try_from_iter(columns).expect("columns of one length");
    let file = File::create(path).expect("created");
    let mut writer = ArrowWriter::try_new(file, rows.schema(), None).expect("a schema");
    writer.write(&rows).expect("written");
    writer.close().expect("written");
}

fn write_csv(path: &Path, text: impl Fn(u64) -> &'static str) {
    let mut csv = "click,items\n".to_owned();
    for row in 0..ROWS {
        csv += &format!("{},\"{}\"\n", u8::from(is_click(row)), text(row));
    }
    fs::write(path, csv).expect("written");
}

fn config(log: &str, kind: &str) -> String {
    format!(
        "[data]\ntrain = \"{log}\"\nlabel = \"click\"\nsplit = {{ valid = 0.1, test = 0.1 }}\n\
        [[data.fields]]\nname = \"items\"\n{kind}\n\
        [model]\nname = \"lr\"\n[train]\nepochs = 1\n"
    )
}

#[test]
fn stored_lists_and_those_that_numpy_printed_score_alike() {
    let directory = scratch();
    let at = directory.path();
    write_parquet(&at.join("log.parquet"));
    write_csv(&at.join("numpy.csv"), |row| list(row).1);
    write_csv(&at.join("python.csv"), |row| list(row).2);
    let kind = "kind = \"multi_categorical\"\nmin_count = 1\nseparator = \",\"\nbrackets = true";
    for log in ["log.parquet", "numpy.csv"] {
        fs::write(at.join("run.toml"), config(log, kind)).expect("written");
        succeed(at, &["train", "run.toml", "--out", "run", "--force"]);
        let mut of_first = None;
        for data in ["log.parquet", "numpy.csv", "python.csv"] {
            let predict = ["predict", "run", "--data", data, "-o", "scores.csv"];
            let report = json(&succeed(at, &[&predict[..], &["--json"]].concat()));
            assert_eq!(report["fields"][0]["unknown"], 0.0, "{report}");
            let scores = scores(&at.join("scores.csv"));
            let first = of_first.get_or_insert_with(|| scores.clone());
            assert!(scores == *first, "trained on {log}, scored from {data}");
        }
    }
}
