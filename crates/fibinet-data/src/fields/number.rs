//! Kinds whose cells are numbers, the distribution of which is learnt.

use crate::cell::Cell;
use crate::fields::cells::{BadCell, CellReader, read_each};
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
        cells: &[Cell<'_>],
        reader: &mut CellReader<'_>,
    ) -> (Column, Vec<(usize, BadCell)>) {
        let (numbers, refused) =
            read_each(cells, f32::NAN, |cell| reader.number(*cell, &self.format));
        (Column::Numbers(numbers), refused)
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

    fn finish(self: Box<Self>, _reader: &CellReader<'_>, base: Option<KnownField>) -> FinishedFit {
        let fitted = base.map(|base| base.fitted);
        FinishedFit::without_tokens(fitted.unwrap_or_else(|| self.summary.finish()))
    }
}
