//! The linear map that reads the pairs, for the few rows that a scorer is asked for at once.
//!
//! So few rows are bound by reading the weight, which a matrix product does on one thread. Here threads
//! read a part each, once for all rows.
//!
//! # Cost
//!
//! - bytes: the weight once, 24 MB at F = 39, K = 10, H = 400; with field_interaction its matrices
//!   once a row, .6 MB;
//! - arithmetic: two operations a weight and row;
//! - memory: the pairs of the rows, and an output a chunk of the weight.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::linear::LinearMap;
use super::rows::{RowShape, VectorLoop};
use crate::layers::bilinear::BilinearKind;

/// Rows up to which this pays: at F = 39, K = 10, H = 400 `cargo bench --bench scoring` has the figures.
pub(super) const ROWS: usize = 4;

/// Rows of the weight that one task reads, about 800 kB of it at 400 outputs. Outputs are summed chunk
/// by chunk and folded in the chunks' order, whatever the number of threads.
const CHUNK: usize = 512;

/// One side: its embeddings, `[B, F, K]`, and its matrices.
pub(super) type FewSide<'a> = (&'a [f32], Option<(BilinearKind, &'a [f32])>);

/// `[p; q; dense] W`, `[B, H]`.
pub(super) fn forward(sides: [FewSide; 2], shape: RowShape, map: LinearMap) -> Vec<f32> {
    let batch = sides[0].0.len() / shape.len();
    let inputs: Vec<Vec<f32>> = (0..batch)
        .map(|row| inputs_of(row, &sides, shape, map))
        .collect();
    let num_outputs = map.num_outputs;
    let parts: Vec<Vec<f32>> = map
        .weight
        .par_chunks(CHUNK * num_outputs)
        .enumerate()
        .map(|(chunk, weight)| {
            let mut out = vec![0.0; batch * num_outputs];
            for (inputs, out) in inputs.iter().zip(out.chunks_exact_mut(num_outputs)) {
                let inputs = &inputs[chunk * CHUNK..][..weight.len() / num_outputs];
                Arch::new().dispatch(AddProducts {
                    inputs,
                    weight,
                    out,
                });
            }
            out
        })
        .collect();
    let mut out = vec![0.0; batch * num_outputs];
    for part in parts {
        for (sum, part) in out.iter_mut().zip(part) {
            *sum += part;
        }
    }
    out
}

/// What the map reads of a row: the pairs of both sides, and raw values.
fn inputs_of(row: usize, sides: &[FewSide; 2], shape: RowShape, map: LinearMap) -> Vec<f32> {
    let mut inputs = vec![0.0; 2 * shape.num_columns()];
    let parts = inputs.chunks_exact_mut(shape.num_columns());
    for ((embeddings, matrices), out) in sides.iter().zip(parts) {
        let vectors = &embeddings[row * shape.len()..][..shape.len()];
        let cross = CrossRow {
            shape,
            vectors,
            matrices: *matrices,
            out,
        };
        cross.run();
    }
    if let Some((dense, num_dense)) = map.dense {
        inputs.extend_from_slice(&dense[row * num_dense..][..num_dense]);
    }
    inputs
}

/// Writes the pairs of one row, `out[i, j] = (v_i W) ⊙ v_j`.
struct CrossRow<'a> {
    shape: RowShape,
    /// `[F, K]`
    vectors: &'a [f32],
    matrices: Option<(BilinearKind, &'a [f32])>,
    /// `[P, K]`
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
        let mut pairs = self.out.chunks_exact_mut(width).enumerate();
        for i in 0..shape.num_fields - 1 {
            let left = &vectors[shape.of(i)];
            match self.matrices {
                None => crossed.copy_from_slice(left),
                Some((BilinearKind::FieldAll, matrix)) => multiply(left, matrix, &mut crossed),
                Some((BilinearKind::FieldEach, matrices)) => {
                    multiply(left, &matrices[i * width * width..], &mut crossed);
                }
                Some((BilinearKind::FieldInteraction, _)) => {}
            }
            let rights = vectors[shape.right_of(i)].chunks_exact(width);
            for (right, (index, pair)) in rights.zip(&mut pairs) {
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

/// `out = vector W`, W being the `[K, K]` at the start of `matrix`.
#[inline(always)]
fn multiply(vector: &[f32], matrix: &[f32], out: &mut [f32]) {
    out.fill(0.0);
    for (number, weights) in vector.iter().zip(matrix.chunks_exact(out.len())) {
        for (sum, weight) in out.iter_mut().zip(weights) {
            *sum += number * weight;
        }
    }
}

/// `out += inputs W`: four rows of the weight at a time, so that the sums are loaded and stored a
/// quarter as often.
struct AddProducts<'a> {
    /// `[n]`
    inputs: &'a [f32],
    /// `[n, H]`
    weight: &'a [f32],
    /// `[H]`
    out: &'a mut [f32],
}

impl WithSimd for AddProducts<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self {
            inputs,
            weight,
            out,
        } = self;
        let width = out.len();
        let (fours, rest) = inputs.as_chunks::<4>();
        let (weights, last) = weight.split_at(fours.len() * 4 * width);
        for ([a, b, c, d], rows) in fours.iter().zip(weights.chunks_exact(4 * width)) {
            let (ab, cd) = rows.split_at(2 * width);
            let ((of_a, of_b), (of_c, of_d)) = (ab.split_at(width), cd.split_at(width));
            for k in 0..width {
                out[k] += (a * of_a[k] + b * of_b[k]) + (c * of_c[k] + d * of_d[k]);
            }
        }
        for (input, row) in rest.iter().zip(last.chunks_exact(width)) {
            for (sum, weight) in out.iter_mut().zip(row) {
                *sum += input * weight;
            }
        }
    }
}
