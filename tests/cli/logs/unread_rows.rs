//! Malformed rows behind those that `init` guesses from, which are the first 200,000.

use std::fs;
use std::path::Path;

use crate::cli::{fibinet, scratch};

const ROWS: usize = 210_000;

/// Writes a log whose line 205,001 and those after it are these.
fn write_log(at: &Path, lines: &[&[u8]]) {
    let row = |row: usize| format!("{},u{},s{}\n", row * 7 % 3 / 2, row % 50, row % 7);
    let rows = |rows: std::ops::Range<usize>| rows.map(row).collect::<String>().into_bytes();
    let mut text = b"click,user,site\n".to_vec();
    text.extend(rows(0..204_999));
    lines.iter().for_each(|line| text.extend_from_slice(line));
    text.extend(rows(205_000..ROWS));
    fs::write(at.join("log.csv"), text).expect("written");
}

fn init(at: &Path, more: &[&str]) -> String {
    let args = ["init", "log.csv", "--label", "click", "--force"];
    let output = fibinet(at, &[&args, more].concat());
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{stderr}");
    stderr
}

#[test]
fn malformed_rows_behind_the_first_ones_are_told_with_their_lines() {
    let directory = scratch();
    let at = directory.path();
    for (line, says) in [
        (
            &b"1,u1,s1,9\n"[..],
            "log.csv:205001: expected 3 cells, got 4",
        ),
        (
            b"2,u1,s1\n",
            "log.csv:205001, column `click`: a label must be 0 or 1, but is `2`",
        ),
        (
            b"1,u\xf6,s1\n",
            "log.csv:205001, column `user`: the cell is not UTF-8",
        ),
    ] {
        write_log(at, &[line]);
        let stderr = init(at, &[]);
        assert!(
            stderr.contains(&format!("note: training will refuse {says}")),
            "{stderr}"
        );
        assert!(
            stderr.contains("; --on-bad-row skip leaves such rows out"),
            "{stderr}"
        );
        let stderr = init(at, &["--on-bad-row", "skip"]);
        assert!(!stderr.contains("data.positive"), "{stderr}");
        let says = format!("malformed rows skipped: 1; the first: {says}");
        assert!(stderr.contains(&says), "{stderr}");
    }
}

#[test]
fn several_malformed_rows_are_counted_and_the_first_named() {
    let directory = scratch();
    let at = directory.path();
    write_log(
        at,
        &[
            b"1,u1\n",
            b"0,u1,s2\n",
            b"x,u1,s1\n",
            b"1,u1,s1,\n",
            b"1,u1\n",
        ],
    );
    let stderr = init(at, &[]);
    let says = "note: training will refuse log.csv:205001: expected 3 cells, got 2, and 3 other rows: log.csv:205003, \
                column `click`: a label";
    assert!(stderr.contains(says), "{stderr}");
    let skipped = init(at, &["--on-bad-row", "skip"]);
    assert!(
        skipped.contains("malformed rows skipped: 4; the first: log.csv:205001"),
        "{skipped}"
    );
}

#[test]
fn a_malformed_row_over_several_lines_is_one_row() {
    let directory = scratch();
    let at = directory.path();
    write_log(at, &[b"1,\"u1\ns1\",s1,x\n"]);
    let says = "log.csv:205001: a row over 2 lines has 4 cells, expected 3: is a quote not closed?";
    let stderr = init(at, &[]);
    let refused =
        format!("note: training will refuse {says}; --on-bad-row skip leaves such rows out\n");
    assert!(stderr.contains(&refused), "{stderr}");
    let stderr = init(at, &["--on-bad-row", "skip"]);
    let skipped = format!("malformed rows skipped: 1; the first: {says}\n");
    assert!(stderr.contains(&skipped), "{stderr}");
}

#[test]
fn a_log_without_malformed_rows_draws_no_note() {
    let directory = scratch();
    let at = directory.path();
    write_log(at, &[b"1,\"u1\nu2, u3\",s1\n"]);
    for more in [&[][..], &["--on-bad-row", "skip"]] {
        let stderr = init(at, more);
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
    }
}

#[test]
fn a_label_names_the_argument_that_reads_it() {
    let directory = scratch();
    let at = directory.path();
    write_log(at, &[b"2,u1,s1\n"]);
    for more in [&[][..], &["--on-bad-row", "skip"]] {
        let stderr = init(at, more);
        let says = "must be 0 or 1, but is `2`; set --positive to the cell that means a click";
        assert!(stderr.contains(says), "{stderr}");
    }
}

#[test]
fn rows_of_a_schema_are_looked_at_behind_the_first_ones_too() {
    let directory = scratch();
    let at = directory.path();
    let row = |row: usize| {
        let cells = [row * 7 % 3 / 2, row % 50].map(|cell| cell.to_string());
        format!("{}{}\n", cells.join("\t"), "\t".repeat(38))
    };
    let mut text: String = (0..ROWS).map(row).collect();
    text += "1\t2\n";
    fs::write(at.join("log.txt"), text).expect("written");
    let output = fibinet(at, &["init", "log.txt", "--schema", "criteo"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    let says =
        "note: training will refuse log.txt:210001: expected 40 cells, got 2; --on-bad-row skip";
    assert!(output.status.success() && stderr.contains(says), "{stderr}");
}
