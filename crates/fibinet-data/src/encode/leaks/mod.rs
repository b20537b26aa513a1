//! Columns that give the label away, and row indexes.
//!
//! Rows from all over the log are sampled. Each column is looked at alone: by its cells' presence, by
//! the AUC of its values' click rates among other rows, by values that only clicks have, and by whether
//! it numbers the rows.

mod evidence;
mod findings;
mod judge;
mod labelled;
mod leak;
mod row_index;
mod sample;
mod separation;
mod values;

use std::path::{Path, PathBuf};

use rayon::prelude::*;

pub use self::evidence::Evidence;
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
use crate::fields::FieldEncoding;
use crate::fields::cells::CellReader;
use crate::formats::parts::open_rows;
use crate::formats::reader::{Label, column_index};
use crate::formats::spread::SpreadRows;

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
    let mut sample = Sample::new(columns.len());
    let mut cells = CellReader::new(&guess.missing);
    let checked_fields = fields_to_check(&guess.columns, columns);
    let mut odd = OddSample::new(&checked_fields, format);
    let coverage = SpreadRows::read(path, format, columns, |reader| {
        let row = reader.row();
        let click = parse_label(row.cell(label), &mut cells, format, &reader.position());
        if let Ok(click) = click {
            sample.add(row, click > 0.5, &mut cells);
            odd.add(row, || reader.position());
        }
    })?;
    odd.put_into(&mut guess.columns);
    let label_counts = sample.label_counts();
    let checked = label_counts.iter().all(|count| *count >= MIN_ROWS);
    let fields = guess.columns.iter().map(|column| {
        let field = column.field.as_ref()?;
        let at = columns.iter().position(|name| *name == column.name)?;
        let is_time = matches!(field.encoding, FieldEncoding::Timestamp(_));
        Some((at, is_time))
    });
    let fields: Vec<Option<(usize, bool)>> = fields.collect();
    let findings = fields.par_iter().map(|field| {
        let (at, is_time) = (*field)?;
        let column = &sample.columns()[at];
        let values = Values::of(&column.cells, sample.rows());
        let mut findings = Findings::default();
        if !is_time {
            findings.find_row_index(&columns[at], &values, coverage.num_rows);
        }
        if checked {
            findings.find_leaks(&values, column);
        }
        Some(findings)
    });
    let findings = findings.collect();
    let are_copies = |a: usize, b: usize| {
        let sampled = |field: usize| fields[field].map(|(at, _)| &sample.columns()[at]);
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
    })
}

#[cfg(test)]
mod tests;
