//! Columns whose cells are filled in, or filled with something, for clicks only.

use std::path::Path;

use super::{has_field, init, unit, write_log};
use crate::cli::{scratch, succeed};

/// Columns of every kind of cell that few rows share.
const NAMES: &str = "paid_at,order_id,coupon,items,lists,cents,price";

/// A row's cells of these columns.
fn purchase(row: u64) -> String {
    let drawn = |seed: u64, below: u64| fibinet::data::mix_seed(seed, row) % below;
    let time = format!(
        "2024-05-{:02} {:02}:{:02}:{:02}",
        1 + drawn(11, 28),
        drawn(12, 24),
        drawn(13, 60),
        drawn(14, 60)
    );
    let (coupon, cents) = (drawn(15, 400), 1 + drawn(16, 100_000));
    let [one, two] = [17, 18].map(|seed| drawn(seed, 300));
    let items = format!("i{}|i{}", one % 30, two % 30);
    format!("{time},o{row:06}x,c{coupon},{items},\"[{one}, {two}]\",{cents},${one}.50")
}

/// What those cells are in rows without a purchase.
const NOTHING: &str = ",,,,[],0,$0.00";

fn purchase_if(is_purchase: bool, row: u64) -> String {
    if is_purchase {
        purchase(row)
    } else {
        NOTHING.to_owned()
    }
}

#[test]
fn columns_filled_exactly_where_there_is_a_click_are_left_out() {
    let directory = scratch();
    let at = directory.path();
    write_log(at, 4000, NAMES, |row, click| {
        let is_exception = row % 2000 == 7;
        purchase_if(click != is_exception, row)
    });
    let (stderr, config) = init(at, &[]);
    for (column, having) in [
        ("paid_at", "a value"),
        ("order_id", "a value"),
        ("coupon", "a value"),
        ("items", "a value"),
        ("lists", "a value"),
        ("cents", "a value other than 0"),
        ("price", "a value other than `$0.00`"),
    ] {
        assert!(!has_field(&config, column), "{config}");
        let says = format!(
            "note: `{column}` is left out: it has {having} exactly where there is a click (2 exceptions in 4000 \
             rows); --keep {column} brings it back"
        );
        assert!(stderr.contains(&says), "{says}\n{stderr}");
    }
    let (_, config) = init(at, &["--keep", NAMES]);
    for column in NAMES.split(',') {
        assert!(has_field(&config, column), "{column}: {config}");
    }
    train(at);
}

fn train(at: &Path) {
    let settings = ["--set", "train.epochs=1", "train.members=1"];
    succeed(
        at,
        &[&["train", "fibinet.toml", "--out", "run"], &settings[..]].concat(),
    );
}

#[test]
fn columns_filled_for_some_of_the_clicks_draw_a_warning() {
    let directory = scratch();
    let at = directory.path();
    write_log(at, 4000, NAMES, |row, click| {
        purchase_if(click && unit(4, row) < 0.4, row)
    });
    let (stderr, config) = init(at, &[]);
    for (column, having) in [
        ("paid_at", "a value"),
        ("coupon", "a value"),
        ("items", "a value"),
        ("lists", "a value"),
        ("cents", "a value other than 0"),
        ("price", "a value other than `$0.00`"),
    ] {
        let says = format!(
            "warning: `{column}` may give the label away: only clicks have {having} in it: "
        );
        assert!(stderr.contains(&says), "{says}\n{stderr}");
        assert!(has_field(&config, column), "{config}");
        let says = format!("warning: only clicks have {having} in it: ");
        assert!(config.contains(&says), "{config}");
    }
    // No field, because its cells do not repeat.
    let says = "note: `order_id` is left out: ";
    let line = stderr.lines().find(|line| line.starts_with(says));
    let line = line.unwrap_or_else(|| panic!("{stderr}"));
    assert!(
        line.contains(" distinct texts hardly repeat; only clicks have a value in it: "),
        "{line}"
    );
    assert!(line.ends_with("; --keep order_id brings it back"), "{line}");
}

#[test]
fn a_column_of_two_readings_that_only_clicks_have_is_told_on_the_screen() {
    let directory = scratch();
    let at = directory.path();
    write_log(at, 4000, "due", |row, click| {
        let drawn = |seed: u64| 1 + fibinet::data::mix_seed(seed, row) % 12;
        if click && unit(4, row) < 0.4 {
            format!("{:02}/{:02}/2024", drawn(11), drawn(12))
        } else {
            String::new()
        }
    });
    let (stderr, _) = init(at, &[]);
    let line = stderr
        .lines()
        .find(|line| line.starts_with("note: `due`: "));
    let line = line.unwrap_or_else(|| panic!("{stderr}"));
    assert!(
        line.contains(" may be a time of the form `%m/%d/%Y` or `%d/%m/%Y`")
            && line.contains("; only clicks have a value in it: "),
        "{line}"
    );
}

#[test]
fn an_element_that_only_the_lists_of_clicks_have_draws_a_warning() {
    let directory = scratch();
    let at = directory.path();
    write_log(at, 4000, "events", |row, click| {
        let [one, two] = [11, 12].map(|seed| fibinet::data::mix_seed(seed, row) % 30);
        let bought = click && unit(4, row) < 0.3;
        format!("e{one}|e{two}{}", if bought { "|buy" } else { "" })
    });
    let (stderr, config) = init(at, &[]);
    let says =
        "rows have `buy` in its lists, and all of them are clicks; --exclude events leaves it out";
    assert!(stderr.contains(says), "{stderr}");
    assert!(has_field(&config, "events"), "{config}");
}

#[test]
fn columns_that_are_often_empty_are_kept_without_a_word() {
    let directory = scratch();
    let at = directory.path();
    write_log(at, 4000, NAMES, |row, click| {
        // Clicks have them twice as often, and nearly always.
        let often = if click { 0.96 } else { 0.48 };
        let cells = purchase_if(unit(4, row) < often, row);
        cells.replace(&format!("o{row:06}x"), &format!("o{}", row % 99))
    });
    let (stderr, config) = init(at, &[]);
    for column in NAMES.split(',') {
        assert!(has_field(&config, column), "{config}");
    }
    for word in ["left out", "give the label away"] {
        assert!(!stderr.contains(word), "{stderr}");
    }
}

#[test]
fn rare_cells_whose_rows_happen_to_be_clicks_draw_no_warning() {
    let directory = scratch();
    let at = directory.path();
    write_log(at, 4000, "note,day", |row, click| {
        // 20 rows, all of them clicks.
        let note = if click && unit(4, row) < 0.01 {
            format!("note {row}")
        } else {
            String::new()
        };
        format!("{note},2024-05-{:02}", 1 + row % 28)
    });
    let (stderr, _) = init(at, &[]);
    assert!(!stderr.contains("give the label away"), "{stderr}");
}
