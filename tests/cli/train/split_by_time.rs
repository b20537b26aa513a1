//! Splits by the rows' times.

use std::fs;
use std::path::Path;

use crate::cli::{fail, fibinet, json, scratch, succeed};

/// Writes a log of 400 rows in no order, whose times are an hour apart and whose clicks end in the last month.
fn write_log(at: &Path) {
    let rows: String = (0..400)
        .map(|i| i * 151 % 400)
        .map(|i| {
            let (day, hour) = (i / 24 + 1, i % 24);
            let click = u8::from(i % 3 == 0);
            format!("{click},s{},2024-03-{day:02} {hour:02}:00:00\n", i % 5)
        })
        .collect();
    fs::write(at.join("log.csv"), format!("click,site,seen_at\n{rows}")).expect("written");
}

const INIT: [&str; 4] = ["init", "log.csv", "--label", "click"];
const BY_TIME: &str = "data.split={ by = \"time\", column = \"seen_at\", valid = 0.1, test = 0.1 }";
const SMALL: [&str; 3] = [
    "train.epochs=1",
    "model.embedding_dim=2",
    "model.hidden_units=[4]",
];

#[test]
fn the_latest_rows_are_tested_on() {
    let directory = scratch();
    let at = directory.path();
    write_log(at);
    succeed(at, &INIT);
    let train = [
        "train",
        "fibinet.toml",
        "--out",
        "run",
        "--json",
        "--set",
        BY_TIME,
    ];
    let report = json(&succeed(at, &[&train[..], &SMALL].concat()));
    assert_eq!(report["train_rows"], 320);
    // Rows 320 to 359 and 360 to 399 in the order of time; every third is a click.
    assert_eq!(
        (&report["valid"]["rows"], &report["valid"]["clicks"]),
        (&40.into(), &13.into())
    );
    assert_eq!(
        (&report["test"]["rows"], &report["test"]["clicks"]),
        (&40.into(), &14.into())
    );
}

#[test]
fn another_column_prepares_the_rows_anew() {
    let directory = scratch();
    let at = directory.path();
    write_log(at);
    succeed(at, &INIT);
    let prepare = |split: &str| {
        let set = format!("data.split={{ by = \"time\", column = \"seen_at\", {split} }}");
        let prepare = ["prepare", "fibinet.toml", "--json", "--set", &set];
        json(&succeed(at, &prepare))
    };
    let first = prepare("valid = 0.1, test = 0.1");
    assert_eq!(prepare("valid = 0.1, test = 0.1")["reused"], true);
    let format = prepare("format = \"%Y-%m-%d %H:%M:%S\", valid = 0.1, test = 0.1");
    assert_eq!(format["reused"], false);
    assert_eq!(format["train_rows"], first["train_rows"]);
    assert_eq!(prepare("valid = 0.2, test = 0.1")["train_rows"], 280);
}

#[test]
fn init_notes_that_a_random_split_looks_ahead() {
    let directory = scratch();
    let at = directory.path();
    write_log(at);
    let output = fibinet(at, &INIT);
    let stderr = String::from_utf8_lossy(&output.stderr);
    let setting = "{ by = \"time\", column = \"seen_at\", valid = 0.1, test = 0.1 }";
    assert!(
        stderr.contains("a random split trains on rows that are later"),
        "{stderr}"
    );
    assert!(stderr.contains(&format!("split = {setting}")), "{stderr}");
    let run_file = fs::read_to_string(at.join("fibinet.toml")).expect("a run file");
    let split = run_file.lines().find(|line| line.starts_with("split"));
    assert!(
        split.is_some_and(|split| split.contains(setting)),
        "{run_file}"
    );
}

#[test]
fn init_notes_nothing_about_a_split_by_files() {
    let directory = scratch();
    let at = directory.path();
    write_log(at);
    let output = fibinet(at, &[&INIT[..], &["--valid", "log.csv"]].concat());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && !stderr.contains("random split"),
        "{stderr}"
    );
}

#[test]
fn a_row_without_a_time_is_malformed() {
    let directory = scratch();
    let at = directory.path();
    write_log(at);
    succeed(at, &INIT);
    let log = fs::read_to_string(at.join("log.csv")).expect("a log");
    fs::write(at.join("log.csv"), log + "1,s1,\n").expect("written");
    let prepare = ["prepare", "fibinet.toml", "--set", BY_TIME];
    fail(
        at,
        &prepare,
        1,
        "log.csv:402, column `seen_at`: the split goes by time",
    );
    let skip = [&prepare[..], &["data.on_bad_row=skip", "--json"]].concat();
    let report = json(&succeed(at, &skip));
    assert_eq!(report["left_out"]["bad_rows"], 1);
}
