//! The command, through the real binary: one file or folder per subcommand, and one per subject that
//! several subcommands share.

mod adult;
mod bundles;
mod devices;
mod earlier;
mod evaluate;
mod generate;
mod init;
mod inspect;
mod labels;
mod leaks;
mod logs;
mod models;
mod predict;
mod prepare;
mod settings;
mod small;
mod synth;
mod train;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;

/// A sample of the UCI Adult data: a header, then 2,600 rows whose first cell is the label.
const ADULT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/adult_2600.csv");

fn fibinet(directory: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fibinet"));
    command.current_dir(directory).env_remove("BURN_DEVICE");
    command.args(args).output().expect("the binary runs")
}

/// What a command that must succeed writes to stdout.
#[track_caller]
fn succeed(directory: &Path, args: &[&str]) -> String {
    let output = fibinet(directory, args);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {stderr}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// What a command that must succeed writes to stdout with `--json`, and what to stderr.
#[track_caller]
fn report_and_stderr(directory: &Path, args: &[&str]) -> (Value, String) {
    let output = fibinet(directory, args);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{args:?}: {stderr}");
    let stdout = String::from_utf8(output.stdout).expect("UTF-8");
    (json(&stdout), stderr)
}

/// Runs a command that must fail with this code and say this, without a panic.
#[track_caller]
fn fail(directory: &Path, args: &[&str], code: i32, says: &str) {
    let output = fibinet(directory, args);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains(says), "{args:?}: {stderr}");
    assert!(!stderr.contains("panicked"), "{args:?}: {stderr}");
    assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{args:?}");
}

/// Runs a command whose stdout is closed: that succeeds, without an error message.
#[track_caller]
fn closed_pipe(directory: &Path, args: &[&str]) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_fibinet"));
    command.current_dir(directory).env_remove("BURN_DEVICE");
    let command = command.args(args).stdout(writer);
    let output = command.output().expect("the binary runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {stderr}");
    // Graphics drivers have messages of their own, about a desktop that is not there.
    let is_ours = |line: &&str| !line.contains("XDG_RUNTIME_DIR");
    for line in stderr.lines().filter(is_ours) {
        for word in ["error", "panicked", "pipe"] {
            assert!(!line.contains(word), "{args:?}: {stderr}");
        }
    }
}

#[track_caller]
fn json(text: &str) -> Value {
    assert_eq!(text.lines().count(), 1, "one object on one line: {text}");
    serde_json::from_str(text).expect("JSON")
}

/// A number of a report.
#[track_caller]
fn number(report: &Value, key: &str) -> f64 {
    let value = report[key].as_f64();
    value.unwrap_or_else(|| panic!("`{key}` is not a number in {report}"))
}

/// The evaluations of a run, one per line of its history.
fn history(run: &Path) -> Vec<Value> {
    let history = fs::read_to_string(run.join("history.jsonl")).expect("a history");
    history.lines().map(json).collect()
}

/// The names in a directory, except for the cache of encoded rows.
fn entries(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("a directory");
    let mut names: Vec<String> = entries
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("UTF-8")
        })
        .filter(|name| name != ".fibinet-cache")
        .collect();
    names.sort_unstable();
    names
}

/// A directory of a test's own, removed when the test ends.
fn scratch() -> tempfile::TempDir {
    tempfile::tempdir().expect("a directory")
}

/// A directory for files that several tests read and no test changes. It outlives the process, because
/// statics are not dropped. A later run removes it.
fn shared_directory() -> PathBuf {
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli");
    fs::create_dir_all(&parent).expect("made");
    for entry in fs::read_dir(&parent).expect("a directory").flatten() {
        let age = entry.metadata().and_then(|entry| entry.modified());
        let age = age.ok().and_then(|modified| modified.elapsed().ok());
        if age.is_some_and(|age| age > Duration::from_secs(3600)) {
            // Another process may remove it first.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    tempfile::tempdir_in(&parent).expect("a directory").keep()
}

/// A copy of a directory of files and directories, to change.
fn copy_directory(from: &Path, to: &Path) {
    fs::create_dir(to).expect("made");
    for entry in fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy_directory(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("copied");
        }
    }
}

/// A path that the tests made, which is UTF-8.
fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// The metrics of a run of one epoch, with nothing else edited.
fn one_epoch(directory: &Path, config: &str, out: &str) -> Value {
    let args = ["train", config, "--out", out, "--json"];
    json(&succeed(
        directory,
        &[&args[..], &["--set", "train.epochs=1"]].concat(),
    ))
}

/// The scores in the last column of a CSV file.
fn scores(path: &Path) -> Vec<f32> {
    let scores = fs::read_to_string(path).expect("scores");
    let last = |line: &str| line.rsplit(',').next().expect("a cell").parse();
    let lines = scores.lines().skip(1);
    lines.map(|line| last(line).expect("a number")).collect()
}

/// The AUC of scores of rows whose label is their first cell, a digit.
fn auc_of(scores: &[f32], rows: &str) -> f64 {
    let rows = rows.lines().skip(1);
    let labels: Vec<f32> = rows
        .map(|line| f32::from(line.as_bytes()[0] - b'0'))
        .collect();
    fibinet::train::metrics::auc(scores, &labels).expect("two classes")
}
