use serde::{Deserialize, Serialize};

use crate::cell::Cell;
use crate::fields::bins::edges;
use crate::fields::cells::{BadCell, CellReader, FIRST_TOKEN, MISSING, RowValues, TokenIds};
use crate::fields::column_counter::ColumnCounter;
use crate::fields::kind::{CellEncoder, FieldFit, FieldKind, FittedField, Setting};
use crate::fields::look::{ColumnLook, Reading};
use crate::fields::number::{NumberFit, Precision, Summary, unscaled};
use crate::fields::number_format::NumberFormat;
use crate::fields::number_range::{NumberRange, unusual_number};
use crate::mix::mix;
use crate::schema_error::FieldError;
use crate::shards::columns::Column;
use crate::shards::layout::FieldShape;

/// `kind = "numeric"`, `encoding = "quantile"`: the id of a number is its bucket among the training rows, of at
/// most `buckets`. A value that holds at least a bucket's share of the rows has a bucket of its own, and the other
/// numbers share the remaining buckets equally. Numbers beyond those of the training rows are in the first or last one. Numbers
/// are `f64`: from 2⁵³ on they lose their last digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quantile {
    /// The most buckets.
    #[serde(default = "default_buckets")]
    pub buckets: u32,
    /// How the numbers are written.
    #[serde(flatten)]
    pub format: NumberFormat,
}

fn default_buckets() -> u32 {
    20
}

impl Quantile {
    /// Quantiles of numbers with a point before their fraction.
    pub fn new(buckets: u32) -> Self {
        Self {
            buckets,
            format: NumberFormat::default(),
        }
    }
}

impl FieldKind for Quantile {
    const KIND: &'static str = "numeric";
    const ENCODING: Option<&'static str> = Some("quantile");
    const SETTINGS: &'static [Setting] = &[
        Setting::optional("buckets"),
        Setting::optional("decimal"),
        Setting::optional("thousands"),
        Setting::optional("unit"),
    ];
    const FIELDS: &'static str = "numeric fields with `encoding = \"quantile\"`";

    fn validate(&self) -> Result<(), FieldError> {
        FieldError::check_range("buckets", 2, 100_000, self.buckets)?;
        self.format.validate()
    }

    fn fit(&self, field: usize) -> Box<dyn FieldFit> {
        let reservoir = Reservoir::new(self.buckets, field as u64);
        Box::new(NumberFit::new(&self.format, reservoir))
    }

    fn encoder(&self, fitted: &FittedField) -> Option<Box<dyn CellEncoder>> {
        let (edges, range) = match fitted {
            FittedField::Quantile { edges } => {
                (edges.iter().map(|edge| f64::from(*edge)).collect(), None)
            }
            FittedField::Buckets { edges, range } => (edges.clone(), Some(*range)),
            _ => return None,
        };
        let is_valid = edges.is_sorted_by(|a, b| a < b);
        (is_valid && range.is_none_or(NumberRange::is_valid)).then(|| -> Box<dyn CellEncoder> {
            Box::new(Buckets {
                format: self.format.clone(),
                edges,
                range,
            })
        })
    }

    fn guess(look: &ColumnLook) -> Option<(Self, String)> {
        let Reading::Numbers(format) = look.reading() else {
            return None;
        };
        if look.has_few_values() {
            return None;
        }
        let mut reason = if look.has_fractions() {
            "numbers with fractions".to_owned()
        } else if look.is_quantity() && !look.is_named_as_category() {
            format!(
                "integers, {} distinct: a quantity?",
                look.num_distinct_text()
            )
        } else {
            return None;
        };
        if !format.is_plain() {
            reason += &format!(", written as in `{}`", format.example());
        }
        let kind = Self {
            buckets: default_buckets(),
            format: format.clone(),
        };
        Some((kind, reason))
    }
}

/// Above this many values, quantiles come from a random sample of them.
const SAMPLE: usize = 100_000;

/// A uniform sample of a stream of unknown length (Vitter's algorithm R). Its draws depend only on the
/// field and on how many values came before.
#[derive(Debug)]
struct Reservoir {
    buckets: u32,
    seed: u64,
    seen: u64,
    values: Vec<f64>,
}

impl Reservoir {
    fn new(buckets: u32, seed: u64) -> Self {
        Self {
            buckets,
            seed,
            seen: 0,
            values: Vec::new(),
        }
    }

    /// The edges between the buckets.
    fn edges(mut self) -> Vec<f64> {
        self.values.sort_unstable_by(f64::total_cmp);
        edges(&self.values, self.buckets as usize)
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
        FittedField::Buckets {
            edges: self.edges(),
            range,
        }
    }
}

/// Encodes numbers by their bucket.
#[derive(Debug)]
struct Buckets {
    format: NumberFormat,
    edges: Vec<f64>,
    /// `None` for a fit of an earlier version.
    range: Option<NumberRange>,
}

impl Buckets {
    /// The id of a number; NaN is missing.
    fn id(&self, number: f64) -> u32 {
        if number.is_nan() {
            return MISSING;
        }
        FIRST_TOKEN + self.edges.partition_point(|edge| *edge < number) as u32
    }
}

impl CellEncoder for Buckets {
    fn shape(&self) -> FieldShape {
        FieldShape::Id {
            num_ids: FIRST_TOKEN as usize + self.edges.len() + 1,
        }
    }

    fn encode(
        &self,
        cell: Cell<'_>,
        reader: &mut CellReader<'_>,
        _tokens: &mut dyn TokenIds,
        values: &mut RowValues<'_>,
    ) -> Result<(), BadCell> {
        let number = Precision::of(self.range).read(cell, reader, &self.format)?;
        values.ids.push(self.id(number));
        if let Some(unusual) = unusual_number(number, self.range) {
            values.note(unusual);
        }
        Ok(())
    }

    fn encode_column(
        &self,
        column: &mut Column,
        _ids: &[u64],
        counter: &mut ColumnCounter<'_>,
    ) -> Vec<(usize, f64)> {
        let numbers = unscaled(column);
        counter.count_numbers(numbers, self.range);
        let ids = numbers.iter().map(|number| self.id(*number)).collect();
        *column = Column::Ids(ids);
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::number::fitted;

    #[test]
    fn a_sample_of_a_long_stream_keeps_its_quantiles() {
        let mut reservoir = Reservoir::new(4, 1);
        (0..1_000_000_u32).for_each(|i| reservoir.add(i.into()));
        assert_eq!(reservoir.values.len(), SAMPLE);
        let edges = reservoir.edges();
        for (edge, expected) in edges.iter().zip([250_000.0, 500_000.0, 750_000.0]) {
            assert!((edge - expected).abs() < 5_000.0, "{edges:?}");
        }
    }

    fn ids(fitted: &FittedField, numbers: &[f64]) -> Vec<u32> {
        let encoder = Quantile::new(20).encoder(fitted).unwrap();
        let mut column = Column::Unscaled(numbers.to_vec());
        encoder.encode_column(
            &mut column,
            &[],
            &mut ColumnCounter::new(&Default::default()),
        );
        match column {
            Column::Ids(ids) => ids,
            other => panic!("{other:?} are not ids"),
        }
    }

    #[test]
    fn numbers_that_differ_in_late_digits_keep_their_quantiles() {
        for (first, step) in [
            (1_500_000_000.0, 1.0),
            (1_700_000_000_000_000.0, 1.0),
            (-16_777_216_000.0, 100.0),
        ] {
            let numbers = (0..6000).map(|i| first + step * f64::from(i * 7 % 60));
            let numbers: Vec<f64> = numbers.collect();
            let fitted = fitted(Reservoir::new(20, 0), &numbers);
            let ids = ids(&fitted, &numbers);
            for bucket in FIRST_TOKEN..FIRST_TOKEN + 20 {
                let len = ids.iter().filter(|id| **id == bucket).count();
                assert_eq!(len, 300, "{first} {bucket}");
            }
        }
    }

    #[test]
    fn numbers_beyond_those_of_the_training_rows_are_in_the_first_or_last_bucket() {
        let fitted = fitted(Reservoir::new(20, 0), &[1.0, 2.0, 3.0, 4.0]);
        let outside = ids(&fitted, &[-1e300, 0.99, 1.0, 4.0, 4.01, f64::MAX, f64::NAN]);
        assert_eq!(outside, [3, 3, 3, 6, 6, 6, MISSING]);
    }

    #[test]
    fn damaged_fits_have_no_encoder() {
        let buckets = |edges: &[f64], min, max| FittedField::Buckets {
            edges: edges.to_vec(),
            range: NumberRange { min, max },
        };
        for damaged in [
            buckets(&[2.0, 1.0], 0.0, 3.0),
            buckets(&[1.0], 3.0, 0.0),
            buckets(&[1.0], 0.0, f64::INFINITY),
        ] {
            assert!(Quantile::new(20).encoder(&damaged).is_none(), "{damaged:?}");
        }
    }
}
