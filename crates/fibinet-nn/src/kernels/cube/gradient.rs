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
use super::index::{pair_of, place, start_of};
use super::launch::launch;
use super::matrices;
use super::operands::{Columns, DenseSide, empty_like};
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
    let out = empty_like(&side.embeddings);
    launch!(
        plain,
        side.len(),
        [&side.embeddings, gradient, &out],
        side.len(),
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
    let [to_left, to_right] = [empty_like(left), empty_like(left)];
    launch!(
        per_field,
        side.len(),
        [left, &side.embeddings, gradient, &to_left, &to_right],
        side.len(),
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
    let out = empty_like(&side.embeddings);
    launch!(
        per_pair,
        side.len(),
        [&side.embeddings, weights, gradient, &out],
        side.len(),
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
    let to = place(index, shape);
    let from = to.row * comptime!(shape.len()) + to.k;
    let pairs = start_of(to.row, columns) + to.k;
    let mut sum = 0.0;
    for j in to.field + 1..num_fields {
        let pair = pair_of(to.field, j, num_fields);
        sum += gradient[pairs + pair * dim] * right[from + j * dim];
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
    let to = place(index, shape);
    let from = to.row * comptime!(shape.len()) + to.k;
    let pairs = start_of(to.row, columns) + to.k;
    let mut sum = 0.0;
    for i in 0..to.field {
        let pair = pair_of(i, to.field, num_fields);
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
    let to = place(ABSOLUTE_POS, shape);
    let from = to.row * comptime!(shape.len());
    let pairs = start_of(to.row, columns);
    let mut sum = 0.0;
    for i in 0..to.field {
        let pair = pair_of(i, to.field, num_fields);
        let mut left = 0.0;
        for c in 0..dim {
            left += embeddings[from + i * dim + c] * matrices[(pair * dim + c) * dim + to.k];
        }
        sum += gradient[pairs + pair * dim + to.k] * left;
    }
    for j in to.field + 1..num_fields {
        let pair = pair_of(to.field, j, num_fields);
        for c in 0..dim {
            let to_left = gradient[pairs + pair * dim + c] * embeddings[from + j * dim + c];
            sum += to_left * matrices[(pair * dim + to.k) * dim + c];
        }
    }
    out[ABSOLUTE_POS] = sum;
}
