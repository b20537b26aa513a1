//! Values that are written in another way, unknown or missing: what they score, and what is said of them.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::cli::{fail, fibinet, json, report_and_stderr, scratch, succeed};

const ROWS: u64 = 1200;

/// A draw of a row, from 0 to less than `below`.
fn drawn(row: u64, below: u64) -> u64 {
    ((row * 2_654_435_761) >> 7) % below
}

/// A run file for the rows of `train.csv`, with these settings of the field of `value`.
fn write_run_file(at: &Path, settings: &str) {
    let text = format!(
        "[data]\ntrain = 'train.csv'\nlabel = 'click'\nsplit = {{ valid = 0.2, test = 0.2 }}\n\
         [[data.fields]]\nname = 'site'\nkind = 'categorical'\n\
         [[data.fields]]\nname = 'value'\n{settings}\n\
         [model]\nembedding_dim = 4\nhidden_units = [8]\n[train]\nepochs = 1\nbatch_size = 64\n"
    );
    fs::write(at.join("run.toml"), text).expect("written");
}

/// A file of rows with these values. Clicks follow from them.
fn write_rows(at: &Path, name: &str, value: impl Fn(u64) -> String) {
    let mut text = "click,site,value\n".to_owned();
    for row in 0..ROWS {
        let value = value(row);
        let sum: u64 = value.bytes().map(u64::from).sum();
        let click = u64::from(drawn(row, 10) + sum % 5 > 6);
        text += &format!("{click},s{},\"{value}\"\n", drawn(row + 3, 7));
    }
    fs::write(at.join(name), text).expect("written");
}

/// Trains on rows with these values, and gives the report and stderr.
#[track_caller]
fn train(at: &Path, settings: &str, value: impl Fn(u64) -> String) -> (Value, String) {
    write_run_file(at, settings);
    write_rows(at, "train.csv", value);
    report_and_stderr(
        at,
        &[
            "train",
            "run.toml",
            "--out",
            "run",
            "--no-cache",
            "--force",
            "--json",
        ],
    )
}

/// The scores of rows with these values of one site, the report of their cells, and stderr.
#[track_caller]
fn predict(at: &Path, values: &[&str], more: &[&str]) -> (Vec<String>, Value, String) {
    let rows: String = values
        .iter()
        .map(|value| format!("s1,\"{value}\"\n"))
        .collect();
    fs::write(at.join("new.csv"), format!("site,value\n{rows}")).expect("written");
    let args = [
        "predict",
        "run",
        "--data",
        "new.csv",
        "-o",
        "scores.csv",
        "--json",
    ];
    let (report, stderr) = report_and_stderr(at, &[&args[..], more].concat());
    let scores = fs::read_to_string(at.join("scores.csv")).expect("scores");
    let scores = scores.lines().skip(1).map(str::to_owned).collect();
    (scores, report["fields"][1].clone(), stderr)
}

/// Asserts that these spellings score alike, and that each other value scores otherwise.
#[track_caller]
fn assert_alike(at: &Path, alike: &[&str], others: &[&str]) {
    let (scores, ..) = predict(at, alike, &[]);
    assert!(
        scores.iter().all(|score| *score == scores[0]),
        "{alike:?}: {scores:?}"
    );
    let (of_others, ..) = predict(at, others, &[]);
    for (other, score) in others.iter().zip(of_others) {
        assert_ne!(score, scores[0], "{other} beside {alike:?}");
    }
}

#[test]
fn an_id_is_one_value_however_it_is_written() {
    let directory = scratch();
    let at = directory.path();
    let (report, _) = train(at, "kind = 'categorical'", |row| drawn(row, 80).to_string());
    let of_test = &report["fields"]["test"][1];
    assert_eq!(
        (&of_test["field"], &of_test["unknown"]),
        (&"value".into(), &0.0.into())
    );
    assert_alike(
        at,
        &["17", "17.0", " 17", "17.00 "],
        &["18", "0017", "17.5", "+17", "1.7e1", "x17"],
    );
    let evaluate = |name: &str, value: &dyn Fn(u64) -> String| {
        write_rows(at, name, value);
        report_and_stderr(at, &["evaluate", "run", "--data", name, "--json"])
    };
    let integer = |row: u64| drawn(row, 80).to_string();
    let (plain, said) = evaluate("plain.csv", &integer);
    assert_eq!(said, "");
    // The labels are those of plain.csv, so the files are written from it.
    let text = fs::read_to_string(at.join("plain.csv")).expect("rows");
    let with_fractions = text.replace("\"\n", ".0\"\n");
    fs::write(at.join("float.csv"), with_fractions).expect("written");
    let (float, said) =
        report_and_stderr(at, &["evaluate", "run", "--data", "float.csv", "--json"]);
    assert_eq!(float["auc"], plain["auc"]);
    assert_eq!(float["fields"][1]["rewritten"], 1.0);
    let expected = "note: `value`: 100% of 1200 cells are rewritten (0% in the validation rows); training wrote the same value as `";
    assert!(said.contains(expected), "{said}");
}

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
fn truths_and_times_are_one_value_however_they_are_written() {
    let directory = scratch();
    let at = directory.path();
    train(at, "kind = 'categorical'", |row| {
        ["True", "False"][drawn(row, 2) as usize].to_owned()
    });
    assert_alike(
        at,
        &["True", "true", "TRUE", "1", "1.0", " true "],
        &["False", "0", "2", "yes"],
    );
    train(at, "kind = 'categorical'", |row| drawn(row, 2).to_string());
    assert_alike(at, &["1", "True", "1.0"], &["0", "False", "2"]);
    train(at, "kind = 'categorical'", |row| drawn(row, 3).to_string());
    assert_alike(at, &["1", "1.0"], &["0", "2", "True"]);
    train(at, "kind = 'categorical'", |row| {
        format!("2024-05-{:02}", drawn(row, 9) + 1)
    });
    assert_alike(
        at,
        &[
            "2024-05-03",
            "2024-05-03 00:00:00",
            "2024-05-03T00:00:00.000Z",
            "2024-05-03T02:00:00+02:00",
        ],
        &[
            "2024-05-04",
            "2024-05-03 01:00:00",
            "2024-5-3",
            "03/05/2024",
        ],
    );
}

#[test]
fn what_only_looks_like_a_number_stays_as_written() {
    let directory = scratch();
    let at = directory.path();
    for (values, different) in [
        (["4.1", "4.10", "4.2", "5.0"], ["4.1", "4.10", "4.100", "5"]),
        (
            ["1e5", "100000", "ab3", "9f2"],
            ["1e5", "100000", "100000.0", "1E5"],
        ),
        (
            ["00042", "42", "00043", "10115"],
            ["00042", "42", "0042", "42.0"],
        ),
        (
            ["12345678901234567890", "12345678901234567891", "7", "8"],
            [
                "12345678901234567890",
                "12345678901234567891",
                "1.2345678901234567e19",
                "7.0",
            ],
        ),
        (
            ["New York", "York", "new york", "NewYork"],
            ["New York", "York", "new york", "New  York"],
        ),
        (
            ["0301234567", "301234567", "0301234568", "0401234567"],
            ["0301234567", "301234567", "301234567.0", "0301234568"],
        ),
    ] {
        train(at, "kind = 'categorical'", |row| {
            values[drawn(row, 4) as usize].to_owned()
        });
        let (_, cells, _) = predict(at, &values, &[]);
        assert_eq!(
            (&cells["unknown"], &cells["rewritten"]),
            (&0.0.into(), &0.0.into()),
            "{values:?}"
        );
        let (_, cells, _) = predict(at, &different, &[]);
        let known = different
            .iter()
            .filter(|value| values.contains(value))
            .count();
        let unknown = 1.0 - known as f64 / different.len() as f64;
        assert_eq!(cells["unknown"], unknown, "{different:?}");
        let (scores, ..) = predict(at, &values[..2], &[]);
        assert_ne!(scores[0], scores[1], "{values:?}");
    }
}

#[test]
fn as_written_turns_it_off() {
    let directory = scratch();
    let at = directory.path();
    train(at, "kind = 'categorical'\nas_written = true", |row| {
        drawn(row, 80).to_string()
    });
    let (_, cells, _) = predict(at, &["17", "17.0", " 17", "18"], &[]);
    assert_eq!(
        (&cells["unknown"], &cells["rewritten"]),
        (&0.5.into(), &0.0.into())
    );
    write_run_file(at, "kind = 'numeric'\nas_written = true");
    let says = "`as_written` only applies to multi_categorical fields, to categorical fields and to categorical \
                fields without `hash_buckets`";
    fail(at, &["train", "run.toml", "--out", "other"], 2, says);
}

#[test]
fn texts_of_one_value_are_counted_together_before_rare_ones_are_dropped() {
    let directory = scratch();
    let at = directory.path();
    // Each id stands twice, in two spellings.
    let id = |row: u64| {
        format!(
            "{}{}",
            row / 2,
            if row.is_multiple_of(2) { "" } else { ".0" }
        )
    };
    write_run_file(at, "kind = 'categorical'\nmin_count = 2");
    let run_file = fs::read_to_string(at.join("run.toml")).expect("a run file");
    let run_file = run_file.replace("split = { valid = 0.2, test = 0.2 }", "valid = 'train.csv'");
    fs::write(at.join("run.toml"), run_file).expect("written");
    write_rows(at, "train.csv", id);
    let args = [
        "train",
        "run.toml",
        "--out",
        "run",
        "--no-cache",
        "--force",
        "--json",
    ];
    let report = json(&succeed(at, &args));
    let valid = &report["fields"]["valid"][1];
    assert_eq!(
        (&valid["unknown"], &valid["rewritten"]),
        (&0.0.into(), &0.5.into())
    );
}

#[test]
fn hashed_values_are_rewritten_too_and_cannot_be_unknown() {
    let directory = scratch();
    let at = directory.path();
    let (report, _) = train(at, "kind = 'categorical'\nhash_buckets = 5000", |row| {
        drawn(row, 80).to_string()
    });
    assert_eq!(report["fields"]["valid"][1]["unknown"], Value::Null);
    assert_alike(at, &["17", "17.0", " 17"], &["18", "0017"]);
    assert_alike(at, &["NA", "", "null"], &["17"]);
    let (_, cells, _) = predict(at, &["17", "17.0", "x", "NA"], &[]);
    assert_eq!(cells["unknown"], Value::Null);
    assert_eq!(
        (&cells["rewritten"], &cells["missing"]),
        (&0.25.into(), &0.25.into())
    );
    // In the rows of the training file, too.
    let half = |row: u64| {
        format!(
            "{}{}",
            drawn(row, 80),
            if row.is_multiple_of(2) { "" } else { ".0" }
        )
    };
    let (report, _) = train(at, "kind = 'categorical'\nhash_buckets = 5000", half);
    let rewritten = report["fields"]["valid"][1]["rewritten"]
        .as_f64()
        .expect("a share");
    assert!((0.4..0.6).contains(&rewritten), "{rewritten}");
    let args = ["predict", "run", "--data", "new.csv", "-o", "-"];
    let stderr = String::from_utf8_lossy(&fibinet(at, &args).stderr).into_owned();
    assert!(
        stderr
            .lines()
            .any(|line| line.starts_with("value ") && line.contains("cannot tell")),
        "{stderr}"
    );
}

/// The usual words for "no value".
const WORDS: [&str; 20] = [
    "?",
    "NA",
    "N/A",
    "n/a",
    "#N/A",
    "<NA>",
    "NaN",
    "nan",
    "-nan",
    "NaT",
    "None",
    "none",
    "null",
    "NULL",
    "Null",
    "(null)",
    "-",
    "undefined",
    "unknown",
    "\\N",
];

#[test]
fn words_for_no_value_are_no_numbers_times_and_elements() {
    let directory = scratch();
    let at = directory.path();
    for (settings, kept) in [
        ("kind = 'numeric'", "3.5"),
        ("kind = 'numeric'\nencoding = 'value'", "3.5"),
        ("kind = 'numeric'\nencoding = 'log2'", "3.5"),
        (
            "kind = 'timestamp'\nformat = '%Y-%m-%d'\nparts = ['weekday']",
            "2024-05-03",
        ),
        ("kind = 'multi_categorical'", "a|b"),
        ("kind = 'id'\nnum_ids = 9", "3"),
    ] {
        // In the fit: every tenth cell is one of the words, each in turn.
        train(at, settings, |row| match row % 10 {
            0 => WORDS[(row / 10 % 20) as usize].to_owned(),
            _ if kept == "3.5" => format!("{}.5", row % 7),
            _ if kept == "3" => (row % 9).to_string(),
            _ => kept.to_owned(),
        });
        // In other files.
        let (scores, cells, _) = predict(at, &[&WORDS[..], &[""]].concat(), &[]);
        assert!(
            scores.iter().all(|score| *score == scores[20]),
            "{settings}: {scores:?}"
        );
        assert_eq!(cells["missing"], 1.0, "{settings}");
    }
    let (scores, cells, _) = predict(at, &["3", "NA", " null "], &[]);
    assert!(
        scores[0] != scores[1] && scores[1] == scores[2],
        "{scores:?}"
    );
    assert_eq!(cells["missing"], 2.0 / 3.0);
}

#[test]
fn a_word_that_is_a_frequent_token_stays_one() {
    let directory = scratch();
    let at = directory.path();
    // Namibia, and a promotion that is none.
    let countries = ["NA", "DE", "FR", "None", ""];
    train(at, "kind = 'categorical'\nmin_count = 2", |row| match row {
        7 => "null".to_owned(),
        row => countries[drawn(row, 5) as usize].to_owned(),
    });
    let (scores, cells, _) = predict(at, &["NA", "None", "", "null", "n/a", "DE"], &[]);
    assert_eq!(cells["missing"], 0.5);
    assert_eq!(cells["unknown"], 0.0);
    assert!(
        scores[2] == scores[3] && scores[3] == scores[4],
        "{scores:?}"
    );
    for (a, b) in [(0, 1), (0, 2), (1, 2), (0, 5)] {
        assert_ne!(scores[a], scores[b], "{scores:?}");
    }
}

#[test]
fn the_list_of_words_can_be_replaced_and_added_to() {
    let directory = scratch();
    let at = directory.path();
    train(at, "kind = 'numeric'", |row| format!("{}.5", row % 7));
    let says = "column `value`";
    fs::write(at.join("words.csv"), "site,value\ns1,n.v.\n").expect("written");
    let args = ["predict", "run", "--data", "words.csv", "-o", "scores.csv"];
    fail(at, &args, 1, says);
    let (scores, cells, _) = predict(at, &["n.v.", "", "NA", "1.5"], &["--missing", "n.v.,-1"]);
    assert!(
        scores[0] == scores[1] && scores[1] == scores[2] && scores[2] != scores[3],
        "{scores:?}"
    );
    assert_eq!(cells["missing"], 0.75);
    fs::write(
        at.join("rows.csv"),
        "click,site,value\n1,s1,n.v.\n0,s2,1.5\n",
    )
    .expect("written");
    let args = [
        "evaluate",
        "run",
        "--data",
        "rows.csv",
        "--missing",
        "n.v.",
        "--json",
    ];
    assert_eq!(json(&succeed(at, &args))["fields"][1]["missing"], 0.5);
    // A list in the run file replaces the usual words.
    write_run_file(at, "kind = 'numeric'");
    let run_file = fs::read_to_string(at.join("run.toml")).expect("a run file");
    let words = "label = 'click'\nmissing_words = ['n.v.']";
    let run_file = run_file.replace("label = 'click'", words);
    fs::write(at.join("run.toml"), run_file).expect("written");
    let train = [
        "train",
        "run.toml",
        "--out",
        "replaced",
        "--no-cache",
        "--force",
    ];
    let with_word = |word: &str| {
        write_rows(at, "train.csv", |row| match row {
            5 => word.to_owned(),
            row => row.to_string(),
        });
    };
    with_word("n.v.");
    succeed(at, &train);
    with_word("NA");
    fail(at, &train, 1, "the cell is `NA`");
}

#[test]
fn a_missing_value_is_missing_however_it_is_written() {
    let directory = scratch();
    let at = directory.path();
    for settings in [
        "kind = 'numeric'\nmissing = ['-1']",
        "kind = 'categorical'\nmissing = ['-1']",
        "kind = 'categorical'\nhash_buckets = 5000\nmissing = ['-1']",
    ] {
        train(at, settings, |row| (drawn(row, 9) as i64 - 1).to_string());
        assert_alike(at, &["-1", "-1.0", " -1 ", ""], &["1", "0"]);
        let (_, cells, _) = predict(at, &["-1", "-1.0", "3", "4"], &[]);
        assert_eq!(cells["missing"], 0.5, "{settings}");
    }
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
fn a_list_is_one_value_with_and_without_brackets() {
    let directory = scratch();
    let at = directory.path();
    let list = |row: u64| format!("{}|{}", drawn(row, 9), drawn(row + 5, 9));
    train(at, "kind = 'multi_categorical'", list);
    assert_alike(
        at,
        &["1|7", "[1, 7]", "[1.0|7]", "['1' '7']", " [1,7] "],
        &["1", "[1, 7", "[[1], [7]]", "(1, 7)"],
    );
    // Each element of a list counts as a cell.
    let (_, cells, _) = predict(at, &["[1, x, NA]", "2|y|z", "[]"], &[]);
    assert_eq!(
        (&cells["cells"], &cells["unknown"], &cells["missing"]),
        (&6.into(), &0.5.into(), &(1.0 / 6.0).into())
    );
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

#[test]
fn test_rows_that_differ_from_the_validation_rows_are_warned_of() {
    let directory = scratch();
    let at = directory.path();
    write_run_file(at, "kind = 'categorical'");
    let run_file = fs::read_to_string(at.join("run.toml")).expect("a run file");
    let run_file = run_file.replace(
        "valid = 0.2, test = 0.2",
        "by = 'order', valid = 0.2, test = 0.2",
    );
    fs::write(at.join("run.toml"), run_file).expect("written");
    // The last rows have other values.
    write_rows(at, "train.csv", |row| {
        if row < 960 {
            drawn(row, 8).to_string()
        } else {
            format!("x{row}")
        }
    });
    let args = ["train", "run.toml", "--out", "run", "--no-cache", "--json"];
    let (_, stderr) = report_and_stderr(at, &args);
    let says =
        "test rows: warning: `value`: 100% of 240 cells are unknown (0% in the validation rows)";
    assert!(stderr.contains(says), "{stderr}");
}

#[test]
fn a_cell_that_a_comment_quotes_does_not_break_the_run_file() {
    let directory = scratch();
    let at = directory.path();
    let mut rows = "click,site,what\n".to_owned();
    for row in 0..1000 {
        let (click, what) = match drawn(row, 10) {
            0 => (1, "\"buy\nnow = 3\""),
            draw => (u64::from(draw % 3 == 0), "look"),
        };
        rows += &format!("{click},s{},{what}\n", drawn(row + 1, 5));
    }
    fs::write(at.join("log.csv"), rows).expect("written");
    succeed(at, &["init", "log.csv", "--label", "click"]);
    let run_file = fs::read_to_string(at.join("fibinet.toml")).expect("a run file");
    assert!(run_file.contains("buy\\nnow = 3"), "{run_file}");
}

#[test]
fn init_leaves_a_country_its_name() {
    let directory = scratch();
    let at = directory.path();
    let mut rows = "click,country,price\n".to_owned();
    for row in 0..1000 {
        let country = ["NA", "DE", "FR"][drawn(row, 3) as usize];
        let price = match drawn(row + 1, 9) {
            0 => "NA".to_owned(),
            1 => "-1".to_owned(),
            price => format!("{price}.5{row}"),
        };
        rows += &format!("{},{country},{price}\n", drawn(row + 2, 2));
    }
    fs::write(at.join("log.csv"), rows).expect("written");
    succeed(at, &["init", "log.csv", "--label", "click", "--missing=-1"]);
    let run_file = fs::read_to_string(at.join("fibinet.toml")).expect("a run file");
    assert!(run_file.contains("missing = [\"-1\"]"), "{run_file}");
    let args = [
        "train",
        "fibinet.toml",
        "--out",
        "run",
        "--json",
        "--set",
        "train.epochs=1",
    ];
    let report = json(&succeed(at, &args));
    let [country, price] = [0, 1].map(|field| &report["fields"]["valid"][field]);
    assert_eq!(
        (&country["field"], &country["missing"]),
        (&"country".into(), &0.0.into())
    );
    let missing = price["missing"].as_f64().expect("a share");
    assert!((0.1..0.35).contains(&missing), "{missing}");
}

#[test]
fn a_tag_in_brackets_is_one_token_alone_and_among_others() {
    let directory = scratch();
    let at = directory.path();
    let tags = ["[sale]", "[new]", "[sale]|[new]"];
    train(at, "kind = 'multi_categorical'", |row| {
        tags[drawn(row, 3) as usize].to_owned()
    });
    let (_, cells, _) = predict(at, &tags, &[]);
    assert_eq!(
        (&cells["cells"], &cells["unknown"]),
        (&4.into(), &0.0.into())
    );
    let (_, cells, _) = predict(at, &["sale", "new"], &[]);
    assert_eq!(cells["unknown"], 1.0);
}

#[test]
fn a_time_of_another_unit_is_out_of_range_and_a_midnight_may_be_a_date() {
    let directory = scratch();
    let at = directory.path();
    let second = |row: u64| 1_700_000_000 + 3600 * drawn(row, 1000);
    train(
        at,
        "kind = 'timestamp'\nformat = 'unix'\nparts = ['hour']",
        |row| second(row).to_string(),
    );
    let milliseconds: Vec<String> = (0..30).map(|row| format!("{}000", second(row))).collect();
    let milliseconds: Vec<&str> = milliseconds.iter().map(String::as_str).collect();
    let (_, cells, stderr) = predict(at, &milliseconds, &[]);
    assert_eq!(cells["out_of_range"], 1.0);
    assert!(
        stderr.contains("`value`: 100% of 30 cells are out of range"),
        "{stderr}"
    );
    let format = "kind = 'timestamp'\nformat = '%Y-%m-%d %H:%M:%S'\nparts = ['weekday']";
    train(at, format, |row| {
        format!("2024-05-{:02} 0{}:00:00", drawn(row, 9) + 1, row % 5)
    });
    assert_alike(
        at,
        &["2024-05-03 00:00:00", "2024-05-03", "2024-05-03T00:00:00Z"],
        &["2024-05-04"],
    );
}

#[test]
fn a_label_is_a_click_however_it_is_written() {
    let directory = scratch();
    let at = directory.path();
    write_run_file(at, "kind = 'categorical'");
    let run_file = fs::read_to_string(at.join("run.toml")).expect("a run file");
    let run_file = run_file.replace("label = 'click'", "label = 'click'\npositive = 'True'");
    fs::write(at.join("run.toml"), run_file).expect("written");
    write_rows(at, "plain.csv", |row| drawn(row, 9).to_string());
    let plain = fs::read_to_string(at.join("plain.csv")).expect("rows");
    let labels = |click: &str, other: &str| {
        let rows = plain.lines().skip(1).map(|row| match row.split_at(1) {
            ("1", rest) => format!("{click}{rest}\n"),
            (_, rest) => format!("{other}{rest}\n"),
        });
        format!("click,site,value\n{}", rows.collect::<String>())
    };
    fs::write(at.join("train.csv"), labels("True", "False")).expect("written");
    succeed(at, &["train", "run.toml", "--out", "run", "--no-cache"]);
    let evaluate = |click: &str, other: &str| {
        fs::write(at.join("other.csv"), labels(click, other)).expect("written");
        json(&succeed(
            at,
            &["evaluate", "run", "--data", "other.csv", "--json"],
        ))
    };
    let report = evaluate("True", "False");
    assert_ne!(report["clicks"], 0);
    for (click, other) in [("1", "0"), ("true", "false"), ("1.0", "0.0")] {
        assert_eq!(evaluate(click, other), report, "{click}");
    }
    assert_eq!(evaluate("yes", "no")["clicks"], 0);
}

#[test]
fn a_missing_value_may_begin_with_a_hyphen() {
    let directory = scratch();
    let at = directory.path();
    train(at, "kind = 'numeric'", |row| {
        (drawn(row, 9) + 1).to_string()
    });
    let (_, cells, _) = predict(at, &["-1", "-", "3", "4"], &["--missing", "-1,-9"]);
    assert_eq!(cells["missing"], 0.5);
}

#[test]
fn init_names_the_word_that_keeps_a_column_from_being_numbers() {
    let directory = scratch();
    let at = directory.path();
    let price = |row: u64| match row % 10 {
        0 => "absent".to_owned(),
        _ => format!("{}.{}", drawn(row, 90), row % 7),
    };
    write_rows(at, "log.csv", price);
    let args = ["init", "log.csv", "--label", "click"];
    let stderr = String::from_utf8_lossy(&fibinet(at, &args).stderr).into_owned();
    let says = "`value`: read as texts, because 120 of its cells are no numbers, most of them `absent`; if that \
                means no value, name it with --missing";
    assert!(stderr.contains(says), "{stderr}");
    let told = [&args[..], &["--missing", "absent", "--force"]].concat();
    succeed(at, &told);
    let run_file = fs::read_to_string(at.join("fibinet.toml")).expect("a run file");
    assert!(
        run_file.contains("name = \"value\"\nkind = \"numeric\""),
        "{run_file}"
    );
}

#[test]
fn odd_cells_far_into_a_log_are_found() {
    let directory = scratch();
    let at = directory.path();
    let mut rows = "click,site,price\n".to_owned();
    for row in 0..230_000_u64 {
        let price = match row {
            205_000.. if row.is_multiple_of(50) => "n.v.".to_owned(),
            _ => format!("{}.{}5", drawn(row, 90), row % 7),
        };
        rows += &format!("{},s{},{price}\n", drawn(row + 1, 3) / 2, row % 5);
    }
    fs::write(at.join("log.csv"), rows).expect("written");
    let init = ["init", "log.csv", "--label", "click", "--model", "lr"];
    let stderr = String::from_utf8_lossy(&fibinet(at, &init).stderr).into_owned();
    assert!(
        stderr.contains("have an odd cell, taken as missing, such as `n.v.` at log.csv:20"),
        "{stderr}"
    );
    let train = [
        "train",
        "fibinet.toml",
        "--out",
        "run",
        "--json",
        "--set",
        "train.epochs=1",
    ];
    let settings = ["train.batch_size=4096"];
    let report = json(&succeed(at, &[&train[..], &settings].concat()));
    assert_eq!(report["left_out"]["bad_rows"], 0);
}

#[test]
fn a_hashed_field_goes_by_its_training_rows() {
    let directory = scratch();
    let at = directory.path();
    write_run_file(at, "kind = 'categorical'\nhash_buckets = 5000");
    let run_file = fs::read_to_string(at.join("run.toml")).expect("a run file");
    let part = "split = { by = 'column', column = 'site', train_value = 's1', valid_value = 's2' }";
    let run_file = run_file.replace("split = { valid = 0.2, test = 0.2 }", part);
    fs::write(at.join("run.toml"), run_file).expect("written");
    // The validation rows alone have versions.
    let mut rows = "click,site,value\n".to_owned();
    for row in 0..ROWS {
        let (site, value) = match row % 4 {
            0 => ("s2", format!("4.{row}")),
            _ => ("s1", drawn(row, 80).to_string()),
        };
        rows += &format!("{},{site},{value}\n", drawn(row + 1, 2));
    }
    fs::write(at.join("train.csv"), rows).expect("written");
    let run_file = fs::read_to_string(at.join("run.toml")).expect("a run file");
    let site = "[[data.fields]]\nname = 'site'\nkind = 'categorical'\n";
    fs::write(
        at.join("run.toml"),
        run_file.replace(site, &site.replace("'site'\n", "'s'\ncolumn = 'site'\n")),
    )
    .expect("written");
    succeed(at, &["train", "run.toml", "--out", "run", "--no-cache"]);
    assert_alike(at, &["17", "17.0"], &["18", "17.5"]);
}
