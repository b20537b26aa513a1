use serde::{Deserialize, Serialize};

use crate::cell::Cell;
use crate::fields::buckets::{self, BUCKET_SETTINGS, Buckets, default_buckets};
use crate::fields::cells::{BadCell, CellReader, RowValues, TokenIds};
use crate::fields::column_counter::ColumnCounter;
use crate::fields::kind::{CellEncoder, FieldFit, FieldKind, FittedField, Setting};
use crate::fields::look::ColumnLook;
use crate::fields::number_format::NumberFormat;
use crate::schema_error::FieldError;
use crate::shards::columns::Column;
use crate::shards::layout::FieldShape;

/// `kind = "numeric"`, `encoding = "quantile"`: the id of a number is its bucket among the training rows, of at
/// most `buckets`. A value that holds at least a bucket's share of the rows has a bucket of its own, and the other
/// numbers share the remaining buckets equally. Numbers beyond those of the training rows are in the first or last
/// one. Numbers are `f64`: from 2⁵³ on they lose their last digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quantile {
    /// The most buckets.
    #[serde(default = "default_buckets")]
    pub buckets: u32,
    /// How the numbers are written.
    #[serde(flatten)]
    pub format: NumberFormat,
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
    const SETTINGS: &'static [Setting] = BUCKET_SETTINGS;
    const FIELDS: &'static str = "numeric fields with `encoding = \"quantile\"`";

    fn validate(&self) -> Result<(), FieldError> {
        buckets::validate(self.buckets, &self.format)
    }

    fn fit(&self, field: usize) -> Box<dyn FieldFit> {
        buckets::fit(self.buckets, &self.format, field)
    }

    fn encoder(&self, fitted: &FittedField) -> Option<Box<dyn CellEncoder>> {
        let buckets = Buckets::fitted(&self.format, fitted)?;
        Some(Box::new(QuantileEncoder(buckets)))
    }

    fn guess(look: &ColumnLook) -> Option<(Self, String)> {
        let (buckets, format, reason) = look.buckets_sharing(None)?;
        Some((Self { buckets, format }, reason))
    }
}

/// Encodes a number as the id of its bucket.
#[derive(Debug)]
struct QuantileEncoder(Buckets);

impl CellEncoder for QuantileEncoder {
    fn shape(&self) -> FieldShape {
        FieldShape::Id {
            num_ids: self.0.num_ids(),
        }
    }

    fn encode(
        &self,
        cell: Cell<'_>,
        reader: &mut CellReader<'_>,
        _tokens: &mut dyn TokenIds,
        values: &mut RowValues<'_>,
    ) -> Result<(), BadCell> {
        let (id, unusual) = self.0.read(cell, reader)?;
        values.ids.push(id);
        unusual.into_iter().for_each(|unusual| values.note(unusual));
        Ok(())
    }

    fn encode_column(
        &self,
        column: &mut Column,
        _ids: &[u64],
        counter: &mut ColumnCounter<'_>,
    ) -> Vec<(usize, f64)> {
        let ids = self.0.read_column(column, counter).collect();
        *column = Column::Ids(ids);
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::buckets::Reservoir;
    use crate::fields::cells::{FIRST_TOKEN, MISSING};
    use crate::fields::number::fitted;

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
}
