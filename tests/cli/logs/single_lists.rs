//! Numbers of single precision, alone and in lists. NumPy writes those beyond 2^24 with the digits of the longest
//! element of their list, and Python and JSON all of them with all their digits.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::{Float32Builder, ListBuilder};
use arrow_array::{Float32Array, Int64Array, RecordBatch};
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
/// Lists with fractions, and what Python and JSON write of them.
const FRACTIONS: [(&[f32], &str); 4] = [
    (&[0.1, 2.5], "[0.10000000149011612, 2.5]"),
    (&[2.7], "[2.700000047683716]"),
    (&[83_886_088.0, 0.5], "[83886088.0, 0.5]"),
    (&[7.0, 1e-5], "[7.0, 9.999999747378752e-06]"),
];
const ROWS: u64 = 400;
const LIST: &str =
    "kind = \"multi_categorical\"\nmin_count = 1\nseparator = \",\"\nbrackets = true";

fn fractions(row: u64) -> (&'static [f32], &'static str) {
    FRACTIONS[(fibinet::data::mix_seed(2, row) % 4) as usize]
}

fn list(row: u64) -> (&'static [f32], &'static str, &'static str) {
    LISTS[(fibinet::data::mix_seed(1, row) % 8) as usize]
}

/// Clicks that depend on the list.
fn is_click(row: u64) -> bool {
    list(row).0[0] > 1e6 || row.is_multiple_of(3)
}

fn write_parquet(path: &Path, list: impl Fn(u64) -> &'static [f32]) {
    let mut lists = ListBuilder::new(Float32Builder::new());
    for row in 0..ROWS {
        let elements = list(row).iter().map(|element| Some(*element));
        lists.append_value(elements.collect::<Vec<_>>());
    }
    let clicks: Int64Array = (0..ROWS)
        .map(|row| Some(i64::from(is_click(row))))
        .collect();
    let firsts: Float32Array = (0..ROWS).map(|row| Some(list(row)[0])).collect();
    let columns: [(&str, arrow_array::ArrayRef); 3] = [
        ("click", Arc::new(clicks)),
        ("items", Arc::new(lists.finish())),
        ("first", Arc::new(firsts)),
    ];
    let rows = RecordBatch::try_from_iter(columns).expect("columns of one length");
    let file = File::create(path).expect("created");
    let mut writer = ArrowWriter::try_new(file, rows.schema(), None).expect("a schema");
    writer.write(&rows).expect("written");
    writer.close().expect("written");
}

/// Writes these texts of lists, and the first element of each list as Python writes it.
fn write_csv(path: &Path, list: impl Fn(u64) -> (&'static [f32], String)) {
    let mut csv = "click,items,first\n".to_owned();
    for row in 0..ROWS {
        let (elements, text) = list(row);
        let first = f64::from(elements[0]);
        csv += &format!("{},\"{text}\",{first:?}\n", u8::from(is_click(row)));
    }
    fs::write(path, csv).expect("written");
}

fn config(log: &str, kind: &str) -> String {
    format!(
        "[data]\ntrain = \"{log}\"\nlabel = \"click\"\nsplit = {{ valid = 0.1, test = 0.1 }}\n\
        [[data.fields]]\nname = \"items\"\n{kind}\n\
        [[data.fields]]\nname = \"first\"\nkind = \"categorical\"\nhash_buckets = 5000\n\
        [model]\nname = \"lr\"\n[train]\nepochs = 1\n"
    )
}

/// Trains on each of the logs, and scores all of these files alike.
#[track_caller]
fn score_alike(at: &Path, logs: &[&str], files: &[&str]) {
    for log in logs {
        fs::write(at.join("run.toml"), config(log, LIST)).expect("written");
        succeed(at, &["train", "run.toml", "--out", "run", "--force"]);
        let mut of_first = None;
        for data in files {
            let predict = ["predict", "run", "--data", data, "-o", "scores.csv"];
            let report = json(&succeed(at, &[&predict[..], &["--json"]].concat()));
            assert_eq!(report["fields"][0]["unknown"], 0.0, "{report}");
            let scores = scores(&at.join("scores.csv"));
            let first = of_first.get_or_insert_with(|| scores.clone());
            assert!(scores == *first, "trained on {log}, scored from {data}");
        }
    }
}

#[test]
fn stored_lists_and_those_that_programs_printed_score_alike() {
    let directory = scratch();
    let at = directory.path();
    write_parquet(&at.join("log.parquet"), |row| list(row).0);
    write_csv(&at.join("numpy.csv"), |row| {
        (list(row).0, list(row).1.to_owned())
    });
    write_csv(&at.join("python.csv"), |row| {
        (list(row).0, list(row).2.to_owned())
    });
    write_csv(&at.join("json.csv"), |row| {
        (list(row).0, list(row).2.replace(' ', ""))
    });
    let files = ["log.parquet", "numpy.csv", "python.csv", "json.csv"];
    score_alike(at, &files, &files);
}

#[test]
fn stored_fractions_and_those_that_python_printed_score_alike() {
    let directory = scratch();
    let at = directory.path();
    write_parquet(&at.join("log.parquet"), |row| fractions(row).0);
    write_csv(&at.join("python.csv"), |row| {
        (fractions(row).0, fractions(row).1.to_owned())
    });
    let files = ["log.parquet", "python.csv"];
    score_alike(at, &files, &files);
}
