//! Columns that give the label away, and row indexes.
//!
//! Rows from all over the log are sampled. Each column is looked at alone: by its cells' presence, by
//! the AUC of its values' click rates among other rows, by values that only clicks have, and by whether
//! it numbers the rows.

mod elements;
mod evidence;
mod findings;
mod judge;
mod leak;
mod presence;
mod pure;
mod row_index;
mod sample;
mod separation;
mod values;

use std::path::{Path, PathBuf};

use rayon::prelude::*;

pub use self::evidence::{Evidence, Having};
use self::findings::Findings;
use self::judge::judge;
pub use self::leak::{Leak, Treatment};
use self::sample::Sample;
use self::values::Values;
use crate::config::RowFormat;
use crate::encode::cells::parse_label;
use crate::encode::guess::{Guess, Known};
use crate::encode::odd_sample::{OddSample, fields_to_check};
use crate::error::DataError;
use crate::fields::cells::CellReader;
use crate::fields::{FieldEncoding, MultiCategorical};
use crate::formats::parts::open_rows;
use crate::formats::reader::{Label, RowReader, column_index};
pub use crate::formats::spread::{MalformedRow, MalformedSample};
use crate::formats::spread::{SHORT, SpreadRows};

/// The least number of clicks, and of other rows, that leaks are looked for in.
const MIN_ROWS: u64 = 50;

/// What [`exclude_leaks`] found.
#[derive(Debug, Clone, PartialEq)]
pub struct Leaks {
    /// The columns that give the label away or may do so, in the order of the file.
    pub columns: Vec<Leak>,
    /// The number of sampled rows without and with a click.
    pub label_counts: [u64; 2],
    /// Whether there were enough of both to look for leaks. Row indexes are found in any case.
    pub checked: bool,
    /// A compressed file of which only the beginning was read, and the number of rows read.
    pub beginning_of: Option<(PathBuf, u64)>,
    /// Why a file could not be read to its end.
    pub damage: Option<String>,
    /// The malformed rows among those that were read.
    pub malformed: MalformedSample,
}

/// Takes the columns that give the label away out of the fields of a guess, except for those that
/// `known` keeps or gives a kind. The same rows from all over the log show odd cells, which become missing.
///
/// # Errors
///
/// If a file cannot be opened, or lacks the label's column or one that `known` keeps.
pub fn exclude_leaks(
    guess: &mut Guess,
    path: &Path,
    format: &RowFormat,
    known: &Known,
) -> Result<Leaks, DataError> {
    let reader = open_rows(path, format, Label::Required)?;
    let label = column_index(reader.as_ref(), &format.label)?;
    for name in &known.keep {
        column_index(reader.as_ref(), name)?;
    }
    let columns = reader.columns();
    let lists = columns.iter().map(|name| lists(guess, name));
    let mut sample = Sample::new(&lists.collect::<Vec<_>>());
    let mut cells = CellReader::new(&guess.missing);
    let checked_fields = fields_to_check(&guess.columns, columns);
    let mut odd = OddSample::new(&checked_fields, format);
    let coverage = SpreadRows::read(path, format, columns, SHORT, |reader| {
        let row = reader.row();
        let click = parse_label(row.cell(label), &mut cells, format, &reader.position())?;
        sample.add(row, click > 0.5, &mut cells);
        odd.add(row, || reader.position());
        Ok(())
    })?;
    odd.put_into(&mut guess.columns);
    let label_counts = sample.label_counts();
    let checked = label_counts.iter().all(|count| *count >= MIN_ROWS);
    let looked_at = looked_at(guess, reader.as_ref(), known);
    let findings = looked_at.par_iter().map(|column| {
        let column = column.as_ref()?;
        let sampled = &sample.columns()[column.at];
        let values = Values::of(&sampled.cells, sample.rows());
        let mut findings = Findings::default();
        if column.is_field && !column.is_time {
            findings.find_row_index(&columns[column.at], &values, coverage.num_rows);
        }
        if checked {
            findings.find_presence(&values, sampled, sample.rows());
        }
        if checked && column.is_field {
            findings.find_separation(&values);
        }
        Some(findings)
    });
    let findings = findings.collect();
    let are_copies = |a: usize, b: usize| {
        let sampled = |column: usize| Some(&sample.columns()[looked_at[column].as_ref()?.at]);
        sampled(a)
            .zip(sampled(b))
            .is_some_and(|(a, b)| a.is_copy_of(b))
    };
    Ok(Leaks {
        columns: judge(guess, findings, known, are_copies),
        label_counts,
        checked,
        beginning_of: coverage.beginning_of,
        damage: coverage.damage,
        malformed: coverage.malformed,
    })
}

/// A column that is looked at.
struct LookedAt {
    /// Its place in the file.
    at: usize,
    is_field: bool,
    is_time: bool,
}

/// The columns of a guess, `None` for those that no one wants to know of.
fn looked_at(guess: &Guess, reader: &dyn RowReader, known: &Known) -> Vec<Option<LookedAt>> {
    let columns = guess.columns.iter().map(|column| {
        let mut names = reader.columns().iter();
        let at = names.position(|name| *name == column.name)?;
        if known.exclude.contains(&column.name) || reader.unreadable(at).is_some() {
            return None;
        }
        let encoding = column.field.as_ref().map(|field| &field.encoding);
        Some(LookedAt {
            at,
            is_field: encoding.is_some(),
            is_time: matches!(encoding, Some(FieldEncoding::Timestamp(_))),
        })
    });
    columns.collect()
}

/// How the lists of a column are written, if it is a field of lists.
fn lists(guess: &Guess, name: &str) -> Option<MultiCategorical> {
    let column = guess.columns.iter().find(|column| column.name == name)?;
    match &column.field.as_ref()?.encoding {
        FieldEncoding::MultiCategorical(lists) => Some(lists.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
