//! Tables of 16-bit numbers are trained, scored, inspected and continued from, in half the bytes.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;

use crate::cli::adult::adult_rows;
use crate::cli::{
    ADULT, auc_of, copy_directory, fail, history, json, number, scores, scratch, shared_directory,
    succeed, text,
};

/// One run per type of table numbers, named after its type.
struct Runs {
    directory: PathBuf,
    f32: Value,
    bf16: Value,
    f16: Value,
}

static RUNS: LazyLock<Runs> = LazyLock::new(|| {
    let directory = shared_directory();
    succeed(&directory, &["init", ADULT, "--label", "label"]);
    let run = |dtype| train(&directory, dtype, dtype, &[]);
    Runs {
        f32: run("f32"),
        bf16: run("bf16"),
        f16: run("f16"),
        directory,
    }
});

fn train(directory: &std::path::Path, dtype: &str, out: &str, more: &[&str]) -> Value {
    let args = ["train", "fibinet.toml", "--json", "--out", out];
    let dtype = format!("train.table_dtype={dtype}");
    let set = ["--set", "model.embedding_dim=32", &dtype];
    json(&succeed(directory, &[&args[..], more, &set].concat()))
}

impl Runs {
    /// The runs of 16-bit numbers.
    fn halves(&self) -> [(&'static str, &Value); 2] {
        [("bf16", &self.bf16), ("f16", &self.f16)]
    }

    fn table_bytes(&self, run: &str) -> f64 {
        let tables = self.directory.join(run).join("tables.safetensors");
        fs::metadata(tables).expect("tables").len() as f64
    }
}

fn valid_auc(report: &Value) -> f64 {
    number(&report["valid"], "auc")
}

#[test]
fn halves_learn_as_well_as_f32() {
    for (dtype, report) in RUNS.halves() {
        // In nine runs it was off by .0005 at most; the AUC's own standard error is .02.
        let off = (valid_auc(report) - valid_auc(&RUNS.f32)).abs();
        assert!(off < 0.005, "{dtype}: {report} {}", RUNS.f32);
    }
}

#[test]
fn halves_take_half_the_bytes_of_embeddings() {
    for (dtype, _) in RUNS.halves() {
        // Linear weights stay f32: 2 · 32 + 4 bytes of 4 · 32 + 4.
        let share = RUNS.table_bytes(dtype) / RUNS.table_bytes("f32");
        assert!((share - 68.0 / 132.0).abs() < 0.02, "{dtype}: {share}");
    }
}

#[test]
fn the_bundle_has_to_the_last_bit_what_was_evaluated_in_training() {
    // Also for stale rows, which exact Adam had yet to update.
    for (dtype, report) in RUNS.halves() {
        let history = history(&RUNS.directory.join(dtype));
        let best = history.iter().rfind(|line| line["best"] == true);
        let best = best.expect("a best evaluation");
        assert_eq!(
            report["valid_logloss_uncalibrated"],
            best["valid"]["logloss"]
        );
    }
}

#[test]
fn inspect_shows_the_type_and_the_bytes_of_the_tables() {
    for (dtype, _) in RUNS.halves() {
        let inspect = ["inspect", dtype, "--json"];
        let inspected = json(&succeed(&RUNS.directory, &inspect));
        assert_eq!(inspected["table_dtype"], dtype);
        let header = RUNS.table_bytes(dtype) - number(&inspected, "table_bytes");
        assert!(header < 300.0, "{inspected}");
    }
}

#[test]
fn scores_from_halves_give_the_auc_of_evaluate() {
    let directory = scratch();
    let output = directory.path().join("scores.csv");
    for (dtype, _) in RUNS.halves() {
        let evaluate = ["evaluate", dtype, "--data", ADULT, "--json"];
        let metrics = json(&succeed(&RUNS.directory, &evaluate));
        let predict = ["predict", dtype, "--data", ADULT, "-o", text(&output)];
        succeed(&RUNS.directory, &predict);
        let by_hand = auc_of(&scores(&output), &adult_rows());
        let off = (by_hand - number(&metrics, "auc")).abs();
        assert!(off < 1e-6, "{metrics}");
    }
}

#[track_caller]
fn continues(from: &str, to: &str) {
    let directory = scratch();
    let out = directory.path().join("warm");
    let more = ["--warm-start", from, "--set", "train.epochs=1"];
    let warm = train(&RUNS.directory, to, text(&out), &more);
    assert_eq!(warm["warm_start"]["new_rows"], 0);
    let off = (valid_auc(&warm) - valid_auc(&RUNS.f32)).abs();
    assert!(off < 0.02, "{to}: {warm}");
}

#[test]
fn a_run_of_bf16_continues_from_f16() {
    continues("f16", "bf16");
}

#[test]
fn a_run_of_f32_continues_from_bf16() {
    continues("bf16", "f32");
}

#[test]
fn a_type_of_number_that_no_table_has_is_named() {
    let directory = scratch();
    let run = directory.path().join("run");
    copy_directory(&RUNS.directory.join("bf16"), &run);
    let path = run.join("tables.safetensors");
    let mut tables = fs::read(&path).expect("tables");
    let name = tables.windows(4).position(|four| four == b"BF16");
    let name = name.expect("the type's name");
    tables[name..name + 4].copy_from_slice(b"I16\"");
    tables[name + 4] = b' ';
    fs::write(&path, tables).expect("written");
    fs::remove_file(run.join("SHA256SUMS")).expect("removed");
    let sums = "sha256sum $(find . -type f | sed 's,./,,' | LC_ALL=C sort) > SHA256SUMS";
    let status = Command::new("sh")
        .args(["-c", sums])
        .current_dir(&run)
        .status();
    assert!(status.is_ok_and(|status| status.success()), "checksums");
    fail(
        directory.path(),
        &["inspect", "run"],
        1,
        "of I16, expected [",
    );
    fail(
        directory.path(),
        &["inspect", "run"],
        1,
        "] of F32, BF16, F16",
    );
}
