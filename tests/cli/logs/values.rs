//! Values that are written in another way, and what they score.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::cli::logs::value_rows::{
    ROWS, assert_alike, drawn, predict, train, write_rows, write_run_file,
};
use crate::cli::{fail, fibinet, json, report_and_stderr, scratch, succeed};

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

#[test]
fn cells_that_are_written_as_in_training_are_not_shown_as_rewritten() {
    let directory = scratch();
    let at = directory.path();
    let truth = |row: u64| ["True", "False"][drawn(row, 2) as usize].to_owned();
    let time = |row: u64| format!("2024-05-{:02} 13:00:00+00:00", drawn(row, 9) + 1);
    let settings = [
        "kind = 'categorical'",
        "kind = 'categorical'\nhash_buckets = 99",
    ];
    for settings in settings {
        let values: [&dyn Fn(u64) -> String; 2] = [&truth, &time];
        for value in values {
            train(at, settings, value);
            let shown = succeed(at, &["evaluate", "run", "--data", "train.csv"]);
            assert!(!shown.contains("\nvalue "), "{shown}");
        }
        train(at, settings, |row| drawn(row, 80).to_string());
        write_rows(at, "float.csv", |row| format!("{}.0", drawn(row, 80)));
        let shown = succeed(at, &["evaluate", "run", "--data", "float.csv"]);
        let mut lines = shown.lines();
        let line = lines.find(|line| line.starts_with("value ")).expect(&shown);
        assert!(line.ends_with(" 100.0%"), "{shown}");
    }
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

/// A run file whose hashed field learns from the rows of the site `s1`.
fn write_hashed_run_file(at: &Path) {
    write_run_file(at, "kind = 'categorical'\nhash_buckets = 5000");
    let run_file = fs::read_to_string(at.join("run.toml")).expect("a run file");
    let split =
        "split = { by = 'column', column = 'site', train_value = 's1', valid_value = 's2' }";
    let run_file = run_file.replace("split = { valid = 0.2, test = 0.2 }", split);
    let site = "[[data.fields]]\nname = 'site'\nkind = 'categorical'\n";
    let run_file = run_file.replace(site, &site.replace("'site'\n", "'s'\ncolumn = 'site'\n"));
    fs::write(at.join("run.toml"), run_file).expect("written");
}

/// Trains on rows with these sites and values.
fn train_hashed(at: &Path, values: impl Iterator<Item = (&'static str, String)>) -> Value {
    write_hashed_run_file(at);
    let mut rows = "click,site,value\n".to_owned();
    for (row, (site, value)) in values.enumerate() {
        rows += &format!("{},{site},{value}\n", drawn(row as u64 + 1, 2));
    }
    fs::write(at.join("train.csv"), rows).expect("written");
    let train = ["train", "run.toml", "--out", "run", "--no-cache", "--force"];
    json(&succeed(at, &[&train[..], &["--json"]].concat()))
}

#[test]
fn a_hashed_field_goes_by_its_training_rows() {
    let directory = scratch();
    let at = directory.path();
    // The validation rows alone have versions.
    let value = |row: u64| match row % 4 {
        0 => ("s2", format!("4.{row}")),
        _ => ("s1", drawn(row, 80).to_string()),
    };
    train_hashed(at, (0..ROWS).map(value));
    assert_alike(at, &["17", "17.0"], &["18", "17.5"]);
}

#[test]
fn the_last_training_row_may_tell_how_a_hashed_field_is_written() {
    let directory = scratch();
    let at = directory.path();
    // More rows than are read at a time.
    let rows = |last: &'static str, number: fn(u64) -> String| {
        let site = |row: u64| ["s2", "s1", "s1", "s1"][row as usize % 4];
        let numbers = (0..9_000).map(move |row| (site(row), number(row)));
        numbers.chain([("s1", last.to_owned())])
    };
    let spelled = |row: u64| format!("{}{}", drawn(row, 80), [".0", ""][row as usize / 4 % 2]);
    let rewritten = |report: &Value| report["fields"]["valid"][1]["rewritten"].as_f64();
    let report = train_hashed(at, rows("17", spelled));
    assert_eq!(rewritten(&report), Some(0.5));
    assert_alike(at, &["17", "17.0"], &["18"]);
    // Versions, then: 4 and 4.0 may be two.
    let report = train_hashed(at, rows("4.0-beta", spelled));
    assert_eq!(rewritten(&report), Some(0.0));
    assert_alike(at, &["17", " 17"], &["17.0"]);
    // Numbers, and no truths.
    let bits = |row: u64| drawn(row, 2).to_string();
    train_hashed(at, rows("1", bits));
    assert_alike(at, &["1", "1.0", "True"], &["0"]);
    train_hashed(at, rows("2", bits));
    assert_alike(at, &["1", "1.0"], &["0", "True"]);
}
