use crate::cell::Cell;
use crate::encode::cells::{cell_error, field_reader, group_hash, parse_label};
use crate::encode::encoder::{Encoder, EncoderField};
use crate::encode::field_cells::FieldCells;
use crate::encode::vocabulary::FieldTokens;
use crate::error::DataError;
use crate::fields::cell_counts::{CellCounts, SeenCells, Unusual};
use crate::fields::cells::{CellReader, RowValues};
use crate::formats::raw_row::RawRow;
use crate::formats::reader::{RowReader, column_index};
use crate::position::Position;
use crate::shards::batch::Batch;
use crate::shards::layout::FieldShape;

/// An [`Encoder`] that knows which columns of a file its fields read.
#[derive(Debug, Clone)]
pub struct RowEncoder<'a> {
    encoder: &'a Encoder,
    columns: Vec<usize>,
    label: Option<usize>,
    group: Option<usize>,
    /// Reads the label and the group.
    cells: CellReader<'a>,
    /// Read the fields.
    field_cells: Vec<CellReader<'a>>,
    seen: Vec<SeenBytes>,
    /// The unusual cells of the row, with their fields.
    unusual: Vec<(usize, Unusual)>,
    /// Scratch buffers.
    token: Vec<u8>,
    key: Vec<u8>,
}

/// [`SeenCells`] while rows are encoded.
#[derive(Debug, Clone, Default)]
struct SeenBytes {
    counts: CellCounts,
    /// The first cell that was unusual in each way.
    examples: [Option<Box<[u8]>>; 4],
}

impl Encoder {
    /// Encodes the rows of one reader, with their labels and groups if `labels` is true.
    ///
    /// # Errors
    ///
    /// [`MissingColumn`](crate::DataErrorKind::MissingColumn) for the first column that the reader lacks.
    /// The columns of the label and the group are only needed for `labels`.
    pub fn rows(&self, reader: &dyn RowReader, labels: bool) -> Result<RowEncoder<'_>, DataError> {
        let columns: Vec<usize> = self
            .fields()
            .map(|field| column_index(reader, &field.column))
            .collect::<Result<_, _>>()?;
        let format = self.format();
        let label = Some(&format.label).filter(|_| labels);
        let group = format.group.as_ref().filter(|_| labels);
        let index = |name: &String| column_index(reader, name);
        Ok(RowEncoder {
            encoder: self,
            label: label.map(index).transpose()?,
            group: group.map(index).transpose()?,
            cells: CellReader::new(&format.missing),
            field_cells: self
                .fields()
                .zip(self.fitted())
                .map(|(field, EncoderField { fitted, .. })| {
                    field_reader(format, field, Some(fitted.token_text()))
                })
                .collect(),
            seen: vec![SeenBytes::default(); columns.len()],
            unusual: Vec::new(),
            columns,
            token: Vec::new(),
            key: Vec::new(),
        })
    }
}

impl<'a> RowEncoder<'a> {
    /// Appends a row to a batch. `position` is where the row is written. After an error the batch is as
    /// it was.
    ///
    /// # Errors
    ///
    /// If the label is neither 0 nor 1, or a field cannot read its cell.
    pub fn encode(
        &mut self,
        row: RawRow<'_>,
        position: &Position,
        batch: &mut Batch,
    ) -> Result<(), DataError> {
        self.encode_cells(|column| row.cell(column), position, batch)
    }

    /// [`encode`](Self::encode) for a row with these cells.
    pub(crate) fn encode_cells<'c>(
        &mut self,
        cell: impl Fn(usize) -> Cell<'c> + Copy,
        position: &Position,
        batch: &mut Batch,
    ) -> Result<(), DataError> {
        let (ids, numerics) = (batch.ids.len(), batch.numerics.len());
        let label = self.append(cell, position, batch).inspect_err(|_| {
            batch.ids.truncate(ids);
            batch.numerics.truncate(numerics);
            let rows = batch.num_rows;
            batch.lists.iter_mut().for_each(|list| list.truncate(rows));
        })?;
        self.count(batch);
        batch.labels.extend(label);
        let group = self.group.map(cell);
        batch
            .groups
            .extend(group.map(|cell| group_hash(cell, &mut self.cells)));
        batch.num_rows += 1;
        Ok(())
    }

    /// Takes more cells as missing in every field: those whose text is one of `missing`.
    #[must_use]
    pub fn with_missing(mut self, missing: &'a [String]) -> Self {
        for cells in &mut self.field_cells {
            cells.set_missing(missing);
        }
        self
    }

    /// Counts the cells of the row that was appended last.
    fn count(&mut self, batch: &Batch) {
        let mut lists = batch.lists.iter();
        for (seen, field) in self.seen.iter_mut().zip(self.encoder.fitted()) {
            let num_cells = match field.shape {
                FieldShape::Ids { .. } => lists.next().map_or(0, |list| {
                    let num_ids = list.row(batch.num_rows).len();
                    field.encoder.num_cells(num_ids)
                }),
                _ => 1,
            };
            seen.counts.cells += num_cells as u64;
        }
        for (field, unusual) in &self.unusual {
            self.seen[*field].counts.add(*unusual);
        }
    }

    /// What the rows so far show of each field's cells, without rows that were refused.
    pub(crate) fn seen(&self) -> Vec<SeenCells> {
        let seen = |SeenBytes { counts, examples }: &SeenBytes| SeenCells {
            counts: *counts,
            examples: Unusual::ALL
                .into_iter()
                .zip(examples)
                .filter_map(|(unusual, example)| {
                    let example = String::from_utf8_lossy(example.as_ref()?);
                    Some((unusual, example.into_owned()))
                })
                .collect(),
        };
        self.seen.iter().map(seen).collect()
    }

    /// What the rows so far show of each field's cells, without rows that were refused.
    pub fn cells(&self) -> Vec<FieldCells> {
        self.encoder.field_cells(&self.seen())
    }

    /// Appends the values of all fields, and returns the label.
    fn append<'c>(
        &mut self,
        cell_of: impl Fn(usize) -> Cell<'c>,
        position: &Position,
        batch: &mut Batch,
    ) -> Result<Option<f32>, DataError> {
        let encoder = self.encoder;
        let mut list = 0;
        self.unusual.clear();
        let readers = self.columns.iter().zip(&mut self.field_cells);
        for (index, (field, (&column, cells))) in encoder.fitted().iter().zip(readers).enumerate() {
            let cell = cell_of(column);
            let SeenBytes { examples, .. } = &mut self.seen[index];
            let mut rewritten = 0;
            let mut tokens = FieldTokens {
                vocabulary: encoder.vocabulary(),
                field: index,
                text: field.fitted.token_text(),
                missing: cells.missing,
                words: cells.words,
                rewritten: &mut rewritten,
                unknown: &mut examples[Unusual::Unknown as usize],
                key: &mut self.key,
                token: &mut self.token,
            };
            let is_list = matches!(field.shape, FieldShape::Ids { .. });
            let ids = if is_list {
                batch.list_mut(list);
                &mut batch.lists[list].ids
            } else {
                &mut batch.ids
            };
            let first_unusual = self.unusual.len();
            let mut values = RowValues {
                ids,
                numbers: &mut batch.numerics,
                field: index,
                unusual: &mut self.unusual,
            };
            field
                .encoder
                .encode(cell, cells, &mut tokens, &mut values)
                .map_err(|bad| cell_error(bad, position, &field.spec.column, cell))?;
            (0..rewritten).for_each(|_| values.note(Unusual::Rewritten));
            for (_, unusual) in &self.unusual[first_unusual..] {
                let example = &mut examples[*unusual as usize];
                example.get_or_insert_with(|| cells.text(cell).into());
            }
            if is_list {
                let lists = batch.list_mut(list);
                lists.ends.push(lists.ids.len());
                list += 1;
            }
        }
        let label = self.label.map(cell_of);
        let label =
            label.map(|cell| parse_label(cell, &mut self.cells, encoder.format(), position));
        label.transpose()
    }
}
