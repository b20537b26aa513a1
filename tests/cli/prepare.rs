use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use serde_json::Value;

use super::synth::SYNTHETIC;
use super::{
    ADULT, entries, fail, json, number, report_and_stderr, scratch, shared_directory, succeed, text,
};

#[test]
fn the_report_has_the_bytes_read_and_the_speed() {
    let prepared = &SYNTHETIC.prepared;
    let log = SYNTHETIC.directory.join("train.txt");
    let bytes = fs::metadata(log).expect("the rows").len();
    assert_eq!(prepared["source_bytes"], bytes);
    assert_eq!(prepared["reused"], false);
    let seconds = number(prepared, "seconds");
    let rows = seconds * number(prepared, "rows_per_second");
    assert!((rows - 20_000.0).abs() < 1e-3, "{prepared}");
    let read = seconds * number(prepared, "bytes_per_second");
    assert!((read - bytes as f64).abs() < 1.0, "{prepared}");
}

#[test]
fn preparing_again_gives_the_same_directory_and_no_speed() {
    let prepare = ["prepare", "fibinet.toml", "--json"];
    let again = json(&succeed(&SYNTHETIC.directory, &prepare));
    assert_eq!(again["directory"], SYNTHETIC.prepared["directory"]);
    for speed in ["rows_per_second", "bytes_per_second"] {
        assert_eq!(again.get(speed), Some(&Value::Null), "{again}");
    }
    let text = succeed(&SYNTHETIC.directory, &prepare[..2]);
    assert!(!text.contains("/s"), "nothing was prepared: {text}");
}

#[test]
fn text_has_the_speed_of_what_was_prepared() {
    let directory = scratch();
    let cache = directory.path().join("anew");
    let prepare = ["prepare", "fibinet.toml", "--cache", text(&cache)];
    let anew = succeed(&SYNTHETIC.directory, &prepare);
    assert!(anew.contains(" rows/s, "), "{anew}");
    assert!(anew.contains(" MB/s"), "{anew}");
}

#[test]
fn an_id_out_of_range_in_an_encoded_file_is_refused() {
    let directory = scratch();
    let at = directory.path();
    let prepare = |vocabulary: &str| {
        let synth = ["synth", "--rows", "20000", "--force", "-o", "train.txt"];
        succeed(at, &[&synth[..], &["--vocabulary", vocabulary]].concat());
        let prepared = json(&succeed(at, &["prepare", "fibinet.toml", "--json"]));
        at.join(prepared["directory"].as_str().expect("a directory"))
    };
    let config = "[data]\ntrain = \"train.txt\"\nschema = \"criteo\"\nsplit = { valid = 0.1 }\n\
        [model]\nembedding_dim = 2\nhidden_units = [4]\n[train]\nepochs = 1\n";
    fs::write(at.join("fibinet.toml"), config).expect("written");
    // The shard of another log, whose vocabulary is larger.
    let large = prepare("900000");
    let small = prepare("2000");
    let shard = "train-00000.parquet";
    fs::copy(large.join(shard), small.join(shard)).expect("copied");
    let train = ["train", "fibinet.toml", "--out", "bad"];
    fail(at, &train, 1, "is not below");
}

/// A run file on the Adult sample, its encoded rows and a run on them.
struct Cached {
    directory: PathBuf,
    report: Value,
    reused: bool,
}

fn train(at: &Path, out: &str, more: &[&str]) -> (Value, bool) {
    let run = ["train", "fibinet.toml", "--out", out, "--json"];
    let set = ["--set", "train.epochs=1"];
    let (report, stderr) = report_and_stderr(at, &[&run[..], more, &set].concat());
    (report, stderr.contains("reusing the encoded rows"))
}

/// Writes the run file and prepares its rows; returns the directory of the encoded rows.
fn prepare_adult(at: &Path) -> PathBuf {
    succeed(at, &["init", ADULT, "--label", "label"]);
    let prepared = json(&succeed(at, &["prepare", "fibinet.toml", "--json"]));
    at.join(prepared["directory"].as_str().expect("a directory"))
}

static CACHED: LazyLock<Cached> = LazyLock::new(|| {
    let directory = shared_directory();
    prepare_adult(&directory);
    let (report, reused) = train(&directory, "a", &[]);
    Cached {
        directory,
        report,
        reused,
    }
});

#[test]
fn training_uses_the_rows_that_were_prepared() {
    assert!(CACHED.reused);
}

#[test]
fn another_seed_draws_other_weights_and_uses_the_same_rows() {
    let directory = scratch();
    let out = directory.path().join("b");
    let (other, reused) = train(&CACHED.directory, text(&out), &["--seed", "7"]);
    assert!(reused);
    // The split depends on the data's seed only.
    let first = &CACHED.report;
    assert_ne!(other["valid"]["auc"], first["valid"]["auc"]);
    assert_eq!(other["valid"]["rows"], first["valid"]["rows"]);
}

#[test]
fn two_processes_that_prepare_at_once_leave_one_directory() {
    let directory = scratch();
    let at = directory.path();
    succeed(at, &["init", ADULT, "--label", "label"]);
    let both = [(); 2].map(|()| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fibinet"));
        let command = command.args(["prepare", "fibinet.toml", "--json"]);
        let command = command.current_dir(at).stdout(Stdio::piped());
        command.spawn().expect("the binary runs")
    });
    let both = both.map(|child| child.wait_with_output().expect("it ends"));
    let all_succeeded = both.iter().all(|output| output.status.success());
    assert!(all_succeeded, "{both:?}");
    let [one, other] = both.map(|output| json(&String::from_utf8(output.stdout).expect("UTF-8")));
    for key in ["directory", "train_rows", "valid_rows", "test_rows"] {
        assert_eq!(one[key], other[key]);
    }
    assert_eq!(entries(&at.join(".fibinet-cache")).len(), 1);
}

/// If this file of the encoded rows is damaged, they are prepared again.
#[track_caller]
fn is_mended(file: &str) {
    let directory = scratch();
    let cached = prepare_adult(directory.path());
    fs::write(cached.join(file), "no more").expect("written");
    let (again, reused) = train(directory.path(), "run", &[]);
    assert!(!reused, "{file}");
    assert_eq!(again["valid"], CACHED.report["valid"], "{file}");
}

#[test]
fn a_damaged_shard_is_mended() {
    is_mended("valid-00000.parquet");
}

#[test]
fn a_damaged_encoder_is_mended() {
    is_mended("encoder/fields.toml");
}

#[test]
fn a_damaged_manifest_is_mended() {
    is_mended("prepared.toml");
}

#[test]
fn encoded_rows_are_kept_where_asked() {
    let directory = scratch();
    let (out, rows) = (directory.path().join("run"), directory.path().join("rows"));
    train(&CACHED.directory, text(&out), &["--cache", text(&rows)]);
    assert_eq!(entries(&rows).len(), 1);
}

#[test]
fn no_encoded_rows_are_kept_without_a_cache() {
    let directory = scratch();
    let at = directory.path();
    succeed(at, &["init", ADULT, "--label", "label"]);
    let (_, reused) = train(at, "none", &["--no-cache"]);
    assert!(!reused && !at.join(".fibinet-cache").exists());
}
