//! A log of 60 rows, its run file and a run on it, for tests of early failures.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use super::{copy_directory, entries, fail, scratch, shared_directory, succeed};

/// A header, 60 good rows, then these.
pub(super) fn small_log(more: &str) -> String {
    let good: String = (0..60)
        .map(|i| format!("{},s{},{i}\n", i % 2, i % 5))
        .collect();
    format!("click,site,age\n{good}{more}")
}

/// A run file for a log, whose `[train]` section ends in these lines.
pub(super) fn small_config(file: &str, more: &str) -> String {
    format!(
        "[data]\ntrain = \"{file}\"\nlabel = \"click\"\nsplit = {{ valid = 0.3 }}\n\
         [[data.fields]]\nname = \"site\"\nkind = \"categorical\"\n\
         [[data.fields]]\nname = \"age\"\nkind = \"numeric\"\n\
         [model]\nembedding_dim = 2\nhidden_units = [4]\n[train]\nepochs = 1\n{more}"
    )
}

pub(super) const TRAIN: [&str; 4] = ["train", "run.toml", "--out", "run"];

static SMALL_RUN: LazyLock<PathBuf> = LazyLock::new(|| {
    let directory = shared_directory();
    write_small(&directory);
    succeed(&directory, &TRAIN);
    directory
});

fn write_small(directory: &Path) {
    fs::write(directory.join("good.csv"), small_log("")).expect("written");
    let config = small_config("good.csv", "");
    fs::write(directory.join("run.toml"), config).expect("written");
}

/// A directory with `good.csv` and `run.toml`.
pub(super) fn small_directory() -> tempfile::TempDir {
    let directory = scratch();
    write_small(directory.path());
    directory
}

/// A directory with `good.csv`, `run.toml`, and in `run` the bundle that they train to.
pub(super) fn trained_directory() -> tempfile::TempDir {
    let directory = small_directory();
    copy_directory(&SMALL_RUN.join("run"), &directory.path().join("run"));
    directory
}

/// Runs a command that must fail in a directory with `good.csv` and `run.toml`, and leave nothing.
#[track_caller]
pub(super) fn refused(args: &[&str], code: i32, says: &str) {
    let directory = small_directory();
    fail(directory.path(), args, code, says);
    assert_eq!(entries(directory.path()), ["good.csv", "run.toml"]);
}
