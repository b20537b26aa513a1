use csv::ByteRecord;
use fibinet_data::{Batch, DataError, DataErrorKind, LeftOut, RowEncoder, RowReader};

use crate::scorer::ScoreOptions;

/// Rows scored at once.
const BATCH_ROWS: usize = 4096;

/// Raw rows, read and encoded batch by batch in the memory of the batch before.
pub(crate) struct BatchReader<'a> {
    reader: &'a mut dyn RowReader,
    encoder: RowEncoder<'a>,
    options: &'a ScoreOptions,
    row: ByteRecord,
    left_out: LeftOut,
}

impl<'a> BatchReader<'a> {
    pub fn new(
        reader: &'a mut dyn RowReader,
        encoder: RowEncoder<'a>,
        options: &'a ScoreOptions,
    ) -> Self {
        Self {
            reader,
            encoder,
            options,
            row: ByteRecord::new(),
            left_out: LeftOut::default(),
        }
    }

    /// Puts the next rows, and the cells that go with their scores, in the place of those there; false
    /// where the reader has no more.
    pub fn read(
        &mut self,
        batch: &mut Batch,
        carried: &mut Vec<ByteRecord>,
    ) -> Result<bool, DataError> {
        batch.clear();
        let mut more = true;
        while batch.num_rows < BATCH_ROWS {
            let at = batch.num_rows;
            let encoded = match self.reader.read_row(&mut self.row) {
                Ok(false) => {
                    more = false;
                    break;
                }
                Ok(true) => {
                    let position = self.reader.position();
                    self.encoder.encode(&self.row, &position, batch)
                }
                Err(error) => Err(error),
            };
            match encoded {
                Ok(()) => self.carry(at, carried),
                Err(error) => self.left_out.skip(self.options.on_bad_row, error)?,
            }
        }
        carried.truncate(batch.num_rows);
        Ok(more)
    }

    /// What was left out; an error where that is every row, `num_scored` being none.
    pub fn finish(mut self, num_scored: u64) -> Result<LeftOut, DataError> {
        let first = &mut self.left_out.first_bad_row;
        match first.take_if(|_| num_scored == 0) {
            Some(first) => Err(DataErrorKind::AllBad {
                path: self.reader.position().path.to_path_buf(),
                first,
            }
            .into()),
            None => Ok(self.left_out),
        }
    }

    /// Copies the cells that go with the scores into the record of a row.
    fn carry(&self, at: usize, carried: &mut Vec<ByteRecord>) {
        let columns = &self.options.carry;
        if columns.is_empty() {
            return;
        }
        if carried.len() == at {
            carried.push(ByteRecord::new());
        }
        carried[at].clear();
        carried[at].extend(columns.iter().map(|column| &self.row[*column]));
    }
}
