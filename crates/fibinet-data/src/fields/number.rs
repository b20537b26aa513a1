//! Kinds whose cells are numbers, the distribution of which is learnt.

use crate::fields::cells::{BadCell, MissingCells};
use crate::fields::kind::{FieldFit, FinishedFit, FittedField, KnownField};
use crate::shards::columns::Column;

/// The statistics of a field's numbers that a fit keeps.
pub(crate) trait Summary: std::fmt::Debug + Send {
    /// Adds a finite number of a training row.
    fn add(&mut self, number: f32);

    /// The fitted field.
    fn finish(self) -> FittedField;
}

/// Fits a field of numbers. A missing number is NaN in its column.
#[derive(Debug)]
pub(crate) struct NumberFit<S>(pub(crate) S);

impl<S: Summary> FieldFit for NumberFit<S> {
    fn read(
        &mut self,
        cells: &[&[u8]],
        missing: MissingCells<'_>,
    ) -> (Column, Vec<(usize, BadCell)>) {
        let mut refused = Vec::new();
        let numbers = cells.iter().enumerate().map(|(at, cell)| {
            read_number(cell, missing).unwrap_or_else(|bad| {
                refused.push((at, bad));
                f32::NAN
            })
        });
        (Column::Numbers(numbers.collect()), refused)
    }

    fn count(&mut self, column: &Column, is_train: &[bool]) {
        let Column::Numbers(numbers) = column else {
            unreachable!("numbers are read as numbers, not as {column:?}");
        };
        for (number, is_train) in numbers.iter().zip(is_train) {
            if *is_train && !number.is_nan() {
                self.0.add(*number);
            }
        }
    }

    fn finish(self: Box<Self>, base: Option<KnownField>) -> FinishedFit {
        let fitted = base.map(|base| base.fitted);
        FinishedFit::without_tokens(fitted.unwrap_or_else(|| self.0.finish()))
    }
}

/// A cell as a finite number; NaN if it is missing.
pub(crate) fn read_number(cell: &[u8], missing: MissingCells<'_>) -> Result<f32, BadCell> {
    if missing.contain(cell) {
        Ok(f32::NAN)
    } else {
        finite_number(cell)
    }
}

/// A cell as a finite number.
pub(crate) fn finite_number(cell: &[u8]) -> Result<f32, BadCell> {
    parse(cell)
        .filter(|number| number.is_finite())
        .ok_or(BadCell::Number)
}

/// A cell as a number.
pub(crate) fn parse(cell: &[u8]) -> Option<f32> {
    // An f32 holds every integer of seven digits.
    if (1..=7).contains(&cell.len()) && cell.iter().all(u8::is_ascii_digit) {
        let digits = cell.iter().map(|digit| u32::from(digit - b'0'));
        return Some(digits.fold(0, |value, digit| 10 * value + digit) as f32);
    }
    std::str::from_utf8(cell)
        .ok()
        .and_then(|text| text.trim().parse::<f32>().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_digits_are_read_as_any_number_is() {
        for cell in [
            "7", "0012", "9999999", "16777217", " 5", "-3", "+2", "1e3", "0x1", "٣", "",
        ] {
            let expected = cell.trim().parse::<f32>().ok();
            assert_eq!(parse(cell.as_bytes()), expected, "{cell}");
        }
    }
}
