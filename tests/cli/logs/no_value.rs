//! Words and cells that mean "no value".

use std::fs;

use crate::cli::logs::value_rows::{
    assert_alike, drawn, predict, train, write_rows, write_run_file,
};
use crate::cli::{fail, fibinet, json, scratch, succeed};

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
    let says = "`value`: read as texts, because 120 of its cells are not numbers; most of them are `absent`; if \
                that means no value, name it with --missing";
    assert!(stderr.contains(says), "{stderr}");
    let told = [&args[..], &["--missing", "absent", "--force"]].concat();
    succeed(at, &told);
    let run_file = fs::read_to_string(at.join("fibinet.toml")).expect("a run file");
    assert!(
        run_file.contains("name = \"value\"\nkind = \"numeric\""),
        "{run_file}"
    );
}
