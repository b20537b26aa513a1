use burn::tensor::{Device, Tensor, TensorData};
use fibinet_data::shards::Pooling;
use fibinet_nn::inputs::{FieldInputs, FieldSizes};
use rayon::prelude::*;

use crate::inputs::plan::RowInputs;
use crate::tables::table_rows::TableRows;
use crate::tables::table_slice::TableSlice;

/// Batch rows that one task gathers.
const CHUNK_ROWS: usize = 256;

/// The tables of a model in this process's address space: in the trainer's memory or in a mapped file.
#[derive(Debug, Clone, Copy)]
pub struct TableView<'a> {
    /// The embedding table, `[V, K]`.
    pub embedding: TableSlice<'a>,
    /// The linear weights, `[V]`.
    pub linear: Option<&'a [f32]>,
    /// The number of table rows of each field.
    pub sizes: &'a FieldSizes,
    /// `K`; 0 without an embedding table.
    pub embedding_dim: usize,
    /// Whether row 0 of each field is a padding row, which reads as zeros.
    pub padding: bool,
}

impl TableRows for TableView<'_> {
    fn field_inputs(&self, rows: &RowInputs, device: &Device) -> FieldInputs {
        let (batch, fields) = (rows.num_rows, self.sizes.num_fields());
        let dim = self.embedding_dim;
        let embeddings = (dim > 0).then(|| {
            let vectors = self.gather(self.embedding, dim, rows);
            Tensor::from_data(TensorData::new(vectors, [batch, fields, dim]), device)
        });
        let linear = self.linear.map(|linear| {
            let terms = self.gather(TableSlice::F32(linear), 1, rows);
            Tensor::from_data(TensorData::new(terms, [batch, fields]), device)
        });
        let dense = rows.dense.as_ref().map(|dense| {
            let shape = [batch, dense.len() / batch.max(1)];
            Tensor::from_data(TensorData::new(dense.clone(), shape), device)
        });
        FieldInputs {
            embeddings,
            linear,
            dense,
        }
    }
}

impl TableView<'_> {
    /// The rows of a table with `width` numbers per row, pooled and times their values, `[B, F, width]`.
    fn gather(&self, table: TableSlice<'_>, width: usize, rows: &RowInputs) -> Vec<f32> {
        let fields = self.sizes.num_fields();
        let slots = rows.num_rows * fields;
        let given = rows
            .lists
            .as_ref()
            .map_or(rows.ids.len(), |lists| lists.ends.len());
        assert_eq!(given, slots, "expected ids for each slot of the batch");
        let mut gathered = vec![0.0; slots * width];
        let chunk = CHUNK_ROWS * fields;
        gathered
            .par_chunks_mut(chunk * width)
            .enumerate()
            .for_each(|(i, gathered)| {
                let mut buffer = vec![0.0; width];
                for (pooled, slot) in gathered.chunks_exact_mut(width).zip(i * chunk..) {
                    let (field, ids) = (slot % fields, &rows.ids[rows.slot(slot)]);
                    self.pool(table, field, ids, rows.pooling(field), &mut buffer, pooled);
                    if let Some(values) = &rows.values {
                        pooled.iter_mut().for_each(|number| *number *= values[slot]);
                    }
                }
            });
        gathered
    }

    /// Pools the vectors of a slot's ids into `pooled`, which is zero.
    fn pool(
        &self,
        table: TableSlice<'_>,
        field: usize,
        ids: &[u32],
        pooling: Option<Pooling>,
        buffer: &mut [f32],
        pooled: &mut [f32],
    ) {
        match pooling {
            None => {
                // Not through the buffer: reading back what was just written there would wait for this
                // row's memory, and so each row would wait for the one before.
                if !self.is_padding(field, ids[0]) {
                    let row = self.sizes.offset(field) + ids[0] as usize;
                    table.copy(row * pooled.len(), pooled);
                }
            }
            Some(Pooling::Max) => {
                pooled.fill(f32::NEG_INFINITY);
                for &id in ids {
                    let vector = self.vector(table, field, id, buffer).unwrap_or_default();
                    let numbers = vector.iter().chain(std::iter::repeat(&0.0));
                    for (largest, number) in pooled.iter_mut().zip(numbers) {
                        *largest = largest.max(*number);
                    }
                }
            }
            Some(Pooling::Mean | Pooling::Sum) => {
                for &id in ids {
                    let vector = self.vector(table, field, id, buffer).unwrap_or_default();
                    for (sum, number) in pooled.iter_mut().zip(vector) {
                        *sum += number;
                    }
                }
                if pooling == Some(Pooling::Mean) {
                    let share = 1.0 / ids.len() as f32;
                    pooled.iter_mut().for_each(|sum| *sum *= share);
                }
            }
        }
    }

    /// The table row of an id of a field: in place, or widened into `buffer`, which is as long as a table
    /// row. `None` for the field's padding row, which reads as zeros.
    ///
    /// # Panics
    ///
    /// If the id is not below the field's number of table rows.
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

    /// The number of weights in the tables.
    pub fn num_params(&self) -> usize {
        self.embedding.len() + self.linear.map_or(0, <[f32]>::len)
    }

    /// The bytes that the tables take.
    pub fn num_bytes(&self) -> usize {
        self.embedding.bytes().len() + self.linear.map_or(0, size_of_val)
    }

    /// Whether an id of a field names its padding row.
    pub fn is_padding(&self, field: usize, id: u32) -> bool {
        self.padding && id == 0 && self.sizes.has_padding_row(field)
    }
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
        let gathered = view.gather(view.embedding, 2, &rows);
        assert_eq!(gathered, [3.0, 4.0, 2.5, 3.0, 0.0, 0.0, -5.0, -6.0]);
        let unpadded = TableView {
            padding: false,
            ..view
        };
        assert_eq!(unpadded.gather(view.embedding, 2, &rows)[4..6], [1.0, 2.0]);
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
            .gather(view.embedding, 1, &rows)
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
                lists: Some(crate::inputs::plan::SlotLists {
                    ends: vec![2, 3, 5, 6],
                    pooling: vec![Some(pooling), None].into(),
                }),
                values: Some(vec![2.0, 1.0, 1.0, 1.0]),
                num_rows: 2,
                ..RowInputs::default()
            };
            view.gather(view.embedding, 2, &rows)
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
