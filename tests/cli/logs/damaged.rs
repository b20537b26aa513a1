//! Compressed logs that are damaged: what `init` says of the rows after those that it reads, and what the other
//! commands say of the garbled rows before the damage.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::formats::gzip;
use crate::cli::small::{small_config, small_log, trained_directory};
use crate::cli::{fail, fibinet, scratch, succeed};

/// What `init` says on stderr.
#[track_caller]
fn init(at: &Path) -> String {
    let init = ["init", "log.csv.gz", "--label", "click", "--force"];
    let output = fibinet(at, &init);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{stderr}");
    stderr
}

/// A compressed log of more rows than the guess reads at once.
fn log() -> Vec<u8> {
    let mut text = "click,user,site\n".to_owned();
    for row in 0..600_000 {
        let drawn = |seed, below| fibinet::data::mix_seed(seed, row) % below;
        let (click, user, site) = (drawn(1, 2), drawn(2, 5000), drawn(3, 90));
        writeln!(text, "{click},u{user},s{site}").expect("written");
    }
    gzip(text.as_bytes())
}

#[test]
fn init_says_where_training_will_stop() {
    let directory = scratch();
    let at = directory.path();
    let path = at.join("log.csv.gz");
    let whole = log();
    fs::write(&path, &whole).expect("written");
    let stderr = init(at);
    assert!(!stderr.contains("stop"), "{stderr}");

    let most = whole.len() * 9 / 10;
    // The last bytes are a checksum and the length.
    let mut corrupted = whole.clone();
    corrupted[whole.len() - 8] ^= 1;
    for damaged in [&whole[..most], &corrupted] {
        fs::write(&path, damaged).expect("written");
        let stderr = init(at);
        let warning = stderr.lines().find(|line| line.starts_with("warning: "));
        let error = warning.and_then(|line| {
            line.strip_prefix("warning: ")?
                .strip_suffix(": only the rows before were looked at, and training will stop there")
        });
        let error = error.unwrap_or_else(|| panic!("no such warning: {stderr}"));
        assert!(
            error.starts_with("log.csv.gz: the compressed data is "),
            "{error}"
        );
        fail(
            at,
            &["prepare", "fibinet.toml", "--cache", "cache"],
            1,
            error,
        );
    }
}

/// A small log, compressed, of so many rows that its text is garbled before the damage is found.
fn small_gzip() -> Vec<u8> {
    let rows: String = (0..20_000_u64)
        .map(|row| {
            let drawn = fibinet::data::mix_seed(5, row);
            format!("{},s{},{}\n", drawn % 2, drawn / 2 % 5, drawn / 16 % 90)
        })
        .collect();
    gzip(small_log(&rows).as_bytes())
}

#[test]
fn damage_is_named_and_not_the_rows_that_it_garbles() {
    let directory = trained_directory();
    let at = directory.path();
    fs::write(at.join("damaged.toml"), small_config("log.csv.gz", "")).expect("written");
    let whole = small_gzip();
    let data = ["--data", "log.csv.gz"];
    let skip = ["--on-bad-row", "skip"];
    for place in 1..12 {
        let mut corrupted = whole.clone();
        corrupted[whole.len() * place / 12] ^= 0x10;
        fs::write(at.join("log.csv.gz"), &corrupted).expect("written");
        let says = "error: log.csv.gz: the compressed data is damaged (";
        let prepare = ["prepare", "damaged.toml", "--cache", "cache"];
        fail(at, &prepare, 1, says);
        let skipping = ["--set", "data.on_bad_row=skip"];
        fail(at, &[&prepare[..], &skipping].concat(), 1, says);
        let evaluate = [&["evaluate", "run"][..], &data].concat();
        fail(at, &evaluate, 1, says);
        fail(at, &[&evaluate[..], &skip].concat(), 1, says);
        let predict = [&["predict", "run", "-o", "scores.csv"][..], &data].concat();
        fail(at, &predict, 1, says);
        let carry = ["--carry", "site"];
        fail(at, &[&predict[..], &skip, &carry].concat(), 1, says);
        assert!(!at.join("scores.csv").exists());
    }
}

/// `evaluate` of standard input.
fn evaluate_stdin(at: &Path, stdin: impl Into<Stdio>) -> Child {
    Command::new(env!("CARGO_BIN_EXE_fibinet"))
        .current_dir(at)
        .args(["evaluate", "run", "--data", "-"])
        .stdin(stdin)
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs")
}

#[test]
fn damage_of_standard_input_is_named_too() {
    let directory = trained_directory();
    let at = directory.path();
    let mut corrupted = small_gzip();
    let place = corrupted.len() / 3;
    corrupted[place] ^= 0x10;
    fs::write(at.join("log.csv.gz"), corrupted).expect("written");
    let log = fs::File::open(at.join("log.csv.gz")).expect("opened");
    let output = evaluate_stdin(at, log).wait_with_output().expect("it ends");
    let stderr = String::from_utf8_lossy(&output.stderr);
    let says = "error: standard input: the compressed data is damaged (";
    assert!(stderr.contains(says), "{stderr}");
    assert_eq!(output.status.code(), Some(1), "{stderr}");
}

#[test]
fn a_malformed_row_of_a_pipe_is_named_before_the_pipe_ends() {
    let directory = trained_directory();
    let mut evaluate = evaluate_stdin(directory.path(), Stdio::piped());
    let mut pipe = evaluate.stdin.take().expect("a pipe");
    let rows = format!("1,s1,3,4\n{}", "0,s1,3\n".repeat(1000));
    let log = gzip(small_log(&rows).as_bytes());
    // All but the checksum: the rows can be decompressed, but the text has not ended.
    pipe.write_all(&log[..log.len() - 8]).expect("written");
    let start = Instant::now();
    while evaluate.try_wait().expect("its state").is_none() {
        if start.elapsed() > Duration::from_secs(60) {
            evaluate.kill().expect("killed");
            panic!("the end of the pipe is waited for");
        }
        sleep(Duration::from_millis(20));
    }
    drop(pipe);
    let output = evaluate.wait_with_output().expect("it has ended");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        stderr.contains("standard input:62: expected 3 cells, got 4; if the row is well-formed before it is compressed, the compressed input is damaged"),
        "{stderr}"
    );
}

#[test]
fn damage_far_behind_a_malformed_row_is_not_looked_for() {
    let directory = trained_directory();
    let at = directory.path();
    let rows = format!("1,s1,3,4\n{}", "0,s1,3\n".repeat(1_000_000));
    let mut log = gzip(small_log(&rows).as_bytes());
    log.truncate(log.len() - 8);
    fs::write(at.join("log.csv.gz"), log).expect("written");
    fs::write(at.join("long.toml"), small_config("log.csv.gz", "")).expect("written");
    let says = "log.csv.gz:62: expected 3 cells, got 4";
    fail(at, &["prepare", "long.toml", "--cache", "cache"], 1, says);
    fail(at, &["evaluate", "run", "--data", "log.csv.gz"], 1, says);
}

#[test]
fn a_malformed_row_of_a_whole_file_is_still_named() {
    let directory = trained_directory();
    let at = directory.path();
    let log = gzip(small_log("1,s1,3,4\n").as_bytes());
    fs::write(at.join("log.csv.gz"), log).expect("written");
    let evaluate = ["evaluate", "run", "--data", "log.csv.gz"];
    let says = "log.csv.gz:62: expected 3 cells, got 4";
    fail(at, &evaluate, 1, says);
    fs::write(at.join("whole.toml"), small_config("log.csv.gz", "")).expect("written");
    let output = fibinet(at, &["prepare", "whole.toml"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        stderr.contains(says) && !stderr.contains("damaged"),
        "{stderr}"
    );
    fail(at, &["prepare", "whole.toml"], 1, says);
}

#[test]
fn zeros_after_compressed_rows_are_ignored_and_other_bytes_are_not() {
    let directory = trained_directory();
    let at = directory.path();
    let log = gzip(small_log("").as_bytes());
    let write = |more: &[u8]| {
        let followed = [log.as_slice(), more].concat();
        fs::write(at.join("log.csv.gz"), followed).expect("written");
    };
    let evaluate = ["evaluate", "run", "--data", "log.csv.gz"];
    write(&[]);
    let expected = succeed(at, &evaluate);
    write(&[0; 2000]);
    assert_eq!(succeed(at, &evaluate), expected);
    write(b"1,s1,3\n");
    let says = "log.csv.gz: other bytes follow the compressed data, after line 61; was something appended to the \
                file? `gzip -dc FILE > NEW` writes what is before";
    fail(at, &evaluate, 1, says);
}
