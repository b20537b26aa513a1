//! Numbers of many digits, numbers beyond those of the training rows, and cells that are not numbers.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde_json::Value;

use crate::cli::{
    entries, fail, fibinet, json, number, report_and_stderr, scores, scratch, shared_directory,
    succeed, text,
};

const ENCODINGS: [&str; 5] = ["quantile", "cumulative", "smoothed", "log2", "value"];

/// A log of 1,000 rows with a number, which lies between `first` and `first + 59 * step`.
fn log(first: i64, step: i64) -> String {
    let row = |row: u64| {
        let draw = |seed| fibinet::data::mix_seed(seed, row);
        let k = draw(1) % 60;
        let is_click = draw(2) % 10 < if k < 30 { 8 } else { 2 };
        format!("{},{}\n", u8::from(is_click), first + step * k as i64)
    };
    format!("click,n\n{}", (0..1000).map(row).collect::<String>())
}

/// Writes a run file whose fields read the number in these ways.
fn write_config(at: &Path, encodings: &[&str]) {
    let fields = encodings.iter().enumerate().map(|(i, encoding)| {
        format!("[[data.fields]]\nname = 'f{i}'\ncolumn = 'n'\nkind = 'numeric'\nencoding = '{encoding}'\n")
    });
    let config = format!(
        "[data]\ntrain = 'log.csv'\nvalid = 'log.csv'\nlabel = 'click'\n{}\
         [model]\nname = 'dnn'\nembedding_dim = 4\nhidden_units = [8]\n\
         [train]\nepochs = 4\nbatch_size = 32\nlearning_rate = 0.01\n",
        fields.collect::<String>()
    );
    fs::write(at.join("run.toml"), config).expect("written");
}

const TRAIN: [&str; 6] = ["train", "run.toml", "--out", "run", "--no-cache", "--json"];

/// The validation metrics of a model that reads nothing but the number.
fn metrics(encoding: &str, first: i64, step: i64) -> Value {
    let directory = scratch();
    let at = directory.path();
    fs::write(at.join("log.csv"), log(first, step)).expect("written");
    write_config(at, &[encoding]);
    json(&succeed(at, &TRAIN))["valid"].clone()
}

#[test]
fn quantiles_do_not_depend_on_where_the_numbers_begin() {
    for encoding in ["quantile", "cumulative", "smoothed"] {
        let near_zero = metrics(encoding, 0, 1);
        assert!(number(&near_zero, "auc") > 0.75, "{near_zero}");
        for (first, step) in [
            (1_500_000_000, 1),
            (1_700_000_000_000_000, 1),
            (-16_777_216_000, 100),
        ] {
            assert_eq!(metrics(encoding, first, step), near_zero, "{first}");
        }
    }
}

#[test]
fn scaled_numbers_do_not_depend_on_where_the_numbers_begin() {
    let near_zero = number(&metrics("value", 0, 1), "auc");
    assert!(near_zero > 0.75, "{near_zero}");
    for (first, step) in [(1_500_000_000, 1), (1_700_000_000_000_000, 1)] {
        let auc = number(&metrics("value", first, step), "auc");
        assert!(
            (auc - near_zero).abs() < 0.01,
            "{first}: {auc}, not {near_zero}"
        );
    }
}

/// A directory with a model of numbers from -20 to 39, read in all ways.
static TRAINED: LazyLock<PathBuf> = LazyLock::new(|| {
    let directory = shared_directory();
    fs::write(directory.join("log.csv"), log(-20, 1)).expect("written");
    write_config(&directory, &ENCODINGS);
    succeed(&directory, &TRAIN);
    directory
});

fn write_rows(at: &Path, cells: &[&str]) -> PathBuf {
    let rows = cells.iter().map(|cell| format!("1,{cell}\n"));
    let path = at.join("new.csv");
    fs::write(&path, format!("click,n\n{}", rows.collect::<String>())).expect("written");
    path
}

#[test]
fn numbers_beyond_those_of_training_score_as_the_nearest_of_them() {
    let directory = scratch();
    let at = directory.path();
    let run = TRAINED.join("run");
    let cells = [
        "-20",
        "-21",
        "-1e9",
        "-1e300",
        "39",
        "40",
        "1500000000",
        "1e39",
        "1e300",
    ];
    write_rows(at, &cells);
    let predict = [
        "predict",
        text(&run),
        "--data",
        "new.csv",
        "-o",
        "scores.csv",
    ];
    succeed(at, &predict);
    let scores = scores(&at.join("scores.csv"));
    assert_eq!(scores[..4], [scores[0]; 4]);
    assert_eq!(scores[4..], [scores[4]; 5]);
    assert_ne!(scores[0], scores[4]);
}

const NO_NUMBERS: [&str; 4] = ["inf", "-Infinity", "1e999", "abc"];

#[test]
fn a_cell_that_is_not_a_number_is_told_with_two_ways_out() {
    let directory = scratch();
    let at = directory.path();
    let run = TRAINED.join("run");
    for cell in NO_NUMBERS {
        write_rows(at, &["7", cell]);
        let told = format!(
            "new.csv:3, column `n`: expected a number, but the cell is `{cell}`; if it means \
             \"no value\", list it in `missing`\nhint: `--on-bad-row skip` drops malformed rows \
             and counts them; `--missing {cell}` takes such cells as missing"
        );
        let data = ["--data", "new.csv"];
        let predict = ["predict", text(&run), "-o", "scores.csv"];
        fail(at, &[&predict[..], &data].concat(), 1, &told);
        fail(
            at,
            &[&["evaluate", text(&run)], &data[..]].concat(),
            1,
            &told,
        );
        assert_eq!(entries(at), ["new.csv"]);
    }
}

#[test]
fn training_tells_a_cell_that_is_not_a_number_too() {
    let directory = scratch();
    let at = directory.path();
    write_config(at, &["quantile"]);
    for cell in NO_NUMBERS {
        fs::write(at.join("log.csv"), log(0, 1) + &format!("1,{cell}\n")).expect("written");
        let says = format!("log.csv:1002, column `n`: expected a number, but the cell is `{cell}`");
        fail(at, &[&TRAIN[..5], &["--force"]].concat(), 1, &says);
        let hint = format!(
            "hint: `--on-bad-row skip` drops malformed rows and counts them; `missing = [\"{cell}\"]` in the \
             field's section of the run file takes such cells as missing"
        );
        fail(at, &[&TRAIN[..5], &["--force"]].concat(), 1, &hint);
        let skip = [
            &TRAIN[..4],
            &["--no-cache", "--json", "--force", "--on-bad-row", "skip"],
        ]
        .concat();
        let report = json(&succeed(at, &skip));
        assert_eq!(report["train_rows"], 1000, "{report}");
    }
}

#[test]
fn predict_skips_cells_that_are_not_numbers() {
    let directory = scratch();
    let at = directory.path();
    let run = TRAINED.join("run");
    write_rows(at, &["7", "inf", "abc", "1e300", "", "8"]);
    let predict = [
        "predict",
        text(&run),
        "--data",
        "new.csv",
        "-o",
        "scores.csv",
    ];
    let skip = ["--on-bad-row", "skip", "--carry", "n"];
    let output = fibinet(at, &[&predict[..], &skip].concat());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert!(
        stderr.contains("new.csv:3, column `n`: expected a number"),
        "{stderr}"
    );
    let scored = fs::read_to_string(at.join("scores.csv")).expect("scores");
    let carried = scored.lines().skip(1).map(|line| line.split(',').next());
    assert_eq!(
        carried.flatten().collect::<Vec<_>>(),
        ["7", "1e300", "", "8"]
    );
}

#[test]
fn predict_takes_cells_as_no_value_that_are_named_as_such() {
    let directory = scratch();
    let at = directory.path();
    let run = TRAINED.join("run");
    write_rows(at, &["inf", "", "abc"]);
    let predict = [
        "predict",
        text(&run),
        "--data",
        "new.csv",
        "-o",
        "scores.csv",
    ];
    succeed(at, &[&predict[..], &["--missing", "inf,abc"]].concat());
    let scores = scores(&at.join("scores.csv"));
    assert_eq!(scores, [scores[0]; 3]);
}

/// The share of a field's cells that is out of range, for every field.
fn out_of_range(fields: &Value) -> Vec<f64> {
    let fields = fields.as_array().expect("fields");
    let shares = fields.iter().map(|field| number(field, "out_of_range"));
    shares.collect()
}

#[test]
fn numbers_out_of_range_are_counted_and_warned_of() {
    let directory = scratch();
    let at = directory.path();
    let run = TRAINED.join("run");
    write_rows(at, &["-20", "0", "39", "1e300", "-1e9", "-1", "0.5", "7"]);
    let data = ["--data", "new.csv", "--json"];
    for command in [
        &["evaluate", text(&run)][..],
        &["predict", text(&run), "-o", "scores.csv"],
    ] {
        let (report, stderr) = report_and_stderr(at, &[command, &data].concat());
        assert_eq!(
            out_of_range(&report["fields"]),
            [0.25; ENCODINGS.len()],
            "{command:?}"
        );
        let expected = "warning: `f0`: 25% of 8 cells are out of range (0% in the validation rows); training had numbers from -20 to 39; this file has `1e300`";
        assert!(stderr.contains(expected), "{stderr}");
    }
}

#[test]
fn numbers_out_of_range_of_other_splits_are_counted() {
    let directory = scratch();
    let at = directory.path();
    write_config(at, &ENCODINGS);
    let config = fs::read_to_string(at.join("run.toml")).expect("a run file");
    let by_order = "split = { by = 'order', valid = 0.2, test = 0.2 }";
    let config = config.replace("valid = 'log.csv'", by_order);
    fs::write(at.join("run.toml"), config).expect("written");
    let rows = (0..100).map(|row| {
        let number = match row {
            0..60 => row,
            60..70 => 1_000,
            70..90 => 30,
            _ => -1_000_000,
        };
        format!("{},{number}\n", row % 2)
    });
    fs::write(
        at.join("log.csv"),
        format!("click,n\n{}", rows.collect::<String>()),
    )
    .expect("written");
    let report = json(&succeed(at, &TRAIN));
    assert_eq!(
        out_of_range(&report["fields"]["valid"]),
        [0.5; ENCODINGS.len()]
    );
    assert_eq!(
        out_of_range(&report["fields"]["test"]),
        [0.5; ENCODINGS.len()]
    );
}
