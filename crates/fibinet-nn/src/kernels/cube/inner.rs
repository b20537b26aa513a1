//! The inner product of every pair.
//!
//! # Cost
//!
//! - Forward: `2 K` operations per product, which is written once.
//! - Backward: a unit sums one number of the embeddings' gradient over all other fields. `2 F (F - 1) K` operations
//!   per batch row.

use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::index::fields;
#[cfg(feature = "autodiff")]
use super::index::{pair_of, place};
use super::launch::launch;
#[cfg(feature = "autodiff")]
use super::operands::empty_like;
use super::operands::{empty_beside, sizes};
use crate::kernels::row_shape::RowShape;
use crate::pairs::num_pairs;

/// `[B, P]` of contiguous `[B, F, K]`.
pub(super) fn forward(embeddings: &CubeTensor) -> CubeTensor {
    let (shape, batch) = sizes(embeddings);
    let num_pairs = num_pairs(shape.num_fields);
    let out = empty_beside(embeddings, [batch, num_pairs]);
    let num_units = batch * num_pairs;
    launch!(products, num_units, [embeddings, &out], num_units, shape);
    out
}

/// The gradient of the embeddings, given that of the products. Both inputs are contiguous.
#[cfg(feature = "autodiff")]
pub(super) fn backward(embeddings: &CubeTensor, gradient: &CubeTensor) -> CubeTensor {
    let (shape, batch) = sizes(embeddings);
    let out = empty_like(embeddings);
    let num_units = batch * shape.len();
    launch!(
        fold_products,
        num_units,
        [embeddings, gradient, &out],
        num_units,
        shape,
    );
    out
}

/// `out[b, i, j] = embeddings[b, i] · embeddings[b, j]`
#[cube(launch, address_type = "dynamic")]
fn products(embeddings: &[f32], out: &mut [f32], num_units: usize, #[comptime] shape: RowShape) {
    if ABSOLUTE_POS >= num_units {
        terminate!();
    }
    let dim = comptime!(shape.embedding_dim);
    let num_pairs = comptime!(num_pairs(shape.num_fields));
    let pair = fields(ABSOLUTE_POS % num_pairs, comptime!(shape.num_fields));
    let from = ABSOLUTE_POS / num_pairs * comptime!(shape.len());
    let mut sum = 0.0;
    for k in 0..dim {
        sum += embeddings[from + pair.left * dim + k] * embeddings[from + pair.right * dim + k];
    }
    out[ABSOLUTE_POS] = sum;
}

/// `out[b, f] = Σ gradient[b, f, j] embeddings[b, j]`, over all fields `j` but `f`.
#[cfg(feature = "autodiff")]
#[cube(launch, address_type = "dynamic")]
fn fold_products(
    embeddings: &[f32],
    gradient: &[f32],
    out: &mut [f32],
    num_units: usize,
    #[comptime] shape: RowShape,
) {
    if ABSOLUTE_POS >= num_units {
        terminate!();
    }
    let dim = comptime!(shape.embedding_dim);
    let num_fields = comptime!(shape.num_fields);
    let to = place(ABSOLUTE_POS, shape);
    let from = to.row * comptime!(shape.len()) + to.k;
    let pairs = to.row * comptime!(num_pairs(shape.num_fields));
    let mut sum = 0.0;
    for i in 0..to.field {
        sum += gradient[pairs + pair_of(i, to.field, num_fields)] * embeddings[from + i * dim];
    }
    for j in to.field + 1..num_fields {
        sum += gradient[pairs + pair_of(to.field, j, num_fields)] * embeddings[from + j * dim];
    }
    out[ABSOLUTE_POS] = sum;
}
