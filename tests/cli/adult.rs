//! A run on the Adult sample with nothing edited, which other files read too.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde_json::Value;

use super::{ADULT, entries, json, number, shared_directory, succeed, text};

/// A trained run that tests read.
pub(super) struct AdultRun {
    directory: PathBuf,
    report: Value,
}

pub(super) static ADULT_RUN: LazyLock<AdultRun> = LazyLock::new(|| {
    let directory = shared_directory();
    succeed(&directory, &["init", ADULT, "--label", "label"]);
    let train = ["train", "fibinet.toml", "--out", "runs/a", "--json"];
    let report = json(&succeed(&directory, &train));
    AdultRun { directory, report }
});

impl AdultRun {
    pub(super) fn bundle(&self) -> PathBuf {
        self.directory.join("runs/a")
    }

    /// The report of `evaluate` on these rows.
    pub(super) fn evaluate(&self, at: &Path, rows: &str) -> Value {
        let bundle = self.bundle();
        let evaluate = ["evaluate", text(&bundle), "--json", "--data", rows];
        json(&succeed(at, &evaluate))
    }

    /// Scores rows into a file.
    pub(super) fn predict(&self, at: &Path, rows: &str, output: &str, more: &[&str]) {
        let bundle = self.bundle();
        let predict = ["predict", text(&bundle), "--data", rows, "-o", output];
        succeed(at, &[&predict[..], more].concat());
    }
}

#[test]
fn a_log_with_nothing_edited_gives_a_good_model() {
    // Logistic regression has about .90 on this sample; 285 test rows have a
    // standard error of .02.
    let report = &ADULT_RUN.report;
    let test = &report["test"];
    assert!(number(test, "auc") > 0.86, "{report}");
    assert!(number(test, "logloss") < 0.40, "{report}");
}

#[test]
fn every_row_goes_to_one_split() {
    let report = &ADULT_RUN.report;
    let rows = |split: &str| report[split]["rows"].as_u64().expect("rows");
    let train_rows = report["train_rows"].as_u64().expect("rows");
    assert_eq!(rows("valid") + rows("test") + train_rows, 2600);
}

#[test]
fn the_report_has_the_epoch_the_size_and_the_speed() {
    let report = &ADULT_RUN.report;
    for key in ["best_epoch", "num_parameters", "rows_per_second"] {
        assert!(number(report, key) > 0.0, "{report}");
    }
    let wait = number(report, "data_wait");
    assert!((0.0..=1.0).contains(&wait), "{report}");
}

#[test]
fn training_leaves_the_bundle_and_nothing_else() {
    let at = &ADULT_RUN.directory;
    assert_eq!(entries(at), ["fibinet.toml", "runs"]);
    assert_eq!(entries(&at.join("runs")), ["a"]);
}

/// The Adult sample, as text.
pub(super) fn adult_rows() -> String {
    fs::read_to_string(ADULT).expect("the sample")
}
