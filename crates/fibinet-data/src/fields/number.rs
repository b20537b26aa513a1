//! Kinds whose cells are numbers, the distribution of which is learnt.

use crate::fields::cells::{BadCell, MissingCells};
use crate::fields::kind::{FieldFit, FinishedFit, FittedField, KnownField};
use crate::fields::number_format::NumberFormat;
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
pub(crate) struct NumberFit<S> {
    pub(crate) format: NumberFormat,
    pub(crate) summary: S,
}

impl<S: Summary> FieldFit for NumberFit<S> {
    fn read(
        &mut self,
        cells: &[&[u8]],
        missing: MissingCells<'_>,
    ) -> (Column, Vec<(usize, BadCell)>) {
        let mut refused = Vec::new();
        let numbers = cells.iter().enumerate().map(|(at, cell)| {
            read_number(cell, missing, &self.format).unwrap_or_else(|bad| {
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
                self.summary.add(*number);
            }
        }
    }

    fn finish(self: Box<Self>, base: Option<KnownField>) -> FinishedFit {
        let fitted = base.map(|base| base.fitted);
        FinishedFit::without_tokens(fitted.unwrap_or_else(|| self.summary.finish()))
    }
}

/// A cell as a finite number; NaN if it is missing.
pub(crate) fn read_number(
    cell: &[u8],
    missing: MissingCells<'_>,
    format: &NumberFormat,
) -> Result<f32, BadCell> {
    if missing.contain(cell) {
        Ok(f32::NAN)
    } else {
        finite_number(cell, format)
    }
}

/// A cell as a finite number.
pub(crate) fn finite_number(cell: &[u8], format: &NumberFormat) -> Result<f32, BadCell> {
    format
        .parse(cell)
        .filter(|number| number.is_finite())
        .ok_or(BadCell::Number)
}
