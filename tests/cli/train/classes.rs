//! Splits of one class, and the clicks of each split.

use std::fs;
use std::path::Path;

use crate::cli::small::{TRAIN, small_config, small_directory};
use crate::cli::{entries, fail, history, report_and_stderr, scratch};

/// Writes a log of 60 rows, whose clicks are those that `is_click` names by row number, and a run file that
/// trains on the first 40 rows, validates on the next 10 and tests on the last 10.
fn write_split(at: &Path, is_click: impl Fn(usize) -> bool) {
    let rows: String = (0..60)
        .map(|i| format!("{},s{},{i}\n", u8::from(is_click(i)), i % 5))
        .collect();
    fs::write(at.join("log.csv"), format!("click,site,age\n{rows}")).expect("written");
    let split = "split = { by = \"order\", valid = 0.16666, test = 0.16666 }";
    let config = small_config("log.csv", "").replace("split = { valid = 0.3 }", split);
    fs::write(at.join("run.toml"), config).expect("written");
}

/// Training on such a log must fail and leave nothing.
#[track_caller]
fn training_is_refused(is_click: impl Fn(usize) -> bool, says: &str) {
    let directory = scratch();
    write_split(directory.path(), is_click);
    fail(directory.path(), &TRAIN, 1, says);
    assert_eq!(entries(directory.path()), ["log.csv", "run.toml"]);
}

#[test]
fn training_rows_without_a_click_end_training() {
    let says = "the training rows are of one class: 0 clicks in 40 rows";
    training_is_refused(|row| row >= 40 && row % 2 == 0, says);
}

#[test]
fn validation_rows_that_are_all_clicks_end_training() {
    let says = "the validation rows are of one class: 10 clicks in 10 rows";
    training_is_refused(|row| row % 2 == 0 || (40..50).contains(&row), says);
}

#[test]
fn test_rows_of_one_class_draw_a_remark() {
    let directory = scratch();
    let at = directory.path();
    write_split(at, |row| row % 2 == 0 && row < 50);
    let (report, stderr) = report_and_stderr(at, &[&TRAIN[..], &["--json"]].concat());
    let says = "note: the test rows are of one class (0 clicks in 10 rows)";
    assert!(stderr.contains(says), "{stderr}");
    assert_eq!(report["test"]["clicks"], 0);
}

#[test]
fn the_clicks_of_each_split_are_shown_before_training() {
    let directory = scratch();
    let at = directory.path();
    write_split(at, |row| row % 4 == 0);
    let (report, stderr) = report_and_stderr(at, &[&TRAIN[..], &["--json"]].concat());
    let counts =
        "40 training rows (10 clicks), 10 validation rows (3 clicks), 10 test rows (2 clicks)";
    let shown = stderr.find(counts);
    assert!(shown.is_some() && shown < stderr.find("epoch"), "{stderr}");
    assert_eq!(report["train_clicks"], 10);
    assert_eq!(report["valid"]["clicks"], 3);
    assert_eq!(report["test"]["clicks"], 2);
    assert_eq!(history(&at.join("run"))[0]["valid"]["clicks"], 3);
}

#[test]
fn a_positive_value_that_no_row_has_ends_training_with_the_key() {
    let directory = small_directory();
    let at = directory.path();
    let args = [&TRAIN[..], &["--set", "data.positive=yess"]].concat();
    let says = "no cell of `click` is `yess`, which `data.positive` says is a click";
    fail(at, &args, 1, says);
}
