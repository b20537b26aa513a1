//! Logs that are missing, empty or malformed: the message, the files left behind, and the rows that are
//! skipped on request.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use serde_json::Value;

use crate::cli::adult::{ADULT_RUN, adult_rows};
use crate::cli::small::{TRAIN, small_config, small_log, trained_directory};
use crate::cli::{entries, fail, json, scratch, shared_directory, succeed, text};

/// Training on a file of these bytes must fail and leave nothing.
#[track_caller]
fn training_fails(name: &str, bytes: Option<&[u8]>, code: i32, says: &str) {
    let directory = scratch();
    let at = directory.path();
    if let Some(bytes) = bytes {
        fs::write(at.join(name), bytes).expect("written");
    }
    fs::write(at.join("run.toml"), small_config(name, "")).expect("written");
    let before = entries(at);
    fail(at, &TRAIN, code, says);
    assert_eq!(entries(at), before);
}

/// Training on 60 good rows and a malformed one must fail.
#[track_caller]
fn row_fails(name: &str, row: &str, says: &str) {
    training_fails(name, Some(small_log(row).as_bytes()), 1, says);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    training_fails("none.csv", None, 1, "none.csv: No such file");
}

#[test]
fn an_empty_file_has_no_rows() {
    let says = "empty.csv: the file has no rows";
    training_fails("empty.csv", Some(b""), 1, says);
}

#[test]
fn a_header_alone_has_no_rows() {
    let says = "header.csv: the file has no rows";
    training_fails("header.csv", Some(b"click,site,age\n"), 1, says);
}

#[test]
fn a_label_column_that_is_not_there_gets_the_nearest_name() {
    let log = b"clicks,site,age\n1,a,2\n";
    let says = "no column `click`, did you mean `clicks`?";
    training_fails("unlabelled.csv", Some(log), 2, says);
}

#[test]
fn a_label_other_than_0_or_1_is_reported_with_its_line() {
    let says = "label.csv:62, column `click`: a label must be 0 or 1, but is `2`";
    row_fails("label.csv", "2,s1,3\n", says);
}

#[test]
fn a_row_of_too_many_cells_is_reported_with_its_line() {
    row_fails(
        "wide.csv",
        "1,s1,3,4\n",
        "wide.csv:62: expected 3 cells, got 4",
    );
}

#[test]
fn a_row_of_too_few_cells_is_reported_with_its_line() {
    row_fails(
        "narrow.csv",
        "1,s1\n",
        "narrow.csv:62: expected 3 cells, got 2",
    );
}

#[test]
fn a_cell_that_is_not_a_number_is_reported_with_its_line() {
    let says = "number.csv:62, column `age`: expected a number";
    row_fails("number.csv", "1,s1,old\n", says);
}

#[test]
fn a_cell_in_latin_1_is_reported_with_its_line() {
    let latin = [small_log("").as_bytes(), b"1,caf\xe9,3\n"].concat();
    let says = "latin.csv:62, column `site`: the cell is not UTF-8";
    training_fails("latin.csv", Some(&latin), 1, says);
}

#[test]
fn a_file_in_utf_16_is_refused_by_its_header() {
    // As spreadsheets write it.
    let units = small_log("");
    let bytes: Vec<u8> = units.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let wide = [&[0xff, 0xfe][..], &bytes].concat();
    training_fails("wide.csv", Some(&wide), 1, "the header is not UTF-8");
    training_fails("wide.csv", Some(&wide), 1, "iconv -f UTF-16 -t UTF-8");
}

#[test]
fn a_header_in_latin_1_is_refused_with_what_to_do() {
    let latin = b"click,caf\xe9\n1,a\n";
    training_fails("latin.csv", Some(latin), 1, "iconv -f LATIN1 -t UTF-8");
}

#[test]
fn a_zip_archive_is_refused_with_what_to_do() {
    let zip = b"PK\x03\x04\x14\x00\x00\x00\x08\x00";
    let says =
        "log.zip: the file is a zip archive or a workbook (.xlsx), which cannot be read; unpack it";
    training_fails("log.zip", Some(zip), 1, says);
}

#[test]
fn an_address_is_refused_with_what_to_do() {
    let says = "s3://bucket/log.csv: only files of this machine are read";
    training_fails("s3://bucket/log.csv", None, 2, says);
}

#[test]
fn a_run_on_standard_input_is_refused_in_words() {
    training_fails(
        "-",
        None,
        2,
        "standard input, `-`, cannot be trained on: save it to a file",
    );
}

#[test]
fn a_cell_in_utf_8_is_read_in_any_script() {
    let directory = scratch();
    let at = directory.path();
    let log = small_log("1,caf\u{e9} \u{5317}\u{4eac} \u{1f600}\u{7f}\u{0},3\n");
    fs::write(at.join("log.csv"), log).expect("written");
    fs::write(at.join("run.toml"), small_config("log.csv", "")).expect("written");
    succeed(at, &TRAIN);
}

/// Scoring a file with the small run must fail and write no scores.
#[track_caller]
fn scoring_fails(name: &str, log: &str, code: i32, says: &str) {
    let directory = trained_directory();
    let at = directory.path();
    fs::write(at.join(name), log).expect("written");
    let before = entries(at);
    let predict = ["predict", "run", "-o", "out.csv", "--data", name];
    fail(at, &predict, code, says);
    assert_eq!(entries(at), before);
}

#[test]
fn a_malformed_row_to_score_is_reported_with_its_line() {
    scoring_fails("number.csv", &small_log("1,s1,old\n"), 1, "number.csv:62");
}

#[test]
fn a_column_that_scoring_lacks_is_named() {
    scoring_fails("columns.csv", "click,age\n1,2\n", 2, "no column `site`");
}

/// A log of 300 rows, two of them malformed; the run file of its good rows; and a run that skipped the
/// malformed ones.
struct Skipped {
    directory: PathBuf,
    report: Value,
}

const FAILING: [&str; 8] = [
    "train",
    "fibinet.toml",
    "--out",
    "run",
    "--json",
    "--set",
    "train.epochs=1",
    "data.train=log.csv",
];

fn write_skipped(directory: &Path) {
    let rows: String = (0..300)
        .map(|i| match i {
            100 => "1,s1\n".to_owned(),
            200 => "maybe,s1,3\n".to_owned(),
            _ => format!("{},s{},{}\n", i * 7 % 3 / 2, i % 5, i * 31 % 97),
        })
        .collect();
    let good: String = rows
        .lines()
        .filter(|row| row.split(',').count() == 3 && !row.starts_with("maybe"))
        .map(|row| format!("{row}\n"))
        .collect();
    for (name, rows) in [("log.csv", rows), ("good.csv", good)] {
        let text = format!("click,site,age\n{rows}");
        fs::write(directory.join(name), text).expect("written");
    }
    succeed(directory, &["init", "good.csv", "--label", "click"]);
}

static SKIPPED: LazyLock<Skipped> = LazyLock::new(|| {
    let directory = shared_directory();
    write_skipped(&directory);
    let skip = ["--on-bad-row", "skip"];
    let args = [&FAILING[..2], &skip, &FAILING[2..]].concat();
    let report = json(&succeed(&directory, &args));
    Skipped { directory, report }
});

#[test]
fn training_ends_at_a_malformed_row_unless_asked_to_skip_it() {
    let directory = scratch();
    let at = directory.path();
    write_skipped(at);
    fail(at, &FAILING, 1, "log.csv:102: expected 3 cells, got 2");
}

#[test]
fn training_skips_malformed_rows_and_counts_them() {
    let report = &SKIPPED.report;
    let rows = |split: &str| report[split]["rows"].as_u64().expect("rows");
    let train_rows = report["train_rows"].as_u64().expect("rows");
    assert_eq!(rows("valid") + rows("test") + train_rows, 298);
    assert_eq!(report["left_out"]["bad_rows"], 2);
}

const EVALUATE: [&str; 5] = ["evaluate", "run", "--data", "log.csv", "--json"];

#[test]
fn evaluate_ends_at_a_malformed_row_unless_asked_to_skip_it() {
    fail(&SKIPPED.directory, &EVALUATE, 1, "log.csv:102");
}

#[test]
fn a_malformed_row_comes_with_a_hint_of_the_flag_that_skips_it() {
    fail(&SKIPPED.directory, &EVALUATE, 1, "`--on-bad-row skip`");
}

#[test]
fn evaluate_skips_malformed_rows() {
    let skip = [&EVALUATE[..], &["--on-bad-row", "skip"]].concat();
    assert_eq!(json(&succeed(&SKIPPED.directory, &skip))["rows"], 298);
}

#[test]
fn predict_skips_malformed_rows_and_reads_no_labels() {
    let directory = scratch();
    let output = directory.path().join("out.csv");
    let predict = ["predict", "run", "--data", "log.csv", "-o", text(&output)];
    let skip = ["--on-bad-row", "skip", "--carry", "age"];
    succeed(&SKIPPED.directory, &[&predict[..], &skip].concat());
    // A header, and every row that is wide enough.
    let scores = fs::read_to_string(output).expect("scores");
    assert_eq!(scores.lines().count(), 300);
}

#[test]
fn a_pipe_is_read_to_its_end_past_malformed_rows() {
    let directory = scratch();
    let at = directory.path();
    let adult = adult_rows();
    let mut lines: Vec<&str> = adult.lines().collect();
    lines.insert(3, "1,of another width");
    let log: String = std::iter::repeat_n(&lines[1..], 20)
        .flatten()
        .map(|line| format!("{line}\n"))
        .collect();
    fs::write(at.join("log.csv"), format!("{}\n{log}", lines[0])).expect("written");
    let mut cat = Command::new("cat")
        .arg(at.join("log.csv"))
        .stdout(Stdio::piped())
        .spawn()
        .expect("cat runs");
    let pipe = cat.stdout.take().expect("a pipe");
    let mut piped = evaluate_skipping(at, "/dev/stdin", pipe.into());
    cat.wait().expect("cat ends");
    let mut read = evaluate_skipping(at, "log.csv", Stdio::null());
    assert_eq!(piped["left_out"]["bad_rows"], 20);
    assert_eq!(piped["rows"], 20 * 2600);
    let first = |report: &mut Value| report["left_out"]["first_bad_row"].take().to_string();
    assert!(first(&mut read).contains("log.csv:4: expected 15 cells, got 2"));
    assert!(first(&mut piped).contains("/dev/stdin:4: expected 15 cells, got 2"));
    assert_eq!(piped, read);
}

#[test]
fn standard_input_is_evaluated_past_malformed_rows() {
    let directory = scratch();
    let log = adult_rows() + "1,of another width\n";
    fs::write(directory.path().join("log.csv"), log).expect("written");
    let input = fs::File::open(directory.path().join("log.csv")).expect("a log");
    let report = evaluate_skipping(directory.path(), "-", input.into());
    assert_eq!(report["rows"], 2600);
    let first = report["left_out"]["first_bad_row"].to_string();
    assert!(
        first.contains("standard input:2602: expected 15 cells, got 2"),
        "{first}"
    );
}

fn evaluate_skipping(at: &Path, data: &str, input: Stdio) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fibinet"));
    command.current_dir(at).stdin(input);
    let skip = ["--json", "--on-bad-row", "skip", "--data", data];
    command.arg("evaluate").arg(ADULT_RUN.bundle()).args(skip);
    let output = command.output().expect("the binary runs");
    json(&String::from_utf8(output.stdout).expect("UTF-8"))
}

/// A command that skips every row of its file must fail with the error of the first row.
#[track_caller]
fn no_row_is_left(command: &str, more: &[&str]) {
    let directory = scratch();
    let at = directory.path();
    let adult = adult_rows();
    let header = adult.lines().next().expect("a header");
    fs::write(at.join("bad.csv"), format!("{header}\nx\ny\n")).expect("written");
    let bundle = ADULT_RUN.bundle();
    let skip = ["--data", "bad.csv", "--on-bad-row", "skip"];
    fail(
        at,
        &[&[command, text(&bundle)], &skip[..], more].concat(),
        1,
        "bad.csv: every row is malformed; the first: bad.csv:2: expected 15 cells, got 1",
    );
    assert_eq!(entries(at), ["bad.csv"]);
}

#[test]
fn evaluate_fails_where_no_row_can_be_read() {
    no_row_is_left("evaluate", &[]);
}

#[test]
fn predict_fails_where_no_row_can_be_read() {
    no_row_is_left("predict", &["--carry", "age", "-o", "x.csv"]);
}
