//! Times that a Parquet file stores as such, and the same times as texts and numbers: each scores as the others,
//! whichever the model was trained on.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, Date32Array, Int64Array, RecordBatch, TimestampMicrosecondArray,
    TimestampMillisecondArray,
};
use chrono::DateTime;
use parquet::arrow::ArrowWriter;

use crate::cli::logs::value_rows::drawn;
use crate::cli::{fail, json, number, scores, scratch, succeed};

const ROWS: u64 = 600;
const SECONDS_PER_DAY: i64 = 86_400;

/// A second of a row, from 2024-05-01 on.
fn second(row: u64) -> i64 {
    1_714_521_600 + 1800 * drawn(row, 48 * 20) as i64
}

/// The midnight of a row.
fn midnight(row: u64) -> i64 {
    second(row) / SECONDS_PER_DAY * SECONDS_PER_DAY
}

/// Clicks that depend on the hour and the day of the week.
fn click(row: u64) -> i64 {
    let hours = second(row) / 3600;
    i64::from(hours % 24 > 11 || (hours / 24) % 7 > 4)
}

fn written(second: i64, format: &str) -> String {
    let time = DateTime::from_timestamp(second, 0).expect("a time");
    time.format(format).to_string()
}

fn write_csv(at: &Path, name: &str, time: impl Fn(u64) -> String) {
    let mut text = "click,t\n".to_owned();
    for row in 0..ROWS {
        text += &format!("{},{}\n", click(row), time(row));
    }
    fs::write(at.join(name), text).expect("written");
}

fn write_parquet(at: &Path, name: &str, times: ArrayRef) {
    let clicks: Int64Array = (0..ROWS).map(|row| Some(click(row))).collect();
    let columns: [(&str, ArrayRef); 2] = [("click", Arc::new(clicks)), ("t", times)];
    let rows = RecordBatch::try_from_iter(columns).expect("columns of one length");
    let file = File::create(at.join(name)).expect("created");
    let mut writer = ArrowWriter::try_new(file, rows.schema(), None).expect("a schema");
    writer.write(&rows).expect("written");
    writer.close().expect("written");
}

fn microseconds(second: impl Fn(u64) -> i64) -> TimestampMicrosecondArray {
    (0..ROWS).map(|row| Some(second(row) * 1_000_000)).collect()
}

fn train(at: &Path, log: &str, format: &str) {
    let config = format!(
        "[data]\ntrain = '{log}'\nlabel = 'click'\nsplit = {{ valid = 0.1, test = 0.1 }}\n\
         [[data.fields]]\nname = 't'\nkind = 'timestamp'\nformat = '{format}'\n\
         [model]\nname = 'lr'\n[train]\nepochs = 1\n"
    );
    fs::write(at.join("run.toml"), config).expect("written");
    succeed(
        at,
        &["train", "run.toml", "--out", "run", "--force", "--no-cache"],
    );
}

/// The scores of a file, none of whose cells is unusual.
#[track_caller]
fn predict(at: &Path, data: &str) -> Vec<f32> {
    let args = [
        "predict",
        "run",
        "--data",
        data,
        "-o",
        "scores.csv",
        "--json",
    ];
    let report = json(&succeed(at, &args));
    for unusual in ["missing", "out_of_range"] {
        assert_eq!(report["fields"][0][unusual], 0.0, "{data}: {report}");
    }
    scores(&at.join("scores.csv"))
}

#[test]
fn a_stored_time_is_a_time_for_every_format() {
    let directory = scratch();
    let at = directory.path();
    write_parquet(at, "micros.parquet", Arc::new(microseconds(second)));
    let milliseconds: TimestampMillisecondArray =
        (0..ROWS).map(|row| Some(second(row) * 1000)).collect();
    write_parquet(at, "millis.parquet", Arc::new(milliseconds));
    let seconds: Int64Array = (0..ROWS).map(|row| Some(second(row))).collect();
    write_parquet(at, "unix.parquet", Arc::new(seconds));
    write_csv(at, "iso.csv", |row| {
        written(second(row), "%Y-%m-%dT%H:%M:%SZ")
    });
    let formats = [
        "%m/%d/%Y %H:%M",
        "%d.%m.%Y %H:%M:%S",
        "%m/%d/%y %I:%M %p",
        "[%d/%b/%Y:%H:%M:%S %z]",
        "%y%m%d%H",
        "%Y-%m-%d %H:%M:%S",
    ];
    for format in formats {
        write_csv(at, "log.csv", |row| written(second(row), format));
        train(at, "log.csv", format);
        let expected = predict(at, "log.csv");
        for data in ["micros.parquet", "millis.parquet", "iso.csv"] {
            assert!(predict(at, data) == expected, "{format}: {data}");
        }
    }
    for (format, per_second) in [("unix", 1), ("unix_ms", 1000), ("unix_ns", 1_000_000_000)] {
        write_csv(at, "log.csv", |row| (second(row) * per_second).to_string());
        train(at, "log.csv", format);
        let expected = predict(at, "log.csv");
        for data in ["micros.parquet", "millis.parquet", "iso.csv"] {
            assert!(predict(at, data) == expected, "{format}: {data}");
        }
        if per_second == 1 {
            assert!(predict(at, "unix.parquet") == expected);
        }
    }
}

#[test]
fn a_stored_date_is_its_midnight() {
    let directory = scratch();
    let at = directory.path();
    let days: Date32Array = (0..ROWS)
        .map(|row| i32::try_from(midnight(row) / SECONDS_PER_DAY).ok())
        .collect();
    write_parquet(at, "days.parquet", Arc::new(days));
    write_parquet(at, "midnights.parquet", Arc::new(microseconds(midnight)));
    write_csv(at, "log.csv", |row| written(midnight(row), "%m/%d/%Y"));
    train(at, "log.csv", "%m/%d/%Y");
    let expected = predict(at, "log.csv");
    assert!(predict(at, "days.parquet") == expected);
    assert!(predict(at, "midnights.parquet") == expected);
    // The other way round.
    train(at, "midnights.parquet", "%m/%d/%Y");
    assert!(predict(at, "log.csv") == expected);
    assert!(predict(at, "days.parquet") == expected);
}

#[test]
fn hours_of_stored_times_are_those_of_their_zone_and_of_utc_beside_times_since_1970() {
    let directory = scratch();
    let at = directory.path();
    let in_berlin = microseconds(second).with_timezone("+02:00");
    write_parquet(at, "berlin.parquet", Arc::new(in_berlin));
    write_csv(at, "utc.csv", |row| second(row).to_string());
    train(at, "utc.csv", "unix");
    assert!(predict(at, "berlin.parquet") == predict(at, "utc.csv"));

    let local = |row| written(second(row) + 7200, "%d.%m.%Y %H:%M");
    write_csv(at, "local.csv", local);
    train(at, "local.csv", "%d.%m.%Y %H:%M");
    let expected = predict(at, "local.csv");
    assert!(predict(at, "berlin.parquet") == expected);
    write_csv(at, "iso.csv", |row| {
        written(second(row) + 7200, "%Y-%m-%d %H:%M:%S+02")
    });
    assert!(predict(at, "iso.csv") == expected);
    // The other way round.
    train(at, "berlin.parquet", "%Y-%m-%d %H:%M:%S%.f%:z");
    assert!(predict(at, "iso.csv") == predict(at, "berlin.parquet"));
}

#[test]
fn a_split_by_time_orders_stored_times_and_texts_alike() {
    let directory = scratch();
    let at = directory.path();
    write_parquet(at, "stored.parquet", Arc::new(microseconds(second)));
    write_csv(at, "texts.csv", |row| {
        written(second(row), "%d.%m.%Y %H:%M")
    });
    write_csv(at, "numbers.csv", |row| second(row).to_string());
    let rows = |log: &str, format: &str| {
        let config = format!(
            "[data]\ntrain = '{log}'\nlabel = 'click'\n\
             split = {{ by = 'time', column = 't', valid = 0.2, test = 0.2 }}\n\
             [[data.fields]]\nname = 't'\nkind = 'timestamp'\nformat = '{format}'\n\
             [model]\nname = 'lr'\n[train]\nepochs = 1\n"
        );
        fs::write(at.join("run.toml"), config).expect("written");
        let args = ["train", "run.toml", "--out", "run", "--force", "--no-cache"];
        let report = json(&succeed(at, &[&args[..], &["--json"]].concat()));
        let rows = ["valid", "test"].map(|split| number(&report[split], "rows"));
        assert!(rows.iter().all(|rows| *rows > 50.0), "{rows:?}");
        (report["valid"].clone(), report["test"].clone())
    };
    for format in ["%d.%m.%Y %H:%M", "unix"] {
        let log = if format == "unix" {
            "numbers.csv"
        } else {
            "texts.csv"
        };
        let of_texts = rows(log, format);
        assert_eq!(rows("stored.parquet", format), of_texts, "{format}");
    }
}

#[test]
fn what_has_no_one_meaning_is_still_refused() {
    let directory = scratch();
    let at = directory.path();
    write_csv(at, "log.csv", |row| written(second(row), "%d/%m/%Y"));
    train(at, "log.csv", "%d/%m/%Y");
    let refused = |cell: &str, format: &str| {
        fs::write(at.join("new.csv"), format!("t\n{cell}\n")).expect("written");
        let says = format!("expected a time of the form `{format}`, but the cell is `{cell}`");
        let predict = ["predict", "run", "--data", "new.csv", "-o", "scores.csv"];
        fail(at, &predict, 1, &says);
    };
    for cell in [
        "05/31/2024",
        "2024-13-01",
        "24-05-01",
        "31-02-24",
        "1714521600",
        "13:05:00",
    ] {
        refused(cell, "%d/%m/%Y");
    }
    // The year first, but the day before the month.
    write_csv(at, "log.csv", |row| written(second(row), "%Y-%d-%m"));
    train(at, "log.csv", "%Y-%d-%m");
    refused("2024-05-13", "%Y-%d-%m");
    // Seconds or milliseconds?
    write_parquet(at, "log.parquet", Arc::new(microseconds(second)));
    train(at, "log.parquet", "%Y-%m-%d %H:%M:%S%.f");
    refused("1714521600", "%Y-%m-%d %H:%M:%S%.f");
}

#[test]
fn a_split_by_time_refuses_what_a_field_of_its_format_refuses() {
    let directory = scratch();
    let at = directory.path();
    let refused = |cell: &str, format: &str, expected: &str| {
        let midnights = |row| match row {
            7 => cell.to_owned(),
            _ if format == "unix" => midnight(row).to_string(),
            _ => written(midnight(row), format),
        };
        write_csv(at, "log.csv", midnights);
        let config = format!(
            "[data]\ntrain = 'log.csv'\nlabel = 'click'\n\
             split = {{ by = 'time', column = 't', format = '{format}', valid = 0.2, test = 0.2 }}\n\
             [[data.fields]]\nname = 't'\nkind = 'categorical'\n\
             [model]\nname = 'lr'\n[train]\nepochs = 1\n"
        );
        fs::write(at.join("run.toml"), config).expect("written");
        let says =
            format!("the split goes by time, so expected {expected}, but the cell is `{cell}`");
        fail(at, &["prepare", "run.toml", "--cache", "cache"], 1, &says);
    };
    // The year first, but the day before the month.
    refused("2024-05-13", "%Y-%d-%m", "a time of the form `%Y-%d-%m`");
    for cell in ["05/31/2024", "1714521600", "13:05:00"] {
        refused(cell, "%d/%m/%Y", "a time of the form `%d/%m/%Y`");
    }
    refused("05/31/2024", "unix", "a number or an ISO date or time");
}
