//! The inner product of every pair.
//!
//! # Cost
//!
//! - Forward: `2 K` operations per product, which is written once.
//! - Backward: a unit sums one number of the embeddings' gradient over all other fields. `2 F (F - 1) K` operations
//!   per batch row.

use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

#[cfg(feature = "autodiff")]
use super::operands::empty_like;
use super::operands::{address_type, cubes, empty_beside, sizes};
#[cfg(feature = "autodiff")]
use super::pair_index::first_pair;
use super::pair_index::{left_field, right_field};
use crate::kernels::row_shape::RowShape;
use crate::pairs::num_pairs;

/// `[B, P]` of contiguous `[B, F, K]`.
pub(super) fn forward(embeddings: &CubeTensor) -> CubeTensor {
    let (shape, batch) = sizes(embeddings);
    let out = empty_beside(embeddings, [batch, num_pairs(shape.num_fields)]);
    let num_units = batch * num_pairs(shape.num_fields);
    let (count, dim) = cubes(&out, num_units);
    products::launch(
        &out.client,
        count,
        dim,
        address_type([embeddings, &out]),
        embeddings.clone().into_buffer_arg(),
        out.clone().into_buffer_arg(),
        num_units,
        shape,
    );
    out
}

/// The gradient of the embeddings, given that of the products. Both inputs are contiguous.
#[cfg(feature = "autodiff")]
pub(super) fn backward(embeddings: &CubeTensor, gradient: &CubeTensor) -> CubeTensor {
    let (shape, batch) = sizes(embeddings);
    let out = empty_like(embeddings);
    let num_units = batch * shape.len();
    let (count, dim) = cubes(&out, num_units);
    fold_products::launch(
        &out.client,
        count,
        dim,
        address_type([embeddings, gradient]),
        embeddings.clone().into_buffer_arg(),
        gradient.clone().into_buffer_arg(),
        out.clone().into_buffer_arg(),
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
    let (row, pair) = (ABSOLUTE_POS / num_pairs, ABSOLUTE_POS % num_pairs);
    let i = left_field(pair, comptime!(shape.num_fields));
    let j = right_field(pair, i, comptime!(shape.num_fields));
    let from = row * comptime!(shape.len());
    let mut sum = 0.0;
    for k in 0..dim {
        sum += embeddings[from + i * dim + k] * embeddings[from + j * dim + k];
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
    let row = ABSOLUTE_POS / comptime!(shape.len());
    let (field, k) = (ABSOLUTE_POS / dim % num_fields, ABSOLUTE_POS % dim);
    let from = row * comptime!(shape.len()) + k;
    let pairs = row * comptime!(num_pairs(shape.num_fields));
    let mut sum = 0.0;
    for i in 0..field {
        let pair = first_pair(i, num_fields) + field - i - 1;
        sum += gradient[pairs + pair] * embeddings[from + i * dim];
    }
    let first = first_pair(field, num_fields);
    for j in field + 1..num_fields {
        sum += gradient[pairs + first + j - field - 1] * embeddings[from + j * dim];
    }
    out[ABSOLUTE_POS] = sum;
}
