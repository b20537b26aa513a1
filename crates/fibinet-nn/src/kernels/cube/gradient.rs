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
    /// The gradients of a side, given `gradient`, an array that has the pairs' gradient in some of its columns.
    pub fn new(side: &DenseSide, gradient: &CubeTensor, columns: Columns) -> Self {
        let mut out = Self::unwritten(side);
        out.write_rows(side, gradient, columns, 0);
        out
    }

    /// Arrays for the gradients of a side. What they hold means nothing until [`write_rows`](Self::write_rows) has
    /// written every batch row.
    pub fn unwritten(side: &DenseSide) -> Self {
        Self {
            embeddings: empty_like(&side.embeddings),
            matrices: None,
        }
    }

    /// Writes the gradients of the batch rows of `side`, of which the first is the row `first_row` here, and adds them
    /// to the sums over rows.
    pub fn write_rows(
        &mut self,
        side: &DenseSide,
        gradient: &CubeTensor,
        columns: Columns,
        first_row: usize,
    ) {
        let to = Rows {
            all: &self.embeddings,
            start: first_row * side.shape.len(),
        };
        if let Some(matrices) = backward(side, gradient, columns, to) {
            add_to(&mut self.matrices, matrices);
        }
    }
}

/// Adds to a sum, which is `None` as long as it is zero.
pub(super) fn add_to(sum: &mut Option<CubeTensor>, next: CubeTensor) {
    *sum = Some(match sum.take() {
        Some(sum) => CubeBackend::float_add(sum, next),
        None => next,
    });
}

/// Where the gradient of some batch rows' embeddings goes.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    /// That of all batch rows, `[B, F, K]`.
    pub all: &'a CubeTensor,
    /// The index of the first number.
    pub start: usize,
}

/// Writes the gradient of the embeddings, and returns that of the matrices.
fn backward(
    side: &DenseSide,
    gradient: &CubeTensor,
    columns: Columns,
    to: Rows,
) -> Option<CubeTensor> {
    let Some((kind, weights)) = &side.matrices else {
        fold_plain(side, gradient, columns, to);
        return None;
    };
    if *kind == BilinearKind::FieldInteraction {
        fold_per_pair(side, weights, gradient, columns, to);
        return Some(matrices::per_pair(side, weights, gradient, columns));
    }
    let left = crossed(side, *kind, weights);
    let to_left = fold_per_field(side, &left, gradient, columns, to);
    add_uncrossed(side, *kind, weights, &to_left, to);
    Some(matrices::per_field(side, *kind, weights, &to_left))
}

fn fold_plain(side: &DenseSide, gradient: &CubeTensor, columns: Columns, to: Rows) {
    launch!(
        plain,
        side.len(),
        [&side.embeddings, gradient, to.all],
        side.len(),
        to.start,
        side.shape,
        columns,
    );
}

/// Writes the gradient of the embeddings as right vectors, and returns that of the left vectors.
fn fold_per_field(
    side: &DenseSide,
    left: &CubeTensor,
    gradient: &CubeTensor,
    columns: Columns,
    to: Rows,
) -> CubeTensor {
    let to_left = empty_like(left);
    launch!(
        per_field,
        side.len(),
        [left, &side.embeddings, gradient, &to_left, to.all],
        side.len(),
        to.start,
        side.shape,
        columns,
    );
    to_left
}

fn fold_per_pair(
    side: &DenseSide,
    weights: &CubeTensor,
    gradient: &CubeTensor,
    columns: Columns,
    to: Rows,
) {
    launch!(
        per_pair,
        side.len(),
        [&side.embeddings, weights, gradient, to.all],
        side.len(),
        to.start,
        side.shape,
        columns,
    );
}

/// The gradient of the embeddings, which are both the left and the right vectors.
#[cube(launch, address_type = "dynamic")]
fn plain(
    embeddings: &[f32],
    gradient: &[f32],
    out: &mut [f32],
    num_units: usize,
    start: usize,
    #[comptime] shape: RowShape,
    #[comptime] columns: Columns,
) {
    if ABSOLUTE_POS >= num_units {
        terminate!();
    }
    let to_left = sum_to_left(embeddings, gradient, ABSOLUTE_POS, shape, columns);
    let to_right = sum_to_right(embeddings, gradient, ABSOLUTE_POS, shape, columns);
    out[start + ABSOLUTE_POS] = to_left + to_right;
}

/// The gradients of left and right vectors, `[rows, F, K]` and the same in `[B, F, K]` from `start` on.
#[cube(launch, address_type = "dynamic")]
fn per_field(
    left: &[f32],
    right: &[f32],
    gradient: &[f32],
    to_left: &mut [f32],
    to_right: &mut [f32],
    num_units: usize,
    start: usize,
    #[comptime] shape: RowShape,
    #[comptime] columns: Columns,
) {
    if ABSOLUTE_POS >= num_units {
        terminate!();
    }
    to_left[ABSOLUTE_POS] = sum_to_left(right, gradient, ABSOLUTE_POS, shape, columns);
    to_right[start + ABSOLUTE_POS] = sum_to_right(left, gradient, ABSOLUTE_POS, shape, columns);
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
    start: usize,
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
    out[start + ABSOLUTE_POS] = sum;
}
