//! Zones of the times in a Parquet file.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, TimestampMicrosecondArray};
use parquet::arrow::ArrowWriter;

use crate::cli::{fail, fibinet, scratch, succeed};

const ROWS: i64 = 600;

/// Writes a log with a time every hour, in a zone.
fn write_log(path: &Path, zone: &str) {
    let clicks: Int64Array = (0..ROWS).map(|row| Some(row % 24 / 12)).collect();
    let sites: Int64Array = (0..ROWS).map(|row| Some(row % 7)).collect();
    let times = (0..ROWS).map(|row| Some((1_714_521_600 + row * 3600) * 1_000_000));
    let times: TimestampMicrosecondArray = times.collect();
    let pages: Int64Array = (0..ROWS).map(|row| Some(row % 5)).collect();
    let columns: [(&str, ArrayRef); 4] = [
        ("click", Arc::new(clicks)),
        ("site", Arc::new(sites)),
        ("page", Arc::new(pages)),
        ("seen_at", Arc::new(times.with_timezone(zone))),
    ];
    let rows = RecordBatch::try_from_iter(columns).expect("columns of one length");
    let file = File::create(path).expect("created");
    let mut writer = ArrowWriter::try_new(file, rows.schema(), None).expect("a schema");
    writer.write(&rows).expect("written");
    writer.close().expect("written");
}

#[test]
fn an_unknown_zone_is_told_and_not_read_as_utc() {
    let directory = scratch();
    let at = directory.path();
    write_log(&at.join("log.parquet"), "Europe/Berlin");
    write_log(&at.join("mars.parquet"), "Mars/Base");
    let says = "a time in the unknown zone `Mars/Base` (convert it to UTC or to a zone such as `Europe/Berlin`), \
        which cannot be read";

    let init = [
        "init",
        "mars.parquet",
        "--label",
        "click",
        "--categorical",
        "site,page",
    ];
    let output = fibinet(at, &init);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let note = format!("note: `seen_at`: {says}: it is left out");
    assert!(stderr.contains(&note), "{stderr}");

    let config = "[data]\ntrain = \"log.parquet\"\nlabel = \"click\"\n\
        split = { valid = 0.1, test = 0.1 }\n\
        [[data.fields]]\nname = \"site\"\nkind = \"categorical\"\n\
        [[data.fields]]\nname = \"seen_at\"\nkind = \"timestamp\"\nformat = \"%Y-%m-%d %H:%M:%S%:z\"\nparts = [\"hour\"]\n\
        [model]\nname = \"lr\"\n[train]\nepochs = 1\n";
    fs::write(at.join("run.toml"), config).expect("written");
    succeed(at, &["train", "run.toml", "--out", "run"]);
    let says = format!("mars.parquet: column `seen_at` is {says}");
    let predict = [
        "predict",
        "run",
        "--data",
        "mars.parquet",
        "-o",
        "scores.csv",
    ];
    fail(at, &predict, 2, &says);
    let prepare = ["prepare", "run.toml", "--set", "data.train=mars.parquet"];
    fail(
        at,
        &[&prepare[..], &["--cache", "cache"]].concat(),
        2,
        &says,
    );
}
