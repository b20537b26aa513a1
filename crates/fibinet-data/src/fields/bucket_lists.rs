//! Numbers as several ids of buckets each, so that buckets share what they learn.

use crate::cell::Cell;
use crate::fields::buckets::Buckets;
use crate::fields::cells::{BadCell, CellReader, FIRST_TOKEN, RowValues, TokenIds};
use crate::fields::column_counter::ColumnCounter;
use crate::fields::kind::{CellEncoder, FittedField};
use crate::fields::number_format::NumberFormat;
use crate::shards::batch::IdLists;
use crate::shards::columns::Column;
use crate::shards::layout::{FieldShape, Pooling};

/// Which buckets' ids a number has, and how their vectors become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sharing {
    /// Its bucket's, twice, and those of the buckets beside it: the mean.
    Neighbours,
    /// Its bucket's and those of all buckets below it: the sum.
    Steps,
}

/// Encodes a number as ids of buckets. Some buckets hold one frequent value and share nothing.
#[derive(Debug)]
struct ListEncoder {
    buckets: Buckets,
    /// Whether an id is that of a value that shares nothing.
    is_value: Vec<bool>,
    sharing: Sharing,
}

/// The encoder of a fitted field; `None` if the fit has no buckets, or is damaged.
pub(crate) fn encoder(
    sharing: Sharing,
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
    Some(Box::new(ListEncoder {
        buckets,
        is_value,
        sharing,
    }))
}

impl ListEncoder {
    /// Appends the ids of a number in the bucket with this id, or of a missing number.
    fn push(&self, id: u32, ids: &mut Vec<u32>) {
        match self.sharing {
            _ if id < FIRST_TOKEN => ids.push(id),
            Sharing::Neighbours if self.shares(id) => {
                let or_own = |beside| if self.shares(beside) { beside } else { id };
                ids.extend([or_own(id - 1), id, id, or_own(id + 1)]);
            }
            Sharing::Neighbours => ids.push(id),
            Sharing::Steps => {
                ids.extend((FIRST_TOKEN..id).filter(|below| self.shares(*below)));
                ids.push(id);
            }
        }
    }

    /// Whether the id is that of a bucket which shares what it learns.
    fn shares(&self, id: u32) -> bool {
        id >= FIRST_TOKEN && self.is_value.get(id as usize) == Some(&false)
    }
}

impl CellEncoder for ListEncoder {
    fn shape(&self) -> FieldShape {
        FieldShape::Ids {
            num_ids: self.buckets.num_ids(),
            pooling: match self.sharing {
                Sharing::Neighbours => Pooling::Mean,
                Sharing::Steps => Pooling::Sum,
            },
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

/// The ids of numbers by the edges 1, 2 - ε and 2.
#[cfg(test)]
pub(crate) fn ids_by(sharing: Sharing, values: &[f64], numbers: &[f64]) -> Vec<Vec<u32>> {
    use crate::fields::number_range::NumberRange;

    let fitted = FittedField::Buckets {
        edges: vec![1.0, 2_f64.next_down(), 2.0],
        values: values.to_vec(),
        range: NumberRange { min: 0.0, max: 3.0 },
    };
    let encoder = encoder(sharing, &NumberFormat::default(), &fitted).unwrap();
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
