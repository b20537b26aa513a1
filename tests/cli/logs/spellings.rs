//! Values as people write them: `init` reads them, and what it writes trains as it is.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::cli::logs::value_rows::drawn;
use crate::cli::{fail, fibinet, json, scores, scratch, succeed};

const ROWS: u64 = 2000;

/// The price of a row: 0 to 4999.95 in steps of .05.
fn price(row: u64) -> (u64, u64) {
    let twentieths = drawn(row, 100_000);
    (twentieths / 20, twentieths % 20 * 5)
}

fn is_click(row: u64) -> u64 {
    u64::from(price(row).0 + drawn(row + 7, 2000) > 3000)
}

/// A log with a site and another column, quoted.
fn write_log(at: &Path, name: &str, column: &str, cell: impl Fn(u64) -> String) {
    let mut text = format!("click,site,{column}\n");
    for row in 0..ROWS {
        let (click, cell) = (is_click(row), cell(row).replace('"', "\"\""));
        text += &format!("{click},s{},\"{cell}\"\n", drawn(row, 7));
    }
    fs::write(at.join(name), text).expect("written");
}

/// What `init` says and writes of a log.
#[track_caller]
fn init(at: &Path, log: &str, more: &[&str]) -> (String, String) {
    let args = ["init", log, "--label", "click", "--force"];
    let output = fibinet(at, &[&args[..], more].concat());
    let stderr = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(output.status.success(), "{stderr}");
    let run_file = fs::read_to_string(at.join("fibinet.toml")).expect("a run file");
    (stderr, run_file)
}

const SMALL: [&str; 4] = [
    "--set",
    "train.epochs=1",
    "model.embedding_dim=4",
    "model.hidden_units=[8]",
];

/// The report of a small model, trained as `init` has written it.
#[track_caller]
fn train(at: &Path, out: &str) -> Value {
    let train = ["train", "fibinet.toml", "--out", out, "--json"];
    json(&succeed(at, &[&train[..], &SMALL].concat()))
}

/// The test metrics of a log whose column has these cells.
#[track_caller]
fn metrics(column: &str, cell: impl Fn(u64) -> String) -> Value {
    let directory = scratch();
    let at = directory.path();
    write_log(at, "log.csv", column, cell);
    init(at, "log.csv", &[]);
    train(at, "run")["test"].clone()
}

fn plain_price(row: u64) -> String {
    let (whole, hundredths) = price(row);
    format!("{whole}.{hundredths:02}")
}

/// A price with these characters between thousands and before the fraction.
fn written_price(row: u64, thousands: &str, decimal: &str) -> String {
    let (whole, hundredths) = price(row);
    match whole {
        0..1000 => format!("{whole}{decimal}{hundredths:02}"),
        _ => {
            let (first, rest) = (whole / 1000, whole % 1000);
            format!("{first}{thousands}{rest:03}{decimal}{hundredths:02}")
        }
    }
}

#[test]
fn a_few_odd_cells_leave_a_quantity_and_are_named() {
    let directory = scratch();
    let at = directory.path();
    write_log(at, "log.csv", "price", |row| match row {
        777 => "inf".to_owned(),
        900 | 901 => "1.281.501.0".to_owned(),
        row => plain_price(row),
    });
    let (stderr, run_file) = init(at, "log.csv", &[]);
    let named =
        "3 odd cells taken as missing: `inf` at log.csv:779, `1.281.501.0` at log.csv:902 (2 rows)";
    assert!(stderr.contains(&format!("`price`: {named}")), "{stderr}");
    assert!(run_file.contains(named), "{run_file}");
    assert!(
        run_file.contains(r#"missing = ["inf", "1.281.501.0"]"#),
        "{run_file}"
    );
    assert!(run_file.contains("encoding = \"cumulative\""), "{run_file}");
    train(at, "run");
    // The encoder keeps them, for this field alone.
    let rows = "site,price\ns1,\ns1,inf\ns1,1.281.501.0\ninf,7\nnew,7\n,7\n";
    fs::write(at.join("new.csv"), rows).expect("written");
    succeed(
        at,
        &["predict", "run", "--data", "new.csv", "-o", "scores.csv"],
    );
    let scores = scores(&at.join("scores.csv"));
    assert_eq!([scores[1], scores[2]], [scores[0]; 2]);
    assert_eq!(scores[3], scores[4], "`inf` is an unknown site");
    assert_ne!(scores[3], scores[5], "`inf` is not a missing site");
    // Other words are still refused.
    fs::write(at.join("new.csv"), "site,price\ns1,abc\n").expect("written");
    let predict = ["predict", "run", "--data", "new.csv", "-o", "scores.csv"];
    fail(
        at,
        &predict,
        1,
        "new.csv:2, column `price`: expected a number, but the cell is `abc`",
    );
}

#[test]
fn more_than_a_few_odd_cells_are_told_if_the_column_is_said_to_be_numeric() {
    let directory = scratch();
    let at = directory.path();
    write_log(at, "log.csv", "price", |row| match row % 20 {
        3 => "n.v.".to_owned(),
        _ => plain_price(row),
    });
    let (stderr, run_file) = init(at, "log.csv", &["--numeric", "price"]);
    let told = "100 cells cannot be read, and training will refuse them: `n.v.` at log.csv:5";
    assert!(stderr.contains(told), "{stderr}");
    assert!(!run_file.contains("missing = "), "{run_file}");
}

#[test]
fn the_run_file_says_how_numbers_are_written() {
    let directory = scratch();
    let at = directory.path();
    write_log(at, "log.csv", "price", |row| {
        written_price(row, ".", ",") + " €"
    });
    let (_, run_file) = init(at, "log.csv", &[]);
    for line in [
        "# numbers with fractions, written as in `1.234,5 €`",
        "decimal = \",\"",
        "thousands = \".\"",
        "unit = \"€\"",
    ] {
        assert!(run_file.contains(line), "{run_file}");
    }
}

#[test]
fn thousands_fractions_and_units_are_worth_what_plain_numbers_are() {
    let plain = metrics("price", plain_price);
    for (thousands, decimal, unit) in [
        (",", ".", ""),
        (".", ",", ""),
        ("", ",", " EUR"),
        ("", ".", "%"),
    ] {
        let cell = |row| written_price(row, thousands, decimal) + unit;
        assert_eq!(
            metrics("price", cell),
            plain,
            "{thousands} {decimal} {unit}"
        );
    }
}

#[test]
fn numbers_and_dates_that_fit_two_readings_are_named_and_left_out() {
    let directory = scratch();
    let at = directory.path();
    let cell = |row| format!("{},{:03}", 1 + drawn(row, 900), drawn(row + 1, 1000));
    write_log(at, "log.csv", "amount", cell);
    let (stderr, run_file) = init(at, "log.csv", &["--model", "lr"]);
    for text in [&stderr, &run_file] {
        assert!(text.contains("with `thousands = \",\"` or"), "{text}");
        assert!(text.contains("with `decimal = \",\"`"), "{text}");
    }
    assert!(!run_file.contains("name = \"amount\""), "{run_file}");

    let cell = |row| {
        format!(
            "{:02}/{:02}/2024",
            1 + drawn(row, 12),
            1 + drawn(row + 1, 12)
        )
    };
    write_log(at, "log.csv", "day", cell);
    let (stderr, run_file) = init(at, "log.csv", &["--model", "lr"]);
    for text in [&stderr, &run_file] {
        assert!(text.contains("`%m/%d/%Y` or `%d/%m/%Y`"), "{text}");
    }
    assert!(!run_file.contains("name = \"day\""), "{run_file}");
}

#[test]
fn an_hour_is_worth_the_same_in_every_spelling_of_a_time() {
    let parts = |row| (1 + drawn(row, 28), drawn(row + 3, 24), drawn(row + 4, 60));
    let seconds = |row| {
        let (day, hour, minute) = parts(row);
        // From 2021-08-01.
        1_627_776_000 + ((day - 1) * 24 + hour) * 3600 + minute * 60
    };
    let iso = metrics("t", |row| {
        let (day, hour, minute) = parts(row);
        format!("2021-08-{day:02} {hour:02}:{minute:02}:00")
    });
    let apache = metrics("t", |row| {
        let (day, hour, minute) = parts(row);
        format!("{day:02}/Aug/2021:{hour:02}:{minute:02}:00 +0200")
    });
    let digits = metrics("t", |row| {
        let (day, hour, _) = parts(row);
        format!("2108{day:02}{hour:02}")
    });
    assert_eq!([apache, digits], [iso.clone(), iso.clone()]);
    let named = metrics("ts", |row| seconds(row).to_string());
    for factor in [1_000, 1_000_000, 1_000_000_000] {
        let epoch = metrics("ts", |row| (seconds(row) * factor).to_string());
        assert_eq!(epoch, named, "{factor}");
    }
}

#[test]
fn a_list_is_worth_the_same_in_every_spelling() {
    let list = |row: u64, open: &str, between: &str, close: &str| {
        let ids = (0..1 + drawn(row, 4)).map(|at| (price(row).0 / 500 + at * 3).to_string());
        format!("{open}{}{close}", ids.collect::<Vec<_>>().join(between))
    };
    let pipes = metrics("history", |row| list(row, "", "|", ""));
    for (open, between, close) in [
        ("", "^", ""),
        ("", ",", ""),
        ("", ", ", ""),
        ("", " ", ""),
        ("[", ", ", "]"),
        ("['", "', '", "']"),
        ("[\"", "\",\"", "\"]"),
        ("[", " ", "]"),
    ] {
        let other = metrics("history", |row| list(row, open, between, close));
        assert_eq!(other, pipes, "{open}{between}{close}");
    }
}

#[test]
fn a_cell_without_the_brackets_of_its_field_is_refused() {
    let directory = scratch();
    let at = directory.path();
    write_log(at, "log.csv", "history", |row| {
        format!("[{}, {}]", drawn(row, 9), drawn(row + 1, 9))
    });
    let (_, run_file) = init(at, "log.csv", &[]);
    assert!(run_file.contains("brackets = true"), "{run_file}");
    train(at, "run");
    fs::write(at.join("new.csv"), "site,history\ns1,[]\ns1,\"1, 2\"\n").expect("written");
    let predict = ["predict", "run", "--data", "new.csv", "-o", "scores.csv"];
    fail(
        at,
        &predict,
        1,
        "new.csv:3, column `history`: expected a list in brackets",
    );
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
