//! The inner product of every pair.
//!
//! # Cost
//!
//! - Forward: embeddings are read and products are written once. `2 P K` operations per batch row, times what fills
//!   whole registers and groups of left fields: 1.3 at F = 39 with AVX2, 1.9 with AVX-512.
//! - Backward: embeddings and the products' gradient are read once, the embeddings' gradient is written once.
//!   `4 P K` operations per batch row.
//! - Memory: `(K + 4) F` numbers per thread.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::output::Output;
use super::row_shape::RowShape;
#[cfg(feature = "autodiff")]
use super::rows::{VectorLoop, vector};
use super::side::CHUNK;
use crate::pairs::num_pairs;

/// `[B, P]`
pub(super) fn forward(embeddings: &[f32], shape: RowShape) -> Output {
    let (num_pairs, len) = (num_pairs(shape.num_fields), shape.len());
    let mut out = Output::new(embeddings.len() / len * num_pairs);
    let rows = embeddings.par_chunks(CHUNK * len);
    let chunks = out.par_chunks_mut(CHUNK * num_pairs).zip(rows);
    chunks.for_each_init(Vec::new, |scratch, (out, rows)| {
        let products = Products {
            shape,
            rows,
            scratch,
            out,
        };
        Arch::new().dispatch(products);
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

/// Left fields whose products are computed together.
const LEFTS: usize = 4;

/// Writes the products of some batch rows. A register holds one number of several fields' vectors.
struct Products<'a> {
    shape: RowShape,
    /// `[rows, F, K]`
    rows: &'a [f32],
    /// A buffer of one thread.
    scratch: &'a mut Vec<f32>,
    /// `[rows, P]`
    out: &'a mut [f32],
}

impl WithSimd for Products<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let RowShape {
            num_fields,
            embedding_dim,
        } = self.shape;
        // The vectors of a batch row by element, `[K, F]`, and the products of some left fields with all, `[LEFTS, F]`,
        // of which those of pairs count. Fields are rounded up to whole registers and groups of left fields.
        let stride = num_fields.next_multiple_of(LEFTS.max(S::F32_LANES));
        let len = embedding_dim * stride;
        self.scratch.resize(len + LEFTS * stride, 0.0);
        let (by_element, products) = self.scratch.split_at_mut(len);
        let rows = self.rows.chunks_exact(self.shape.len());
        for (row, mut out) in rows.zip(self.out.chunks_exact_mut(num_pairs(num_fields))) {
            for (field, vector) in row.chunks_exact(embedding_dim).enumerate() {
                for (of_element, x) in by_element.chunks_exact_mut(stride).zip(vector) {
                    of_element[field] = *x;
                }
            }
            for first in (0..num_fields - 1).step_by(LEFTS) {
                for block in (first + 1) / S::F32_LANES..stride / S::F32_LANES {
                    let mut sums = [simd.splat_f32s(0.0); LEFTS];
                    for numbers in by_element.chunks_exact(stride) {
                        let rights = S::as_simd_f32s(numbers).0[block];
                        let lefts = &numbers[first..first + LEFTS];
                        for n in 0..LEFTS {
                            sums[n] =
                                simd.mul_add_e_f32s(simd.splat_f32s(lefts[n]), rights, sums[n]);
                        }
                    }
                    for (products, sums) in products.chunks_exact_mut(stride).zip(sums) {
                        S::as_mut_simd_f32s(products).0[block] = sums;
                    }
                }
                let lefts = first..(first + LEFTS).min(num_fields - 1);
                for (left, products) in lefts.zip(products.chunks_exact(stride)) {
                    let (of_left, rest) = out.split_at_mut(num_fields - 1 - left);
                    of_left.copy_from_slice(&products[left + 1..num_fields]);
                    out = rest;
                }
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

#[cfg(test)]
mod tests {
    use pulp::{Scalar, Scalar128b, Scalar256b, Scalar512b};

    use super::*;

    fn products<S: Simd>(simd: S, shape: RowShape, rows: &[f32]) -> Vec<f32> {
        let mut out = vec![f32::NAN; rows.len() / shape.len() * num_pairs(shape.num_fields)];
        let products = Products {
            shape,
            rows,
            scratch: &mut Vec::new(),
            out: &mut out,
        };
        simd.vectorize(products);
        out
    }

    /// The numbers are whole, so that sums are exact in any order.
    #[test]
    fn registers_of_any_length_give_the_same_products() {
        for num_fields in [2, 3, 4, 5, 8, 9, 16, 17, 33] {
            for embedding_dim in [1, 3, 10] {
                let shape = RowShape {
                    num_fields,
                    embedding_dim,
                };
                let rows = (0..2 * shape.len()).map(|i| (i * 7 % 11) as f32 - 5.0);
                let rows: Vec<f32> = rows.collect();
                let mut expected = Vec::new();
                for row in rows.chunks_exact(shape.len()) {
                    let vectors: Vec<_> = row.chunks_exact(embedding_dim).collect();
                    for (i, left) in vectors.iter().enumerate() {
                        for right in &vectors[i + 1..] {
                            let terms = left.iter().zip(*right).map(|(a, b)| a * b);
                            expected.push(terms.sum::<f32>());
                        }
                    }
                }
                assert_eq!(products(Scalar, shape, &rows), expected);
                assert_eq!(products(Scalar128b, shape, &rows), expected);
                assert_eq!(products(Scalar256b, shape, &rows), expected);
                assert_eq!(products(Scalar512b, shape, &rows), expected);
            }
        }
    }
}
