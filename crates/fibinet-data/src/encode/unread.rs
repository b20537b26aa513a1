use crate::encode::shown::shown;
use crate::fields::look::{Others, Unread, UnreadLists};

/// Why a column is read as texts, where it nearly is something else, and what to do.
pub(super) fn reason(unread: &Unread) -> String {
    match unread {
        Unread::Times(cell) => format!(
            "no known format reads times such as {}; write them as `2024-05-31 23:59:59+02:00`, or add the column as \
             a timestamp field with its `format`, in which `%Z` passes over the name of a zone",
            shown(cell)
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
            odd_cells(others, &format!("numbers{}", example.unwrap_or_default()))
        }
        Unread::MostlyTimes(others) => odd_cells(others, "times"),
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

/// Cells that keep a column from being read as what the others are, and what to do.
fn odd_cells(others: &Others, what: &str) -> String {
    let how_many = if others.is_most {
        "most of them are"
    } else {
        "one of them is"
    };
    format!(
        "{} of its cells are not {what}; {how_many} {}; if that means no value, name it with --missing",
        others.num_rows,
        shown(&others.most_frequent)
    )
}
