use csv::ByteRecord;
use fibinet_data::config::OnBadRow;
use fibinet_data::encode::{FieldCells, RowEncoder};
use fibinet_data::formats::RowReader;
use fibinet_data::prepare::SkippedRows;
use fibinet_data::shards::Batch;
use fibinet_data::{DataError, DataErrorKind};

/// Rows scored at once.
const BATCH_ROWS: usize = 4096;

/// Options of [`Scorer::score_rows`](crate::scorer::Scorer::score_rows).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScoreOptions {
    /// Whether labels and groups are read, which the rows must then have.
    pub labels: bool,
    /// What to do with malformed rows.
    pub on_bad_row: OnBadRow,
    /// Cells that mean "no value" besides those of the training log.
    pub missing: Vec<String>,
    /// Whether the spread of the members' probabilities is computed.
    pub spread: bool,
    /// Columns of the reader whose cells are returned beside the scores.
    pub carry: Vec<usize>,
}

/// What was found in rows beside their scores.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadRows {
    /// Rows that were skipped because the options say so.
    pub skipped: SkippedRows,
    /// What the scored rows show of each field's cells.
    pub fields: Vec<FieldCells>,
}

/// Reads and encodes raw rows batch by batch, in the buffers of the batch before.
pub(crate) struct BatchReader<'a> {
    reader: &'a mut dyn RowReader,
    encoder: RowEncoder<'a>,
    options: &'a ScoreOptions,
    skipped: SkippedRows,
    /// Scratch buffer for the text of a number.
    text: Vec<u8>,
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
            skipped: SkippedRows::default(),
            text: Vec::new(),
        }
    }

    /// Replaces the batch by the next rows, and `carried` by the cells that go with their scores. Returns
    /// `false` once the reader has no more rows.
    pub fn read(
        &mut self,
        batch: &mut Batch,
        carried: &mut Vec<ByteRecord>,
    ) -> Result<bool, DataError> {
        batch.clear();
        let mut more = true;
        while batch.num_rows < BATCH_ROWS {
            let at = batch.num_rows;
            let encoded = match self.reader.read_row() {
                Ok(false) => {
                    more = false;
                    break;
                }
                Ok(true) => {
                    let position = self.reader.position();
                    self.encoder.encode(self.reader.row(), &position, batch)
                }
                Err(error) => Err(error),
            };
            match encoded {
                Ok(()) => self.carry(at, carried),
                Err(error) => self.skipped.skip(self.options.on_bad_row, error)?,
            }
        }
        carried.truncate(batch.num_rows);
        Ok(more)
    }

    /// What was found in the rows, or an error if none was scored.
    pub fn finish(mut self, num_scored: u64) -> Result<ReadRows, DataError> {
        let first = &mut self.skipped.first_bad_row;
        match first.take_if(|_| num_scored == 0) {
            Some(first) => Err(DataErrorKind::AllBad {
                path: self.reader.position().path.to_path_buf(),
                first,
            }
            .into()),
            None => Ok(ReadRows {
                fields: self.encoder.cells(),
                skipped: self.skipped,
            }),
        }
    }

    /// Copies the cells that go with the score of a row into its record.
    fn carry(&mut self, at: usize, carried: &mut Vec<ByteRecord>) {
        let columns = &self.options.carry;
        if columns.is_empty() {
            return;
        }
        if carried.len() == at {
            carried.push(ByteRecord::new());
        }
        carried[at].clear();
        for column in columns {
            let cell = self.reader.row().cell(*column);
            carried[at].push_field(cell.text(&mut self.text));
        }
    }
}
