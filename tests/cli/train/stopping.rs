//! When training ends, which weights it keeps, and what becomes of the learning rate on the way.

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use serde_json::Value;

use crate::cli::logs::fields::mixed_rows;
use crate::cli::{ADULT, entries, fail, history, json, number, scratch, shared_directory, succeed};

/// A run that stops early, and its evaluations.
struct Stopped {
    report: Value,
    epochs: Vec<Value>,
}

static STOPPED: LazyLock<Stopped> = LazyLock::new(|| {
    let at = shared_directory();
    succeed(&at, &["init", ADULT, "--label", "label"]);
    let train = ["train", "fibinet.toml", "--out", "run", "--json", "--set"];
    let set = [
        "train.learning_rate=0.01",
        "train.patience=2",
        "train.monitor=logloss",
        "train.calibration=none",
    ];
    Stopped {
        report: json(&succeed(&at, &[&train[..], &set].concat())),
        epochs: history(&at.join("run")),
    }
});

impl Stopped {
    /// The epoch of the least loss on the validation rows.
    fn best(&self) -> &Value {
        let loss = |epoch: &Value| number(&epoch["valid"], "logloss");
        let epochs = self.epochs.iter();
        let best = epochs.min_by(|a, b| loss(a).total_cmp(&loss(b)));
        best.expect("epochs")
    }
}

#[test]
fn the_best_epoch_has_the_least_loss_of_the_history() {
    assert_eq!(STOPPED.report["best_epoch"], STOPPED.best()["epoch"]);
}

#[test]
fn training_stops_as_many_epochs_after_the_best_as_patience_says() {
    let best_epoch = STOPPED.report["best_epoch"].as_u64().expect("an epoch");
    assert_eq!(STOPPED.report["epochs"], best_epoch + 2);
    assert_eq!(STOPPED.epochs.len() as u64, best_epoch + 2);
}

#[test]
fn the_best_epochs_weights_are_evaluated_and_not_the_last_ones() {
    let last = STOPPED.epochs.last().expect("epochs");
    assert_eq!(STOPPED.report["valid"], STOPPED.best()["valid"]);
    assert_ne!(last["valid"], STOPPED.best()["valid"]);
}

/// A run whose learning rate is cut on plateaus, and whose test rows have no click.
struct Plateau {
    directory: PathBuf,
    report: Value,
}

static PLATEAU: LazyLock<Plateau> = LazyLock::new(|| {
    let directory = shared_directory();
    let rows = mixed_rows(1200);
    let (clicks, others): (Vec<&str>, Vec<&str>) =
        rows.lines().partition(|row| row.starts_with('1'));
    let write = |name: &str, rows: &[&str]| {
        let rows = rows.join("\n");
        let text = format!("click,site,tags,user,time,price,part\n{rows}\n");
        fs::write(directory.join(name), text).expect("written");
    };
    write("train.csv", &[&clicks[50..], &others[50..]].concat());
    write("valid.csv", &[&clicks[..50], &others[..25]].concat());
    write("test.csv", &others[25..50]);
    let init = ["init", "train.csv", "--label", "click"];
    let files = ["--valid", "valid.csv", "--test", "test.csv"];
    succeed(&directory, &[&init[..], &files].concat());
    let run = [
        "train",
        "fibinet.toml",
        "--out",
        "run",
        "--json",
        "--set",
        "train.epochs=6",
        "train.members=1",
        "train.learning_rate=0.04",
        "train.plateau_patience=1",
        "train.plateau_factor=0.5",
        "train.min_learning_rate=0.015",
        "train.patience=9",
        "train.monitor=auc_minus_logloss",
        "train.calibration=temperature",
    ];
    let report = json(&succeed(&directory, &run));
    Plateau { directory, report }
});

#[test]
fn a_plateau_cuts_the_learning_rate_down_to_its_minimum() {
    let evaluations = history(&PLATEAU.directory.join("run"));
    let mut rate = 0.04;
    for evaluation in &evaluations {
        let used = number(evaluation, "learning_rate");
        assert!((used - rate).abs() < 1e-12, "{evaluations:?}");
        if evaluation["best"] == false {
            rate = f64::max(rate * 0.5, 0.015);
        }
    }
    assert!(rate < 0.04, "a plateau: {evaluations:?}");
}

#[test]
fn a_split_of_one_class_has_a_loss_but_no_auc_and_no_calibration() {
    let test = &PLATEAU.report["test"];
    assert_eq!(test["auc"], Value::Null);
    assert_eq!(test["calibration_ratio"], Value::Null);
    assert!(number(test, "logloss") > 0.0);
}

#[test]
fn evaluate_says_that_the_auc_of_one_class_is_undefined() {
    let evaluate = ["evaluate", "run", "--data", "test.csv"];
    let table = succeed(&PLATEAU.directory, &evaluate);
    assert!(table.contains("AUC undefined (one class)"), "{table}");
}

/// A run on the Adult sample with unclipped gradients, evaluated after each step.
fn unclipped<'a>(settings: &[&'a str]) -> Vec<&'a str> {
    let run = ["train", "fibinet.toml", "--out", "run", "--set"];
    let more = [
        "train.evaluate_every=1",
        "train.max_gradient_norm=0",
        "train.patience=99",
    ];
    [&run[..], &more, settings].concat()
}

#[test]
fn a_run_that_diverges_keeps_its_best_weights_beside_the_bundle() {
    let directory = scratch();
    let at = directory.path();
    succeed(at, &["init", ADULT, "--label", "label"]);
    // Gradients that grow from step to step.
    let growing = unclipped(&[
        "train.optimizer=sgd",
        "train.row_optimizer=sgd",
        "train.learning_rate=50",
    ]);
    fail(
        at,
        &growing,
        1,
        "at learning rate 50; the best weights so far, of epoch 1, are in run.diverged",
    );
    assert!(!at.join("run").exists());
    succeed(at, &["evaluate", "run.diverged", "--data", ADULT]);
    assert_eq!(entries(at), ["fibinet.toml", "run.diverged"]);
}

#[test]
fn a_run_that_diverges_at_once_names_the_step_and_leaves_nothing() {
    let directory = scratch();
    let at = directory.path();
    succeed(at, &["init", ADULT, "--label", "label"]);
    let at_once = unclipped(&["train.learning_rate=1e30"]);
    fail(at, &at_once, 1, "after step 1 (epoch 1)");
    fail(at, &at_once, 1, "no checkpoint had been saved yet");
    assert_eq!(entries(at), ["fibinet.toml"]);
}
