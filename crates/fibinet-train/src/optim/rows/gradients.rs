use fibinet_data::shards::Pooling;
use fibinet_model::inputs::RowInputs;
use fibinet_model::tables::TableSlice;
use rayon::prelude::*;

use crate::optim::norm::squared_norm;
use crate::optim::rows::segments::Segments;
use crate::optim::rows::tables::Tables;

/// Rows that one task sums.
const CHUNK_ROWS: usize = 256;

/// The gradients of a model's tables: each distinct row's gradients, summed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RowGradients {
    /// Table rows, ascending, `[U]`.
    pub rows: Vec<usize>,
    /// Gradients of the embedding table's rows, `[U, K]`.
    pub embedding: Vec<f32>,
    /// Gradients of the linear weights, `[U]`. Empty if the model has none, or if a step should leave them as
    /// they are.
    pub linear: Vec<f32>,
}

/// The gradients of the leaves that a head reads. `None` if it does not read them, and for a table that the
/// model does not have.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LeafGradients<'a> {
    /// `[B, F, K]`
    pub(crate) embedding: Option<&'a [f32]>,
    /// `[B, F]`
    pub(crate) linear: Option<&'a [f32]>,
}

impl RowGradients {
    /// Becomes the leaves' gradients summed by distinct row, plus the L2 gradient `l2 · w` of each row. A leaf
    /// without a gradient counts as zeros.
    ///
    /// Sums run in the batch's order, so that the same batch gives the same bits at any number of threads.
    /// The leaves are read once. `U (K + 1)` numbers are written to buffers that are kept between steps.
    pub(crate) fn sum(
        &mut self,
        tables: &Tables,
        rows: &RowInputs,
        segments: &Segments,
        leaves: LeafGradients<'_>,
        l2: f64,
    ) {
        self.rows.clear();
        self.rows.extend_from_slice(segments.rows());
        let num_rows = self.rows.len();
        let sum = |weights: TableSlice<'_>, gradient, width: usize, sums: &mut Vec<f32>| {
            sums.resize(num_rows * width, 0.0);
            if width == 0 {
                return;
            }
            let leaf = Leaf {
                tables,
                rows,
                weights,
                width,
                l2: l2 as f32,
            };
            leaf.sum(segments, gradient, sums);
        };
        let (table, dim) = (tables.embedding.as_slice(), tables.embedding_dim);
        sum(table, leaves.embedding, dim, &mut self.embedding);
        match tables.linear.as_deref() {
            Some(weights) => {
                let weights = TableSlice::F32(weights);
                sum(weights, leaves.linear, 1, &mut self.linear);
            }
            None => self.linear.clear(),
        }
    }

    /// The sum of the squares of all gradients, the same bits at any number of threads.
    pub fn squared_norm(&self) -> f64 {
        squared_norm(&self.embedding) + squared_norm(&self.linear)
    }
}

/// The leaf of a batch that holds what the head reads of a table.
#[derive(Clone, Copy)]
struct Leaf<'a> {
    tables: &'a Tables,
    rows: &'a RowInputs,
    /// The table, `[V, width]`.
    weights: TableSlice<'a>,
    width: usize,
    l2: f32,
}

impl Leaf<'_> {
    /// Writes the sum of each segment, `[U, width]`.
    ///
    /// - `gradient`: `[B, F, width]`
    fn sum(self, segments: &Segments, gradient: Option<&[f32]>, sums: &mut [f32]) {
        let chunks = sums.par_chunks_mut(CHUNK_ROWS * self.width).enumerate();
        chunks.for_each(|(chunk, sums)| {
            let first = chunk * CHUNK_ROWS;
            let mut buffer = vec![0.0; self.width];
            for (index, sum) in (first..).zip(sums.chunks_exact_mut(self.width)) {
                sum.fill(0.0);
                let row = segments.rows()[index];
                if let Some(gradient) = gradient {
                    self.add(segments.slots(index), row, gradient, sum);
                }
                if self.l2 != 0.0 {
                    let range = row * self.width..(row + 1) * self.width;
                    let weights = self.weights.read(range, &mut buffer);
                    for (sum, weight) in sum.iter_mut().zip(weights) {
                        *sum += self.l2 * weight;
                    }
                }
            }
        });
    }

    /// Adds the gradients of a row's slots.
    fn add(self, slots: &[u32], row: usize, gradient: &[f32], sum: &mut [f32]) {
        let Some(&first) = slots.first() else {
            return;
        };
        let field = first as usize % self.tables.sizes.num_fields();
        let pooling = self.rows.pooling(field);
        if pooling.is_none() && self.rows.values.is_none() {
            for slot in slots {
                let gradient = &gradient[*slot as usize * self.width..];
                for (sum, gradient) in sum.iter_mut().zip(gradient) {
                    *sum += gradient;
                }
            }
            return;
        }
        for (i, slot) in slots.iter().map(|slot| *slot as usize).enumerate() {
            let gradient = &gradient[slot * self.width..][..self.width];
            let values = self.rows.values.as_ref();
            let mut value = values.map_or(1.0, |values| values[slot]);
            match pooling {
                // An id that a list repeats counts once for the maximum.
                Some(Pooling::Max) if i > 0 && slots[i - 1] as usize == slot => continue,
                Some(Pooling::Max) => {
                    let id = (row - self.tables.sizes.offset(field)) as u32;
                    self.add_max(slot, field, id, value, gradient, sum);
                    continue;
                }
                Some(Pooling::Mean) => value /= self.rows.slot(slot).len() as f32,
                Some(Pooling::Sum) | None => {}
            }
            for (sum, gradient) in sum.iter_mut().zip(gradient) {
                *sum += value * gradient;
            }
        }
    }

    /// Adds those numbers of a slot's gradient whose maximum was read from this id.
    fn add_max(
        self,
        slot: usize,
        field: usize,
        id: u32,
        value: f32,
        gradient: &[f32],
        sum: &mut [f32],
    ) {
        let view = self.tables.view();
        let ids = &self.rows.ids[self.rows.slot(slot)];
        for (k, (sum, gradient)) in sum.iter_mut().zip(gradient).enumerate() {
            let number = |id: u32| {
                if view.is_padding(field, id) {
                    return 0.0;
                }
                let at = (view.sizes.offset(field) + id as usize) * self.width + k;
                self.weights.read(at..at + 1, &mut [0.0])[0]
            };
            // The first id that has the maximum, which is the one that was read.
            let largest = ids
                .iter()
                .copied()
                .reduce(|best, id| if number(id) > number(best) { id } else { best });
            if largest == Some(id) {
                *sum += value * gradient;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optim::rows::segments::RowSelection;
    use fibinet_model::tables::TableDtype;
    use fibinet_nn::inputs::FieldSizes;
    use fibinet_nn::models::TablesConfig;

    fn tables(padding: bool) -> Tables {
        let config = TablesConfig::new(2)
            .with_padding(padding)
            .with_linear_initializer(burn::module::Initializer::Ones)
            .with_embedding_initializer(burn::module::Initializer::Ones);
        Tables::new(
            &config,
            FieldSizes::new(vec![3, 2]).unwrap(),
            0,
            TableDtype::F32,
        )
        .unwrap()
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

    const LEAVES: LeafGradients<'_> = LeafGradients {
        embedding: Some(&EMBEDDING),
        linear: Some(&LINEAR),
    };

    fn sum_of(
        tables: &Tables,
        rows: &RowInputs,
        leaves: LeafGradients<'_>,
        l2: f64,
        selection: RowSelection,
    ) -> RowGradients {
        let (mut segments, mut sum) = (Segments::default(), RowGradients::default());
        segments.fill(tables, rows, selection);
        sum.sum(tables, rows, &segments, leaves, l2);
        sum
    }

    fn sum(padding: bool, l2: f64, selection: RowSelection) -> RowGradients {
        sum_of(&tables(padding), &rows(), LEAVES, l2, selection)
    }

    #[test]
    fn occurrences_are_summed_by_row_times_their_values() {
        let sum = sum(false, 0.0, RowSelection::Touched);
        assert_eq!(sum.rows, [1, 2, 3, 4]);
        assert_eq!(sum.embedding, [3.0, 4.0, 6.0, 8.0, 5.0, 10.0, 130.0, 160.0]);
        assert_eq!(sum.linear, [2.0, 4.0, 5.0, 80.0]);
        let squares = 9.0 + 16.0 + 36.0 + 64.0 + 25.0 + 100.0 + 16_900.0 + 25_600.0;
        assert_eq!(sum.squared_norm(), squares + 4.0 + 16.0 + 25.0 + 6_400.0);
    }

    #[test]
    fn padding_gets_no_gradient_and_l2_applies_to_the_selected_rows() {
        let touched = sum(true, 0.5, RowSelection::Touched);
        assert_eq!(touched.rows, [1, 2, 4]);
        assert_eq!(touched.embedding[..4], [3.5, 4.5, 6.5, 8.5]);
        let all = sum(true, 0.5, RowSelection::All);
        assert_eq!(all.rows, [1, 2, 4]);
        let all = sum(false, 0.5, RowSelection::All);
        assert_eq!(all.rows, [0, 1, 2, 3, 4]);
        assert_eq!(all.embedding[..6], [0.5, 0.5, 3.5, 4.5, 6.5, 8.5]);
        assert_eq!(all.linear[..3], [0.5, 2.5, 4.5]);
    }

    #[test]
    fn buffers_of_a_larger_batch_leave_nothing_in_a_smaller_one() {
        let (mut segments, mut sum) = (Segments::default(), RowGradients::default());
        let tables = tables(false);
        segments.fill(&tables, &rows(), RowSelection::Touched);
        sum.sum(&tables, &rows(), &segments, LEAVES, 0.0);
        let one = RowInputs {
            ids: vec![2, 1],
            num_rows: 1,
            ..RowInputs::default()
        };
        segments.fill(&tables, &one, RowSelection::Touched);
        let leaves = LeafGradients {
            embedding: Some(&EMBEDDING[..4]),
            linear: Some(&LINEAR[..2]),
        };
        sum.sum(&tables, &one, &segments, leaves, 0.0);
        let expected = RowGradients {
            rows: vec![2, 4],
            embedding: EMBEDDING[..4].to_vec(),
            linear: LINEAR[..2].to_vec(),
        };
        assert_eq!(sum, expected);
    }

    /// Against the gradient of `Σ pooled · leaf` by finite differences.
    #[cfg(feature = "flex")]
    #[test]
    fn pooled_rows_get_the_gradients_of_their_pooling() {
        use burn::module::Initializer;
        use fibinet_model::tables::TableRows;

        let config = TablesConfig::new(2).with_embedding_initializer(Initializer::Normal {
            mean: 0.0,
            std: 1.0,
        });
        let tables = Tables::new(
            &config,
            FieldSizes::new(vec![4, 2]).unwrap(),
            3,
            TableDtype::F32,
        )
        .unwrap();
        let leaf = [0.5, -1.0, 2.0, 0.25, 1.5, 3.0, -0.75, 1.25];
        for pooling in [Pooling::Mean, Pooling::Sum, Pooling::Max] {
            let rows = RowInputs {
                ids: vec![1, 2, 3, 1, 2, 2, 0],
                lists: Some(fibinet_model::inputs::SlotLists {
                    ends: vec![3, 4, 6, 7],
                    pooling: vec![Some(pooling), None].into(),
                }),
                values: Some(vec![2.0, 1.0, -1.0, 1.0]),
                num_rows: 2,
                ..RowInputs::default()
            };
            let loss = |tables: &Tables| -> f64 {
                let inputs = tables.field_inputs(&rows, &burn::tensor::Device::flex());
                let pooled: Vec<f32> = inputs
                    .embeddings
                    .unwrap()
                    .into_data()
                    .try_into_vec()
                    .unwrap();
                let terms = pooled.iter().zip(&leaf);
                terms.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
            };
            let leaves = LeafGradients {
                embedding: Some(&leaf),
                linear: None,
            };
            let sum = sum_of(&tables, &rows, leaves, 0.0, RowSelection::All);
            for (i, gradient) in sum.embedding.into_iter().enumerate() {
                let moved = |by: f32| {
                    let mut numbers = tables.embedding.to_f32();
                    numbers[i] += by;
                    loss(&Tables {
                        embedding: numbers.into(),
                        ..tables.clone()
                    })
                };
                let expected = (moved(1e-3) - moved(-1e-3)) / 2e-3;
                let close = (f64::from(gradient) - expected).abs() < 1e-3;
                assert!(close, "{pooling:?} {i}: {gradient}, expected {expected}");
            }
        }
    }

    #[test]
    fn a_leaf_without_a_gradient_gets_zeros_and_l2() {
        let tables = tables(false);
        for l2 in [0.0, 0.5] {
            let embedding = LeafGradients {
                linear: None,
                ..LEAVES
            };
            let sum = sum_of(&tables, &rows(), embedding, l2, RowSelection::Touched);
            assert_eq!(sum.linear, [l2 as f32; 4]);
            assert_eq!(sum.embedding[..2], [3.0 + l2 as f32, 4.0 + l2 as f32]);
            let linear = LeafGradients {
                embedding: None,
                ..LEAVES
            };
            let sum = sum_of(&tables, &rows(), linear, l2, RowSelection::Touched);
            assert_eq!(sum.embedding, [l2 as f32; 8]);
            assert_eq!(sum.linear[..2], [2.0 + l2 as f32, 4.0 + l2 as f32]);
        }
    }

    #[test]
    fn a_model_without_one_of_the_tables_has_no_gradients_of_it() {
        let linear_only = Tables {
            embedding: Vec::new().into(),
            embedding_dim: 0,
            ..tables(false)
        };
        let leaves = LeafGradients {
            embedding: Some(&[]),
            ..LEAVES
        };
        let sum = sum_of(&linear_only, &rows(), leaves, 0.5, RowSelection::Touched);
        assert_eq!((sum.rows.len(), sum.embedding.len()), (4, 0));
        assert_eq!(sum.linear, [2.5, 4.5, 5.5, 80.5]);
        assert_eq!(
            sum.squared_norm(),
            2.5 * 2.5 + 4.5 * 4.5 + 5.5 * 5.5 + 80.5 * 80.5
        );
        let embedding_only = Tables {
            linear: None,
            ..tables(false)
        };
        let sum = sum_of(&embedding_only, &rows(), LEAVES, 0.0, RowSelection::Touched);
        assert_eq!(sum.embedding[..2], [3.0, 4.0]);
        assert!(sum.linear.is_empty());
    }
}
