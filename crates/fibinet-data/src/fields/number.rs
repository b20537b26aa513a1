//! Kinds whose cells are numbers, the distribution of which is learnt.

use crate::cell::Cell;
use crate::fields::cells::{BadCell, CellReader, read_each};
use crate::fields::kind::{FieldFit, FinishedFit, FittedField, KnownField};
use crate::fields::number_format::NumberFormat;
use crate::fields::number_range::NumberRange;
use crate::shards::columns::Column;

/// The statistics of a field's numbers that a fit keeps.
pub(crate) trait Summary: std::fmt::Debug + Send {
    /// Adds a finite number of a training row.
    fn add(&mut self, number: f64);

    /// The fitted field; `range` is that of the numbers added.
    fn finish(self, range: NumberRange) -> FittedField;
}

/// Fits a field of numbers. A missing number is NaN in its column.
#[derive(Debug)]
pub(crate) struct NumberFit<S> {
    format: NumberFormat,
    summary: S,
    range: Option<NumberRange>,
    precision: Precision,
}

/// The precision of the numbers of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Precision {
    /// That of earlier versions, whose fits have no range.
    Single,
    Double,
}

impl Precision {
    /// The precision of a fit with this range.
    pub(crate) fn of(range: Option<NumberRange>) -> Self {
        if range.is_some() {
            Self::Double
        } else {
            Self::Single
        }
    }

    /// A cell as a finite number; NaN if it is missing.
    #[inline(always)]
    pub(crate) fn read(
        self,
        cell: Cell<'_>,
        reader: &mut CellReader<'_>,
        format: &NumberFormat,
    ) -> Result<f64, BadCell> {
        match self {
            Self::Single => reader.number::<f32>(cell, format).map(f64::from),
            Self::Double => reader.number(cell, format),
        }
    }
}

impl<S: Summary> NumberFit<S> {
    pub(crate) fn new(format: &NumberFormat, summary: S) -> Self {
        Self {
            format: format.clone(),
            summary,
            range: None,
            precision: Precision::Double,
        }
    }

    fn add(&mut self, number: f64) {
        let range = self.range.get_or_insert(NumberRange {
            min: number,
            max: number,
        });
        range.min = range.min.min(number);
        range.max = range.max.max(number);
        self.summary.add(number);
    }

    fn fitted(self) -> FittedField {
        let none = NumberRange { min: 0.0, max: 0.0 };
        self.summary.finish(self.range.unwrap_or(none))
    }
}

impl<S: Summary> FieldFit for NumberFit<S> {
    fn start_from(&mut self, base: &FittedField) {
        if matches!(
            base,
            FittedField::Quantile { .. } | FittedField::Value { .. }
        ) {
            self.precision = Precision::Single;
        }
    }

    fn read(
        &mut self,
        cells: &[Cell<'_>],
        reader: &mut CellReader<'_>,
    ) -> (Column, Vec<(usize, BadCell)>) {
        let (numbers, refused) = read_each(cells, f64::NAN, |cell| {
            self.precision.read(*cell, reader, &self.format)
        });
        (Column::Unscaled(numbers), refused)
    }

    fn count(&mut self, column: &Column, is_train: &[bool]) {
        for (number, is_train) in unscaled(column).iter().zip(is_train) {
            if *is_train && !number.is_nan() {
                self.add(*number);
            }
        }
    }

    fn finish(self: Box<Self>, _reader: &CellReader<'_>, base: Option<KnownField>) -> FinishedFit {
        let fitted = base.map(|base| base.fitted);
        FinishedFit::without_tokens(fitted.unwrap_or_else(|| self.fitted()))
    }
}

/// The numbers of a column that [`NumberFit`] read.
pub(crate) fn unscaled(column: &Column) -> &[f64] {
    match column {
        Column::Unscaled(numbers) => numbers,
        other => unreachable!("numbers are read as numbers, not as {other:?}"),
    }
}

/// What a fit learns of these numbers.
#[cfg(test)]
pub(crate) fn fitted(summary: impl Summary, numbers: &[f64]) -> FittedField {
    let mut fit = NumberFit::new(&NumberFormat::default(), summary);
    numbers.iter().for_each(|number| fit.add(*number));
    fit.fitted()
}
