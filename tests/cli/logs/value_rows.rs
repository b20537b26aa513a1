//! A log with a column of values, a small model of it, and what rows with other values score.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::cli::report_and_stderr;

pub(super) const ROWS: u64 = 1200;

/// A draw of a row, from 0 to less than `below`.
pub(super) fn drawn(row: u64, below: u64) -> u64 {
    ((row * 2_654_435_761) >> 7) % below
}

/// A run file for the rows of `train.csv`, with these settings of the field of `value`.
pub(super) fn write_run_file(at: &Path, settings: &str) {
    let text = format!(
        "[data]\ntrain = 'train.csv'\nlabel = 'click'\nsplit = {{ valid = 0.2, test = 0.2 }}\n\
         [[data.fields]]\nname = 'site'\nkind = 'categorical'\n\
         [[data.fields]]\nname = 'value'\n{settings}\n\
         [model]\nembedding_dim = 4\nhidden_units = [8]\n[train]\nepochs = 1\nbatch_size = 64\n"
    );
    fs::write(at.join("run.toml"), text).expect("written");
}

/// A file of rows with these values. Clicks follow from them.
pub(super) fn write_rows(at: &Path, name: &str, value: impl Fn(u64) -> String) {
    let mut text = "click,site,value\n".to_owned();
    for row in 0..ROWS {
        let value = value(row);
        let sum: u64 = value.bytes().map(u64::from).sum();
        let click = u64::from(drawn(row, 10) + sum % 5 > 6);
        text += &format!("{click},s{},\"{value}\"\n", drawn(row + 3, 7));
    }
    fs::write(at.join(name), text).expect("written");
}

/// Trains on rows with these values, and gives the report and stderr.
#[track_caller]
pub(super) fn train(at: &Path, settings: &str, value: impl Fn(u64) -> String) -> (Value, String) {
    write_run_file(at, settings);
    write_rows(at, "train.csv", value);
    report_and_stderr(
        at,
        &[
            "train",
            "run.toml",
            "--out",
            "run",
            "--no-cache",
            "--force",
            "--json",
        ],
    )
}

/// The scores of rows with these values of one site, the report of their cells, and stderr.
#[track_caller]
pub(super) fn predict(at: &Path, values: &[&str], more: &[&str]) -> (Vec<String>, Value, String) {
    let rows: String = values
        .iter()
        .map(|value| format!("s1,\"{value}\"\n"))
        .collect();
    fs::write(at.join("new.csv"), format!("site,value\n{rows}")).expect("written");
    let args = [
        "predict",
        "run",
        "--data",
        "new.csv",
        "-o",
        "scores.csv",
        "--json",
    ];
    let (report, stderr) = report_and_stderr(at, &[&args[..], more].concat());
    let scores = fs::read_to_string(at.join("scores.csv")).expect("scores");
    let scores = scores.lines().skip(1).map(str::to_owned).collect();
    (scores, report["fields"][1].clone(), stderr)
}

/// Asserts that these spellings score alike, and that each other value scores otherwise.
#[track_caller]
pub(super) fn assert_alike(at: &Path, alike: &[&str], others: &[&str]) {
    let (scores, ..) = predict(at, alike, &[]);
    assert!(
        scores.iter().all(|score| *score == scores[0]),
        "{alike:?}: {scores:?}"
    );
    let (of_others, ..) = predict(at, others, &[]);
    for (other, score) in others.iter().zip(of_others) {
        assert_ne!(score, scores[0], "{other} beside {alike:?}");
    }
}
