use serde::{Deserialize, Serialize};

use crate::cell::Cell;
use crate::fields::buckets::{self, BUCKET_SETTINGS, Buckets, default_buckets};
use crate::fields::cells::{BadCell, CellReader, FIRST_TOKEN, RowValues, TokenIds};
use crate::fields::column_counter::ColumnCounter;
use crate::fields::kind::{CellEncoder, FieldFit, FieldKind, FittedField, Setting};
use crate::fields::look::ColumnLook;
use crate::fields::number_format::NumberFormat;
use crate::schema_error::FieldError;
use crate::shards::batch::IdLists;
use crate::shards::columns::Column;
use crate::shards::layout::{FieldShape, Pooling};

/// `kind = "numeric"`, `encoding = "smoothed"`: buckets as in [`Quantile`](crate::fields::Quantile), which share what
/// they learn: a number has the ids of its bucket, twice, and of the buckets below and above it, and their embeddings
/// are averaged. A value with at least twice the rows of a bucket shares nothing. Where there is no bucket to share
/// with stands the number's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Smoothed {
    /// The most buckets.
    #[serde(default = "default_buckets")]
    pub buckets: u32,
    /// How the numbers are written.
    #[serde(flatten)]
    pub format: NumberFormat,
}

impl Smoothed {
    /// Buckets of numbers with a point before their fraction.
    pub fn new(buckets: u32) -> Self {
        Self {
            buckets,
            format: NumberFormat::default(),
        }
    }
}

impl FieldKind for Smoothed {
    const KIND: &'static str = "numeric";
    const ENCODING: Option<&'static str> = Some("smoothed");
    const SETTINGS: &'static [Setting] = BUCKET_SETTINGS;
    const FIELDS: &'static str = "numeric fields with `encoding = \"smoothed\"`";

    fn validate(&self) -> Result<(), FieldError> {
        buckets::validate(self.buckets, &self.format)
    }

    fn fit(&self, field: usize) -> Box<dyn FieldFit> {
        buckets::fit(self.buckets, &self.format, field)
    }

    fn encoder(&self, fitted: &FittedField) -> Option<Box<dyn CellEncoder>> {
        let buckets = Buckets::fitted(&self.format, fitted)?;
        let mut is_value = vec![false; buckets.num_ids()];
        if let FittedField::Buckets { values, .. } = fitted {
            for value in values {
                is_value[buckets.id(*value) as usize] = true;
            }
        }
        Some(Box::new(SmoothedEncoder { buckets, is_value }))
    }

    fn guess(look: &ColumnLook) -> Option<(Self, String)> {
        let (format, reason) = look.quantity().filter(|_| !look.has_many_rows())?;
        let kind = Self {
            buckets: look.num_buckets(),
            format: format.clone(),
        };
        Some((kind, reason))
    }
}

/// Encodes a number as the ids of its bucket and of those beside it.
#[derive(Debug)]
struct SmoothedEncoder {
    buckets: Buckets,
    /// Whether an id is that of a value that shares nothing.
    is_value: Vec<bool>,
}

impl SmoothedEncoder {
    /// Appends the ids of a number in the bucket with this id, or of a missing number.
    fn push(&self, id: u32, ids: &mut Vec<u32>) {
        if id < FIRST_TOKEN || self.is_value[id as usize] {
            ids.push(id);
            return;
        }
        let or_own = |beside: u32| {
            let is_value = self.is_value.get(beside as usize);
            let shares = beside >= FIRST_TOKEN && is_value == Some(&false);
            if shares { beside } else { id }
        };
        ids.extend([or_own(id - 1), id, id, or_own(id + 1)]);
    }
}

impl CellEncoder for SmoothedEncoder {
    fn shape(&self) -> FieldShape {
        FieldShape::Ids {
            num_ids: self.buckets.num_ids(),
            pooling: Pooling::Mean,
        }
    }

    fn encode(
        &self,
        cell: Cell<'_>,
        reader: &mut CellReader<'_>,
        _tokens: &mut dyn TokenIds,
        values: &mut RowValues<'_>,
    ) -> Result<(), BadCell> {
        let (id, unusual) = self.buckets.read(cell, reader)?;
        self.push(id, values.ids);
        unusual.into_iter().for_each(|unusual| values.note(unusual));
        Ok(())
    }

    fn num_cells(&self, _num_ids: usize) -> usize {
        1
    }

    fn encode_column(
        &self,
        column: &mut Column,
        _ids: &[u64],
        counter: &mut ColumnCounter<'_>,
    ) -> Vec<(usize, f64)> {
        let mut lists = IdLists::default();
        for id in self.buckets.read_column(column, counter) {
            self.push(id, &mut lists.ids);
            lists.ends.push(lists.ids.len());
        }
        *column = Column::Lists(lists);
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::cells::MISSING;
    use crate::fields::number_range::NumberRange;

    /// The ids of numbers by the edges 1, 2 - ε and 2.
    fn ids(values: &[f64], numbers: &[f64]) -> Vec<Vec<u32>> {
        let fitted = FittedField::Buckets {
            edges: vec![1.0, 2_f64.next_down(), 2.0],
            values: values.to_vec(),
            range: NumberRange { min: 0.0, max: 3.0 },
        };
        let encoder = Smoothed::new(4).encoder(&fitted).unwrap();
        let mut column = Column::Unscaled(numbers.to_vec());
        let rows = Default::default();
        encoder.encode_column(&mut column, &[], &mut ColumnCounter::new(&rows));
        match column {
            Column::Lists(lists) => (0..numbers.len())
                .map(|row| lists.row(row).to_vec())
                .collect(),
            other => panic!("{other:?} are not lists"),
        }
    }

    #[test]
    fn a_number_has_the_ids_of_its_bucket_and_of_those_beside_it() {
        assert_eq!(
            ids(&[], &[1.5, f64::NAN, -9.0, 3.0]),
            [&[3, 4, 4, 5][..], &[MISSING], &[3, 3, 3, 4], &[5, 6, 6, 6]]
        );
    }

    #[test]
    fn a_frequent_value_shares_nothing() {
        assert_eq!(
            ids(&[2.0], &[1.0, 1.5, 2.0, 2.5]),
            [&[3, 3, 3, 4][..], &[3, 4, 4, 4], &[5], &[6, 6, 6, 6]]
        );
        assert_eq!(ids(&[-1.0, 9.0], &[0.0, 3.0]), [[3], [6]]);
    }
}
