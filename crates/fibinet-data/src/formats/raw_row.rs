use std::sync::Arc;

use csv::ByteRecord;

use crate::cell::Cell;
use crate::formats::arrow_cells::RowBatch;

/// The cells of a row, as its [reader](crate::formats::RowReader) has them.
#[derive(Debug, Clone, Copy)]
pub struct RawRow<'a>(pub(crate) RowCells<'a>);

/// Where the cells of a row are.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RowCells<'a> {
    /// In a row of text.
    Text(&'a ByteRecord),
    /// In a batch of rows, at this index.
    Batch(&'a Arc<RowBatch>, usize),
}

impl<'a> RawRow<'a> {
    /// The number of cells.
    pub(crate) fn num_cells(self) -> usize {
        match self.0 {
            RowCells::Text(row) => row.len(),
            RowCells::Batch(batch, _) => batch.num_columns(),
        }
    }

    /// The cell of a column.
    ///
    /// # Panics
    ///
    /// If there is no such column.
    pub fn cell(self, column: usize) -> Cell<'a> {
        match self.0 {
            RowCells::Text(row) => Cell::Text(&row[column]),
            RowCells::Batch(batch, at) => batch.cell(column, at),
        }
    }

    /// The cells.
    pub(crate) fn cells(self) -> impl Iterator<Item = Cell<'a>> {
        (0..self.num_cells()).map(move |column| self.cell(column))
    }
}

/// The texts of a row's cells.
#[cfg(test)]
pub(crate) fn texts(row: RawRow<'_>) -> Vec<String> {
    let mut scratch = Vec::new();
    let text = |cell: Cell<'_>| String::from_utf8_lossy(cell.text(&mut scratch)).into_owned();
    row.cells().map(text).collect()
}

impl<'a> From<&'a ByteRecord> for RawRow<'a> {
    fn from(row: &'a ByteRecord) -> Self {
        Self(RowCells::Text(row))
    }
}
