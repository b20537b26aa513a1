use serde::{Deserialize, Serialize};

use crate::cell::Cell;
use crate::fields::cells::{BadCell, CellReader, FIRST_TOKEN, MISSING, RowValues, TokenIds};
use crate::fields::column_counter::ColumnCounter;
use crate::fields::kind::{CellEncoder, FieldFit, FieldKind, FittedField, Setting};
use crate::fields::look::{ColumnLook, Reading};
use crate::fields::number::{NumberFit, Summary};
use crate::fields::number_format::NumberFormat;
use crate::mix::mix;
use crate::schema_error::FieldError;
use crate::shards::columns::Column;
use crate::shards::layout::FieldShape;

/// `kind = "numeric"`, `encoding = "quantile"`: the id of a number is its quantile among the training
/// rows, of at most `buckets`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quantile {
    /// The number of quantiles.
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
        Box::new(NumberFit {
            format: self.format.clone(),
            summary: Reservoir::new(self.buckets, field as u64),
        })
    }

    fn encoder(&self, fitted: &FittedField) -> Option<Box<dyn CellEncoder>> {
        match fitted {
            FittedField::Quantile { edges } if edges.is_sorted_by(|a, b| a < b) => {
                Some(Box::new(Buckets {
                    format: self.format.clone(),
                    edges: edges.clone(),
                }))
            }
            _ => None,
        }
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
const SAMPLE: usize = 200_000;

/// A uniform sample of a stream of unknown length (Vitter's algorithm R). Its draws depend only on the
/// field and on how many values came before.
#[derive(Debug)]
struct Reservoir {
    buckets: u32,
    seed: u64,
    seen: u64,
    values: Vec<f32>,
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

    /// Ascending, distinct upper edges: bucket `i` holds values up to `edges[i]`, the last the rest.
    fn edges(mut self) -> Vec<f32> {
        self.values.sort_unstable_by(f32::total_cmp);
        let (len, buckets) = (self.values.len(), self.buckets as usize);
        let mut edges: Vec<f32> = (1..buckets)
            .filter_map(|i| self.values.get((len * i / buckets).checked_sub(1)?))
            .copied()
            .collect();
        edges.dedup();
        // An edge at the maximum would leave the last bucket without a value.
        if edges.last() == self.values.last() {
            edges.pop();
        }
        edges
    }
}

impl Summary for Reservoir {
    fn add(&mut self, number: f32) {
        if self.values.len() < SAMPLE {
            self.values.push(number);
        } else {
            let slot = mix(self.seed, self.seen) % (self.seen + 1);
            if let Some(kept) = self.values.get_mut(slot as usize) {
                *kept = number;
            }
        }
        self.seen += 1;
    }

    fn finish(self) -> FittedField {
        FittedField::Quantile {
            edges: self.edges(),
        }
    }
}

/// Encodes numbers by their bucket.
#[derive(Debug)]
struct Buckets {
    format: NumberFormat,
    edges: Vec<f32>,
}

impl Buckets {
    /// The id of a number; NaN is missing.
    fn id(&self, number: f32) -> u32 {
        if number.is_nan() {
            MISSING
        } else {
            FIRST_TOKEN + self.edges.partition_point(|edge| *edge < number) as u32
        }
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
        let number = reader.number(cell, &self.format)?;
        values.push_id(self.id(number));
        Ok(())
    }

    fn encode_column(
        &self,
        column: &mut Column,
        _ids: &[u64],
        counter: &mut ColumnCounter<'_>,
    ) -> Vec<(usize, f32)> {
        let Column::Numbers(numbers) = column else {
            unreachable!("numbers are read as numbers, not as {column:?}");
        };
        let ids: Vec<u32> = numbers.iter().map(|number| self.id(*number)).collect();
        counter.count_ids(&ids);
        *column = Column::Ids(ids);
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edges(values: &[f32], buckets: u32) -> Vec<f32> {
        let mut reservoir = Reservoir::new(buckets, 0);
        values.iter().for_each(|&value| reservoir.add(value));
        reservoir.edges()
    }

    #[test]
    fn edges_cut_equal_shares_and_never_leave_a_bucket_empty() {
        assert_eq!(edges(&[4.0, 1.0, 3.0, 2.0], 2), [2.0]);
        assert_eq!(
            edges(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], 4),
            [2.0, 4.0, 6.0]
        );
        // Most values equal: one edge below them, or none.
        assert_eq!(edges(&[0.0, 0.0, 0.0, 9.0], 4), [0.0]);
        assert_eq!(edges(&[5.0; 10], 4), [] as [f32; 0]);
        assert_eq!(edges(&[], 4), [] as [f32; 0]);
        assert_eq!(edges(&[7.0], 4), [] as [f32; 0]);
    }

    #[test]
    fn a_sample_of_a_long_stream_keeps_its_quantiles() {
        let mut reservoir = Reservoir::new(4, 1);
        (0..1_000_000_u32).for_each(|i| reservoir.add(i as f32));
        assert_eq!(reservoir.values.len(), SAMPLE);
        let edges = reservoir.edges();
        for (edge, expected) in edges.iter().zip([250_000.0, 500_000.0, 750_000.0]) {
            assert!((edge - expected).abs() < 5_000.0, "{edges:?}");
        }
    }
}
