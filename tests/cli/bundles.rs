//! Bundles that exist, are damaged, come from a newer program, or do not fit on the disk.

use std::fs;
use std::path::Path;

use fibinet_testing::skipped;

use super::small::{TRAIN, small_config, small_directory, small_log, trained_directory};
use super::{ADULT, entries, fail, fibinet, scratch, succeed};

fn checksums(bundle: &Path) -> Vec<u8> {
    fs::read(bundle.join("SHA256SUMS")).expect("checksums")
}

#[test]
fn a_bundle_that_exists_is_kept() {
    let directory = trained_directory();
    let at = directory.path();
    let before = checksums(&at.join("run"));
    let says = "run exists\nhint: write elsewhere, or replace a bundle with --force";
    fail(at, &TRAIN, 2, says);
    assert_eq!(checksums(&at.join("run")), before);
}

#[test]
fn a_bundle_is_replaced_by_force() {
    let directory = trained_directory();
    let at = directory.path();
    let before = checksums(&at.join("run"));
    succeed(at, &[&TRAIN[..], &["--force", "--seed", "7"]].concat());
    assert_ne!(checksums(&at.join("run")), before);
}

#[test]
fn a_directory_that_is_not_a_bundle_is_not_replaced_even_by_force() {
    let directory = small_directory();
    let at = directory.path();
    fs::create_dir(at.join("photos")).expect("made");
    fs::write(at.join("photos/one"), "dear").expect("written");
    let photos = ["train", "run.toml", "--out", "photos", "--force"];
    let message = "photos exists and cannot be replaced: it does not contain SHA256SUMS\nhint: --force only replaces bundles";
    fail(at, &photos, 2, message);
    assert_eq!(entries(&at.join("photos")), ["one"]);
}

#[test]
fn a_run_that_fails_leaves_the_bundle_that_it_was_to_replace() {
    let directory = trained_directory();
    let at = directory.path();
    let before = checksums(&at.join("run"));
    fs::write(at.join("number.csv"), small_log("1,s1,old\n")).expect("written");
    let config = small_config("number.csv", "");
    fs::write(at.join("run.toml"), config).expect("written");
    let force = [&TRAIN[..], &["--force"]].concat();
    fail(at, &force, 1, "expected a number");
    assert_eq!(checksums(&at.join("run")), before);
    let names = ["good.csv", "number.csv", "run", "run.toml"];
    assert_eq!(entries(at), names);
}

#[test]
fn a_file_is_not_a_bundle() {
    let directory = small_directory();
    let evaluate = ["evaluate", "good.csv", "--data", "good.csv"];
    fail(directory.path(), &evaluate, 1, "is not a bundle");
}

const FILES: [&str; 6] = [
    "bundle.toml",
    "head.safetensors",
    "tables.safetensors",
    "encoder/fields.toml",
    "encoder/vocabulary.fst",
    "SHA256SUMS",
];

const INSPECT: [&str; 2] = ["inspect", "run"];
const EVALUATE: [&str; 4] = ["evaluate", "run", "--data", "good.csv"];
const PREDICT: [&str; 6] = ["predict", "run", "-o", "out.csv", "--data", "good.csv"];

/// Runs the command once per file, with one bit of that file flipped.
fn with_each_damaged(files: &[&str], mut command: impl FnMut(&Path)) {
    let directory = trained_directory();
    for file in files {
        let path = directory.path().join("run").join(file);
        let bytes = fs::read(&path).expect("a file of the bundle");
        let mut flipped = bytes.clone();
        flipped[bytes.len() / 2] ^= 1;
        fs::write(&path, flipped).expect("written");
        command(directory.path());
        fs::write(&path, bytes).expect("written");
    }
    // Every file is intact again.
    succeed(directory.path(), &EVALUATE);
}

#[test]
fn inspect_refuses_a_bundle_with_one_wrong_bit() {
    with_each_damaged(&FILES, |at| fail(at, &INSPECT, 1, "run/"));
}

#[test]
fn evaluate_refuses_a_bundle_with_one_wrong_bit() {
    with_each_damaged(&FILES, |at| fail(at, &EVALUATE, 1, "run/"));
}

#[test]
fn predict_refuses_a_bundle_with_one_wrong_bit_outside_the_tables() {
    let files = FILES.iter().copied();
    let files: Vec<&str> = files.filter(|file| *file != "tables.safetensors").collect();
    with_each_damaged(&files, |at| {
        fail(at, &PREDICT, 1, "run/");
        assert_eq!(entries(at), ["good.csv", "run", "run.toml"]);
    });
}

#[test]
fn predict_reads_the_table_rows_that_it_needs_and_checks_no_others() {
    with_each_damaged(&["tables.safetensors"], |at| {
        succeed(at, &PREDICT);
    });
}

#[test]
fn predict_refuses_tables_that_are_cut_short() {
    let directory = trained_directory();
    let at = directory.path();
    let path = at.join("run/tables.safetensors");
    let bytes = fs::read(&path).expect("tables");
    fs::write(&path, &bytes[..bytes.len() - 1]).expect("written");
    fail(at, &PREDICT, 1, "run/");
}

#[test]
fn a_bundle_of_a_newer_program_is_refused_with_its_format() {
    let directory = trained_directory();
    let at = directory.path();
    let manifest = at.join("run/bundle.toml");
    let text = fs::read_to_string(&manifest).expect("a manifest");
    let newer = text.replace("format = 6", "format = 7");
    assert_ne!(newer, text);
    fs::write(&manifest, newer).expect("written");
    let says = "has format 7, which is newer than this program can read (6)";
    fail(at, &EVALUATE, 1, says);
}

#[test]
fn what_a_killed_run_left_does_not_hinder_the_next() {
    let directory = small_directory();
    let at = directory.path();
    fs::create_dir(at.join(".run.fibinet-partial")).expect("made");
    fs::write(at.join(".run.fibinet-partial/head.safetensors"), "half").expect("written");
    succeed(at, &TRAIN);
    assert_eq!(entries(at), ["good.csv", "run", "run.toml"]);
}

/// Uses a file system of 256 KiB; skipped if this process may not mount one.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_leaves_the_old_bundle() {
    use std::process::Command;

    let directory = scratch();
    let at = directory.path();
    let disk = at.join("disk");
    fs::create_dir(&disk).expect("made");
    let mount = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"])
        .arg(&disk)
        .output();
    if !mount.is_ok_and(|mount| mount.status.success()) {
        skipped("a full disk", "no file system can be mounted here");
        return;
    }
    succeed(at, &["init", ADULT, "--label", "label"]);
    let train = ["train", "fibinet.toml", "--out", "disk/run", "--set"];
    let train = [&train[..], &["train.epochs=1"]].concat();
    let small = ["model.hidden_units=[4]", "model.embedding_dim=2"];
    succeed(at, &[&train[..], &small].concat());
    let before = checksums(&disk.join("run"));
    let large = [&train[..], &["model.hidden_units=[400]", "--force"]].concat();
    let output = fibinet(at, &large);
    let stderr = String::from_utf8_lossy(&output.stderr);
    let after = fs::read(disk.join("run/SHA256SUMS"));
    let left = entries(&disk);
    let scored = fibinet(at, &["evaluate", "disk/run", "--data", ADULT]);
    let unmounted = Command::new("umount").arg(&disk).status();
    assert!(unmounted.is_ok_and(|status| status.success()), "unmounted");
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    assert!(stderr.to_lowercase().contains("no space"), "{stderr}");
    assert_eq!(after.expect("checksums"), before);
    assert_eq!(left, ["run"]);
    assert!(scored.status.success(), "{scored:?}");
}
