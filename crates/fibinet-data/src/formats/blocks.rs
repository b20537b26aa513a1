use std::sync::Arc;

use csv::ByteRecord;

use crate::cell::Cell;
use crate::error::DataError;
use crate::formats::arrow_cells::RowBatch;
use crate::formats::raw_row::{RawRow, RowCells};
use crate::formats::reader::RowReader;
use crate::position::Position;

/// Number of rows that are read together, so that threads can share them.
const BLOCK_ROWS: usize = 4096;
/// Number of bytes of cells that completes a block, however few rows they are.
const BLOCK_BYTES: usize = 1 << 25;

/// Consecutive rows of a file.
#[derive(Debug, Default)]
pub(crate) struct Block {
    /// The numbers of the rows in the file, from 0. Malformed rows are counted too.
    numbers: Vec<u64>,
    positions: Vec<Position>,
    /// The cells of the rows of text, one row after the other.
    text: Vec<u8>,
    /// Where the cells begin in `text`, one column after the other, as fields are read. The last column
    /// holds the ends of the rows.
    bounds: Vec<u32>,
    /// The batches that other rows come from. They are shared with the reader.
    batches: Vec<Arc<RowBatch>>,
    /// The batch of each row and its index there; `None` for a row of text. It ends with the last row that is
    /// not text.
    in_batches: Vec<Option<(usize, usize)>>,
    /// Number of bytes of the rows that are not text.
    batch_bytes: usize,
    /// The numbers of the malformed rows, and what is wrong with them.
    pub(crate) bad: Vec<(u64, DataError)>,
}

/// A row of a [`Block`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'a> {
    block: &'a Block,
    at: usize,
    /// Its batch and its index there; `None` for a row of text.
    in_batch: Option<(&'a RowBatch, usize)>,
}

impl Block {
    /// # Errors
    ///
    /// If the row is too long for the bounds.
    fn push(&mut self, number: u64, row: RawRow<'_>, position: Position) -> Result<(), DataError> {
        match row.0 {
            RowCells::Text(cells) => {
                if u32::try_from(self.text.len() + cells.as_slice().len()).is_err() {
                    let reason = format!("row {} takes about 4 GiB or more", number + 1);
                    return Err(DataError::corrupt(&position.path, reason));
                }
                self.push_text(cells);
            }
            RowCells::Batch(batch, at) => self.push_of_batch(batch, at),
        }
        self.numbers.push(number);
        self.positions.push(position);
        Ok(())
    }

    /// Appends cells whose bounds are known to be below 2³².
    fn push_text(&mut self, cells: &ByteRecord) {
        let row = self.num_rows();
        self.bounds.resize((cells.len() + 1) * BLOCK_ROWS, 0);
        let mut end = self.text.len() as u32;
        let mut bounds = self.bounds[row..].iter_mut().step_by(BLOCK_ROWS);
        for (bound, cell) in bounds.by_ref().zip(cells) {
            *bound = end;
            end += cell.len() as u32;
        }
        self.bounds[cells.len() * BLOCK_ROWS + row] = end;
        self.text.extend_from_slice(cells.as_slice());
    }

    fn push_of_batch(&mut self, batch: &Arc<RowBatch>, at: usize) {
        let last = self.batches.last();
        if last.is_none_or(|last| !Arc::ptr_eq(last, batch)) {
            self.batches.push(Arc::clone(batch));
        }
        self.in_batches.resize(self.num_rows(), None);
        self.in_batches.push(Some((self.batches.len() - 1, at)));
        self.batch_bytes += batch.bytes_per_row;
    }

    /// Whether no more rows should be added.
    fn is_complete(&self) -> bool {
        self.num_rows() + self.bad.len() >= BLOCK_ROWS
            || self.text.len() + self.batch_bytes >= BLOCK_BYTES
    }

    pub(crate) fn num_rows(&self) -> usize {
        self.numbers.len()
    }

    /// The cells of a column in some of the rows.
    pub(crate) fn cells<'a>(&'a self, column: usize, rows: &[Row<'a>]) -> Vec<Cell<'a>> {
        if rows.is_empty() || !self.in_batches.is_empty() {
            return rows.iter().map(|row| row.cell(column)).collect();
        }
        // The same for rows of text alone, whose bounds are then found once.
        let bounds = |column: usize| &self.bounds[column * BLOCK_ROWS..][..BLOCK_ROWS];
        let (starts, ends) = (bounds(column), bounds(column + 1));
        let text = |row: &Row<'_>| {
            let (start, end) = (starts[row.at] as usize, ends[row.at] as usize);
            Cell::Text(&self.text[start..end])
        };
        rows.iter().map(text).collect()
    }

    /// A row, by its index in the block.
    pub(crate) fn row(&self, at: usize) -> Row<'_> {
        let in_batch = self.in_batches.get(at).copied().flatten();
        Row {
            block: self,
            at,
            in_batch: in_batch.map(|(batch, at)| (self.batches[batch].as_ref(), at)),
        }
    }
}

impl<'a> Row<'a> {
    pub(crate) fn number(self) -> u64 {
        self.block.numbers[self.at]
    }

    pub(crate) fn position(self) -> &'a Position {
        &self.block.positions[self.at]
    }

    #[inline]
    pub(crate) fn cell(self, column: usize) -> Cell<'a> {
        if let Some((batch, at)) = self.in_batch {
            return batch.cell(column, at);
        }
        let bound = |column| self.block.bounds[column * BLOCK_ROWS + self.at] as usize;
        Cell::Text(&self.block.text[bound(column)..bound(column + 1)])
    }
}

/// Reads the rows of a reader block by block. An error that is not about one row is the last item.
pub(crate) struct Blocks {
    reader: Box<dyn RowReader>,
    number: u64,
    /// The error that ends the rows, given after the rows before it.
    failed: Option<DataError>,
    more: bool,
}

impl Blocks {
    pub(crate) fn new(reader: Box<dyn RowReader>) -> Self {
        Self {
            reader,
            number: 0,
            failed: None,
            more: true,
        }
    }
}

impl Iterator for Blocks {
    type Item = Result<Block, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut block = Block::default();
        while self.more && !block.is_complete() {
            let read = self.reader.read_row().and_then(|read| {
                if read {
                    block.push(self.number, self.reader.row(), self.reader.position())?;
                }
                Ok(read)
            });
            match read {
                Ok(true) => {}
                Ok(false) => self.more = false,
                Err(error) if error.is_bad_row() => block.bad.push((self.number, error)),
                Err(error) => {
                    self.failed = Some(error);
                    self.more = false;
                }
            }
            self.number += u64::from(self.more);
        }
        if block.numbers.is_empty() && block.bad.is_empty() {
            return self.failed.take().map(Err);
        }
        Some(Ok(block))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};

    use crate::config::RowFormat;
    use crate::formats::parquet_table::ParquetTable;
    use crate::formats::parts::open_rows;
    use crate::formats::reader::Label;

    #[test]
    fn a_block_goes_on_from_text_to_numbers_and_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::write(path("part-1.csv"), "id,n\na,1\nb,\n").unwrap();
        let parquet = path("part-2.parquet");
        let file = File::create(&parquet).unwrap();
        let mut table = ParquetTable::create(file, &parquet, &["id".to_owned()], &["n"]).unwrap();
        table.push(&[b"c"], &[0.5]).unwrap();
        table.push(&[b"d"], &[f32::NAN]).unwrap();
        table.finish().unwrap();
        fs::write(path("part-3.csv"), "id,n\ne,2\n").unwrap();

        let rows = open_rows(directory.path(), &RowFormat::csv("n"), Label::Required);
        let blocks: Result<Vec<Block>, _> = Blocks::new(rows.unwrap()).collect();
        let blocks = blocks.unwrap();
        let [block] = &blocks[..] else {
            panic!("expected one block, got {blocks:?}");
        };
        let text = |text: &'static str| Cell::Text(text.as_bytes());
        let expected = [
            [text("a"), text("1")],
            [text("b"), text("")],
            [text("c"), Cell::from(0.5_f32)],
            [text("d"), Cell::MISSING],
            [text("e"), text("2")],
        ];
        assert_eq!(block.num_rows(), expected.len());
        for (at, cells) in expected.iter().enumerate() {
            assert_eq!([0, 1].map(|column| block.row(at).cell(column)), *cells);
        }
    }
}
