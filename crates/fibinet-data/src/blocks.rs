use csv::ByteRecord;

use crate::error::DataError;
use crate::reader::{Position, RowReader};

/// Rows that are read together, so that threads have something to share.
const BLOCK_ROWS: usize = 4096;

/// A row, and what is known of it besides its cells.
#[derive(Debug)]
pub(crate) struct Row {
    /// Its number in the file, from 0; bad rows are numbered too.
    pub(crate) number: u64,
    pub(crate) cells: ByteRecord,
    pub(crate) position: Position,
}

/// Consecutive rows of a file.
#[derive(Debug, Default)]
pub(crate) struct Block {
    pub(crate) rows: Vec<Row>,
    /// The numbers of rows that could not be read, and why.
    pub(crate) bad: Vec<(u64, DataError)>,
}

/// The rows of a reader, block by block. An error that is not of one row is the last item.
pub(crate) struct Blocks {
    reader: Box<dyn RowReader>,
    number: u64,
    /// What ends the rows: comes after the rows before it.
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
        let mut cells = ByteRecord::new();
        while self.more && block.rows.len() + block.bad.len() < BLOCK_ROWS {
            match self.reader.read_row(&mut cells) {
                Ok(true) => block.rows.push(Row {
                    number: self.number,
                    // A copy has no room to spare, which the record that is read into has.
                    cells: cells.clone(),
                    position: self.reader.position(),
                }),
                Ok(false) => self.more = false,
                Err(error) if error.is_bad_row() => block.bad.push((self.number, error)),
                Err(error) => {
                    self.failed = Some(error);
                    self.more = false;
                }
            }
            self.number += u64::from(self.more);
        }
        if block.rows.is_empty() && block.bad.is_empty() {
            return self.failed.take().map(Err);
        }
        Some(Ok(block))
    }
}
