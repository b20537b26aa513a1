use fibinet_data::Pooling;
use fibinet_serve::RowInputs;
use rayon::prelude::*;

use crate::rows::tables::Tables;

/// The gradient of a table, field by field: distinct rows and their summed gradients.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TableGradients {
    /// Per field: the rows, ascending, by their place in the field.
    pub rows: Vec<Vec<u32>>,
    /// Per field: a gradient a row, `[rows, width]`.
    pub gradients: Vec<Vec<f32>>,
}

/// The gradients of a model's tables.
#[derive(Debug, Clone, PartialEq)]
pub struct RowGradients {
    /// Of the embedding table.
    pub embedding: TableGradients,
    /// Of the linear weights.
    pub linear: Option<TableGradients>,
}

/// Which rows get a gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowsTaken {
    /// Those the batch met.
    Met,
    /// All: those not met have a gradient of zero, and their L2.
    All,
}

impl RowGradients {
    /// Sums the leaves' gradients by distinct row and adds the L2 gradient `l2 · w` of each row
    /// taken. Padding rows get none.
    ///
    /// Sums run in the batch's order, so that the same batch gives the same bits at any number of
    /// threads.
    ///
    /// - `embedding`: `[B, F, K]`
    /// - `linear`: `[B, F]`
    pub(crate) fn sum(
        tables: &Tables,
        rows: &RowInputs,
        embedding: &[f32],
        linear: Option<&[f32]>,
        l2: f64,
        taken: RowsTaken,
    ) -> Self {
        let met = sorted_occurrences(tables, rows);
        let sum = |weights: &[f32], leaf: &[f32], width: usize| {
            sum_table(tables, rows, &met, weights, leaf, width, l2 as f32, taken)
        };
        Self {
            embedding: sum(&tables.embedding, embedding, tables.embedding_dim),
            linear: tables
                .linear
                .as_deref()
                .zip(linear)
                .map(|(weights, leaf)| sum(weights, leaf, 1)),
        }
    }

    /// The sum of the squares of all gradients, in an order of its own at any number of threads.
    pub fn squared_norm(&self) -> f64 {
        let tables = std::iter::once(&self.embedding).chain(&self.linear);
        tables
            .flat_map(|table| &table.gradients)
            .flatten()
            .map(|gradient| f64::from(*gradient) * f64::from(*gradient))
            .sum()
    }
}

/// A place's use of a table's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Occurrence {
    /// The row, by its place in the field.
    row: u32,
    /// Of the batch.
    batch_row: u32,
    /// The place of the id among all ids of the batch.
    at: u32,
}

/// Per field: every occurrence but padding's, sorted.
fn sorted_occurrences(tables: &Tables, rows: &RowInputs) -> Vec<Vec<Occurrence>> {
    let fields = tables.sizes.num_fields();
    let view = tables.view();
    (0..fields)
        .into_par_iter()
        .map(|field| {
            let mut met = Vec::with_capacity(rows.num_rows);
            for batch_row in 0..rows.num_rows {
                for at in rows.place(batch_row * fields + field) {
                    let row = rows.ids[at];
                    if !view.is_padding(field, row) {
                        met.push(Occurrence {
                            row,
                            batch_row: batch_row as u32,
                            at: at as u32,
                        });
                    }
                }
            }
            met.sort_unstable();
            met
        })
        .collect()
}

#[expect(
    clippy::too_many_arguments,
    reason = "one call, of one function's locals"
)]
fn sum_table(
    tables: &Tables,
    rows: &RowInputs,
    met: &[Vec<Occurrence>],
    weights: &[f32],
    leaf: &[f32],
    width: usize,
    l2: f32,
    taken: RowsTaken,
) -> TableGradients {
    let fields = tables.sizes.num_fields();
    let view = tables.view();
    let (rows_of, gradients) = met
        .par_iter()
        .enumerate()
        .map(|(field, met)| {
            let taken_rows: Vec<u32> = match taken {
                RowsTaken::Met => met
                    .chunk_by(|a, b| a.row == b.row)
                    .map(|run| run[0].row)
                    .collect(),
                RowsTaken::All => (0..tables.sizes.size(field) as u32)
                    .filter(|row| !view.is_padding(field, *row))
                    .collect(),
            };
            let mut gradients = vec![0.0; taken_rows.len() * width];
            let mut occurrences = met.iter().peekable();
            for (row, sum) in taken_rows.iter().zip(gradients.chunks_exact_mut(width)) {
                while let Some(occurrence) = occurrences.next_if(|met| met.row == *row) {
                    let place = occurrence.batch_row as usize * fields + field;
                    let mut value = rows.values.as_ref().map_or(1.0, |values| values[place]);
                    let gradient = &leaf[place * width..][..width];
                    if rows.pooling(field) == Some(Pooling::Max) {
                        for (k, (sum, gradient)) in sum.iter_mut().zip(gradient).enumerate() {
                            let number = |at: usize| {
                                let vector = view.vector(weights, width, field, rows.ids[at]);
                                vector.map_or(0.0, |vector| vector[k])
                            };
                            // The first of the largest ones, which is the one that was read.
                            let largest = rows.place(place).reduce(|best, at| {
                                if number(at) > number(best) { at } else { best }
                            });
                            if largest == Some(occurrence.at as usize) {
                                *sum += value * gradient;
                            }
                        }
                        continue;
                    }
                    if rows.pooling(field) == Some(Pooling::Mean) {
                        value /= rows.place(place).len() as f32;
                    }
                    for (sum, gradient) in sum.iter_mut().zip(gradient) {
                        *sum += value * gradient;
                    }
                }
                if l2 != 0.0 {
                    let row = tables.sizes.offset(field) + *row as usize;
                    for (sum, weight) in sum.iter_mut().zip(&weights[row * width..]) {
                        *sum += l2 * weight;
                    }
                }
            }
            (taken_rows, gradients)
        })
        .unzip();
    TableGradients {
        rows: rows_of,
        gradients,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fibinet_nn::{FiBiNetConfig, FieldSizes};

    fn tables(padding: bool) -> Tables {
        let config = FiBiNetConfig::new(2, 2)
            .with_padding(padding)
            .with_linear_initializer(burn::module::Initializer::Ones)
            .with_embedding_initializer(burn::module::Initializer::Ones);
        Tables::new(&config, FieldSizes::new(vec![3, 2]).unwrap(), 0).unwrap()
    }

    fn rows() -> RowInputs {
        RowInputs {
            ids: vec![2, 0, 1, 1, 2, 1],
            values: Some(vec![1.0, 0.5, 1.0, 1.0, 1.0, 2.0]),
            num_rows: 3,
            ..RowInputs::default()
        }
    }

    const EMBEDDING: [f32; 12] = [
        1.0, 2.0, 10.0, 20.0, 3.0, 4.0, 30.0, 40.0, 5.0, 6.0, 50.0, 60.0,
    ];
    const LINEAR: [f32; 6] = [1.0, 10.0, 2.0, 20.0, 3.0, 30.0];

    fn sum(padding: bool, l2: f64, taken: RowsTaken) -> RowGradients {
        RowGradients::sum(
            &tables(padding),
            &rows(),
            &EMBEDDING,
            Some(&LINEAR),
            l2,
            taken,
        )
    }

    #[test]
    fn occurrences_are_summed_by_row_times_their_values() {
        let sum = sum(false, 0.0, RowsTaken::Met);
        assert_eq!(sum.embedding.rows, [vec![1, 2], vec![0, 1]]);
        assert_eq!(
            sum.embedding.gradients,
            [[3.0, 4.0, 6.0, 8.0], [5.0, 10.0, 130.0, 160.0]]
        );
        let linear = sum.linear.as_ref().unwrap();
        assert_eq!(linear.gradients, [[2.0, 4.0], [5.0, 80.0]]);
        let squares = 9.0 + 16.0 + 36.0 + 64.0 + 25.0 + 100.0 + 16_900.0 + 25_600.0;
        assert_eq!(sum.squared_norm(), squares + 4.0 + 16.0 + 25.0 + 6_400.0);
    }

    #[test]
    fn padding_gets_none_and_l2_is_of_the_rows_taken() {
        let met = sum(true, 0.5, RowsTaken::Met);
        assert_eq!(met.embedding.rows, [vec![1, 2], vec![1]]);
        assert_eq!(met.embedding.gradients[0], [3.5, 4.5, 6.5, 8.5]);
        let all = sum(true, 0.5, RowsTaken::All);
        assert_eq!(all.embedding.rows, [vec![1, 2], vec![1]]);
        let all = sum(false, 0.5, RowsTaken::All);
        assert_eq!(all.embedding.rows, [vec![0, 1, 2], vec![0, 1]]);
        assert_eq!(all.embedding.gradients[0], [0.5, 0.5, 3.5, 4.5, 6.5, 8.5]);
        assert_eq!(all.linear.unwrap().gradients[0], [0.5, 2.5, 4.5]);
    }

    /// The gradient of `Σ pooled · leaf`, by differences.
    #[cfg(feature = "flex")]
    #[test]
    fn pooled_rows_get_the_gradients_of_their_pooling() {
        use burn::module::Initializer;

        let config = FiBiNetConfig::new(2, 2).with_embedding_initializer(Initializer::Normal {
            mean: 0.0,
            std: 1.0,
        });
        let tables = Tables::new(&config, FieldSizes::new(vec![4, 2]).unwrap(), 3).unwrap();
        let leaf = [0.5, -1.0, 2.0, 0.25, 1.5, 3.0, -0.75, 1.25];
        for pooling in [Pooling::Mean, Pooling::Sum, Pooling::Max] {
            let rows = RowInputs {
                ids: vec![1, 2, 3, 1, 2, 2, 0],
                lists: Some(fibinet_serve::PlaceLists {
                    ends: vec![3, 4, 6, 7],
                    pooling: vec![Some(pooling), None].into(),
                }),
                values: Some(vec![2.0, 1.0, -1.0, 1.0]),
                num_rows: 2,
                ..RowInputs::default()
            };
            let loss = |tables: &Tables| -> f64 {
                let inputs = tables
                    .view()
                    .field_inputs(&rows, &burn::tensor::Device::flex());
                let pooled: Vec<f32> = inputs.embeddings.into_data().try_into_vec().unwrap();
                let terms = pooled.iter().zip(&leaf);
                terms.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
            };
            let sum = RowGradients::sum(&tables, &rows, &leaf, None, 0.0, RowsTaken::All);
            let gradients: Vec<f32> = sum.embedding.gradients.concat();
            for (i, gradient) in gradients.into_iter().enumerate() {
                let moved = |by: f32| {
                    let mut tables = tables.clone();
                    tables.embedding[i] += by;
                    loss(&tables)
                };
                let expected = (moved(1e-3) - moved(-1e-3)) / 2e-3;
                let close = (f64::from(gradient) - expected).abs() < 1e-3;
                assert!(close, "{pooling:?} {i}: {gradient}, expected {expected}");
            }
        }
    }
}
