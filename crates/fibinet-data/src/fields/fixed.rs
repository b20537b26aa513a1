//! Kinds whose ids follow from the cells alone: a fit learns nothing.

use crate::fields::cells::{BadCell, FIRST_TOKEN, MISSING, MissingCells, RowValues, TokenIds};
use crate::fields::kind::{CellEncoder, FieldFit, FinishedFit, FittedField, KnownField};
use crate::shards::columns::Column;
use crate::shards::layout::FieldShape;

/// Reads the values of cells as numbers from 0.
pub(crate) trait CellValues: std::fmt::Debug + Send + Sync + 'static {
    /// The number of values.
    fn num_values(&self) -> usize;

    /// The value of a cell that is not missing.
    fn value(&self, cell: &[u8]) -> Result<u32, BadCell>;
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

    fn id(&self, cell: &[u8], missing: MissingCells<'_>) -> Result<u32, BadCell> {
        if missing.contain(cell) {
            Ok(MISSING)
        } else {
            Ok(FIRST_TOKEN + self.0.value(cell)?)
        }
    }
}

impl<V: CellValues> FieldFit for Fixed<V> {
    fn read(
        &mut self,
        cells: &[&[u8]],
        missing: MissingCells<'_>,
    ) -> (Column, Vec<(usize, BadCell)>) {
        let mut refused = Vec::new();
        let ids = cells.iter().enumerate().map(|(at, cell)| {
            self.id(cell, missing).unwrap_or_else(|bad| {
                refused.push((at, bad));
                MISSING
            })
        });
        (Column::Ids(ids.collect()), refused)
    }

    fn count(&mut self, _column: &Column, _is_train: &[bool]) {}

    fn finish(self: Box<Self>, _base: Option<KnownField>) -> FinishedFit {
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
        cell: &[u8],
        missing: MissingCells<'_>,
        _tokens: &mut dyn TokenIds,
        values: &mut RowValues<'_>,
    ) -> Result<(), BadCell> {
        values.ids.push(self.id(cell, missing)?);
        Ok(())
    }

    fn encode_column(&self, _column: &mut Column, _ids: &[u64]) -> Vec<(usize, f32)> {
        Vec::new()
    }
}
