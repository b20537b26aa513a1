use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use serde_json::Value;

use super::adult::ADULT_RUN;
use super::{ADULT, json, number, one_epoch, scores, scratch, shared_directory, succeed, text};

#[test]
fn every_row_of_the_file_is_evaluated() {
    let directory = scratch();
    let metrics = ADULT_RUN.evaluate(directory.path(), ADULT);
    assert_eq!(metrics["rows"], 2600);
    assert!(number(&metrics, "auc") > 0.88, "{metrics}");
}

/// A run whose reports have the group AUC, by education.
struct Grouped {
    directory: PathBuf,
    report: Value,
}

static GROUPED: LazyLock<Grouped> = LazyLock::new(|| {
    let directory = shared_directory();
    let init = ["init", ADULT, "--label", "label", "--group", "education"];
    succeed(&directory, &init);
    let report = one_epoch(&directory, "fibinet.toml", "run");
    Grouped { directory, report }
});

#[test]
fn training_tells_the_group_auc_of_both_splits() {
    let report = &GROUPED.report;
    for split in ["valid", "test"] {
        let within = &report[split]["group_auc"];
        assert!(number(within, "auc") > 0.5, "{report}");
        let rows = within["rows"].as_u64().expect("rows");
        let split_rows = report[split]["rows"].as_u64().expect("rows");
        assert!((1..=split_rows).contains(&rows), "{report}");
    }
}

#[test]
fn the_group_auc_is_that_of_the_scores_within_each_group() {
    let directory = scratch();
    let output = directory.path().join("scores.csv");
    let evaluate = ["evaluate", "run", "--json", "--data", ADULT];
    let metrics = json(&succeed(&GROUPED.directory, &evaluate));
    let predict = ["predict", "run", "--data", ADULT, "-o", text(&output)];
    let carry = ["--carry", "label,education"];
    succeed(&GROUPED.directory, &[&predict[..], &carry].concat());

    let written = fs::read_to_string(&output).expect("scores");
    let mut names: Vec<&str> = Vec::new();
    let (mut labels, mut groups) = (Vec::new(), Vec::new());
    for line in written.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let known = names.iter().position(|known| *known == cells[1]);
        groups.push(known.unwrap_or(names.len()) as u64);
        if known.is_none() {
            names.push(cells[1]);
        }
        labels.push(cells[0].parse().expect("0 or 1"));
    }
    let by_hand =
        fibinet::train::metrics::group_auc(&scores(&output), &labels, &groups).expect("groups");
    let reported = &metrics["group_auc"];
    assert_eq!(reported["groups"], by_hand.groups);
    assert_eq!(reported["rows"], by_hand.rows);
    let auc = number(reported, "auc");
    assert!((auc - by_hand.auc).abs() < 1e-6, "{reported} {by_hand:?}");
    // It is not the AUC of all rows.
    assert!((auc - number(&metrics, "auc")).abs() > 1e-3);
}

/// 20,000 rows with one click in ten, and a model trained on all clicks and a fifth of the other rows.
struct Sampled {
    directory: PathBuf,
    report: Value,
}

static SAMPLED: LazyLock<Sampled> = LazyLock::new(|| {
    let directory = shared_directory();
    let row = |i: u64| {
        let draw = fibinet::data::mix_seed(3, i);
        let site = draw % 5;
        let click = (draw / 5).is_multiple_of(10);
        let row = format!("{},s{site},t{}\n", u8::from(click), draw / 50 % 4);
        (click, row)
    };
    let whole: String = (0..20_000).map(|i| row(i).1).collect();
    let kept = (0..20_000).map(row).enumerate();
    let kept: String = kept
        .filter(|(i, (click, _))| *click || i % 5 == 0)
        .map(|(_, (_, row))| row)
        .collect();
    for (name, rows) in [("whole.csv", whole), ("kept.csv", kept)] {
        let text = format!("click,site,tag\n{rows}");
        fs::write(directory.join(name), text).expect("written");
    }
    succeed(&directory, &["init", "kept.csv", "--label", "click"]);
    let train = ["train", "fibinet.toml", "--out", "run", "--json", "--set"];
    let set = ["data.negative_rate=0.2", "train.epochs=3"];
    let report = json(&succeed(&directory, &[&train[..], &set].concat()));
    Sampled { directory, report }
});

#[test]
fn sampled_negatives_count_as_the_rows_that_they_stand_for() {
    let ratio = number(&SAMPLED.report["test"], "calibration_ratio");
    assert!((ratio - 1.0).abs() < 0.2, "{}", SAMPLED.report);
}

#[test]
fn the_rate_of_negatives_of_another_file_is_given() {
    let whole = ["--data", "whole.csv", "--negative-rate", "1"];
    let evaluate = [&["evaluate", "run", "--json"], &whole[..]].concat();
    let metrics = json(&succeed(&SAMPLED.directory, &evaluate));
    let ratio = number(&metrics, "calibration_ratio");
    assert!((ratio - 1.0).abs() < 0.1, "{metrics}");
    // A tenth of clicks, and nothing to learn: the entropy is .325.
    let loss = number(&metrics, "logloss");
    assert!((loss - 0.325).abs() < 0.02, "{metrics}");
}
