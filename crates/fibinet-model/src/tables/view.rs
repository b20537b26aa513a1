use std::mem::take;

use burn::tensor::{Device, Tensor, TensorData};
use fibinet_data::Pooling;
use fibinet_nn::{FieldInputs, FieldSizes, Head};
use rayon::prelude::*;

use crate::inputs::input_memory::InputMemory;
use crate::inputs::plan::RowInputs;
use crate::tables::table_slice::TableSlice;

/// Rows that one task gathers.
const CHUNK_ROWS: usize = 256;

/// The tables of a model, wherever they lie: in the trainer's memory or in a mapped file.
#[derive(Debug, Clone, Copy)]
pub struct TableView<'a> {
    /// The embedding table, `[V, K]`.
    pub embedding: TableSlice<'a>,
    /// The linear weights, `[V]`.
    pub linear: Option<&'a [f32]>,
    /// The fields' rows.
    pub sizes: &'a FieldSizes,
    /// `K`; 0 without an embedding table.
    pub embedding_dim: usize,
    /// Whether row 0 of each field is a padding row, which reads as zeros.
    pub padding: bool,
}

impl TableView<'_> {
    /// What a head reads of a batch, on a device: the rows' vectors and weights, times their values.
    ///
    /// # Panics
    ///
    /// If the inputs are of other fields.
    pub fn field_inputs(&self, rows: &RowInputs, device: &Device) -> FieldInputs {
        self.field_inputs_in(&mut InputMemory::default(), rows, device)
    }

    /// As [`field_inputs`](Self::field_inputs), in the memory of another batch's.
    pub(crate) fn field_inputs_in(
        &self,
        memory: &mut InputMemory,
        rows: &RowInputs,
        device: &Device,
    ) -> FieldInputs {
        let (batch, fields) = (rows.num_rows, self.sizes.num_fields());
        let dim = self.embedding_dim;
        let embeddings = (dim > 0).then(|| {
            let memory = take(&mut memory.embeddings);
            let vectors = self.gather(self.embedding, dim, rows, memory);
            Tensor::from_data(TensorData::new(vectors, [batch, fields, dim]), device)
        });
        let linear = self.linear.map(|linear| {
            let memory = take(&mut memory.linear);
            let terms = self.gather(TableSlice::F32(linear), 1, rows, memory);
            Tensor::from_data(TensorData::new(terms, [batch, fields]), device)
        });
        let dense = rows.dense.as_ref().map(|dense| {
            let mut numbers = take(&mut memory.dense);
            numbers.clear();
            numbers.extend_from_slice(dense);
            let shape = [batch, dense.len() / batch.max(1)];
            Tensor::from_data(TensorData::new(numbers, shape), device)
        });
        FieldInputs {
            embeddings,
            linear,
            dense,
        }
    }

    /// The rows of a table of `width` numbers a row, times their values, `[B, F, width]`.
    fn gather(
        &self,
        table: TableSlice<'_>,
        width: usize,
        rows: &RowInputs,
        mut gathered: Vec<f32>,
    ) -> Vec<f32> {
        let fields = self.sizes.num_fields();
        let places = rows.num_rows * fields;
        let given = rows
            .lists
            .as_ref()
            .map_or(rows.ids.len(), |lists| lists.ends.len());
        assert_eq!(given, places, "places of the batch");
        gathered.clear();
        gathered.resize(places * width, 0.0);
        let chunk = CHUNK_ROWS * fields;
        gathered
            .par_chunks_mut(chunk * width)
            .enumerate()
            .for_each(|(i, gathered)| {
                let mut buffer = vec![0.0; width];
                for (place, at) in gathered.chunks_exact_mut(width).zip(i * chunk..) {
                    let (field, ids) = (at % fields, &rows.ids[rows.place(at)]);
                    self.pool(table, field, ids, rows.pooling(field), &mut buffer, place);
                    if let Some(values) = &rows.values {
                        place.iter_mut().for_each(|number| *number *= values[at]);
                    }
                }
            });
        gathered
    }

    /// The vectors of a place's ids as one, into `place`, which is zero.
    fn pool(
        &self,
        table: TableSlice<'_>,
        field: usize,
        ids: &[u32],
        pooling: Option<Pooling>,
        buffer: &mut [f32],
        place: &mut [f32],
    ) {
        match pooling {
            None => {
                // Not by way of the buffer: to read what was just written there would wait for the row,
                // and each row for the one before.
                if !self.is_padding(field, ids[0]) {
                    let row = self.sizes.offset(field) + ids[0] as usize;
                    table.copy(row * place.len(), place);
                }
            }
            Some(Pooling::Max) => {
                place.fill(f32::NEG_INFINITY);
                for &id in ids {
                    let vector = self.vector(table, field, id, buffer).unwrap_or_default();
                    let numbers = vector.iter().chain(std::iter::repeat(&0.0));
                    for (largest, number) in place.iter_mut().zip(numbers) {
                        *largest = largest.max(*number);
                    }
                }
            }
            Some(Pooling::Mean | Pooling::Sum) => {
                for &id in ids {
                    let vector = self.vector(table, field, id, buffer).unwrap_or_default();
                    for (sum, number) in place.iter_mut().zip(vector) {
                        *sum += number;
                    }
                }
                if pooling == Some(Pooling::Mean) {
                    let share = 1.0 / ids.len() as f32;
                    place.iter_mut().for_each(|sum| *sum *= share);
                }
            }
        }
    }

    /// The numbers that a table has for an id of a field, where they lie or in `buffer`, which is as
    /// long as a row of the table; none for the field's padding, which reads as zeros.
    ///
    /// # Panics
    ///
    /// If the field has no such id.
    pub fn vector<'a>(
        &self,
        table: TableSlice<'a>,
        field: usize,
        id: u32,
        buffer: &'a mut [f32],
    ) -> Option<&'a [f32]> {
        let (row, width) = (self.sizes.offset(field) + id as usize, buffer.len());
        (!self.is_padding(field, id)).then(|| table.read(row * width..(row + 1) * width, buffer))
    }

    /// The tables' numbers.
    pub fn num_params(&self) -> usize {
        self.embedding.len() + self.linear.map_or(0, <[f32]>::len)
    }

    /// The bytes that they take.
    pub fn num_bytes(&self) -> usize {
        self.embedding.bytes().len() + self.linear.map_or(0, size_of_val)
    }

    /// Whether an id of a field is its padding row.
    pub fn is_padding(&self, field: usize, id: u32) -> bool {
        self.padding && id == 0 && self.sizes.has_padding_row(field)
    }
}

/// The logits of a batch, `[B]`.
///
/// # Panics
///
/// If the inputs are of other fields than the tables or the head, or the device fails.
pub fn score(
    head: &impl Head,
    tables: &TableView<'_>,
    rows: &RowInputs,
    device: &Device,
) -> Vec<f32> {
    match rows.num_rows {
        0 => Vec::new(),
        _ => logits(head, tables.field_inputs(rows, device)),
    }
}

/// As [`score`], with inputs in the memory of another batch's, which is there again afterwards. For
/// devices that give memory back; from others it would be copied.
pub(crate) fn score_in(
    memory: &mut InputMemory,
    head: &impl Head,
    tables: &TableView<'_>,
    rows: &RowInputs,
    device: &Device,
) -> Vec<f32> {
    if rows.num_rows == 0 {
        return Vec::new();
    }
    let inputs = tables.field_inputs_in(memory, rows, device);
    let used = inputs.clone();
    let logits = logits(head, inputs);
    memory.take_back(used);
    logits
}

fn logits(head: &impl Head, inputs: FieldInputs) -> Vec<f32> {
    let logits = head.forward(inputs).into_data();
    logits.try_into_vec().expect("logits are f32")
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::{bf16, f16};

    #[test]
    fn rows_are_gathered_scaled_and_padded() {
        let sizes = FieldSizes::new(vec![2, 1]).unwrap();
        let view = TableView {
            embedding: TableSlice::F32(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
            linear: None,
            sizes: &sizes,
            embedding_dim: 2,
            padding: true,
        };
        let rows = RowInputs {
            ids: vec![1, 0, 0, 0],
            values: Some(vec![1.0, 0.5, 1.0, -1.0]),
            num_rows: 2,
            ..RowInputs::default()
        };
        let gathered = view.gather(view.embedding, 2, &rows, Vec::new());
        assert_eq!(gathered, [3.0, 4.0, 2.5, 3.0, 0.0, 0.0, -5.0, -6.0]);
        let unpadded = TableView {
            padding: false,
            ..view
        };
        assert_eq!(
            unpadded.gather(view.embedding, 2, &rows, vec![9.0; 9])[4..6],
            [1.0, 2.0]
        );
    }

    #[test]
    fn every_chunk_reads_its_own_rows_and_values() {
        let sizes = FieldSizes::new(vec![1000]).unwrap();
        let embedding: Vec<f32> = (0..1000_u16).map(f32::from).collect();
        let view = TableView {
            embedding: TableSlice::F32(&embedding),
            linear: None,
            sizes: &sizes,
            embedding_dim: 1,
            padding: false,
        };
        let num_rows = 3 * CHUNK_ROWS + 7;
        let ids: Vec<u32> = (0..num_rows as u32).collect();
        let rows = RowInputs {
            values: Some(ids.iter().map(|id| *id as f32 + 1.0).collect()),
            ids,
            num_rows,
            ..RowInputs::default()
        };
        for (row, number) in view
            .gather(view.embedding, 1, &rows, Vec::new())
            .into_iter()
            .enumerate()
        {
            assert_eq!(number, (row * (row + 1)) as f32);
        }
    }

    #[test]
    fn several_vectors_are_pooled_into_one() {
        let sizes = FieldSizes::new(vec![3, 2]).unwrap();
        let numbers = [9.0, 9.0, 1.0, -4.0, 3.0, -2.0, 8.0, 8.0, 5.0, 6.0];
        let view = TableView {
            embedding: TableSlice::F32(&numbers),
            linear: None,
            sizes: &sizes,
            embedding_dim: 2,
            padding: true,
        };
        let gather = |view: TableView<'_>, pooling| {
            let rows = RowInputs {
                ids: vec![1, 2, 1, 2, 0, 1],
                lists: Some(crate::inputs::plan::PlaceLists {
                    ends: vec![2, 3, 5, 6],
                    pooling: vec![Some(pooling), None].into(),
                }),
                values: Some(vec![2.0, 1.0, 1.0, 1.0]),
                num_rows: 2,
                ..RowInputs::default()
            };
            view.gather(view.embedding, 2, &rows, Vec::new())
        };
        // The second row's list has padding, which is zero.
        let mean = [4.0, -6.0, 5.0, 6.0, 1.5, -1.0, 5.0, 6.0];
        let sum = [8.0, -12.0, 5.0, 6.0, 3.0, -2.0, 5.0, 6.0];
        let max = [6.0, -4.0, 5.0, 6.0, 3.0, 0.0, 5.0, 6.0];
        let bf16: Vec<bf16> = numbers.map(bf16::from_f32).to_vec();
        let f16: Vec<f16> = numbers.map(f16::from_f32).to_vec();
        for embedding in [
            view.embedding,
            TableSlice::Bf16(&bf16),
            TableSlice::F16(&f16),
        ] {
            let view = TableView { embedding, ..view };
            assert_eq!(gather(view, Pooling::Mean), mean);
            assert_eq!(gather(view, Pooling::Sum), sum);
            assert_eq!(gather(view, Pooling::Max), max);
        }
    }
}
