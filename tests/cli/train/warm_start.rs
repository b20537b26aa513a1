use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use serde_json::Value;

use crate::cli::{fail, json, number, scratch, shared_directory, succeed, text};

/// Two days' logs and three runs: Monday's, Tuesday's from Monday's, and Tuesday's from nothing.
struct Days {
    directory: PathBuf,
    monday: Value,
    warm: Value,
    cold: Value,
}

fn log(first: usize, shift: usize) -> String {
    let row = |i: usize| {
        let draw = fibinet::data::mix_seed(9, i as u64);
        let site = shift + (draw % 20) as usize;
        let click = u8::from(site.is_multiple_of(3) && !(draw / 20).is_multiple_of(8));
        format!("{click},s{site},t{}\n", draw / 160 % 4)
    };
    let rows: String = (first..first + 4000).map(row).collect();
    format!("click,site,tag\n{rows}")
}

static DAYS: LazyLock<Days> = LazyLock::new(|| {
    let directory = shared_directory();
    fs::write(directory.join("monday.csv"), log(0, 0)).expect("written");
    fs::write(directory.join("tuesday.csv"), log(4000, 5)).expect("written");
    succeed(&directory, &["init", "monday.csv", "--label", "click"]);
    let train = |out: &str, more: &[&str]| {
        let args = ["train", "fibinet.toml", "--json", "--out", out];
        json(&succeed(&directory, &[&args[..], more].concat()))
    };
    let monday = train("monday", &[]);
    let tuesday = [
        "--set",
        "data.train=tuesday.csv",
        "train.epochs=1",
        "train.batch_size=256",
        "train.learning_rate=1e-5",
    ];
    let from_monday = ["--warm-start", "monday"];
    let warm = train("tuesday", &[&from_monday[..], &tuesday].concat());
    let cold = train("cold", &tuesday);
    Days {
        directory,
        monday,
        warm,
        cold,
    }
});

#[test]
fn a_run_from_nothing_reports_no_warm_start() {
    assert_eq!(DAYS.monday["warm_start"], Value::Null);
}

#[test]
fn known_tokens_keep_their_rows_and_new_ones_get_some() {
    // Twenty sites and four tags, three more ids each; five sites are new.
    assert_eq!(DAYS.warm["warm_start"]["kept_rows"], 30);
    assert_eq!(DAYS.warm["warm_start"]["new_rows"], 5);
}

#[test]
fn a_warm_run_is_ahead_of_a_cold_one() {
    let (warm, cold) = (&DAYS.warm, &DAYS.cold);
    let auc = |report: &Value| number(&report["valid"], "auc");
    assert!(auc(warm) > auc(cold) + 0.05, "{warm} {cold}");
}

#[test]
fn a_warm_run_still_knows_the_rows_of_the_first() {
    let evaluate = ["evaluate", "tuesday", "--data", "monday.csv", "--json"];
    let still = number(&json(&succeed(&DAYS.directory, &evaluate)), "auc");
    let known = number(&DAYS.monday["valid"], "auc");
    assert!((still - known).abs() < 0.03, "{still} {known}");
}

/// A warm start that must be refused.
#[track_caller]
fn refused(from: &str, more: &[&str], code: i32, says: &str) {
    let directory = scratch();
    let out = directory.path().join("x");
    let run = ["train", "fibinet.toml", "--out", text(&out), "--no-cache"];
    let args = [&run[..], &["--warm-start", from], more].concat();
    fail(&DAYS.directory, &args, code, says);
}

#[test]
fn a_model_of_another_form_cannot_be_continued() {
    let says = "[model] differs from that of the bundle";
    refused("monday", &["--set", "model.embedding_dim=4"], 2, says);
}

#[test]
fn fields_that_are_encoded_otherwise_cannot_be_continued() {
    let fields = "data.fields=[{ name = \"site\", kind = \"categorical\" }, \
        { name = \"tag\", kind = \"categorical\", min_count = 2 }]";
    refused(
        "monday",
        &["--set", fields],
        2,
        "`site` is encoded differently",
    );
}

#[test]
fn a_bundle_that_is_not_there_is_named() {
    refused("nowhere", &[], 1, "nowhere is not a bundle");
}
