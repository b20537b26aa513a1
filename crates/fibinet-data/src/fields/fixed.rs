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
    fn value(&self, text: &[u8]) -> Result<u32, BadCell>;

    /// Whether a text that has a value is far from all that the field is for.
    fn is_out_of_range(&self, _text: &[u8]) -> bool {
        false
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

    fn id(&self, cell: Cell<'_>, reader: &mut CellReader<'_>) -> Result<u32, BadCell> {
        let words = reader.words;
        let Some(text) = reader.value(cell) else {
            return Ok(MISSING);
        };
        match self.0.value(text) {
            Ok(value) => Ok(FIRST_TOKEN + value),
            Err(_) if words.contain(text) => Ok(MISSING),
            Err(bad) => Err(bad),
        }
    }
}

impl<V: CellValues> FieldFit for Fixed<V> {
    fn read(
        &mut self,
        cells: &[Cell<'_>],
        reader: &mut CellReader<'_>,
    ) -> (Column, Vec<(usize, BadCell)>) {
        let (ids, refused) = read_each(cells, MISSING, |cell| self.id(*cell, reader));
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
        values.push_id(self.id(cell, reader)?);
        if self.0.is_out_of_range(reader.text(cell)) {
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
        if let Column::Ids(ids) = &*column {
            counter.count_ids(ids);
        }
        Vec::new()
    }
}
