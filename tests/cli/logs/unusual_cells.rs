//! What is said of cells that are unknown, missing, out of range or rewritten.

use std::fs;

use serde_json::Value;

use crate::cli::logs::value_rows::{drawn, predict, train, write_rows, write_run_file};
use crate::cli::{fail, fibinet, report_and_stderr, scratch, succeed};

#[test]
fn an_unknown_spelling_is_warned_of_with_an_example_of_both_sides() {
    let directory = scratch();
    let at = directory.path();
    train(at, "kind = 'categorical'", |row| drawn(row, 80).to_string());
    let values: Vec<String> = (0..200).map(|row| format!("x{row}")).collect();
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    let (_, cells, stderr) = predict(at, &values, &[]);
    assert_eq!(
        (&cells["cells"], &cells["unknown"]),
        (&200.into(), &1.0.into())
    );
    let expected = "warning: `value`: 100% of 200 cells are unknown (0% in the validation rows); training knew 80 values such as `";
    assert!(
        stderr.contains(expected) && stderr.contains("`; this file has `x0`"),
        "{stderr}"
    );
    // Without --json it is a table on stderr, and scores may go to stdout.
    let args = ["predict", "run", "--data", "new.csv", "-o", "-"];
    let output = fibinet(at, &args);
    let stderr = String::from_utf8_lossy(&output.stderr);
    let row = stderr
        .lines()
        .find(|line| line.starts_with("value "))
        .expect("a row of the table");
    let row: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(row, ["value", "100.0%", "0%", "0%", "0%"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 201);
    let both = [&args[..], &["--json"]].concat();
    fail(at, &both, 2, "--json needs another --output than -");
}

#[test]
fn fewer_than_one_in_a_thousand_cells_out_of_range_make_no_table() {
    let directory = scratch();
    let at = directory.path();
    train(at, "kind = 'numeric'", |row| drawn(row, 80).to_string());
    for (rows, is_shown) in [(2000, false), (500, true)] {
        let values: Vec<String> = (1..rows).map(|row| (row % 80).to_string()).collect();
        let mut values: Vec<&str> = values.iter().map(String::as_str).collect();
        values.push("100000");
        let (_, cells, _) = predict(at, &values, &[]);
        assert_eq!(cells["out_of_range"], 1.0 / rows as f64);
        let output = fibinet(at, &["predict", "run", "--data", "new.csv", "-o", "-"]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(stderr.contains("out of range"), is_shown, "{stderr}");
    }
}

#[test]
fn one_in_ten_unknown_cells_is_no_surprise() {
    let directory = scratch();
    let at = directory.path();
    train(at, "kind = 'categorical'", |row| drawn(row, 80).to_string());
    let values: Vec<String> = (0..200)
        .map(|row| format!("{}{}", if row < 20 { "x" } else { "" }, row % 80))
        .collect();
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    let (_, cells, stderr) = predict(at, &values, &[]);
    assert_eq!((&cells["unknown"], stderr.as_str()), (&0.1.into(), ""));
}

#[test]
fn training_shows_the_cells_of_its_validation_and_test_rows() {
    let directory = scratch();
    let at = directory.path();
    // Each value stands in one row: all others know it not.
    let (report, _) = train(at, "kind = 'categorical'", |row| format!("v{row}"));
    for split in ["valid", "test"] {
        let cells = &report["fields"][split];
        assert_eq!(
            (&cells[0]["unknown"], &cells[1]["unknown"]),
            (&0.0.into(), &1.0.into())
        );
        assert_eq!(cells[1]["cells"], report[split]["rows"]);
    }
    let report = fs::read_to_string(at.join("run/report.json")).expect("a report");
    assert_eq!(
        serde_json::from_str::<Value>(&report).expect("JSON")["fields"]["valid"][1]["unknown"],
        1.0
    );
    let args = ["train", "run.toml", "--out", "again", "--no-cache"];
    let text = succeed(at, &args);
    let row = text
        .lines()
        .find(|line| line.starts_with("value "))
        .expect("a row of the table");
    assert!(row.contains("100.0% / 100.0%"), "{row}");
}

#[test]
fn a_few_cells_are_no_surprise() {
    let directory = scratch();
    let at = directory.path();
    train(at, "kind = 'categorical'", |row| drawn(row, 80).to_string());
    let (_, cells, stderr) = predict(at, &["x"; 4], &[]);
    assert_eq!((&cells["unknown"], stderr.as_str()), (&1.0.into(), ""));
    let (.., stderr) = predict(at, &["x"; 5], &[]);
    assert!(
        stderr.starts_with("warning: `value`: 100% of 5 cells are unknown"),
        "{stderr}"
    );
}

/// Trains on a log whose last rows, the test rows, have other values; gives what is said on stderr, once and
/// again from the cache.
fn said_of_test_rows(kind: &str, value: impl Fn(u64, bool) -> String) -> [String; 2] {
    let directory = scratch();
    let at = directory.path();
    write_run_file(at, kind);
    let run_file = fs::read_to_string(at.join("run.toml")).expect("a run file");
    let run_file = run_file.replace(
        "valid = 0.2, test = 0.2",
        "by = 'order', valid = 0.2, test = 0.2",
    );
    fs::write(at.join("run.toml"), run_file).expect("written");
    write_rows(at, "train.csv", |row| value(row, row >= 960));
    ["once", "again"].map(|out| {
        let args = ["train", "run.toml", "--out", out, "--json"];
        report_and_stderr(at, &args).1
    })
}

#[test]
fn test_rows_that_differ_from_the_validation_rows_are_warned_of() {
    let said = said_of_test_rows("kind = 'categorical'", |row, is_test| {
        let (known, unknown) = (row % 8, row % 7);
        if is_test {
            format!(" x{unknown}")
        } else {
            known.to_string()
        }
    });
    let says = "test rows: warning: `value`: 100% of 240 cells are unknown (0% in the validation rows); training \
                knew 8 values such as `0`; these rows have `x1`";
    let says_of_lists = "unknown (0% in the validation rows); training knew 2 values such as `b`; these rows have `x960`";
    let lists = said_of_test_rows(
        "kind = 'multi_categorical'\nseparator = '|'",
        |row, is_test| {
            if is_test {
                format!("b|x{row}")
            } else {
                format!("b|{}", if row % 3 == 0 { "a" } else { "b" })
            }
        },
    );
    let says_of_numbers = "test rows: warning: `value`: 100% of 240 cells are out of range (0% in the validation rows); \
                           training had numbers from 0 to 7; these rows have `1960.5`";
    let numbers = said_of_test_rows("kind = 'numeric'", |row, is_test| {
        if is_test {
            format!("{}.5", 1000 + row)
        } else {
            (row % 8).to_string()
        }
    });
    let says_of_rewritten = "test rows: note: `value`: 100% of 240 cells are rewritten (0% in the validation rows); training \
                             wrote the same value as `0`; these rows have `0.0`";
    let rewritten = said_of_test_rows("kind = 'categorical'", |row, is_test| {
        let known = row % 8;
        if is_test {
            format!("{known}.0")
        } else {
            known.to_string()
        }
    });
    for (said, says) in [
        (said, says),
        (lists, says_of_lists),
        (numbers, says_of_numbers),
        (rewritten, says_of_rewritten),
    ] {
        for said in said {
            assert!(said.contains(says), "{said}");
        }
    }
}
