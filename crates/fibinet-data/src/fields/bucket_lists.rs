//! Numbers as several ids of buckets each, so that buckets share what they learn.

use std::fmt::Debug;
use std::marker::PhantomData;

use crate::cell::Cell;
use crate::fields::buckets::Buckets;
use crate::fields::cells::{BadCell, CellReader, FIRST_TOKEN, RowValues, TokenIds};
use crate::fields::column_counter::ColumnCounter;
use crate::fields::kind::{CellEncoder, FittedField};
use crate::fields::number_format::NumberFormat;
use crate::shards::batch::IdLists;
use crate::shards::columns::Column;
use crate::shards::layout::{FieldShape, Pooling};

/// Which buckets' ids a number has.
pub(crate) trait Sharing: Debug + Send + Sync + 'static {
    /// How the ids' vectors become one.
    const POOLING: Pooling;

    /// Appends the ids of a number in the bucket with this id, which is that of a bucket.
    fn push(buckets: &SharedBuckets, id: u32, ids: &mut Vec<u32>);
}

/// Buckets, of which some hold one frequent value and share nothing.
#[derive(Debug)]
pub(crate) struct SharedBuckets {
    buckets: Buckets,
    /// Whether an id is that of a value that shares nothing.
    is_value: Vec<bool>,
}

impl SharedBuckets {
    /// Whether the id is that of a bucket which shares what it learns.
    pub(crate) fn shares(&self, id: u32) -> bool {
        id >= FIRST_TOKEN && self.is_value.get(id as usize) == Some(&false)
    }
}

/// Encodes a number as ids of buckets.
#[derive(Debug)]
struct ListEncoder<S> {
    buckets: SharedBuckets,
    sharing: PhantomData<S>,
}

/// The encoder of a fitted field; `None` if the fit has no buckets, or is damaged.
pub(crate) fn encoder<S: Sharing>(
    format: &NumberFormat,
    fitted: &FittedField,
) -> Option<Box<dyn CellEncoder>> {
    let buckets = Buckets::fitted(format, fitted)?;
    let mut is_value = vec![false; buckets.num_ids()];
    if let FittedField::Buckets { values, .. } = fitted {
        for value in values {
            is_value[buckets.id(*value) as usize] = true;
        }
    }
    Some(Box::new(ListEncoder::<S> {
        buckets: SharedBuckets { buckets, is_value },
        sharing: PhantomData,
    }))
}

impl<S: Sharing> ListEncoder<S> {
    /// Appends the ids of a number in the bucket with this id, or of a missing number.
    fn push(&self, id: u32, ids: &mut Vec<u32>) {
        if id < FIRST_TOKEN {
            ids.push(id);
        } else {
            S::push(&self.buckets, id, ids);
        }
    }
}

impl<S: Sharing> CellEncoder for ListEncoder<S> {
    fn shape(&self) -> FieldShape {
        FieldShape::Ids {
            num_ids: self.buckets.buckets.num_ids(),
            pooling: S::POOLING,
        }
    }

    fn encode(
        &self,
        cell: Cell<'_>,
        reader: &mut CellReader<'_>,
        _tokens: &mut dyn TokenIds,
        values: &mut RowValues<'_>,
    ) -> Result<(), BadCell> {
        let (id, unusual) = self.buckets.buckets.read(cell, reader)?;
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
        for id in self.buckets.buckets.read_column(column, counter) {
            self.push(id, &mut lists.ids);
            lists.ends.push(lists.ids.len());
        }
        *column = Column::Lists(lists);
        Vec::new()
    }
}

/// The ids of numbers by the edges 1, 2 - ε and 2.
#[cfg(test)]
pub(crate) fn ids_by<S: Sharing>(values: &[f64], numbers: &[f64]) -> Vec<Vec<u32>> {
    use crate::fields::number_range::NumberRange;

    let fitted = FittedField::Buckets {
        edges: vec![1.0, 2_f64.next_down(), 2.0],
        values: values.to_vec(),
        range: NumberRange { min: 0.0, max: 3.0 },
    };
    let encoder = encoder::<S>(&NumberFormat::default(), &fitted).unwrap();
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
