//! The same rows in other files: compressed, as Parquet, in parts, with tabs; and the logs of Criteo
//! and Avazu.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde_json::Value;

use crate::cli::adult::adult_rows;
use crate::cli::{
    copy_directory, fail, json, number, one_epoch, scratch, shared_directory, succeed, text,
};

/// The Adult sample in several files, and a run of one epoch on the plain one.
struct Files {
    directory: PathBuf,
    report: Value,
}

static FILES: LazyLock<Files> = LazyLock::new(|| {
    let directory = shared_directory();
    let at = directory.as_path();
    let text = adult_rows();
    fs::write(at.join("log.csv"), &text).expect("written");
    fs::write(at.join("log.csv.gz"), gzip(text.as_bytes())).expect("written");
    let zstd = zstd::encode_all(text.as_bytes(), 1).expect("compressed");
    fs::write(at.join("log.csv.zst"), zstd).expect("written");

    let init = ["init", "log.csv", "--label", "label", "-o", "csv.toml"];
    succeed(at, &init);
    let report = one_epoch(at, "csv.toml", "csv");
    // Parquet through `predict --carry`: text columns, and the scores beside them.
    let columns = text.lines().next().expect("a header");
    let carry = ["--carry", columns, "-o", "log.parquet"];
    let predict = ["predict", "csv", "--data", "log.csv"];
    succeed(at, &[&predict[..], &carry].concat());
    parts(&at.join("parts"));
    Files { directory, report }
});

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes).expect("compressed");
    gzip.finish().expect("compressed")
}

/// A directory of parts as Spark writes one: each with a header, and a file without rows beside them.
fn parts(directory: &Path) {
    let text = adult_rows();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let part = |rows: &[&str]| [lines[0], &rows.concat()].concat();
    fs::create_dir(directory).expect("made");
    let second = zstd::encode_all(part(&lines[1000..]).as_bytes(), 1).expect("compressed");
    for (name, bytes) in [
        ("part-00000.csv", part(&lines[1..1000]).into_bytes()),
        ("part-00001.csv.zst", second),
        ("_SUCCESS", Vec::new()),
    ] {
        fs::write(directory.join(name), bytes).expect("written");
    }
}

/// A run of one epoch on one of the files, in a directory of its own.
fn run_on(at: &Path, file: &str, more: &[&str]) -> Value {
    let path = FILES.directory.join(file);
    let init = ["init", text(&path), "--label", "label", "-o", "other.toml"];
    succeed(at, &[&init[..], more].concat());
    one_epoch(at, "other.toml", "other")
}

#[track_caller]
fn gives_the_model_of_the_plain_file(file: &str, more: &[&str]) {
    let directory = scratch();
    let report = run_on(directory.path(), file, more);
    for split in ["valid", "test"] {
        assert_eq!(report[split], FILES.report[split], "{file}");
    }
    let tables = |run: PathBuf| fs::read(run.join("tables.safetensors")).expect("tables");
    let (ours, plain) = (directory.path().join("other"), FILES.directory.join("csv"));
    assert!(tables(ours) == tables(plain), "{file}");
}

#[test]
fn a_gzip_file_gives_the_model_of_the_plain_one() {
    gives_the_model_of_the_plain_file("log.csv.gz", &[]);
}

#[test]
fn a_zstandard_file_gives_the_model_of_the_plain_one() {
    gives_the_model_of_the_plain_file("log.csv.zst", &[]);
}

#[test]
fn a_parquet_file_gives_the_model_of_the_plain_one() {
    gives_the_model_of_the_plain_file("log.parquet", &["--exclude", "probability"]);
}

#[test]
fn a_directory_of_parts_trains_as_one_file() {
    let directory = scratch();
    let report = run_on(directory.path(), "parts", &[]);
    assert_eq!(report["test"], FILES.report["test"]);
}

#[test]
fn a_directory_of_parts_is_evaluated_as_one_file() {
    let at = &FILES.directory;
    let evaluate = |data| json(&succeed(at, &["evaluate", "csv", "--data", data, "--json"]));
    assert_eq!(evaluate("parts"), evaluate("log.csv"));
}

#[test]
fn a_part_of_other_columns_is_named() {
    let directory = scratch();
    let (ours, shared) = (directory.path().join("parts"), &FILES.directory);
    copy_directory(&shared.join("parts"), &ours);
    fs::copy(shared.join("log.parquet"), ours.join("part-2.parquet")).expect("copied");
    let evaluate = ["evaluate", "csv", "--data", text(&ours)];
    fail(shared, &evaluate, 1, "part-2.parquet: expected the columns");
}

#[test]
fn a_parquet_cell_that_is_not_a_label_is_named_by_row() {
    let directory = scratch();
    let at = directory.path();
    let log = FILES.directory.join("log.parquet");
    let label = ["--label", "probability", "-o", "x.toml"];
    succeed(at, &[&["init", text(&log)], &label[..]].concat());
    fail(
        at,
        &["train", "x.toml", "--out", "x"],
        1,
        "log.parquet, row 1, column `probability`: a label must be 0 or 1, but is `0.",
    );
}

/// `init` must refuse the first half of a file.
#[track_caller]
fn half_is_refused(file: &str, name: &str, says: &str) {
    let directory = scratch();
    let at = directory.path();
    let whole = fs::read(FILES.directory.join(file)).expect("read");
    fs::write(at.join(name), &whole[..whole.len() / 2]).expect("written");
    let init = ["init", name, "--label", "label", "-o", "cut.toml"];
    fail(at, &init, 1, says);
}

#[test]
fn a_gzip_file_that_is_cut_short_is_refused() {
    let says = "cut.csv.gz: the compressed data is cut short";
    half_is_refused("log.csv.gz", "cut.csv.gz", says);
}

#[test]
fn a_parquet_file_that_is_cut_short_is_refused() {
    half_is_refused("log.parquet", "cut.parquet", "cut.parquet: ");
}

/// Tabs and CRLF, in a file for each split.
struct Tabs {
    directory: PathBuf,
    report: Value,
}

static TABS: LazyLock<Tabs> = LazyLock::new(|| {
    let directory = shared_directory();
    let at = directory.as_path();
    let text = adult_rows().replace(',', "\t");
    let (header, rows) = text.split_once('\n').expect("a header");
    let rows: Vec<&str> = rows.lines().collect();
    for (name, rows) in [
        ("a.tsv", &rows[..2000]),
        ("b.tsv", &rows[2000..2300]),
        ("c.tsv", &rows[2300..]),
    ] {
        let text = format!("{header}\r\n{}\r\n", rows.join("\r\n"));
        fs::write(at.join(name), text).expect("written");
    }
    let init = [
        "init", "a.tsv", "--valid", "b.tsv", "--test", "c.tsv", "--label", "label",
    ];
    succeed(at, &init);
    let train = ["train", "fibinet.toml", "--out", "run", "--json"];
    let report = json(&succeed(at, &train));
    Tabs { directory, report }
});

#[test]
fn files_of_their_own_are_the_splits() {
    let report = &TABS.report;
    assert_eq!(report["train_rows"], 2000);
    assert_eq!(report["valid"]["rows"], 300);
    assert_eq!(report["test"]["rows"], 300);
}

#[test]
fn evaluate_gives_the_metrics_that_training_reported_for_the_test_file() {
    let evaluate = ["evaluate", "run", "--data", "c.tsv", "--json"];
    let test = json(&succeed(&TABS.directory, &evaluate));
    let report = &TABS.report;
    let difference = |key: &str| (number(&test, key) - number(&report["test"], key)).abs();
    assert!(difference("auc") < 1e-9, "{test} {report}");
    assert!(difference("logloss") < 1e-6, "{test} {report}");
}

/// Rows with Criteo's oddities: empty cells, negative integers, no header; test rows without a label.
struct Criteo {
    directory: PathBuf,
    report: Value,
}

static CRITEO: LazyLock<Criteo> = LazyLock::new(|| {
    let directory = shared_directory();
    let at = directory.as_path();
    let row = |i: usize| {
        let integers = (0..13).map(|k| match (i + k) % 5 {
            0 => String::new(),
            1 => format!("-{}", k % 3 + 1),
            _ => format!("{}", i * (k + 1) % 997),
        });
        let categories = (0..26).map(|k| match (i + k) % 7 {
            0 => String::new(),
            _ => format!("{:08x}", i * 31 % (k + 3)),
        });
        integers.chain(categories).collect::<Vec<_>>().join("\t")
    };
    let labelled: String = (0..400)
        .map(|i| format!("{}\t{}\n", i % 4 / 3, row(i)))
        .collect();
    let unlabelled: String = (0..10).map(|i| format!("{}\n", row(i))).collect();
    fs::write(at.join("train.txt"), labelled).expect("written");
    fs::write(at.join("test.txt"), unlabelled).expect("written");
    let config = "[data]\ntrain = \"train.txt\"\nschema = \"criteo\"\nsplit = { valid = 0.2 }\n\
        [model]\nembedding_dim = 2\nhidden_units = [8]\n[train]\nepochs = 1\nbatch_size = 64\n";
    fs::write(at.join("criteo.toml"), config).expect("written");
    let train = ["train", "criteo.toml", "--out", "run", "--json"];
    let report = json(&succeed(at, &train));
    Criteo { directory, report }
});

#[test]
fn a_run_without_test_rows_has_no_test_metrics() {
    assert_eq!(CRITEO.report["test"], Value::Null);
}

#[test]
fn criteo_rows_are_evaluated() {
    let evaluate = ["evaluate", "run", "--data", "train.txt"];
    succeed(&CRITEO.directory, &evaluate);
}

#[test]
fn criteo_rows_without_a_label_are_scored() {
    let directory = scratch();
    let output = directory.path().join("out.csv");
    let predict = ["predict", "run", "--data", "test.txt", "-o", text(&output)];
    succeed(&CRITEO.directory, &predict);
    let scores = fs::read_to_string(output).expect("scores");
    assert_eq!(scores.lines().count(), 11);
}

/// Rows with Avazu's oddities: ids of 20 digits, hours as YYMMDDHH; test rows without a label.
static AVAZU: LazyLock<PathBuf> = LazyLock::new(|| {
    let directory = shared_directory();
    let at = directory.as_path();
    let header = "id,click,hour,C1,banner_pos,site_id,site_domain,site_category,app_id,app_domain,\
        app_category,device_id,device_ip,device_model,device_type,device_conn_type,\
        C14,C15,C16,C17,C18,C19,C20,C21";
    let row = |i: usize, label: &str| {
        // 20 digits, beyond what an i64 holds.
        let id = 10_000_000_000_000_000_000_u64 + i as u64;
        let hour = format!("1410{:02}{:02}", 21 + i % 9, i % 24);
        let codes = |n: usize| (0..n).map(|k| format!("{:08x}", i * 31 % (k + 4)));
        let numbers = |n: usize| (0..n).map(|k| (i * 7 % (k + 5)).to_string());
        let ints = numbers(2).chain(codes(9)).chain(numbers(10));
        let cells: Vec<String> = [id.to_string()]
            .into_iter()
            .chain((!label.is_empty()).then(|| label.to_owned()))
            .chain([hour])
            .chain(ints)
            .collect();
        cells.join(",") + "\n"
    };
    let labelled: String = (0..600)
        .map(|i| row(i, if i % 6 == 0 { "1" } else { "0" }))
        .collect();
    fs::write(at.join("train.csv"), format!("{header}\n{labelled}")).expect("written");
    let unlabelled: String = (0..10).map(|i| row(i, "")).collect();
    let test_header = header.replace("click,", "");
    fs::write(at.join("test.csv"), format!("{test_header}\n{unlabelled}")).expect("written");
    succeed(at, &["init", "train.csv", "--schema", "avazu"]);
    one_epoch(at, "fibinet.toml", "run");
    directory
});

#[test]
fn avazu_ids_of_20_digits_are_carried_whole() {
    let directory = scratch();
    let output = directory.path().join("out.csv");
    let predict = [
        "predict", "run", "--data", "test.csv", "--carry", "id", "-o",
    ];
    succeed(&AVAZU, &[&predict[..], &[text(&output)]].concat());
    let scores = fs::read_to_string(output).expect("scores");
    assert!(
        scores.starts_with("id,probability\n10000000000000000000,"),
        "{scores}"
    );
}

#[test]
fn avazu_hours_become_the_hour_of_the_day_and_ids_are_not_a_field() {
    let bundle = json(&succeed(&AVAZU, &["inspect", "run", "--json"]));
    let fields = bundle["fields"].as_array().expect("fields");
    assert_eq!(fields.len(), 24);
    let hour = fields.iter().find(|field| field["name"] == "hour.hour");
    assert_eq!(hour.expect("the hour of the day")["ids"], 27);
    assert!(!fields.iter().any(|field| field["name"] == "id"));
}

/// What `inspect` shows of an Avazu bundle, and its JSON.
pub(crate) fn inspected_avazu() -> (String, Value) {
    let shown = succeed(&AVAZU, &["inspect", "run"]);
    let json = json(&succeed(&AVAZU, &["inspect", "run", "--json"]));
    (shown, json)
}
