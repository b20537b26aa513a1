use fibinet_model::{RowInputs, RowsBehind};
use fibinet_nn::FieldSizes;

use crate::optim::rows::optimizer::RowOptimizer;
use crate::optim::rows::segments::{RowsTaken, Segments};
use crate::optim::rows::tables::Tables;

/// The rows that a batch reads, up to date, in tables of their own, and the batch with its ids in those.
///
/// It copies and replays `U` rows, in f32 whatever the tables are.
pub(crate) fn rows_read(
    tables: &Tables,
    optimizer: &RowOptimizer,
    rows: &RowInputs,
) -> (Tables, RowInputs) {
    let (dim, fields) = (tables.embedding_dim, tables.sizes.num_fields());
    let table = tables.embedding.as_slice();
    let mut segments = Segments::default();
    segments.fill(tables, rows, RowsTaken::Met);
    let mut embedding = Vec::with_capacity((segments.rows().len() + fields) * dim);
    let mut linear = Vec::with_capacity(segments.rows().len() + fields);
    let mut ids = rows.ids.clone();
    let mut sizes = Vec::with_capacity(fields);
    let mut rest = segments.rows();
    for field in 0..fields {
        let offset = tables.sizes.offset(field);
        let end = offset + tables.sizes.size(field);
        let (of_field, after) = rest.split_at(rest.partition_point(|row| *row < end));
        rest = after;
        // A padding row stays the first of its field, and zero.
        let is_padded = tables.view().is_padding(field, 0);
        // Neither has a field that the batch has no id of: it gets a row that nothing reads.
        let padding = usize::from(is_padded || of_field.is_empty());
        embedding.resize(embedding.len() + padding * dim, 0.0);
        linear.resize(linear.len() + padding, 0.0);
        for row in of_field {
            let start = embedding.len();
            embedding.resize(start + dim, 0.0);
            table.copy(row * dim, &mut embedding[start..]);
            optimizer.bring_up_embedding(*row, &mut embedding[start..]);
            if let Some(weights) = &tables.linear {
                let start = linear.len();
                linear.push(weights[*row]);
                optimizer.bring_up_linear(*row, &mut linear[start..]);
            }
        }
        sizes.push(padding + of_field.len());
        for place in (field..rows.num_rows * fields).step_by(fields) {
            for id in &mut ids[rows.slot(place)] {
                if is_padded && *id == 0 {
                    continue;
                }
                let met = of_field.binary_search(&(offset + *id as usize));
                *id = (padding + met.expect("the rows of the batch's ids")) as u32;
            }
        }
    }
    let read = Tables {
        embedding: embedding.into(),
        linear: tables.linear.is_some().then_some(linear),
        sizes: FieldSizes::new(sizes).expect("fields of at least one row each"),
        embedding_dim: dim,
        padding: tables.padding,
    };
    let rows = RowInputs {
        ids,
        ..rows.clone()
    };
    (read, rows)
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use crate::optim::rows::gradients::RowGradients;
    use crate::optim::rows::optimizer::RowRule;
    use burn::module::Initializer;
    use burn::tensor::Device;
    use fibinet_data::Pooling;
    use fibinet_model::{SlotLists, TableDtype, TableRows};
    use fibinet_nn::TablesConfig;

    #[test]
    fn what_is_read_is_what_the_tables_have_once_up_to_date() {
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
            let (read, moved) = rows_read(&tables, &optimizer, &rows);
            assert_eq!(read.sizes.sizes(), [4, 4, 1]);
            assert_eq!(inputs(&read, &moved), inputs(&current, &rows), "{dtype}");
            // Caught up in place they are the same.
            let met: Vec<usize> = (0..15).collect();
            optimizer.catch_up(&mut tables, &met);
            assert_eq!(tables.embedding, current.embedding);
            assert_eq!(tables.linear, current.linear);
        }
    }
}
