use fibinet_model::inputs::RowInputs;
use fibinet_model::tables::FinishedRows;
use fibinet_nn::inputs::FieldSizes;

use crate::optim::rows::optimizer::RowOptimizer;
use crate::optim::rows::segments::{RowSelection, Segments};
use crate::optim::rows::tables::Tables;

/// The rows that a batch reads, replayed, in small tables of their own, and the batch with ids into these
/// tables.
///
/// `U` rows are copied and replayed, in f32 whatever the type of the tables is.
pub(crate) fn batch_tables(
    tables: &Tables,
    optimizer: &RowOptimizer,
    rows: &RowInputs,
) -> (Tables, RowInputs) {
    let num_fields = tables.sizes.num_fields();
    let mut segments = Segments::default();
    segments.fill(tables, rows, RowSelection::Touched);
    let capacity = segments.rows().len() + num_fields;
    let mut copies = Copies {
        embedding: Vec::with_capacity(capacity * tables.embedding_dim),
        linear: Vec::with_capacity(capacity),
    };
    let mut ids = rows.ids.clone();
    let mut sizes = Vec::with_capacity(num_fields);
    let mut rest = segments.rows();
    for field in 0..num_fields {
        let offset = tables.sizes.offset(field);
        let end = offset + tables.sizes.size(field);
        let (touched, after) = rest.split_at(rest.partition_point(|row| *row < end));
        rest = after;
        // A padding row stays the first row of its field, and zero. A field whose rows the batch does not
        // touch gets one row, which nothing reads.
        let is_padded = tables.view().is_padding(field, 0);
        let added = usize::from(is_padded || touched.is_empty());
        copies.push_zeros(tables, added);
        for row in touched {
            copies.push(tables, optimizer, *row);
        }
        sizes.push(added + touched.len());
        for slot in (field..rows.num_rows * num_fields).step_by(num_fields) {
            for id in &mut ids[rows.slot(slot)] {
                if is_padded && *id == 0 {
                    continue;
                }
                let index = touched.binary_search(&(offset + *id as usize));
                *id = (added + index.expect("the segments have every id of the batch")) as u32;
            }
        }
    }
    let small = Tables {
        embedding: copies.embedding.into(),
        linear: tables.linear.is_some().then_some(copies.linear),
        sizes: FieldSizes::new(sizes).expect("every field has at least one row"),
        embedding_dim: tables.embedding_dim,
        padding: tables.padding,
    };
    let rows = RowInputs {
        ids,
        ..rows.clone()
    };
    (small, rows)
}

/// Rows copied one after the other.
struct Copies {
    embedding: Vec<f32>,
    linear: Vec<f32>,
}

impl Copies {
    fn push_zeros(&mut self, tables: &Tables, num_rows: usize) {
        let len = self.embedding.len() + num_rows * tables.embedding_dim;
        self.embedding.resize(len, 0.0);
        self.linear.resize(self.linear.len() + num_rows, 0.0);
    }

    /// Appends a copy of a row, replayed.
    fn push(&mut self, tables: &Tables, optimizer: &RowOptimizer, row: usize) {
        let (start, dim) = (self.embedding.len(), tables.embedding_dim);
        self.embedding.resize(start + dim, 0.0);
        let vector = &mut self.embedding[start..];
        tables.embedding.as_slice().copy(row * dim, vector);
        optimizer.finish_embedding(row, vector);
        if let Some(weights) = &tables.linear {
            let mut weight = [weights[row]];
            optimizer.finish_linear(row, &mut weight);
            self.linear.extend(weight);
        }
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use crate::optim::rows::gradients::RowGradients;
    use crate::optim::rows::rule::RowRule;
    use burn::module::Initializer;
    use burn::tensor::Device;
    use fibinet_data::shards::Pooling;
    use fibinet_model::inputs::SlotLists;
    use fibinet_model::tables::{TableDtype, TableRows};
    use fibinet_nn::models::TablesConfig;

    #[test]
    fn the_small_tables_have_what_the_tables_have_once_replayed() {
        let normal = Initializer::Normal {
            mean: 0.0,
            std: 1.0,
        };
        let config = TablesConfig::new(2)
            .with_padding(true)
            .with_linear_initializer(normal.clone())
            .with_embedding_initializer(normal);
        let sizes = FieldSizes::new(vec![9, 5, 1]).unwrap();
        for dtype in [TableDtype::F32, TableDtype::Bf16, TableDtype::F16] {
            let mut tables = Tables::new(&config, sizes.clone(), 7, dtype).unwrap();
            let mut optimizer = RowOptimizer::new(RowRule::ExactAdam, &tables, 0);
            let gradients = RowGradients {
                rows: vec![1, 4, 8, 11, 14],
                embedding: (0..10).map(|i| i as f32 - 4.5).collect(),
                linear: (0..5).map(|i| i as f32 - 2.5).collect(),
            };
            optimizer.step(&mut tables, &gradients, 0.1, 1.0);
            let nothing = RowGradients::default();
            optimizer.step(&mut tables, &nothing, 0.1, 1.0);
            optimizer.step(&mut tables, &nothing, 0.2, 1.0);
            let rows = RowInputs {
                ids: vec![4, 0, 8, 4, 2, 0, 0, 1, 1, 0],
                lists: Some(SlotLists {
                    ends: vec![3, 5, 6, 8, 9, 10],
                    pooling: vec![Some(Pooling::Mean), Some(Pooling::Sum), None].into(),
                }),
                values: Some(vec![1.0, 1.0, 0.5, 1.0, 1.0, -2.0]),
                num_rows: 2,
                ..RowInputs::default()
            };
            let current = optimizer.current(&tables);
            assert_ne!(current.embedding, tables.embedding);
            let inputs = |tables: &Tables, rows: &RowInputs| {
                let inputs = tables.field_inputs(rows, &Device::flex());
                let linear = inputs.linear.unwrap().into_data();
                (inputs.embeddings.unwrap().into_data(), linear)
            };
            let (small, moved) = batch_tables(&tables, &optimizer, &rows);
            assert_eq!(small.sizes.sizes(), [4, 4, 1]);
            assert_eq!(inputs(&small, &moved), inputs(&current, &rows), "{dtype}");
            // Replayed in place, they are the same.
            let all: Vec<usize> = (0..15).collect();
            optimizer.replay(&mut tables, &all);
            assert_eq!(tables.embedding, current.embedding);
            assert_eq!(tables.linear, current.linear);
        }
    }

    #[test]
    fn a_model_without_one_of_the_tables_reads_the_other() {
        for (dim, linear) in [(0, true), (2, false)] {
            let config = TablesConfig::new(dim)
                .with_linear(linear)
                .with_linear_initializer(Initializer::Ones)
                .with_embedding_initializer(Initializer::Ones);
            let sizes = FieldSizes::new(vec![3, 4]).unwrap();
            let mut tables = Tables::new(&config, sizes, 7, TableDtype::F32).unwrap();
            let mut optimizer = RowOptimizer::new(RowRule::ExactAdam, &tables, 0);
            let gradients = RowGradients {
                rows: vec![1, 6],
                embedding: vec![1.0; 2 * dim],
                linear: vec![1.0; 2 * usize::from(linear)],
            };
            optimizer.step(&mut tables, &gradients, 0.1, 1.0);
            optimizer.step(&mut tables, &RowGradients::default(), 0.1, 1.0);
            let rows = RowInputs {
                ids: vec![1, 3, 2, 3],
                num_rows: 2,
                ..RowInputs::default()
            };
            let (small, moved) = batch_tables(&tables, &optimizer, &rows);
            assert_eq!(moved.ids, [0, 0, 1, 0]);
            assert_eq!(small.sizes.sizes(), [2, 1]);
            let current = optimizer.current(&tables);
            let read = |numbers: &[f32], width: usize| {
                let rows = [1, 2, 6].map(|row| &numbers[row * width..][..width]);
                rows.concat()
            };
            let expected = current.linear.map(|weights| read(&weights, 1));
            assert_eq!(small.linear, expected);
            let expected = read(&current.embedding.to_f32(), dim);
            assert_eq!(small.embedding.to_f32(), expected);
        }
    }
}
