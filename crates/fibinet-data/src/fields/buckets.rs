//! Buckets of numbers: learning and finding them.

use crate::cell::Cell;
use crate::fields::bins::Bins;
use crate::fields::cell_counts::Unusual;
use crate::fields::cells::{BadCell, CellReader, FIRST_TOKEN, MISSING};
use crate::fields::column_counter::ColumnCounter;
use crate::fields::kind::{FieldFit, FittedField, Setting};
use crate::fields::number::{NumberFit, Precision, Summary, unscaled};
use crate::fields::number_format::NumberFormat;
use crate::fields::number_range::{NumberRange, unusual_number};
use crate::mix::mix;
use crate::schema_error::FieldError;
use crate::shards::columns::Column;

/// The settings of a field whose numbers are in buckets.
pub(crate) const BUCKET_SETTINGS: &[Setting] = &[
    Setting::optional("buckets"),
    Setting::optional("decimal"),
    Setting::optional("thousands"),
    Setting::optional("unit"),
];

pub(crate) fn default_buckets() -> u32 {
    20
}

/// Checks the settings of such a field.
pub(crate) fn validate(buckets: u32, format: &NumberFormat) -> Result<(), FieldError> {
    FieldError::check_range("buckets", 2, 100_000, buckets)?;
    format.validate()
}

/// An empty fit of such a field, which has this index.
pub(crate) fn fit(buckets: u32, format: &NumberFormat, field: usize) -> Box<dyn FieldFit> {
    let reservoir = Reservoir::new(buckets, field as u64);
    Box::new(NumberFit::new(format, reservoir))
}

/// Above this many values, buckets come from a random sample of them.
const SAMPLE: usize = 100_000;

/// A uniform sample of a stream of unknown length (Vitter's algorithm R). Its draws depend only on the
/// field and on how many values came before.
#[derive(Debug)]
pub(crate) struct Reservoir {
    buckets: u32,
    seed: u64,
    seen: u64,
    values: Vec<f64>,
}

impl Reservoir {
    pub(crate) fn new(buckets: u32, seed: u64) -> Self {
        Self {
            buckets,
            seed,
            seen: 0,
            values: Vec::new(),
        }
    }

    /// The bins of the values.
    fn bins(mut self) -> Bins {
        self.values.sort_unstable_by(f64::total_cmp);
        Bins::new(&self.values, self.buckets as usize)
    }
}

impl Summary for Reservoir {
    fn add(&mut self, number: f64) {
        if self.values.len() < SAMPLE {
            self.values.push(number);
        } else {
            let draw = u128::from(mix(self.seed, self.seen)) * u128::from(self.seen + 1);
            let slot = (draw >> 64) as u64;
            if let Some(kept) = self.values.get_mut(slot as usize) {
                *kept = number;
            }
        }
        self.seen += 1;
    }

    fn finish(self, range: NumberRange) -> FittedField {
        let Bins { edges, values } = self.bins();
        FittedField::Buckets {
            edges,
            values,
            range,
        }
    }
}

/// The buckets of a fitted field.
#[derive(Debug)]
pub(crate) struct Buckets {
    format: NumberFormat,
    edges: Vec<f64>,
    /// `None` for a fit of an earlier version.
    range: Option<NumberRange>,
}

impl Buckets {
    /// The buckets of a fit; `None` if it has none, or is damaged.
    pub(crate) fn fitted(format: &NumberFormat, fitted: &FittedField) -> Option<Self> {
        let (edges, range) = match fitted {
            FittedField::Quantile { edges } => {
                (edges.iter().map(|edge| f64::from(*edge)).collect(), None)
            }
            FittedField::Buckets { edges, range, .. } => (edges.clone(), Some(*range)),
            _ => return None,
        };
        let is_valid = edges.is_sorted_by(|a, b| a < b) && range.is_none_or(NumberRange::is_valid);
        is_valid.then(|| Self {
            format: format.clone(),
            edges,
            range,
        })
    }

    /// The number of ids.
    pub(crate) fn num_ids(&self) -> usize {
        self.last() as usize + 1
    }

    /// The id of the last bucket.
    pub(crate) fn last(&self) -> u32 {
        FIRST_TOKEN + self.edges.len() as u32
    }

    /// The id of a number's bucket; NaN is missing.
    pub(crate) fn id(&self, number: f64) -> u32 {
        if number.is_nan() {
            return MISSING;
        }
        FIRST_TOKEN + self.edges.partition_point(|edge| *edge < number) as u32
    }

    /// The id of a cell, and what is unusual about the cell.
    pub(crate) fn read(
        &self,
        cell: Cell<'_>,
        reader: &mut CellReader<'_>,
    ) -> Result<(u32, Option<Unusual>), BadCell> {
        let number = Precision::of(self.range).read(cell, reader, &self.format)?;
        Ok((self.id(number), unusual_number(number, self.range)))
    }

    /// The ids of a column of numbers, whose cells are counted.
    pub(crate) fn read_column<'a>(
        &'a self,
        column: &'a Column,
        counter: &mut ColumnCounter<'_>,
    ) -> impl Iterator<Item = u32> + 'a {
        let numbers = unscaled(column);
        counter.count_numbers(numbers, self.range);
        numbers.iter().map(|number| self.id(*number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_of_a_long_stream_keeps_its_quantiles() {
        let mut reservoir = Reservoir::new(4, 1);
        (0..1_000_000_u32).for_each(|i| reservoir.add(i.into()));
        assert_eq!(reservoir.values.len(), SAMPLE);
        let edges = reservoir.bins().edges;
        for (edge, expected) in edges.iter().zip([250_000.0, 500_000.0, 750_000.0]) {
            assert!((edge - expected).abs() < 5_000.0, "{edges:?}");
        }
    }

    #[test]
    fn damaged_fits_have_no_buckets() {
        let buckets = |edges: &[f64], min, max| FittedField::Buckets {
            edges: edges.to_vec(),
            values: Vec::new(),
            range: NumberRange { min, max },
        };
        for damaged in [
            buckets(&[2.0, 1.0], 0.0, 3.0),
            buckets(&[1.0], 3.0, 0.0),
            buckets(&[1.0], 0.0, f64::INFINITY),
        ] {
            assert!(
                Buckets::fitted(&NumberFormat::default(), &damaged).is_none(),
                "{damaged:?}"
            );
        }
    }
}
