//! Kinds whose ids follow from the cells alone: a fit learns nothing.

use crate::cell::Cell;
use crate::fields::cell_counts::Unusual;
use crate::fields::cells::{
    BadCell, CellReader, FIRST_TOKEN, MISSING, RowValues, TokenIds, read_each,
};
use crate::fields::column_counter::ColumnCounter;
use crate::fields::kind::{CellEncoder, FieldFit, FinishedFit, FittedField, KnownField};
use crate::shards::columns::Column;
use crate::shards::layout::FieldShape;

/// Reads the values of cells as numbers from 0.
pub(crate) trait CellValues: std::fmt::Debug + Send + Sync + 'static {
    /// The number of values.
    fn num_values(&self) -> usize;

    /// The value of a cell that is not missing, by its text.
    fn value(&self, text: &[u8]) -> Result<FixedValue, BadCell>;
}

/// A value from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FixedValue {
    pub(crate) value: u32,
    /// Whether the cell is far from all that the field is for.
    pub(crate) is_out_of_range: bool,
}

impl From<u32> for FixedValue {
    fn from(value: u32) -> Self {
        Self {
            value,
            is_out_of_range: false,
        }
    }
}

/// The fit and the encoder of a field whose ids are fixed.
#[derive(Debug)]
pub(crate) struct Fixed<V>(V);

impl<V: CellValues> Fixed<V> {
    pub(crate) fn fit(values: V) -> Box<dyn FieldFit> {
        Box::new(Self(values))
    }

    pub(crate) fn encoder(values: V, fitted: &FittedField) -> Option<Box<dyn CellEncoder>> {
        match fitted {
            FittedField::Fixed => Some(Box::new(Self(values))),
            _ => None,
        }
    }

    /// The value of a cell; `None` if it is missing.
    fn value(
        &self,
        cell: Cell<'_>,
        reader: &mut CellReader<'_>,
    ) -> Result<Option<FixedValue>, BadCell> {
        let words = reader.words;
        let Some(text) = reader.value(cell) else {
            return Ok(None);
        };
        match self.0.value(text) {
            Err(_) if words.contain(text) => Ok(None),
            read => read.map(Some),
        }
    }
}

fn id(value: Option<FixedValue>) -> u32 {
    value.map_or(MISSING, |of| FIRST_TOKEN + of.value)
}

impl<V: CellValues> FieldFit for Fixed<V> {
    fn read(
        &mut self,
        cells: &[Cell<'_>],
        reader: &mut CellReader<'_>,
    ) -> (Column, Vec<(usize, BadCell)>) {
        let (ids, refused) = read_each(cells, MISSING, |cell| self.value(*cell, reader).map(id));
        (Column::Ids(ids), refused)
    }

    fn count(&mut self, _column: &Column, _is_train: &[bool]) {}

    fn finish(self: Box<Self>, _reader: &CellReader<'_>, _base: Option<KnownField>) -> FinishedFit {
        FinishedFit::without_tokens(FittedField::Fixed)
    }
}

impl<V: CellValues> CellEncoder for Fixed<V> {
    fn shape(&self) -> FieldShape {
        FieldShape::Id {
            num_ids: FIRST_TOKEN as usize + self.0.num_values(),
        }
    }

    fn encode(
        &self,
        cell: Cell<'_>,
        reader: &mut CellReader<'_>,
        _tokens: &mut dyn TokenIds,
        values: &mut RowValues<'_>,
    ) -> Result<(), BadCell> {
        let value = self.value(cell, reader)?;
        values.push_id(id(value));
        if value.is_some_and(|value| value.is_out_of_range) {
            values.note(Unusual::OutOfRange);
        }
        Ok(())
    }

    fn encode_column(
        &self,
        column: &mut Column,
        _ids: &[u64],
        counter: &mut ColumnCounter<'_>,
    ) -> Vec<(usize, f64)> {
        counter.count(column);
        Vec::new()
    }
}
