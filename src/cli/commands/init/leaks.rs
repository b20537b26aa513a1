use std::path::Path;

use anyhow::Result;
use fibinet::data::config::{OnBadRow, RowFormat};
use fibinet::data::encode::{
    self, Evidence, Guess, Known, Leak, Leaks, MalformedSample, Treatment,
};

use crate::cli::commands::init::with_argument;
use crate::cli::output::shell_word;

/// Takes the columns that give the label away out of the guess, and returns notes of what was found.
pub(super) fn exclude_leaks(
    guess: &mut Guess,
    path: &Path,
    format: &RowFormat,
    known: &Known,
    on_bad_row: OnBadRow,
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
    let columns = leaks.columns.iter();
    let mut notes: Vec<String> = columns.filter_map(|leak| leak_note(leak, &leaks)).collect();
    notes.extend(malformed_note(guess, &leaks.malformed, on_bad_row));
    notes.extend(not_checked(&leaks));
    notes.extend(leaks.damage.map(damage_note));
    Ok(notes)
}

/// Returns notes of what was found in rows from all over the log, besides its columns.
pub(super) fn find_malformed(
    guess: &mut Guess,
    path: &Path,
    format: &RowFormat,
    on_bad_row: OnBadRow,
) -> Result<Vec<String>> {
    // Without columns nothing else is looked for.
    let columns = std::mem::take(&mut guess.columns);
    let leaks = encode::exclude_leaks(guess, path, format, &Known::default());
    guess.columns = columns;
    let leaks = leaks?;
    let malformed = malformed_note(guess, &leaks.malformed, on_bad_row);
    let damage = leaks.damage.map(damage_note);
    Ok(malformed.into_iter().chain(damage).collect())
}

fn damage_note(damage: String) -> String {
    format!("warning: {damage}: only the rows before were looked at, and training will stop there")
}

/// What is said of malformed rows. Where all rows were read, it replaces what the guess says of the first ones.
fn malformed_note(
    guess: &mut Guess,
    malformed: &MalformedSample,
    on_bad_row: OnBadRow,
) -> Option<String> {
    let MalformedSample {
        rows,
        first,
        of,
        is_part,
    } = malformed;
    let wrong = first.iter();
    let wrong = wrong.map(|wrong| with_argument(&wrong.message, wrong.is_label));
    let wrong: Vec<String> = wrong.collect();
    let (first_wrong, others) = wrong.split_first()?;
    if *is_part {
        let training = match on_bad_row {
            OnBadRow::Skip => "skip them",
            OnBadRow::Fail => "refuse them, unless --on-bad-row skip is given",
        };
        return Some(format!(
            "note: of {of} rows from all over the log {rows} are malformed, and training will {training}; the first: \
             {first_wrong}"
        ));
    }
    if on_bad_row == OnBadRow::Skip {
        guess.skipped.bad_rows = *rows;
        guess.skipped.first_bad_row = Some(first[0].message.clone());
        guess.is_first_skipped_label = first[0].is_label;
        return None;
    }
    guess.bad_label = None;
    let others = match (rows - 1, others.join(", ")) {
        (0, _) => String::new(),
        (1, other) => format!(", and another row: {other}"),
        (num, others) => format!(
            ", and {num} other rows: {others}{}",
            if num > 2 { ", …" } else { "" }
        ),
    };
    Some(format!(
        "note: training will refuse {first_wrong}{others}; --on-bad-row skip leaves such rows out"
    ))
}

/// What is said of a leak; `None` if the note of another one names it as its copy.
fn leak_note(leak: &Leak, leaks: &Leaks) -> Option<String> {
    let Leak {
        column,
        evidence,
        treatment,
    } = leak;
    Some(match treatment {
        Treatment::LeftOut => format!(
            "note: `{column}` is left out: {evidence}; {} brings it back",
            flag("--keep", column)
        ),
        Treatment::KeptAsAsked => {
            format!(
                "warning: `{column}` is kept, as asked, but may give the label away: {evidence}"
            )
        }
        Treatment::Kept => {
            if matches!(evidence, Evidence::CopyOf { .. }) {
                return None;
            }
            let copies = copies(column, leaks);
            let named = copies.iter().map(|copy| format!("`{copy}`"));
            let named = named.collect::<Vec<_>>().join(", ");
            let and_copies = match copies.len() {
                0 => String::new(),
                1 => format!(" and its copy {named}"),
                _ => format!(" and its copies {named}"),
            };
            let all = [&[column.as_str()], &copies[..]].concat().join(",");
            let them = if copies.is_empty() { "it" } else { "them" };
            format!(
                "warning: `{column}`{and_copies} may give the label away: {evidence}; {} leaves {them} out",
                flag("--exclude", &all)
            )
        }
    })
}

/// The leaks that are copies of this one.
fn copies<'a>(original: &str, leaks: &'a Leaks) -> Vec<&'a str> {
    let is_copy =
        |leak: &&Leak| matches!(&leak.evidence, Evidence::CopyOf { column } if column == original);
    let copies = leaks.columns.iter().filter(is_copy);
    copies.map(|leak| leak.column.as_str()).collect()
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
