use super::*;
use std::fmt::Write;
use std::fs;

use crate::config::OnBadRow;
use crate::encode::guess::guess_fields;
use crate::mix::mix;

/// A number in 0..1, drawn for this row.
fn unit(seed: u64, row: u64) -> f64 {
    mix(seed, row) as f64 / u64::MAX as f64
}

fn format() -> RowFormat {
    RowFormat::csv("y")
}

/// The leaks of a log of `rows` rows, a tenth of them clicks, with a weak column, `site`, and these.
fn leaks_of(
    rows: u64,
    names: &str,
    known: &Known,
    cells: impl Fn(u64, bool) -> String,
) -> (Guess, Leaks) {
    let mut text = format!("y,site,{names}\n");
    for row in 0..rows {
        let click = unit(1, row) < 0.1;
        let site = if unit(2, row) < 0.2 {
            u8::from(click)
        } else {
            (mix(3, row) % 2) as u8
        };
        writeln!(text, "{},s{site},{}", u8::from(click), cells(row, click)).unwrap();
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.csv");
    fs::write(&path, text).unwrap();
    let mut guess = guess_fields(&path, &format(), known, OnBadRow::Fail).unwrap();
    let leaks = exclude_leaks(&mut guess, &path, &format(), known).unwrap();
    (guess, leaks)
}

/// The names of the fields after the site.
fn fields(guess: &Guess) -> Vec<&str> {
    let fields = guess.columns.iter().filter(|column| column.field.is_some());
    fields.skip(1).map(|column| column.name.as_str()).collect()
}

#[test]
fn columns_that_give_the_label_away_are_left_out() {
    let names = "rating,dwell,played,copy";
    let (guess, leaks) = leaks_of(20_000, names, &Known::default(), |row, click| {
        let rating = u64::from(click) * 3 + row / 2 % 3;
        let dwell = if click {
            format!("{:.2}", 0.1 + unit(4, row))
        } else {
            String::new()
        };
        let played = if click {
            7001 + row % 5000
        } else {
            mix(5, row) % 7000
        };
        format!(
            "{rating},{dwell},{played},{}",
            if click { "yes" } else { "no" }
        )
    });
    assert_eq!(fields(&guess), [] as [&str; 0]);
    let found = leaks
        .columns
        .iter()
        .map(|leak| (leak.column.as_str(), &leak.evidence));
    for (column, evidence) in found {
        match (column, evidence) {
            (
                "dwell",
                Evidence::Exactly {
                    having: Having::Value,
                    rows: 20_000,
                    exceptions: 0,
                },
            ) => {}
            (
                "copy",
                Evidence::Exactly {
                    having: Having::Besides(Some(no)),
                    rows: 20_000,
                    exceptions: 0,
                },
            ) if no == "no" => {}
            ("rating" | "played", Evidence::Separates { auc, bound }) => {
                assert!(*auc > 0.9999 && *bound > 0.995, "{column} {evidence}");
            }
            _ => panic!("{column}: {evidence}"),
        }
    }
    assert_eq!(leaks.columns.len(), 4);
    assert!(leaks.checked);
}

#[test]
fn the_evidence_tells_empty_cells_from_other_values() {
    let (guess, leaks) = leaks_of(5000, "open,bought", &Known::default(), |row, click| {
        let open = if click { "" } else { "open" };
        let bought = if click {
            format!("order {row}")
        } else {
            ["-", "not yet"][usize::from(row % 3 > 0)].to_owned()
        };
        format!("{open},{bought}")
    });
    assert_eq!(fields(&guess), [] as [&str; 0]);
    let reasons: Vec<&str> = guess.columns[1..]
        .iter()
        .map(|column| column.reason.as_str())
        .collect();
    assert!(
        reasons[0].starts_with("excluded: 1 distinct value; its missing value has ")
            && reasons[0].ends_with(" rows, and all of them are clicks"),
        "{reasons:?}"
    );
    let says = "excluded: it has a value other than `not yet` exactly where there is a click (0 exceptions in 5000 rows)";
    assert_eq!(reasons[1], says);
    assert_eq!(leaks.columns.len(), 1, "{leaks:?}");
}

#[test]
fn a_column_that_is_asked_for_is_kept_with_a_warning() {
    let known = Known {
        keep: vec!["copy".to_owned()],
        numeric: vec!["played".to_owned()],
        ..Known::default()
    };
    let (guess, leaks) = leaks_of(5000, "copy,played", &known, |row, click| {
        format!(
            "{click},{}",
            if click {
                7001 + row % 5000
            } else {
                mix(5, row) % 7000
            }
        )
    });
    assert_eq!(fields(&guess), ["copy", "played"]);
    let treated = leaks.columns.iter();
    let treated: Vec<_> = treated
        .map(|leak| (leak.column.as_str(), leak.treatment))
        .collect();
    let kept = Treatment::KeptAsAsked;
    assert_eq!(treated, [("copy", kept), ("played", kept)]);
    let reason =
        "as asked; 25 buckets, each a step from the one below: 5000 rows; warning: it alone";
    assert!(
        guess.columns[2].reason.starts_with(reason),
        "{}",
        guess.columns[2].reason
    );
}

#[test]
fn a_strong_column_beside_strong_ones_is_kept_without_noise() {
    // Normal scores whose AUCs are about .97 and .91.
    let (guess, leaks) = leaks_of(20_000, "score,second", &Known::default(), |row, click| {
        let normal = |seed: u64| (0..12).map(|draw| unit(seed + draw, row)).sum::<f64>() - 6.0;
        let click = f64::from(u8::from(click));
        format!(
            "{:.4},{:.4}",
            normal(10) + 2.7 * click,
            normal(30) + 1.9 * click
        )
    });
    assert_eq!(fields(&guess), ["score", "second"]);
    assert_eq!(leaks.columns, []);
}

#[test]
fn a_strong_column_beside_weak_ones_and_a_conversion_draw_warnings() {
    let names = "score,converted,event";
    let (guess, leaks) = leaks_of(20_000, names, &Known::default(), |row, click| {
        let normal = (0..12).map(|draw| unit(10 + draw, row)).sum::<f64>() - 6.0;
        let score = normal + 2.7 * f64::from(u8::from(click));
        let converted = u8::from(click && unit(4, row) < 0.1);
        let event = if click && unit(5, row) < 0.3 {
            "buy"
        } else {
            "view"
        };
        format!("{score:.4},{converted},{event}")
    });
    assert_eq!(fields(&guess), ["score", "converted", "event"]);
    let evidence: Vec<&Evidence> = leaks.columns.iter().map(|leak| &leak.evidence).collect();
    let [
        Evidence::Outranks { auc, next, .. },
        Evidence::PureValue { value: one, .. },
        Evidence::PureValue { value: buy, .. },
    ] = evidence[..]
    else {
        panic!("{evidence:?}");
    };
    assert!((0.95..0.99).contains(auc) && next.1 < 0.7, "{evidence:?}");
    assert_eq!([one.as_deref(), buy.as_deref()], [Some("1"), Some("buy")]);
    assert!(
        leaks
            .columns
            .iter()
            .all(|leak| leak.treatment == Treatment::Kept)
    );
}

#[test]
fn row_numbers_are_left_out_and_times_are_not() {
    let names = "row_id,Unnamed: 0,seen_at,minute,phone,age";
    let (guess, leaks) = leaks_of(4000, names, &Known::default(), |row, _| {
        let long = 100_000_000_000_000_000 + 7 * row;
        let time = 1_700_000_000 + 60 * row;
        let phone = 2_000_000_000 + mix(6, row) % 8_000_000_000;
        format!(
            "{long},{row},{time},{time},{phone},{}",
            18 + mix(7, row) % 70
        )
    });
    assert_eq!(fields(&guess), ["seen_at", "minute", "phone", "age"]);
    let evidence: Vec<&Evidence> = leaks.columns.iter().map(|leak| &leak.evidence).collect();
    assert_eq!(
        evidence,
        [&Evidence::RowNumber { step: 7 }, &Evidence::PandasIndex]
    );
}

#[test]
fn leaks_are_not_looked_for_among_few_clicks() {
    let (guess, leaks) = leaks_of(300, "copy", &Known::default(), |_, click| click.to_string());
    assert!(leaks.label_counts[1] < 50, "{leaks:?}");
    assert!(!leaks.checked);
    assert_eq!(fields(&guess), ["copy"]);
}

#[test]
fn a_log_sorted_by_its_label_is_seen_to_its_end() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.csv");
    let mut text = "y,site,dwell\n".to_owned();
    for row in 0..300_000_u64 {
        let click = row >= 250_000;
        let dwell = if click { 0.5 + unit(4, row) } else { 0.0 };
        writeln!(
            text,
            "{},a-site-of-some-length-{}-that-makes-the-file-longer-than-sixteen-mebibytes,{dwell}",
            u8::from(click),
            mix(3, row) % 5
        )
        .unwrap();
    }
    fs::write(&path, text).unwrap();
    let mut guess = guess_fields(&path, &format(), &Known::default(), OnBadRow::Fail).unwrap();
    assert_eq!(guess.clicks, 0);
    let leaks = exclude_leaks(&mut guess, &path, &format(), &Known::default()).unwrap();
    assert!(leaks.checked);
    let share =
        leaks.label_counts[1] as f64 / (leaks.label_counts[0] + leaks.label_counts[1]) as f64;
    assert!((share - 1.0 / 6.0).abs() < 0.02, "{share}");
}
