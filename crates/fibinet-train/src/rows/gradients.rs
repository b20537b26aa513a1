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

/// Per field: (row, place in the batch) of every occurrence but padding's, sorted.
fn sorted_occurrences(tables: &Tables, rows: &RowInputs) -> Vec<Vec<(u32, u32)>> {
    let fields = tables.sizes.num_fields();
    let view = tables.view();
    (0..fields)
        .into_par_iter()
        .map(|field| {
            let mut met: Vec<(u32, u32)> = rows
                .ids
                .iter()
                .skip(field)
                .step_by(fields)
                .zip(0..)
                .filter(|(id, _)| !view.is_padding(field, **id))
                .map(|(&id, place)| (id, place))
                .collect();
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
    met: &[Vec<(u32, u32)>],
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
                    .chunk_by(|a, b| a.0 == b.0)
                    .map(|run| run[0].0)
                    .collect(),
                RowsTaken::All => (0..tables.sizes.size(field) as u32)
                    .filter(|row| !view.is_padding(field, *row))
                    .collect(),
            };
            let mut gradients = vec![0.0; taken_rows.len() * width];
            let mut occurrences = met.iter().peekable();
            for (row, sum) in taken_rows.iter().zip(gradients.chunks_exact_mut(width)) {
                while let Some((_, place)) = occurrences.next_if(|(id, _)| id == row) {
                    let at = *place as usize * fields + field;
                    let value = rows.values.as_ref().map_or(1.0, |values| values[at]);
                    for (sum, gradient) in sum.iter_mut().zip(&leaf[at * width..][..width]) {
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
            dense: None,
            labels: Vec::new(),
            num_rows: 3,
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
}
