use std::path::PathBuf;
use std::sync::LazyLock;

use serde_json::Value;

use super::small::refused;
use super::{json, number, report_and_stderr, scratch, shared_directory, succeed, text};

/// Synthetic rows, with the reports of `synth` and `prepare`.
pub(super) struct Synthetic {
    pub(super) directory: PathBuf,
    law: Value,
    pub(super) prepared: Value,
}

pub(super) static SYNTHETIC: LazyLock<Synthetic> = LazyLock::new(|| {
    let directory = shared_directory();
    let synth = ["synth", "--rows", "20000", "--vocabulary", "2000", "--json"];
    let law = json(&succeed(
        &directory,
        &[&synth[..], &["-o", "train.txt"]].concat(),
    ));
    succeed(&directory, &["init", "train.txt", "--schema", "criteo"]);
    let prepare = ["prepare", "fibinet.toml", "--json"];
    Synthetic {
        law,
        prepared: json(&succeed(&directory, &prepare)),
        directory,
    }
});

#[test]
fn the_rows_asked_for_are_written() {
    assert_eq!(SYNTHETIC.law["rows"], 20_000);
}

#[test]
fn a_model_learns_from_synthetic_rows_but_cannot_beat_their_law() {
    let directory = scratch();
    let out = directory.path().join("run");
    let train = ["train", "fibinet.toml", "--json", "--out", text(&out)];
    let set = ["--set", "train.epochs=3"];
    let args = [&train[..], &set].concat();
    let (report, stderr) = report_and_stderr(&SYNTHETIC.directory, &args);
    assert!(stderr.contains("reusing the encoded rows"), "{stderr}");
    let bayes = number(&SYNTHETIC.law, "bayes_logloss");
    let loss = number(&report["test"], "logloss");
    // The entropy of a quarter of clicks is .562.
    assert!(bayes < loss && loss < 0.53, "{bayes} {report}");
}

#[test]
fn a_vocabulary_below_one_token_per_column_is_refused() {
    let synth = ["synth", "--rows", "9", "--vocabulary", "3", "-o", "x"];
    refused(&synth, 2, "--vocabulary");
}
