use std::path::Path;

use anyhow::Result;
use fibinet::data::config::RowFormat;
use fibinet::data::encode::{self, Guess, Known, Leak, Leaks, Treatment};

use crate::cli::output::shell_word;

/// Takes the columns that give the label away out of the guess, and returns notes of what was found.
pub(super) fn exclude_leaks(
    guess: &mut Guess,
    path: &Path,
    format: &RowFormat,
    known: &Known,
) -> Result<Vec<String>> {
    let leaks = encode::exclude_leaks(guess, path, format, known)?;
    for leak in &leaks.columns {
        let column = guess
            .columns
            .iter_mut()
            .find(|column| column.name == leak.column);
        if let Some(column) = column.filter(|_| leak.treatment == Treatment::LeftOut) {
            column.reason += &format!("; `init {}` brings it back", flag("--keep", &leak.column));
        }
    }
    let mut notes: Vec<String> = leaks.columns.iter().map(leak_note).collect();
    notes.extend(not_checked(&leaks));
    Ok(notes)
}

fn leak_note(leak: &Leak) -> String {
    let Leak {
        column,
        evidence,
        treatment,
    } = leak;
    match treatment {
        Treatment::LeftOut => format!(
            "note: `{column}` is left out: {evidence}; {} brings it back",
            flag("--keep", column)
        ),
        Treatment::KeptAsAsked => {
            format!(
                "warning: `{column}` is kept, as asked, but may give the label away: {evidence}"
            )
        }
        Treatment::Kept => format!(
            "warning: `{column}` may give the label away: {evidence}; {} leaves it out",
            flag("--exclude", column)
        ),
    }
}

/// What was not looked at.
fn not_checked(leaks: &Leaks) -> Option<String> {
    if !leaks.checked {
        let [others, clicks] = leaks.label_counts;
        return Some(format!(
            "note: leaks not checked: that takes 50 clicks and 50 other rows, but of the rows read \
             {clicks} are clicks and {others} are not"
        ));
    }
    let (path, rows) = leaks.beginning_of.as_ref()?;
    Some(format!(
        "note: leaks were looked for in the first {rows} rows of {} only, because it is compressed and long",
        path.display()
    ))
}

/// A flag with a column, as a shell takes it.
fn flag(flag: &str, column: &str) -> String {
    format!("{flag} {}", shell_word(column))
}
