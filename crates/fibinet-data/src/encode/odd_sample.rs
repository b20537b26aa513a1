//! Odd cells in rows from all over a log, beyond the first ones that the kinds are guessed from.

use std::collections::HashMap;

use crate::cell::Cell;
use crate::config::RowFormat;
use crate::encode::cells::field_reader;
use crate::encode::column_guess::{ColumnGuess, Remark};
use crate::encode::shown::shown;
use crate::fields::FieldSpec;
use crate::fields::cells::CellReader;
use crate::fields::kind::FieldFit;
use crate::formats::raw_row::RawRow;
use crate::position::Position;

/// The number of different cells that are taken as missing.
const MAX_CELLS: usize = 100;

/// Fields whose cells may be odd: those that no text is a token of. Each with its column and its place in the guess.
pub(super) fn fields_to_check(
    guess: &[ColumnGuess],
    columns: &[String],
) -> Vec<(usize, usize, FieldSpec)> {
    let fields = guess.iter().enumerate().filter_map(|(index, column)| {
        let field = column.field.as_ref()?;
        let at = columns.iter().position(|name| *name == column.name)?;
        (!field.encoding.has_tokens()).then(|| (at, index, field.clone()))
    });
    fields.collect()
}

/// Reads the cells of fields, and keeps those that are odd.
pub(super) struct OddSample<'a> {
    fields: Vec<CheckedField<'a>>,
    rows: u64,
}

struct CheckedField<'a> {
    column: usize,
    /// Its place in the guess.
    index: usize,
    fit: Box<dyn FieldFit>,
    reader: CellReader<'a>,
    /// Plain numbers of at most this many characters are not odd.
    longest_number: usize,
    /// The odd cells, with their number of rows and where the first one is.
    odd: HashMap<String, (u64, Position)>,
    /// Whether there are too many different ones to take as missing.
    has_too_many: bool,
}

impl<'a> OddSample<'a> {
    pub(super) fn new(fields: &'a [(usize, usize, FieldSpec)], format: &'a RowFormat) -> Self {
        let fields = fields.iter().map(|(column, index, field)| {
            let mut fit = field.encoding.fit(0);
            let mut reader = field_reader(format, field, None);
            CheckedField {
                column: *column,
                index: *index,
                longest_number: longest_number(fit.as_mut(), &mut reader),
                fit,
                reader,
                odd: HashMap::new(),
                has_too_many: false,
            }
        });
        Self {
            fields: fields.collect(),
            rows: 0,
        }
    }

    pub(super) fn add(&mut self, row: RawRow<'_>, position: impl Fn() -> Position) {
        self.rows += 1;
        for field in &mut self.fields {
            let cell: Cell<'_> = row.cell(field.column);
            if let Cell::Text(text) = cell
                && is_plain_number(text, field.longest_number)
            {
                continue;
            }
            let (_, refused) = field.fit.read(&[cell], &mut field.reader);
            if refused.is_empty() {
                continue;
            }
            let text = String::from_utf8_lossy(cell.text(&mut Vec::new())).into_owned();
            field.has_too_many |= field.odd.len() >= MAX_CELLS && !field.odd.contains_key(&text);
            if !field.has_too_many {
                let (rows, _) = field.odd.entry(text).or_insert_with(|| (0, position()));
                *rows += 1;
            }
        }
    }

    /// Takes the odd cells of fields that have at most 1% as missing, and says so.
    pub(super) fn put_into(self, guess: &mut [ColumnGuess]) {
        let num_rows = self.rows;
        let fields = self.fields.into_iter().filter(|field| !field.has_too_many);
        for CheckedField { index, odd, .. } in fields {
            let rows: u64 = odd.values().map(|(rows, _)| rows).sum();
            let mut odd: Vec<(String, (u64, Position))> = odd.into_iter().collect();
            odd.sort_unstable_by(|a, b| b.1.0.cmp(&a.1.0).then_with(|| a.0.cmp(&b.0)));
            let column = &mut guess[index];
            let (Some((cell, (_, position))), Some(field)) = (odd.first(), &mut column.field)
            else {
                continue;
            };
            if rows * 100 > num_rows {
                continue;
            }
            let note = format!(
                "of {num_rows} rows from all over the log {rows} more have an odd cell, taken as missing, such as \
                 {} at {position}",
                shown(cell)
            );
            column.reason += &format!("; {note}");
            column.remark = Some(Remark::Note(match column.remark.take() {
                Some(Remark::Note(earlier)) => format!("{earlier}; {note}"),
                _ => note,
            }));
            field.missing.extend(odd.into_iter().map(|(cell, _)| cell));
        }
    }
}

/// The length up to which a field reads plain numbers. Most cells are such numbers, and to read them all would take
/// most of the time of a sample.
fn longest_number(fit: &mut dyn FieldFit, reader: &mut CellReader<'_>) -> usize {
    let mut reads = |text: &str| {
        fit.read(&[Cell::Text(text.as_bytes())], reader)
            .1
            .is_empty()
    };
    if !reads("12.5") {
        return 0;
    }
    let mut lengths = [19, 18, 15, 12].into_iter();
    lengths.find(|len| reads(&"9".repeat(*len))).unwrap_or(0)
}

/// Whether a text is digits with at most one point between them.
fn is_plain_number(text: &[u8], longest: usize) -> bool {
    let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
    let digits = text.iter().filter(|byte| byte.is_ascii_digit()).count();
    let points = text.iter().filter(|byte| **byte == b'.').count();
    text.len() <= longest
        && is_digit(text.first())
        && is_digit(text.last())
        && points <= 1
        && digits + points == text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::{Quantile, Timestamp};

    #[test]
    fn plain_numbers_are_passed_over_where_the_field_reads_them() {
        let timestamp = |format: &str| {
            let settings = format!("format = {format:?}");
            let timestamp: Timestamp = toml::from_str(&settings).unwrap();
            FieldSpec::new("a", timestamp)
        };
        let numbers = |settings: &str| {
            let quantile: Quantile = toml::from_str(settings).unwrap();
            FieldSpec::new("a", quantile)
        };
        for (field, expected) in [
            (timestamp("unix"), 12),
            (timestamp("unix_ms"), 15),
            (timestamp("unix_us"), 18),
            (timestamp("unix_ns"), 19),
            (timestamp("%Y%m%d"), 0),
            (numbers("buckets = 4"), 19),
            (numbers("buckets = 4\ndecimal = ','\nthousands = '.'"), 0),
        ] {
            let format = RowFormat::csv("y");
            let mut reader = field_reader(&format, &field, None);
            let mut fit = field.encoding.fit(0);
            let longest = longest_number(fit.as_mut(), &mut reader);
            assert_eq!(longest, expected, "{field:?}");
            let long = "9".repeat(longest);
            for text in ["0", "12.5", "00", "1000000000.25", &long] {
                let cells = [Cell::Text(text.as_bytes())];
                let is_read = fit.read(&cells, &mut reader).1.is_empty();
                assert!(
                    is_read || !is_plain_number(text.as_bytes(), longest),
                    "{field:?}: {text}"
                );
            }
        }
    }

    #[test]
    fn plain_numbers_are_digits_with_at_most_one_point_between_them() {
        for text in [
            "", ".", "1.", ".5", "-1", "1e5", "1.2.3", "1,5", " 1", "inf", "1234",
        ] {
            assert!(!is_plain_number(text.as_bytes(), 3), "{text}");
        }
        for text in ["0", "1.5", "00"] {
            assert!(is_plain_number(text.as_bytes(), 3), "{text}");
        }
    }
}
