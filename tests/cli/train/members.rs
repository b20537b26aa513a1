//! Several members in one bundle.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use fibinet::storage::checksums;
use serde_json::Value;

use crate::cli::small::{TRAIN, refused, small_directory};
use crate::cli::{
    ADULT, copy_directory, fail, json, number, report_and_stderr, scores, scratch,
    shared_directory, succeed, text,
};

/// The edit that gives every second member batch norm.
const ALTERNATE: &str = "train.alternate_batch_norm=true";

/// A short run on the Adult sample with three members.
struct Three {
    directory: PathBuf,
    report: Value,
}

static THREE: LazyLock<Three> = LazyLock::new(|| {
    let directory = shared_directory();
    succeed(&directory, &["init", ADULT, "--label", "label"]);
    let report = train(&directory, "run", "3", &[]);
    Three { directory, report }
});

/// Trains with this number of members, all of one kind, for two epochs.
fn train(at: &Path, out: &str, members: &str, more: &[&str]) -> Value {
    let members = format!("train.members={members}");
    let run = ["train", "fibinet.toml", "--out", out, "--json"];
    let set = [
        "--set",
        "train.epochs=2",
        "model.hidden_units=[16]",
        "train.alternate_batch_norm=false",
        &members,
    ];
    json(&succeed(at, &[&run[..], &set, more].concat()))
}

/// The bundle of one member of [`THREE`], with a name of its own: its weights, and the rest of the bundle.
fn alone(at: &Path, member: usize) -> PathBuf {
    let alone = at.join(format!("member_{member}"));
    copy_directory(&THREE.directory.join("run"), &alone);
    if member > 1 {
        for file in ["head.safetensors", "tables.safetensors"] {
            let from = alone.join(format!("members/{member}")).join(file);
            fs::rename(from, alone.join(file)).expect("moved");
        }
    }
    fs::remove_dir_all(alone.join("members")).expect("removed");
    let manifest = fs::read_to_string(alone.join("bundle.toml")).expect("text");
    let manifest = manifest.replace("members = 3\n", "");
    fs::write(alone.join("bundle.toml"), manifest).expect("written");
    checksums::write(&alone).expect("written");
    alone
}

fn predict(at: &Path, bundle: &Path, output: &str, more: &[&str]) -> Vec<f32> {
    let predict = ["predict", text(bundle), "--data", ADULT, "-o", output];
    succeed(at, &[&predict[..], more].concat());
    scores(&at.join(output))
}

/// The number that a logit map gives for a probability.
fn mapped(probability: f64, [scale, shift]: [f64; 2]) -> f64 {
    let logit = scale * (probability / (1.0 - probability)).ln() + shift;
    1.0 / (1.0 + (-logit).exp())
}

/// The scale and the shift of a bundle's calibration.
fn calibration(at: &Path, bundle: &str) -> [f64; 2] {
    let shown = json(&succeed(at, &["inspect", bundle, "--json"]));
    ["scale", "shift"].map(|key| number(&shown["output"], key))
}

#[test]
fn the_score_is_the_calibrated_mean_of_the_members_probabilities() {
    let directory = scratch();
    let at = directory.path();
    let members = [1, 2, 3].map(|member| predict(at, &alone(at, member), "one.csv", &[]));
    let mean = predict(at, &THREE.directory.join("run"), "mean.csv", &[]);
    // Each member's scores went through the map, so it is undone before they are averaged.
    let [scale, shift] = calibration(&THREE.directory, "run");
    let undo = [1.0 / scale, -shift / scale];
    let mut most_apart = 0.0_f64;
    for (row, &mean) in mean.iter().enumerate() {
        let raw = members
            .each_ref()
            .map(|scores| mapped(scores[row].into(), undo));
        let expected = mapped(raw.iter().sum::<f64>() / 3.0, [scale, shift]);
        assert!(
            (f64::from(mean) - expected).abs() < 1e-5,
            "row {row}: {mean}, {expected}"
        );
        most_apart = most_apart.max((raw[0] - raw[1]).abs());
    }
    assert!(most_apart > 0.01, "the members are the same: {most_apart}");
}

#[test]
fn the_spread_is_the_standard_deviation_of_the_members_scores() {
    let directory = scratch();
    let at = directory.path();
    let members = [1, 2, 3].map(|member| predict(at, &alone(at, member), "one.csv", &[]));
    let run = THREE.directory.join("run");
    let plain = predict(at, &run, "plain.csv", &[]);
    let spreads = predict(at, &run, "spread.csv", &["--spread", "--carry", "age"]);
    let written = fs::read_to_string(at.join("spread.csv")).expect("scores");
    assert_eq!(written.lines().next(), Some("age,probability,spread"));
    for (row, line) in written.lines().skip(1).enumerate() {
        let cells: Vec<&str> = line.split(',').collect();
        assert_eq!(cells[1], plain[row].to_string());
        let scores = members.each_ref().map(|scores| f64::from(scores[row]));
        let mean = scores.iter().sum::<f64>() / 3.0;
        let variance = scores
            .map(|score| (score - mean).powi(2))
            .iter()
            .sum::<f64>()
            / 3.0;
        let spread = f64::from(spreads[row]);
        assert!(
            (spread - variance.sqrt()).abs() < 1e-6,
            "row {row}: {spread}"
        );
    }
}

#[test]
fn parquet_and_json_have_the_spread_too() {
    let directory = scratch();
    let at = directory.path();
    let run = THREE.directory.join("run");
    let spreads = predict(at, &run, "spread.csv", &["--spread"]);
    let mean = spreads.iter().copied().map(f64::from).sum::<f64>() / spreads.len() as f64;
    let predict = ["predict", text(&run), "--data", ADULT, "--spread", "--json"];
    let output = ["-o", "spread.parquet"];
    let (report, _) = report_and_stderr(at, &[&predict[..], &output].concat());
    assert!(
        (number(&report, "mean_spread") - mean).abs() < 1e-6,
        "{report}"
    );
    let written = fs::read(at.join("spread.parquet")).expect("scores");
    let mut names = written.windows(6).filter(|name| *name == b"spread");
    assert!(names.next().is_some(), "no column `spread`");
}

#[test]
fn a_spread_needs_several_members() {
    let directory = scratch();
    let at = directory.path();
    let one = alone(at, 1);
    let predict = [
        "predict",
        text(&one),
        "--data",
        ADULT,
        "-o",
        "x.csv",
        "--spread",
    ];
    fail(at, &predict, 2, "has one member");
    assert!(!at.join("x.csv").exists());
}

#[test]
fn reports_are_those_of_the_mean() {
    let at = THREE.directory.as_path();
    let directory = scratch();
    let rows = fs::read_to_string(ADULT).expect("the sample");
    let mean = predict(directory.path(), &at.join("run"), "mean.csv", &[]);
    let evaluate = ["evaluate", "run", "--data", ADULT, "--json"];
    let evaluated = json(&succeed(at, &evaluate));
    let auc = crate::cli::auc_of(&mean, &rows);
    assert!(
        (number(&evaluated, "auc") - auc).abs() < 1e-6,
        "{evaluated}"
    );
}

#[test]
fn the_number_of_members_is_shown() {
    let at = THREE.directory.as_path();
    let one = train(at, "one", "1", &["--force"]);
    assert_eq!(one["members"], 1);
    let report = &THREE.report;
    assert_eq!(report["members"], 3);
    let (all, of_one) = (
        number(report, "num_parameters"),
        number(&one, "num_parameters"),
    );
    assert_eq!(all, 3.0 * of_one);
    let shown = json(&succeed(at, &["inspect", "run", "--json"]));
    assert_eq!(shown["members"], 3);
    for key in ["num_parameters", "table_parameters", "table_bytes"] {
        let one = json(&succeed(at, &["inspect", "one", "--json"]));
        assert_eq!(number(&shown, key), 3.0 * number(&one, key), "{key}");
    }
    let text = succeed(at, &["inspect", "run"]);
    assert!(text.contains("members                  3\n"), "{text}");
}

#[test]
fn the_first_member_is_the_model_that_would_be_trained_alone() {
    let directory = scratch();
    let at = directory.path();
    copy_run_file(at);
    let one_epoch = ["train.epochs=1"];
    train(at, "one", "1", &one_epoch);
    train(at, "two", "2", &one_epoch);
    for file in ["head.safetensors", "tables.safetensors"] {
        let [one, two] = ["one", "two"].map(|run| fs::read(at.join(run).join(file)));
        assert!(one.expect("a file") == two.expect("a file"), "{file}");
        let second = fs::read(at.join("two/members/2").join(file)).expect("a file");
        assert!(
            second != fs::read(at.join("two").join(file)).expect("a file"),
            "{file}"
        );
    }
    assert!(!at.join("one/members").exists());
}

#[test]
fn members_have_the_same_bits_at_any_number_of_threads_and_again() {
    let directory = scratch();
    let at = directory.path();
    copy_run_file(at);
    let files = |threads: &str, out: &str| {
        train(
            at,
            out,
            "3",
            &["train.batch_size=512", ALTERNATE, "--threads", threads],
        );
        let names = ["", "members/2", "members/3"].map(|member| at.join(out).join(member));
        names.map(|member| {
            ["head.safetensors", "tables.safetensors"]
                .map(|file| fs::read(member.join(file)).expect("a file"))
        })
    };
    let one = files("1", "one");
    for (threads, out) in [("2", "two"), ("3", "three"), ("1", "again")] {
        assert!(files(threads, out) == one, "{threads} threads");
    }
}

#[test]
fn every_second_member_may_have_batch_norm() {
    let directory = scratch();
    let at = directory.path();
    copy_run_file(at);
    train(at, "run", "4", &[ALTERNATE]);
    let has_norms = |member: &str| {
        let head = fs::read(at.join("run").join(member).join("head.safetensors")).expect("a file");
        head.windows(5).any(|name| name == b"norms")
    };
    let members = ["", "members/2", "members/3", "members/4"].map(has_norms);
    assert_eq!(members, [false, true, false, true]);
    let shown = succeed(at, &["inspect", "run"]);
    let says = "members                  4, every second one with batch norm\n";
    assert!(shown.contains(says), "{shown}");

    // What is served is what was evaluated.
    let served = predict(at, &at.join("run"), "run.csv", &[]);
    let evaluate = ["evaluate", "run", "--data", ADULT, "--json"];
    let evaluated = json(&succeed(at, &evaluate));
    let rows = fs::read_to_string(ADULT).expect("the sample");
    let auc = crate::cli::auc_of(&served, &rows);
    assert!(
        (number(&evaluated, "auc") - auc).abs() < 1e-6,
        "{evaluated}"
    );

    // Members of one kind do not go on from those of two.
    let next = ["train", "fibinet.toml", "--out", "next"];
    let of_one_kind = [
        "--warm-start",
        "run",
        "--set",
        "model.hidden_units=[16]",
        "train.members=4",
        "train.alternate_batch_norm=false",
    ];
    let says = "train.alternate_batch_norm is false, but true in the bundle to warm-start from";
    fail(at, &[&next[..], &of_one_kind].concat(), 2, says);
    let still = ["train.learning_rate=1e-9", ALTERNATE, "--warm-start", "run"];
    let report = train(at, "next", "4", &still);
    assert_eq!(report["warm_start"]["new_rows"], 0, "{report}");
}

#[test]
fn a_run_that_is_killed_leaves_the_bundle_that_it_was_to_replace() {
    let directory = scratch();
    let at = directory.path();
    copy_directory(&THREE.directory.join("run"), &at.join("run"));
    copy_run_file(at);
    let mut child = Command::new(env!("CARGO_BIN_EXE_fibinet"))
        .current_dir(at)
        .args(["train", "fibinet.toml", "--out", "run", "--force", "--set"])
        .args([
            "train.members=2",
            "train.patience=20",
            "model.hidden_units=[16]",
        ])
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let stderr = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut lines = stderr.lines().map(|line| line.expect("UTF-8"));
    assert!(lines.any(|line| line.starts_with("epoch   2")));
    child.kill().expect("killed");
    child.wait().expect("it ends");
    let before = fs::read(THREE.directory.join("run/SHA256SUMS")).expect("checksums");
    assert!(fs::read(at.join("run/SHA256SUMS")).expect("checksums") == before);
    succeed(at, &["inspect", "run"]);
}

/// Copies the run file of [`THREE`].
fn copy_run_file(at: &Path) {
    let run_file = THREE.directory.join("fibinet.toml");
    fs::copy(run_file, at.join("fibinet.toml")).expect("copied");
}

#[test]
fn a_warm_start_continues_each_member() {
    let directory = scratch();
    let at = directory.path();
    copy_run_file(at);
    let base = THREE.directory.join("run");
    // The weights hardly move.
    let still = ["train.learning_rate=1e-9", "--warm-start", text(&base)];
    let report = train(at, "next", "3", &still);
    assert_eq!(report["warm_start"]["new_rows"], 0, "{report}");
    let raw = |bundle: &Path, name: &str| predict(at, bundle, name, &["--spread"]);
    let (before, after) = (raw(&base, "before.csv"), raw(&at.join("next"), "after.csv"));
    for (row, (before, after)) in before.iter().zip(&after).enumerate() {
        assert!((before - after).abs() < 1e-3, "row {row}: {before} {after}");
    }
}

#[test]
fn a_warm_start_from_another_number_of_members_is_refused() {
    let directory = scratch();
    let at = directory.path();
    copy_run_file(at);
    let base = THREE.directory.join("run");
    let run = [
        "train",
        "fibinet.toml",
        "--out",
        "x",
        "--warm-start",
        text(&base),
    ];
    let set = ["--set", "model.hidden_units=[16]", "train.members=2"];
    let says = "train.members is 2, but the bundle to warm-start from has 3";
    fail(at, &[&run[..], &set].concat(), 2, says);
}

#[test]
fn numbers_of_members_out_of_range_are_refused() {
    for members in ["0", "65", "1000000000000"] {
        let set = format!("train.members={members}");
        let args = [&TRAIN[..], &["--set", &set]].concat();
        let says = format!("members must be from 1 to 64, but is {members}");
        refused(&args, 2, &says);
    }
}

#[test]
fn a_missing_file_of_a_member_is_named() {
    let directory = small_directory();
    let at = directory.path();
    succeed(at, &[&TRAIN[..], &["--set", "train.members=2"]].concat());
    fs::remove_file(at.join("run/members/2/tables.safetensors")).expect("removed");
    let evaluate = ["evaluate", "run", "--data", "good.csv"];
    fail(at, &evaluate, 1, "members/2/tables.safetensors");
    let predict = ["predict", "run", "--data", "good.csv", "-o", "x.csv"];
    fail(at, &predict, 1, "members/2/tables.safetensors");
}
