use crate::encode::shown::shown;
use crate::fields::look::{Others, Unread, UnreadLists};

/// Why a column is not read as what it nearly is, and what to do.
pub(super) fn reason(unread: &Unread) -> String {
    match unread {
        Unread::Times(cell, formats) => format!(
            "no known format reads times such as {}; write them as `2024-05-31 23:59:59+02:00`, or add the column as \
             a timestamp field with {}",
            shown(cell),
            format_settings(formats)
        ),
        Unread::NumbersOfSeveralWays(ways) => {
            let ways = ways
                .iter()
                .map(|(rows, cell)| format!("{rows} as in {}", shown(cell)));
            let ways = ways.collect::<Vec<_>>().join(", ");
            format!("its numbers are written in several ways, {ways}; write them in one")
        }
        Unread::MostlyNumbers { others, example } => {
            let example = example.as_ref();
            let example = example.map(|cell| format!(" such as {}", shown(cell)));
            let what = format!("numbers{}", example.unwrap_or_default());
            odd_cells(others, &what, None)
        }
        Unread::MostlyTimes(others, format) => {
            let settings =
                format.map(|format| format!("`kind = \"timestamp\"`, `format = {format:?}`"));
            odd_cells(others, "times", settings)
        }
        Unread::MostlyLists(list, others) => {
            let settings = "`kind = \"multi_categorical\"`, `brackets = true`".to_owned();
            odd_cells(
                others,
                &format!("lists such as {}", shown(list)),
                Some(settings),
            )
        }
        Unread::Lists(cell, UnreadLists::Nested) => format!(
            "lists of lists and objects such as {} are not taken apart; write each as one flat list",
            shown(cell)
        ),
        Unread::Lists(cell, UnreadLists::Tuples) => format!(
            "{} may be one value or a list; if it is a list, add the column as a multi_categorical field with \
             `brackets = true`",
            shown(cell)
        ),
    }
}

/// The setting of a timestamp field that reads times.
fn format_settings(formats: &[String]) -> String {
    let settings: Vec<String> = formats
        .iter()
        .map(|format| format!("`format = {format:?}`"))
        .collect();
    let zone = match formats.iter().any(|format| format.contains("%Z")) {
        true => ", in which `%Z` passes over the name of a zone",
        false => "",
    };
    match &settings[..] {
        [] => "its `format`".to_owned(),
        _ => settings.join(" or ") + zone,
    }
}

/// Cells that keep a column from being read as what the others are, and what to do. `settings` are those of a field
/// that reads the others.
fn odd_cells(others: &Others, what: &str, settings: Option<String>) -> String {
    let how_many = if others.is_most() {
        "most of them are"
    } else {
        "one of them is"
    };
    let cell = &others.most_frequent;
    // A number may be a value in other columns, and a label.
    let is_number = cell.trim().parse().is_ok_and(f64::is_finite);
    let way_out = match (settings, &others.all) {
        _ if !is_number => "name it with --missing".to_owned(),
        (Some(settings), Some(all)) => format!(
            "make the column a field with {settings} and `missing = {}`",
            toml::Value::from(all.clone())
        ),
        _ => "leave such cells empty".to_owned(),
    };
    format!(
        "{} of its cells are not {what}; {how_many} {}; if that means no value, {way_out}",
        others.num_rows,
        shown(cell)
    )
}
