//! Every kind of field, through `init`, `train` and every optimizer.

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use serde_json::Value;

use crate::cli::{json, number, one_epoch, scratch, shared_directory, succeed};

const COLUMNS: &str = "click,site,tags,user,time,price,part";

/// A log with a field of every kind, without a header.
pub(crate) fn mixed_rows(rows: u64) -> String {
    let draw = |seed, row| fibinet::data::mix_seed(seed, row);
    (0..rows)
        .map(|row| {
            let (site, tag, user) = (draw(1, row) % 9, draw(2, row) % 7, draw(3, row) % 50);
            let hour = draw(4, row) % 24;
            let noise = draw(5, row).is_multiple_of(5);
            let click = u8::from((site + tag) % 3 == 0) ^ u8::from(noise);
            let part = ["train", "valid", "test", "none"]
                [(draw(6, row) % 8).saturating_sub(4) as usize % 4];
            format!(
                "{click},s{site},t{tag};t{},{user},2024-05-{:02} {hour:02}:30,{},{part}\n",
                (tag + 1) % 7,
                1 + row % 28,
                draw(7, row) % 1000,
            )
        })
        .collect()
}

/// The mixed log with a header and without one, and a run on each, split by a column.
struct Mixed {
    directory: PathBuf,
    with_header: Value,
    without_header: Value,
}

static MIXED: LazyLock<Mixed> = LazyLock::new(|| {
    let directory = shared_directory();
    let rows = mixed_rows(4000);
    fs::write(directory.join("with.csv"), format!("{COLUMNS}\n{rows}")).expect("written");
    fs::write(directory.join("without.csv"), &rows).expect("written");
    let split = [
        "--split-column",
        "part",
        "--train-value",
        "train",
        "--valid-value",
        "valid",
        "--test-value",
        "test",
        "--label",
        "click",
    ];
    let init = ["init", "with.csv", "-o", "with.toml"];
    succeed(&directory, &[&init[..], &split].concat());
    let init = ["init", "without.csv", "-o", "without.toml"];
    let columns = ["--columns", COLUMNS];
    succeed(&directory, &[&init[..], &columns, &split].concat());
    Mixed {
        with_header: one_epoch(&directory, "with.toml", "a"),
        without_header: one_epoch(&directory, "without.toml", "b"),
        directory,
    }
});

#[test]
fn init_guesses_the_format_of_a_time() {
    let config = fs::read_to_string(MIXED.directory.join("with.toml")).expect("a run file");
    assert!(
        config.contains("kind = \"timestamp\"\nformat = \"%Y-%m-%d %H:%M\""),
        "{config}"
    );
}

#[test]
fn named_columns_without_a_header_give_the_model_of_a_header() {
    assert_eq!(MIXED.with_header["test"], MIXED.without_header["test"]);
}

#[test]
fn the_values_of_a_split_column_decide_the_splits() {
    let rows = mixed_rows(4000);
    let rows_in = |part: &str| rows.lines().filter(|row| row.ends_with(part)).count();
    let report = &MIXED.with_header;
    assert_eq!(report["train_rows"], rows_in(",train"));
    assert_eq!(report["test"]["rows"], rows_in(",test"));
    assert_eq!(report["left_out"]["of_no_split"], rows_in(",none"));
}

const EVERY_KIND: &str = r#"
[data]
train = "with.csv"
label = "click"
split = { by = "order", valid = 0.1, test = 0.1 }
[[data.fields]]
name = "site"
kind = "categorical"
hash_buckets = 64
[[data.fields]]
name = "tags"
kind = "multi_categorical"
separator = ";"
pooling = "max"
[[data.fields]]
name = "user"
kind = "id"
num_ids = 50
[[data.fields]]
name = "time"
kind = "timestamp"
format = "%Y-%m-%d %H:%M"
[[data.fields]]
name = "price"
kind = "numeric"
encoding = "value"
scaling = "min_max"

[model]
embedding_dim = 4
hidden_units = [16]

[train]
epochs = 3
batch_size = 64
learning_rate = 0.01
"#;

/// Trains on a field of every kind. A fifth of the labels is flipped, so that the AUC is at most .8.
#[track_caller]
fn every_kind_trains(optimizer: &str, row_optimizer: &str, more: &str, least_auc: f64) {
    let directory = scratch();
    let at = directory.path();
    let rows = mixed_rows(4000);
    fs::write(at.join("with.csv"), format!("{COLUMNS}\n{rows}")).expect("written");
    fs::write(at.join("kinds.toml"), EVERY_KIND).expect("written");
    let dense = format!("train.optimizer={optimizer}");
    let rows = format!("train.row_optimizer={row_optimizer}");
    let run = ["train", "kinds.toml", "--out", "run", "--json", "--set"];
    let report = json(&succeed(at, &[&run[..], &[&dense, &rows, more]].concat()));
    assert_eq!(report["test"]["rows"], 400);
    let auc = number(&report["test"], "auc");
    assert!(auc > least_auc, "{optimizer} {report}");
}

#[test]
fn every_kind_trains_with_adam_and_lazy_adam() {
    every_kind_trains("adam", "lazy_adam", "train.row_update=met", 0.7);
}

#[test]
fn every_kind_trains_with_adamw_and_adagrad() {
    every_kind_trains("adamw", "adagrad", "train.weight_decay=0.01", 0.7);
}

#[test]
fn every_kind_trains_with_sgd() {
    every_kind_trains("sgd", "sgd", "train.momentum=0.9", 0.5);
}

#[test]
fn every_kind_trains_with_adagrad_and_rowwise_adagrad() {
    every_kind_trains("adagrad", "rowwise_adagrad", "train.net_l2=0.0001", 0.7);
}
