use crate::cell::Cell;
use crate::encode::cells::{cell_error, group_hash, parse_label};
use crate::encode::encoder::Encoder;
use crate::encode::vocabulary::FieldTokens;
use crate::error::DataError;
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
    /// Scratch buffers.
    token: Vec<u8>,
    key: Vec<u8>,
}

impl Encoder {
    /// Encodes the rows of one reader, with their labels and groups if `labels` is true.
    ///
    /// # Errors
    ///
    /// [`MissingColumn`](crate::DataErrorKind::MissingColumn) for the first column that the reader lacks.
    /// The columns of the label and the group are only needed for `labels`.
    pub fn rows(&self, reader: &dyn RowReader, labels: bool) -> Result<RowEncoder<'_>, DataError> {
        let columns = self
            .fields()
            .map(|field| column_index(reader, &field.column))
            .collect::<Result<_, _>>()?;
        let format = self.format();
        let label = Some(&format.label).filter(|_| labels);
        let group = format.group.as_ref().filter(|_| labels);
        let index = |name: &String| column_index(reader, name);
        Ok(RowEncoder {
            encoder: self,
            columns,
            label: label.map(index).transpose()?,
            group: group.map(index).transpose()?,
            cells: CellReader::new(&format.missing),
            field_cells: self
                .fields()
                .map(|field| CellReader::of_field(&format.missing, &field.missing))
                .collect(),
            token: Vec::new(),
            key: Vec::new(),
        })
    }
}

impl RowEncoder<'_> {
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
        batch.labels.extend(label);
        let group = self.group.map(cell);
        batch
            .groups
            .extend(group.map(|cell| group_hash(cell, &mut self.cells)));
        batch.num_rows += 1;
        Ok(())
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
        let readers = self.columns.iter().zip(&mut self.field_cells);
        for (index, (field, (&column, cells))) in encoder.fitted().iter().zip(readers).enumerate() {
            let cell = cell_of(column);
            let mut tokens = FieldTokens {
                vocabulary: encoder.vocabulary(),
                field: index,
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
            let numbers = &mut batch.numerics;
            field
                .encoder
                .encode(cell, cells, &mut tokens, &mut RowValues { ids, numbers })
                .map_err(|bad| cell_error(bad, position, &field.spec.column, cell))?;
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
