//! What earlier versions wrote is still read. `tests/fixtures` has a run file of fibinet 0.1.0, the
//! bundles of formats 2, 3 and 5 that it trained, and their scores of `rows.csv`. The bundle of format 4 is that of
//! another log, whose values are written in several ways in `spelled.csv`.

use std::fs;
use std::path::{Path, PathBuf};

use super::{copy_directory, json, number, scratch, succeed, text};

const FORMATS: [(&str, &str, usize); 4] = [
    ("2", "rows.csv", 30),
    ("3", "rows.csv", 30),
    ("4", "spelled.csv", 8),
    ("5", "rows.csv", 30),
];

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn bundle(format: &str) -> PathBuf {
    fixtures().join(format!("bundle_format_{format}"))
}

#[test]
fn bundles_of_earlier_formats_score_as_before() {
    for (format, rows, num_rows) in FORMATS {
        let directory = scratch();
        let (bundle, rows) = (bundle(format), fixtures().join(rows));
        let predict = ["predict", text(&bundle), "--data", text(&rows)];
        let output = ["-o", "scores.csv"];
        succeed(directory.path(), &[&predict[..], &output].concat());
        let scores = |path: PathBuf| -> Vec<f32> {
            let scores = fs::read_to_string(path).expect("scores");
            let numbers = scores.lines().skip(1);
            numbers
                .map(|score| score.parse().expect("a number"))
                .collect()
        };
        let actual = scores(directory.path().join("scores.csv"));
        let expected = scores(fixtures().join(format!("scores_{format}.csv")));
        assert_eq!((actual.len(), expected.len()), (num_rows, num_rows));
        // Another CPU model may round the products in another order.
        for (a, e) in actual.iter().zip(&expected) {
            assert!((a - e).abs() < 1e-6, "format {format}: {a}, expected {e}");
        }
    }
}

#[test]
fn bundles_of_earlier_formats_are_inspected_as_fibinet() {
    for (format, ..) in FORMATS {
        let directory = scratch();
        let shown = succeed(
            directory.path(),
            &["inspect", text(&bundle(format)), "--json"],
        );
        let shown = json(&shown);
        assert_eq!(shown["model"]["name"], "fibinet");
        assert_eq!(shown["model"]["embedding_dim"], 2);
        assert!(number(&shown, "num_parameters") > 0.0, "{shown}");
    }
}

#[test]
fn a_run_file_without_a_models_name_trains_on_from_a_bundle_of_its_version() {
    let directory = scratch();
    let copy = directory.path().join("earlier");
    copy_directory(&fixtures(), &copy);
    let train = ["train", "run.toml", "--out", "next", "--no-cache", "--json"];
    let warm = ["--warm-start", "bundle_format_2"];
    let report = json(&succeed(&copy, &[&train[..], &warm].concat()));
    let (kept, new) = (
        &report["warm_start"]["kept_rows"],
        &report["warm_start"]["new_rows"],
    );
    assert!(
        kept.as_u64() > Some(0) && new.as_u64() == Some(0),
        "{report}"
    );
}
