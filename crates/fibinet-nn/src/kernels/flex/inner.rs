//! The inner product of every pair.
//!
//! # Cost
//!
//! - Forward: embeddings are read and products are written once. `2 P K` operations per batch row, a few of
//!   them wasted at the diagonal.
//! - Backward: embeddings and the products' gradient are read once, the embeddings' gradient is written once.
//!   `4 P K` operations per batch row.

use rayon::prelude::*;

use super::output::Output;
use super::row_shape::RowShape;
use super::rows::{VectorLoop, vector};
use super::side::CHUNK;
use crate::pairs::num_pairs;

/// Right fields that are multiplied together.
const LANES: usize = 8;

/// `[B, P]`
pub(super) fn forward(embeddings: &[f32], shape: RowShape) -> Output {
    let (num_pairs, len) = (num_pairs(shape.num_fields), shape.len());
    let mut out = Output::new(embeddings.len() / len * num_pairs);
    let rows = embeddings.par_chunks(CHUNK * len);
    let chunks = out.par_chunks_mut(CHUNK * num_pairs).zip(rows);
    chunks.for_each_init(Vec::new, |by_element, (out, rows)| {
        let products = Products {
            shape,
            rows,
            by_element,
            out,
        };
        products.run();
    });
    out
}

/// The gradient of the embeddings, given that of the products, `[B, P]`.
#[cfg(feature = "autodiff")]
pub(super) fn backward(embeddings: &[f32], shape: RowShape, gradient: &[f32]) -> Output {
    let (num_pairs, len) = (num_pairs(shape.num_fields), shape.len());
    let mut out = Output::new(embeddings.len());
    let inputs = embeddings.par_chunks(CHUNK * len);
    let inputs = inputs.zip(gradient.par_chunks(CHUNK * num_pairs));
    let chunks = out.par_chunks_mut(CHUNK * len).zip(inputs);
    chunks.for_each(|(to, (rows, gradient))| {
        let fold = FoldProducts {
            shape,
            rows,
            gradient,
            to,
        };
        fold.run();
    });
    out
}

/// Writes the products of some batch rows, left field by left field.
struct Products<'a> {
    shape: RowShape,
    /// `[rows, F, K]`
    rows: &'a [f32],
    /// A buffer for one batch row, `[K, F]` with zeros up to a multiple of [`LANES`].
    by_element: &'a mut Vec<f32>,
    /// `[rows, P]`
    out: &'a mut [f32],
}

impl VectorLoop for Products<'_> {
    #[inline(always)]
    fn embedding_dim(&self) -> usize {
        self.shape.embedding_dim
    }

    #[inline(always)]
    fn run_with<const KC: usize>(self) {
        let RowShape { num_fields, .. } = self.shape;
        let width = if KC == 0 {
            self.shape.embedding_dim
        } else {
            KC
        };
        let stride = num_fields.next_multiple_of(LANES);
        let by_element = self.by_element;
        by_element.resize((width + 1) * stride, 0.0);
        let (by_element, products) = by_element.split_at_mut(width * stride);
        let rows = self.rows.chunks_exact(num_fields * width);
        let out = self.out.chunks_exact_mut(num_pairs(num_fields));
        for (row, mut out) in rows.zip(out) {
            for (field, vector) in row.chunks_exact(width).enumerate() {
                for k in 0..width {
                    by_element[k * stride + field] = vector[k];
                }
            }
            for (left, vector_of_left) in row.chunks_exact(width).enumerate() {
                for block in ((left + 1) / LANES * LANES..stride).step_by(LANES) {
                    let mut sums = [0.0; LANES];
                    for k in 0..width {
                        let rights: [f32; LANES] =
                            vector(&by_element[k * stride + block..][..LANES]);
                        for lane in 0..LANES {
                            sums[lane] += vector_of_left[k] * rights[lane];
                        }
                    }
                    products[block..][..LANES].copy_from_slice(&sums);
                }
                let (of_left, rest) = out.split_at_mut(num_fields - 1 - left);
                of_left.copy_from_slice(&products[left + 1..num_fields]);
                out = rest;
            }
        }
    }
}

/// Reads the gradient of some products once: `to[i] = Σ_j gradient[i, j] v_j`, where `[i, j]` and `[j, i]` are one
/// pair.
#[cfg(feature = "autodiff")]
struct FoldProducts<'a> {
    shape: RowShape,
    /// `[rows, F, K]`
    rows: &'a [f32],
    /// `[rows, P]`
    gradient: &'a [f32],
    /// `[rows, F, K]`
    to: &'a mut [f32],
}

#[cfg(feature = "autodiff")]
impl VectorLoop for FoldProducts<'_> {
    #[inline(always)]
    fn embedding_dim(&self) -> usize {
        self.shape.embedding_dim
    }

    #[inline(always)]
    fn run_with<const KC: usize>(self) {
        let RowShape { num_fields, .. } = self.shape;
        let width = if KC == 0 {
            self.shape.embedding_dim
        } else {
            KC
        };
        let len = num_fields * width;
        let rows = self.rows.chunks_exact(len);
        let gradients = self.gradient.chunks_exact(num_pairs(num_fields));
        let rows = rows.zip(gradients).zip(self.to.chunks_exact_mut(len));
        for ((row, mut gradient), to) in rows {
            to.fill(0.0);
            for left in 0..num_fields - 1 {
                let (of_left, rest) = gradient.split_at(num_fields - 1 - left);
                gradient = rest;
                let (_, rights) = row.split_at((left + 1) * width);
                let (to_lefts, to_rights) = to.split_at_mut((left + 1) * width);
                let vector_of_left = &row[left * width..][..width];
                let to_left = &mut to_lefts[left * width..];
                let rights = rights.chunks_exact(width);
                let terms = of_left
                    .iter()
                    .zip(rights.zip(to_rights.chunks_exact_mut(width)));
                if KC == 0 {
                    for (factor, (right, to_right)) in terms {
                        for k in 0..width {
                            to_left[k] += factor * right[k];
                            to_right[k] += factor * vector_of_left[k];
                        }
                    }
                } else {
                    let vector_of_left: [f32; KC] = vector(vector_of_left);
                    let mut sum: [f32; KC] = vector(to_left);
                    for (factor, (right, to_right)) in terms {
                        let (right, mut to): ([f32; KC], [f32; KC]) =
                            (vector(right), vector(to_right));
                        for k in 0..KC {
                            sum[k] += factor * right[k];
                            to[k] += factor * vector_of_left[k];
                        }
                        to_right.copy_from_slice(&to);
                    }
                    to_left.copy_from_slice(&sum);
                }
            }
        }
    }
}
