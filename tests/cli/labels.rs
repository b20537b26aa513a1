//! Labels that are not 0 and 1: `init` and `train` name the setting that reads them.

use std::fs;
use std::path::Path;

use super::small::{TRAIN, small_config};
use super::{entries, fail, fibinet, scratch, succeed};

/// Writes a log whose labels take turns.
fn write_log(at: &Path, labels: &[&str]) {
    let labels = labels.iter().cycle().take(300);
    let rows: String = labels
        .enumerate()
        .map(|(i, label)| format!("{label},s{},{}\n", i * 7 % 5, i * 31 % 97))
        .collect();
    fs::write(at.join("log.csv"), format!("click,site,age\n{rows}")).expect("written");
}

const INIT: [&str; 4] = ["init", "log.csv", "--label", "click"];

/// `init` on such labels must fail, name the values and this argument, and write nothing.
#[track_caller]
fn init_asks_for(labels: &[&str], argument: &str) {
    let directory = scratch();
    let at = directory.path();
    write_log(at, labels);
    fail(at, &INIT, 2, argument);
    fail(at, &INIT, 2, &format!("`{}` (", labels[0]));
    // However malformed rows are taken: these rows are not malformed, but spelled otherwise.
    let skip = [&INIT[..], &["--on-bad-row", "skip"]].concat();
    fail(at, &skip, 2, argument);
    assert_eq!(entries(at), ["log.csv"]);
}

#[test]
fn init_names_the_argument_for_words() {
    init_asks_for(&["yes", "no", "no"], "--positive yes;");
}

#[test]
fn init_names_the_argument_for_true_and_false() {
    init_asks_for(&["False", "True", "False"], "--positive True;");
}

#[test]
fn init_names_the_argument_for_the_numbers_1_and_2() {
    init_asks_for(&["1", "1", "2"], "--positive 2;");
}

#[test]
fn init_guesses_no_argument_where_none_is_likely() {
    init_asks_for(&["<=50K", ">50K"], "--positive VALUE;");
}

#[test]
fn the_argument_that_init_names_makes_a_run_file_that_trains() {
    let directory = scratch();
    let at = directory.path();
    write_log(at, &["yes", "no", "no"]);
    succeed(at, &[&INIT[..], &["--positive", "yes"]].concat());
    let small = ["--set", "train.epochs=1", "model.hidden_units=[4]"];
    let train = ["train", "fibinet.toml", "--out", "run"];
    succeed(at, &[&train[..], &small].concat());
}

#[test]
fn one_odd_label_among_many_is_a_malformed_row() {
    let directory = scratch();
    let at = directory.path();
    write_log(at, &["1", "0"]);
    let log = fs::read_to_string(at.join("log.csv")).expect("a log");
    fs::write(at.join("log.csv"), log + "maybe,s1,3\n").expect("written");
    let output = fibinet(at, &INIT);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let says = "note: training will refuse log.csv:302, column `click`";
    assert!(stderr.contains(says), "{stderr}");
}

#[test]
fn rows_without_a_label_are_malformed_and_no_spelling() {
    let directory = scratch();
    let at = directory.path();
    write_log(at, &["1", "0", "NA"]);
    let output = fibinet(at, &INIT);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let says = "note: training will refuse log.csv:4, column `click`";
    assert!(stderr.contains(says), "{stderr}");
}

#[test]
fn labels_of_1_and_0_with_a_point_are_labels() {
    let directory = scratch();
    write_log(directory.path(), &["1.0", "0.0"]);
    succeed(directory.path(), &INIT);
}

#[test]
fn init_notes_a_positive_value_that_no_row_has() {
    let directory = scratch();
    let at = directory.path();
    write_log(at, &["yes", "no", "no"]);
    let output = fibinet(at, &[&INIT[..], &["--positive", "Yes"]].concat());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let says = "note: none of the 300 rows read has `Yes` in `click`";
    assert!(stderr.contains(says), "{stderr}");
    assert!(
        stderr.contains("`no` (200 rows), `yes` (100 rows)"),
        "{stderr}"
    );
}

#[test]
fn training_names_the_key_and_the_values() {
    let directory = scratch();
    let at = directory.path();
    write_log(at, &["yes", "no", "no"]);
    let config = small_config("log.csv", "");
    fs::write(at.join("run.toml"), config).expect("written");
    let says = "log.csv:2, column `click`: a label must be 0 or 1, but is `yes`; the column has `no` (200 rows), \
        `yes` (100 rows)\nhint: set `data.positive` to the cell that means a click, as in positive = \"yes\"; \
        `--on-bad-row skip` drops malformed rows and counts them\n";
    fail(at, &TRAIN, 1, says);
}
