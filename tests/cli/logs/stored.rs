//! Values that a file stores in their types: the model of a Parquet file and that of pandas' text of the
//! same rows give the same scores, each for both files.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::{Float64Builder, Int64Builder, ListBuilder, StringBuilder};
use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Float32Array, Float64Array, Int64Array, RecordBatch,
    TimestampMicrosecondArray,
};
use parquet::arrow::ArrowWriter;

use crate::cli::{fail, fibinet, scores, scratch, succeed};

const ROWS: u64 = 600;
/// Tags that a separator or a quote could tear apart.
const TAGS: [&str; 8] = [
    "plain",
    "a|b",
    "New York, NY",
    "it's",
    "say \"hi\"",
    "it's \"x\"",
    "back\\slash",
    "Zürich",
];
const SECONDS_PER_DAY: i64 = 86_400;
/// The first day of the log, 2024-05-01.
const FIRST_DAY: i64 = 19_844;

/// Columns of one value each as categories; `seen_in_berlin` is a time.
const SCALARS: [&str; 2] = [
    "--categorical",
    "count,rating,is_new,day,seen_at,seen_at_utc,size,weight",
];
/// Numbers of single precision with their text by pandas, which has an exponent from a million on.
const SIZES: [(f32, &str); 4] = [
    (0.0, "0.0"),
    (250_000.0, "250000.0"),
    (1_250_000.0, "1.25e+06"),
    (83_886_080.0, "8.388608e+07"),
];
const WEIGHTS: [(f32, &str); 4] = [
    (2.0, "2.0"),
    (1_234_567.8, "1.2345678e+06"),
    (0.0001, "1e-04"),
    (0.00005, "5e-05"),
];

fn drawn(seed: u64, row: u64, below: u64) -> u64 {
    fibinet::data::mix_seed(seed, row) % below
}

/// A cell with several elements, some without a value; `None` for a null.
type Elements<T> = Option<Vec<Option<T>>>;

/// Up to three of the elements that `draw` gives. Each 11th row has a null, each 12th an empty list.
fn elements<T>(seed: u64, row: u64, draw: impl Fn(u64) -> Option<T>) -> Elements<T> {
    match row {
        row if row % 11 == 3 => None,
        row if row % 12 == 5 => Some(Vec::new()),
        row => Some(
            (0..1 + drawn(seed, row, 3))
                .map(|at| draw(row * 4 + at))
                .collect(),
        ),
    }
}

fn tags(row: u64) -> Elements<&'static str> {
    let tag = |at| (at % 13 != 0).then(|| TAGS[drawn(1, at, 8) as usize]);
    elements(2, row, tag)
}

fn items(row: u64) -> Elements<i64> {
    elements(3, row, |at| {
        (at % 17 != 0).then(|| drawn(4, at, 20) as i64 - 5)
    })
}

fn prices(row: u64) -> Elements<f64> {
    let price = |at| (at % 7 != 0).then(|| drawn(5, at, 18) as f64 / 2.0);
    elements(6, row, price)
}

fn is_click(row: u64) -> bool {
    let liked = tags(row).is_some_and(|tags| tags.contains(&Some("a|b")));
    let bought = items(row).is_some_and(|items| items.iter().flatten().any(|item| *item > 8));
    (liked || bought) ^ (drawn(7, row, 5) == 0)
}

fn rating(row: u64) -> Option<f64> {
    (!row.is_multiple_of(9)).then(|| drawn(8, row, 5) as f64)
}

fn day(row: u64) -> i64 {
    FIRST_DAY + drawn(9, row, 5) as i64
}

/// The second of a row: some at midnight.
fn second(row: u64) -> i64 {
    day(row) * SECONDS_PER_DAY + drawn(10, row, 3) as i64 * 39_900
}

fn size(row: u64) -> (f32, &'static str) {
    SIZES[drawn(12, row, 4) as usize]
}

fn weight(row: u64) -> (f32, &'static str) {
    WEIGHTS[drawn(13, row, 4) as usize]
}

/// The time of a row in Berlin, where it is summer: two hours ahead of UTC.
fn in_berlin(row: u64) -> String {
    let second = second(row) + 2 * 3600;
    let (day, minute) = (second / SECONDS_PER_DAY, second % SECONDS_PER_DAY / 60);
    let day = 1 + day - FIRST_DAY;
    format!(
        "2024-05-{day:02} {:02}:{:02}:00+02:00",
        minute / 60,
        minute % 60
    )
}

/// How the lists of a text file are written.
#[derive(Debug, Clone, Copy)]
enum Spelling {
    Python,
    NumPy,
    Json,
}

use Spelling::{Json, NumPy, Python};

impl Spelling {
    fn list<T>(self, cell: Elements<T>, text: impl Fn(T) -> String, null: &str) -> String {
        let Some(elements) = cell else {
            return String::new();
        };
        let null = if matches!(self, Json) { "null" } else { null };
        let texts = elements.into_iter().map(|element| match element {
            Some(element) => text(element),
            None => null.to_owned(),
        });
        let texts: Vec<String> = texts.collect();
        match self {
            Python => format!("[{}]", texts.join(", ")),
            // Long arrays have line breaks.
            NumPy => format!("[{}]", texts.join("\n  ")),
            Json => format!("[{}]", texts.join(",")),
        }
    }

    fn quoted(self, text: &str) -> String {
        let escaped = text.replace('\\', "\\\\");
        match self {
            Json => serde_json::to_string(text).expect("a text"),
            _ if !text.contains('\'') => format!("'{escaped}'"),
            _ if !text.contains('"') => format!("\"{escaped}\""),
            _ => format!("'{}'", escaped.replace('\'', "\\'")),
        }
    }

    /// pandas reads integers with nulls as floats, whose text in NumPy is `1.`.
    fn integer(self, number: i64, row: u64) -> String {
        match self {
            NumPy if items(row).is_some_and(|items| items.contains(&None)) => format!("{number}."),
            _ => number.to_string(),
        }
    }

    fn number(self, number: f64) -> String {
        let text = number.to_string();
        match self {
            NumPy if number.fract() == 0.0 => text + ".",
            _ if number.fract() == 0.0 => text + ".0",
            _ => text,
        }
    }
}

/// The rows as pandas writes them to CSV.
fn csv(spelling: Spelling) -> String {
    let mut text =
        "click,tags,items,prices,count,rating,is_new,day,seen_at,seen_at_utc,seen_in_berlin,size,weight\n"
            .to_owned();
    for row in 0..ROWS {
        let lists = [
            spelling.list(tags(row), |tag| spelling.quoted(tag), "None"),
            spelling.list(items(row), |item| spelling.integer(item, row), "nan"),
            spelling.list(prices(row), |price| spelling.number(price), "nan"),
        ];
        let lists = lists.map(|list| format!("\"{}\"", list.replace('"', "\"\"")));
        let rating = rating(row).map_or_else(String::new, |rating| format!("{rating:.1}"));
        let is_new = if row % 3 == 0 { "True" } else { "False" };
        let of_day = second(row) % SECONDS_PER_DAY / 60;
        let day = format!("2024-05-{:02}", 1 + day(row) - FIRST_DAY);
        let time = format!("{day} {:02}:{:02}:00", of_day / 60, of_day % 60);
        text += &format!(
            "{},{},{},{rating},{is_new},{day},{time},{time}+00:00,{},{},{}\n",
            u8::from(is_click(row)),
            lists.join(","),
            drawn(11, row, 7),
            in_berlin(row),
            size(row).1,
            weight(row).1,
        );
    }
    text
}

fn write_parquet(path: &Path) {
    let (mut texts, mut integers, mut doubles) = (
        ListBuilder::new(StringBuilder::new()),
        ListBuilder::new(Int64Builder::new()),
        ListBuilder::new(Float64Builder::new()),
    );
    for row in 0..ROWS {
        texts.append_option(tags(row));
        integers.append_option(items(row));
        doubles.append_option(prices(row));
    }
    let clicks: Int64Array = (0..ROWS)
        .map(|row| Some(i64::from(is_click(row))))
        .collect();
    let counts: Int64Array = (0..ROWS)
        .map(|row| Some(drawn(11, row, 7) as i64))
        .collect();
    let ratings: Float64Array = (0..ROWS).map(rating).collect();
    let is_new: BooleanArray = (0..ROWS).map(|row| Some(row % 3 == 0)).collect();
    let days: Date32Array = (0..ROWS).map(|row| Some(day(row) as i32)).collect();
    let times = || (0..ROWS).map(|row| Some(second(row) * 1_000_000));
    let seen_at: TimestampMicrosecondArray = times().collect();
    let seen_at_utc = seen_at.clone().with_timezone("UTC");
    let seen_in_berlin = seen_at.clone().with_timezone("Europe/Berlin");
    let sizes: Float32Array = (0..ROWS).map(|row| Some(size(row).0)).collect();
    let weights: Float32Array = (0..ROWS).map(|row| Some(weight(row).0)).collect();
    let columns: [(&str, ArrayRef); 13] = [
        ("click", Arc::new(clicks)),
        ("tags", Arc::new(texts.finish())),
        ("items", Arc::new(integers.finish())),
        ("prices", Arc::new(doubles.finish())),
        ("count", Arc::new(counts)),
        ("rating", Arc::new(ratings)),
        ("is_new", Arc::new(is_new)),
        ("day", Arc::new(days)),
        ("seen_at", Arc::new(seen_at)),
        ("seen_at_utc", Arc::new(seen_at_utc)),
        ("seen_in_berlin", Arc::new(seen_in_berlin)),
        ("size", Arc::new(sizes)),
        ("weight", Arc::new(weights)),
    ];
    let rows = RecordBatch::try_from_iter(columns).expect("columns of one length");
    let file = File::create(path).expect("created");
    let mut writer = ArrowWriter::try_new(file, rows.schema(), None).expect("a schema");
    writer.write(&rows).expect("written");
    writer.close().expect("written");
}

const FILES: [&str; 4] = ["log.parquet", "python.csv", "numpy.csv", "json.csv"];

/// The same rows in each of the files.
fn write_files(at: &Path) {
    write_parquet(&at.join(FILES[0]));
    for (name, spelling) in FILES[1..].iter().zip([Python, NumPy, Json]) {
        fs::write(at.join(name), csv(spelling)).expect("written");
    }
}

const SMALL: [&str; 5] = [
    "--set",
    "train.epochs=2",
    "train.learning_rate=0.01",
    "model.embedding_dim=4",
    "model.hidden_units=[8]",
];

/// A small model of what `init` writes for a log, and the run file.
#[track_caller]
fn train(at: &Path, log: &str, out: &str) -> String {
    let init = ["init", log, "--label", "click", "--force"];
    let output = fibinet(at, &[&init[..], &SCALARS].concat());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let train = ["train", "fibinet.toml", "--out", out];
    succeed(at, &[&train[..], &SMALL].concat());
    fs::read_to_string(at.join("fibinet.toml")).expect("a run file")
}

#[track_caller]
fn scores_of(at: &Path, run: &str, data: &str) -> Vec<f32> {
    succeed(at, &["predict", run, "--data", data, "-o", "scores.csv"]);
    scores(&at.join("scores.csv"))
}

#[test]
fn a_model_scores_the_same_rows_alike_in_every_file() {
    let directory = scratch();
    let at = directory.path();
    write_files(at);
    let mut of_first = None;
    for log in FILES {
        let run = log.split('.').next().expect("a name");
        train(at, log, run);
        for data in FILES {
            let scores = scores_of(at, run, data);
            let first = of_first.get_or_insert_with(|| scores.clone());
            let predict = ["predict", run, "--data", data, "-o", "scores.csv", "--json"];
            let cells = || succeed(at, &predict);
            assert!(
                scores == *first,
                "trained on {log}, scored from {data}: {}",
                cells()
            );
        }
    }
    let mut distinct: Vec<u32> = of_first
        .expect("scores")
        .iter()
        .map(|x| x.to_bits())
        .collect();
    distinct.sort_unstable();
    distinct.dedup();
    assert!(distinct.len() > 300, "{} distinct scores", distinct.len());
}

#[test]
fn init_reads_stored_lists_and_their_text_alike() {
    let directory = scratch();
    let at = directory.path();
    write_files(at);
    let run_file = train(at, "log.parquet", "run");
    let tags = "lists in the file, of 8 distinct elements\nname = \"tags\"\nkind = \
        \"multi_categorical\"\nmin_count = 2\nseparator = \",\"\nbrackets = true\n";
    assert!(run_file.contains(tags), "{run_file}");
    assert_eq!(run_file.matches("brackets = true").count(), 3, "{run_file}");
}

/// A run file with one field, which reads the lists of tags.
fn config(log: &str, kind: &str) -> String {
    format!(
        "[data]\ntrain = \"{log}\"\nlabel = \"click\"\nsplit = {{ valid = 0.1, test = 0.1 }}\n\
        [[data.fields]]\nname = \"tags\"\n{kind}\n\
        [model]\nname = \"lr\"\n[train]\nepochs = 1\n"
    )
}

#[test]
fn a_field_with_a_separator_reads_stored_lists_by_their_elements() {
    let directory = scratch();
    let at = directory.path();
    write_files(at);
    // The same rows with bars, and with `a/b` for the tag that has one.
    let mut text = "click,tags\n".to_owned();
    for row in 0..ROWS {
        let tags = tags(row).unwrap_or_default();
        let tags: Vec<&str> = tags.iter().flatten().copied().collect();
        let tags = tags.join("|").replace("a|b", "a/b").replace('"', "\"\"");
        text += &format!("{},\"{tags}\"\n", u8::from(is_click(row)));
    }
    fs::write(at.join("bars.csv"), text).expect("written");
    let kind = "kind = \"multi_categorical\"\nseparator = \"|\"";
    for (log, run) in [("log.parquet", "stored"), ("bars.csv", "text")] {
        fs::write(at.join("run.toml"), config(log, kind)).expect("written");
        succeed(at, &["train", "run.toml", "--out", run]);
    }
    let stored = scores_of(at, "stored", "log.parquet");
    assert!(stored == scores_of(at, "text", "bars.csv"));
    // Only rows with the tag `a|b`, which the text spells in another way, differ.
    for (score, row) in scores_of(at, "text", "log.parquet").iter().zip(0..) {
        let has_bar = tags(row).is_some_and(|tags| tags.contains(&Some("a|b")));
        assert!(has_bar || *score == stored[row as usize], "row {row}");
    }
}

#[test]
fn other_kinds_read_stored_lists_as_text() {
    let directory = scratch();
    let at = directory.path();
    write_files(at);
    for kind in [
        "kind = \"categorical\"",
        "kind = \"categorical\"\nhash_buckets = 16",
    ] {
        fs::write(at.join("run.toml"), config("log.parquet", kind)).expect("written");
        succeed(at, &["train", "run.toml", "--out", "run", "--force"]);
        let predict = [
            "predict",
            "run",
            "--data",
            "log.parquet",
            "--carry",
            "tags",
            "-o",
        ];
        succeed(at, &[&predict[..], &["scores.csv"]].concat());
        let carried = fs::read_to_string(at.join("scores.csv")).expect("scores");
        assert!(carried.contains("\nplain|a|b"), "{carried}");
    }
    for (kind, says) in [
        (
            "kind = \"numeric\"",
            "column `tags`: expected a number, but the cell is `",
        ),
        (
            "kind = \"id\"\nnum_ids = 9",
            "column `tags`: an id must be an integer below 9",
        ),
    ] {
        fs::write(at.join("run.toml"), config("log.parquet", kind)).expect("written");
        fail(at, &["train", "run.toml", "--out", "refused"], 1, says);
    }
}

#[test]
fn a_list_that_numpy_cut_is_named() {
    let directory = scratch();
    let at = directory.path();
    write_files(at);
    train(at, "log.parquet", "run");
    let header =
        "tags,items,prices,count,rating,is_new,day,seen_at,seen_at_utc,seen_in_berlin,size,weight";
    let rows = format!("{header}\n['a'],[0 1 ... 8 9],,,,,,,,,,\n");
    fs::write(at.join("cut.csv"), rows).expect("written");
    let predict = ["predict", "run", "--data", "cut.csv", "-o", "scores.csv"];
    let says = "cut.csv:2, column `items`: expected all elements of a list, not `...`";
    fail(at, &predict, 1, says);
}
