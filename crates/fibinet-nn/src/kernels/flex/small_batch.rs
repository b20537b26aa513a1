//! The pairs, alone and with the linear map that reads them, for the one to four batch rows of a scoring request.
//!
//! The pairs of field_interaction are formed from the matrices as they are given: to lay those
//! [side by side](super::side::side_by_side) first takes longer for so few rows. Of F = 39 fields a row then takes .03
//! for .09 ms at K = 10 and .56 for 2.8 ms at K = 64, four rows take .04 for .05 and .93 for 2.7 ms. The pairs of other
//! kinds are left to [`pairs`](super::pairs).
//!
//! With a linear map, reading its weight limits the speed, and a matrix product reads it on one thread. Instead each
//! thread reads a part of the weight once for all batch rows and forms the pairs that this part multiplies.
//!
//! # Cost with a linear map
//!
//! - Bytes: the weight once, 24 MB at F = 39, K = 10, H = 400. With field_interaction the matrices once
//!   per batch row, .6 MB.
//! - Arithmetic: two operations per weight and batch row.
//! - Memory: the pairs of the batch rows, and one output array per task.

use core::ops::Range;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::linear_map::LinearMap;
use super::output::{Output, add_in_order};
use super::row_shape::RowShape;
use super::rows::VectorLoop;
use crate::pairs::{BilinearKind, num_pairs};

/// Tasks per side, if there are enough pairs.
const TASKS: usize = 16;

/// The least number of weights, or numbers of matrices, for a task: waking a thread takes as long as reading half a
/// megabyte.
const TASK_WEIGHTS: usize = 1 << 15;

/// One side as it was given: its embeddings `[B, F, K]`, and its matrices.
pub(super) type SideSlices<'a> = (&'a [f32], Option<(BilinearKind, &'a [f32])>);

/// The pairs of each side, `[B, S P K]`.
///
/// Cost: for field_interaction `2 P K²` operations per side and batch row, and the matrices are read once per batch
/// row.
pub(super) fn pairs(sides: &[SideSlices], shape: RowShape) -> Output {
    let batch = sides[0].0.len() / shape.len();
    let num_columns = shape.num_columns();
    let mut out = Output::new(batch * sides.len() * num_columns);
    let pairs_a_task = TASK_WEIGHTS.div_ceil(shape.embedding_dim.pow(2));
    let rows = out.par_chunks_mut(num_columns).enumerate();
    rows.for_each(|(index, out)| {
        let (row, side) = (index / sides.len(), index % sides.len());
        let (embeddings, matrices) = sides[side];
        let parts = out.par_chunks_mut(pairs_a_task * shape.embedding_dim);
        parts.enumerate().for_each(|(part, out)| {
            let cross = CrossRow {
                shape,
                vectors: &embeddings[row * shape.len()..][..shape.len()],
                matrices,
                start: part * pairs_a_task,
                out,
            };
            cross.run();
        });
    });
    out
}

/// `[p; dense] W` or `[p; q; dense] W`, `[B, H]`.
///
/// Each task has its own outputs, which are added in the order of the tasks. Sizes alone decide what a
/// task reads, so the sums do not depend on the number of threads.
pub(super) fn forward(sides: &[SideSlices], shape: RowShape, map: LinearMap) -> Output {
    let num_outputs = map.num_outputs;
    let batch = sides[0].0.len() / shape.len();
    if batch == 0 {
        return Output::zeros(0);
    }
    let num_pairs = num_pairs(shape.num_fields);
    let worth_a_task = TASK_WEIGHTS.div_ceil(shape.embedding_dim * num_outputs);
    let pairs_a_task = num_pairs.div_ceil(TASKS).max(worth_a_task);
    let tasks_a_side = num_pairs.div_ceil(pairs_a_task);
    let parts: Vec<Vec<f32>> = (0..sides.len() * tasks_a_side)
        .into_par_iter()
        .map(|task| {
            let (side, start) = (task / tasks_a_side, task % tasks_a_side * pairs_a_task);
            let pairs = start..num_pairs.min(start + pairs_a_task);
            let column = side * shape.num_columns() + start * shape.embedding_dim;
            let weight = &map.weight[column * num_outputs..];
            part(sides[side], shape, pairs, weight, num_outputs)
        })
        .collect();
    let mut out = Output::zeros(batch * num_outputs);
    add_in_order(&mut out, parts.iter().map(Vec::as_slice));
    if let Some((dense, _)) = map.dense {
        let weight = &map.weight[sides.len() * shape.num_columns() * num_outputs..];
        add_products(dense, weight, &mut out, batch);
    }
    out
}

/// What some pairs of a side add to the outputs, `[B, H]`. `weight` starts with the rows of these pairs.
fn part(
    (embeddings, matrices): SideSlices,
    shape: RowShape,
    pairs: Range<usize>,
    weight: &[f32],
    num_outputs: usize,
) -> Vec<f32> {
    let batch = embeddings.len() / shape.len();
    let num_inputs = pairs.len() * shape.embedding_dim;
    let mut inputs = vec![0.0; batch * num_inputs];
    let rows = embeddings.chunks_exact(shape.len());
    for (vectors, out) in rows.zip(inputs.chunks_exact_mut(num_inputs)) {
        let cross = CrossRow {
            shape,
            vectors,
            matrices,
            start: pairs.start,
            out,
        };
        cross.run();
    }
    let mut out = vec![0.0; batch * num_outputs];
    add_products(&inputs, weight, &mut out, batch);
    out
}

/// Writes consecutive pairs of one batch row, `out[i, j] = (v_i W) ⊙ v_j`.
struct CrossRow<'a> {
    shape: RowShape,
    /// `[F, K]`
    vectors: &'a [f32],
    matrices: Option<(BilinearKind, &'a [f32])>,
    /// The number of the first pair.
    start: usize,
    /// `[n, K]`
    out: &'a mut [f32],
}

impl VectorLoop for CrossRow<'_> {
    #[inline(always)]
    fn embedding_dim(&self) -> usize {
        self.shape.embedding_dim
    }

    #[inline(always)]
    fn run_with<const KC: usize>(self) {
        let Self { shape, vectors, .. } = self;
        let width = if KC == 0 { shape.embedding_dim } else { KC };
        let mut crossed = vec![0.0; width];
        let mut pairs = self.out.chunks_exact_mut(width).zip(self.start..);
        // The number of pairs of all earlier left fields.
        let mut before = 0;
        for i in 0..shape.num_fields - 1 {
            let num_rights = shape.num_fields - 1 - i;
            let skipped = self.start.saturating_sub(before);
            before += num_rights;
            if skipped >= num_rights {
                continue;
            }
            let left = &vectors[shape.field_range(i)];
            match self.matrices {
                None => crossed.copy_from_slice(left),
                Some((BilinearKind::FieldAll, matrix)) => multiply(left, matrix, &mut crossed),
                Some((BilinearKind::FieldEach, matrices)) => {
                    multiply(left, &matrices[i * width * width..], &mut crossed);
                }
                Some((BilinearKind::FieldInteraction, _)) => {}
            }
            let rights = vectors[shape.fields_after(i + skipped)].chunks_exact(width);
            for right in rights {
                let Some((pair, index)) = pairs.next() else {
                    return;
                };
                if let Some((BilinearKind::FieldInteraction, matrices)) = self.matrices {
                    multiply(left, &matrices[index * width * width..], &mut crossed);
                }
                for k in 0..width {
                    pair[k] = crossed[k] * right[k];
                }
            }
        }
    }
}

/// `out = vector W`, where `W` is the `[K, K]` at the start of `matrix`.
#[inline(always)]
fn multiply(vector: &[f32], matrix: &[f32], out: &mut [f32]) {
    out.fill(0.0);
    for (number, weights) in vector.iter().zip(matrix.chunks_exact(out.len())) {
        for (sum, weight) in out.iter_mut().zip(weights) {
            *sum += number * weight;
        }
    }
}

/// `out += inputs W`, where `inputs` is `[B, n]`, `out` is `[B, H]` and `W` is the `[n, H]` at the start of
/// `weight`.
pub(super) fn add_products(inputs: &[f32], weight: &[f32], out: &mut [f32], batch: usize) {
    Arch::new().dispatch(AddProducts {
        num_inputs: inputs.len() / batch,
        inputs,
        weight,
        num_outputs: out.len() / batch,
        out,
    });
}

/// The loop of [`add_products`].
///
/// It reads the weight at four positions at once, a quarter of the weight apart. The sums are thus loaded
/// and stored a quarter as often, and each position is a stream of whole pages. Reading four consecutive
/// rows, or strips of columns, takes twice as long, because the processor does not prefetch those.
struct AddProducts<'a> {
    num_inputs: usize,
    inputs: &'a [f32],
    weight: &'a [f32],
    num_outputs: usize,
    out: &'a mut [f32],
}

impl WithSimd for AddProducts<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let width = self.num_outputs;
        let quarter = self.num_inputs / 4;
        let quarters = self.weight[..4 * quarter * width].split_at(2 * quarter * width);
        let (first, second) = quarters.0.split_at(quarter * width);
        let (third, fourth) = quarters.1.split_at(quarter * width);
        for i in 0..quarter {
            let of_a = &first[i * width..][..width];
            let of_b = &second[i * width..][..width];
            let of_c = &third[i * width..][..width];
            let of_d = &fourth[i * width..][..width];
            let rows = self.inputs.chunks_exact(self.num_inputs);
            for (inputs, out) in rows.zip(self.out.chunks_exact_mut(width)) {
                let (a, b) = (inputs[i], inputs[quarter + i]);
                let (c, d) = (inputs[2 * quarter + i], inputs[3 * quarter + i]);
                let out = &mut out[..width];
                for k in 0..width {
                    out[k] += (a * of_a[k] + b * of_b[k]) + (c * of_c[k] + d * of_d[k]);
                }
            }
        }
        for i in 4 * quarter..self.num_inputs {
            let row = &self.weight[i * width..][..width];
            let rows = self.inputs.chunks_exact(self.num_inputs);
            for (inputs, out) in rows.zip(self.out.chunks_exact_mut(width)) {
                for (sum, weight) in out.iter_mut().zip(row) {
                    *sum += inputs[i] * weight;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_batch_has_no_outputs() {
        let shape = RowShape {
            num_fields: 3,
            embedding_dim: 2,
        };
        let map = LinearMap {
            weight: &[1.0; 24],
            num_outputs: 2,
            dense: None,
        };
        let side: SideSlices = (&[], None);
        assert!(forward(&[side; 2], shape, map).is_empty());
    }
}
