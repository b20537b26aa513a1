//! The gradients of one side, given that of its pairs, which is read in place.
//!
//! # Cost
//!
//! A unit sums one number of the embeddings' gradient over the pairs of its field, so the gradient of a pair is read by
//! two units of a batch row. `4 P K` operations per batch row, and `4 F K²` more for field_all and field_each, or
//! `6 P K²` for field_interaction.

use burn::backend::ops::FloatTensorOps;
use burn_cubecl::CubeBackend;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::crossed::{add_uncrossed, crossed};
use super::matrices;
use super::operands::{Columns, DenseSide, address_type, cubes, empty_like};
use super::pair_index::first_pair;
use crate::kernels::row_shape::RowShape;
use crate::pairs::BilinearKind;

/// The gradients of one side.
pub(super) struct SideGradient {
    /// `[B, F, K]`
    pub embeddings: CubeTensor,
    /// In the matrices' shape; `None` if the side has no matrices.
    pub matrices: Option<CubeTensor>,
}

impl SideGradient {
    /// Adds the gradients of the batch rows that follow.
    pub fn extended(self, next: Self) -> Self {
        let matrices = self.matrices.zip(next.matrices);
        Self {
            embeddings: CubeBackend::float_cat(vec![self.embeddings, next.embeddings], 0),
            matrices: matrices.map(|(sum, next)| CubeBackend::float_add(sum, next)),
        }
    }
}

/// The gradients of a side, given `gradient`, an array that has the pairs' gradient in some of its columns.
pub(super) fn backward(side: &DenseSide, gradient: &CubeTensor, columns: Columns) -> SideGradient {
    let Some((kind, weights)) = &side.matrices else {
        return SideGradient {
            embeddings: fold_plain(side, gradient, columns),
            matrices: None,
        };
    };
    if *kind == BilinearKind::FieldInteraction {
        return SideGradient {
            embeddings: fold_per_pair(side, weights, gradient, columns),
            matrices: Some(matrices::per_pair(side, weights, gradient, columns)),
        };
    }
    let left = crossed(side, *kind, weights);
    let [to_left, embeddings] = fold_per_field(side, &left, gradient, columns);
    add_uncrossed(side, *kind, weights, &to_left, &embeddings);
    SideGradient {
        embeddings,
        matrices: Some(matrices::per_field(side, *kind, weights, &to_left)),
    }
}

fn fold_plain(side: &DenseSide, gradient: &CubeTensor, columns: Columns) -> CubeTensor {
    let embeddings = &side.embeddings;
    let out = empty_like(embeddings);
    let num_units = side.batch * side.shape.len();
    let (count, dim) = cubes(&out, num_units);
    plain::launch(
        &out.client,
        count,
        dim,
        address_type([embeddings, gradient]),
        embeddings.clone().into_buffer_arg(),
        gradient.clone().into_buffer_arg(),
        out.clone().into_buffer_arg(),
        num_units,
        side.shape,
        columns,
    );
    out
}

/// The gradients of the left vectors and, as right vectors, of the embeddings.
fn fold_per_field(
    side: &DenseSide,
    left: &CubeTensor,
    gradient: &CubeTensor,
    columns: Columns,
) -> [CubeTensor; 2] {
    let embeddings = &side.embeddings;
    let [to_left, to_right] = [empty_like(embeddings), empty_like(embeddings)];
    let num_units = side.batch * side.shape.len();
    let (count, dim) = cubes(gradient, num_units);
    per_field::launch(
        &gradient.client,
        count,
        dim,
        address_type([embeddings, gradient]),
        left.clone().into_buffer_arg(),
        embeddings.clone().into_buffer_arg(),
        gradient.clone().into_buffer_arg(),
        to_left.clone().into_buffer_arg(),
        to_right.clone().into_buffer_arg(),
        num_units,
        side.shape,
        columns,
    );
    [to_left, to_right]
}

fn fold_per_pair(
    side: &DenseSide,
    weights: &CubeTensor,
    gradient: &CubeTensor,
    columns: Columns,
) -> CubeTensor {
    let embeddings = &side.embeddings;
    let out = empty_like(embeddings);
    let num_units = side.batch * side.shape.len();
    let (count, dim) = cubes(&out, num_units);
    per_pair::launch(
        &out.client,
        count,
        dim,
        address_type([embeddings, weights, gradient]),
        embeddings.clone().into_buffer_arg(),
        weights.clone().into_buffer_arg(),
        gradient.clone().into_buffer_arg(),
        out.clone().into_buffer_arg(),
        num_units,
        side.shape,
        columns,
    );
    out
}

/// The gradient of the embeddings, which are both the left and the right vectors.
#[cube(launch, address_type = "dynamic")]
fn plain(
    embeddings: &[f32],
    gradient: &[f32],
    out: &mut [f32],
    num_units: usize,
    #[comptime] shape: RowShape,
    #[comptime] columns: Columns,
) {
    if ABSOLUTE_POS >= num_units {
        terminate!();
    }
    let to_left = sum_to_left(embeddings, gradient, ABSOLUTE_POS, shape, columns);
    let to_right = sum_to_right(embeddings, gradient, ABSOLUTE_POS, shape, columns);
    out[ABSOLUTE_POS] = to_left + to_right;
}

/// The gradients of left and right vectors, `[B, F, K]` each.
#[cube(launch, address_type = "dynamic")]
fn per_field(
    left: &[f32],
    right: &[f32],
    gradient: &[f32],
    to_left: &mut [f32],
    to_right: &mut [f32],
    num_units: usize,
    #[comptime] shape: RowShape,
    #[comptime] columns: Columns,
) {
    if ABSOLUTE_POS >= num_units {
        terminate!();
    }
    to_left[ABSOLUTE_POS] = sum_to_left(right, gradient, ABSOLUTE_POS, shape, columns);
    to_right[ABSOLUTE_POS] = sum_to_right(left, gradient, ABSOLUTE_POS, shape, columns);
}

/// One number of the gradient of the left vectors, by its index in `[B, F, K]`: the sum over the pairs of which its
/// field is the left one.
#[cube]
fn sum_to_left(
    right: &[f32],
    gradient: &[f32],
    index: usize,
    #[comptime] shape: RowShape,
    #[comptime] columns: Columns,
) -> f32 {
    let dim = comptime!(shape.embedding_dim);
    let num_fields = comptime!(shape.num_fields);
    let (row, field, k) = (
        index / comptime!(shape.len()),
        index / dim % num_fields,
        index % dim,
    );
    let from = row * comptime!(shape.len()) + k;
    let pairs = row * comptime!(columns.stride) + comptime!(columns.offset) + k;
    let first = first_pair(field, num_fields);
    let mut sum = 0.0;
    for j in field + 1..num_fields {
        sum += gradient[pairs + (first + j - field - 1) * dim] * right[from + j * dim];
    }
    sum
}

/// One number of the gradient of the right vectors, by its index in `[B, F, K]`: the sum over the pairs of which its
/// field is the right one.
#[cube]
fn sum_to_right(
    left: &[f32],
    gradient: &[f32],
    index: usize,
    #[comptime] shape: RowShape,
    #[comptime] columns: Columns,
) -> f32 {
    let dim = comptime!(shape.embedding_dim);
    let num_fields = comptime!(shape.num_fields);
    let (row, field, k) = (
        index / comptime!(shape.len()),
        index / dim % num_fields,
        index % dim,
    );
    let from = row * comptime!(shape.len()) + k;
    let pairs = row * comptime!(columns.stride) + comptime!(columns.offset) + k;
    let mut sum = 0.0;
    for i in 0..field {
        let pair = first_pair(i, num_fields) + field - i - 1;
        sum += gradient[pairs + pair * dim] * left[from + i * dim];
    }
    sum
}

/// The gradient of the embeddings with a matrix per pair, `[P, K, K]`. The left vectors are computed again.
#[cube(launch, address_type = "dynamic")]
fn per_pair(
    embeddings: &[f32],
    matrices: &[f32],
    gradient: &[f32],
    out: &mut [f32],
    num_units: usize,
    #[comptime] shape: RowShape,
    #[comptime] columns: Columns,
) {
    if ABSOLUTE_POS >= num_units {
        terminate!();
    }
    let dim = comptime!(shape.embedding_dim);
    let num_fields = comptime!(shape.num_fields);
    let row = ABSOLUTE_POS / comptime!(shape.len());
    let (field, k) = (ABSOLUTE_POS / dim % num_fields, ABSOLUTE_POS % dim);
    let from = row * comptime!(shape.len());
    let pairs = row * comptime!(columns.stride) + comptime!(columns.offset);
    let mut sum = 0.0;
    for i in 0..field {
        let pair = first_pair(i, num_fields) + field - i - 1;
        let mut left = 0.0;
        for c in 0..dim {
            left += embeddings[from + i * dim + c] * matrices[(pair * dim + c) * dim + k];
        }
        sum += gradient[pairs + pair * dim + k] * left;
    }
    let first = first_pair(field, num_fields);
    for j in field + 1..num_fields {
        let pair = first + j - field - 1;
        for c in 0..dim {
            let to_left = gradient[pairs + pair * dim + c] * embeddings[from + j * dim + c];
            sum += to_left * matrices[(pair * dim + k) * dim + c];
        }
    }
    out[ABSOLUTE_POS] = sum;
}
