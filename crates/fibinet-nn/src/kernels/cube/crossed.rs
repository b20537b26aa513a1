use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

#[cfg(feature = "autodiff")]
use super::gradient::Rows;
use super::index::place;
use super::launch::launch;
use super::operands::{DenseSide, empty_like};
use crate::kernels::row_shape::RowShape;
use crate::pairs::BilinearKind;

/// Each field's vector multiplied by its matrix, `[B, F, K]`, for field_all and field_each. That of the last field,
/// which is the left field of no pair, is zero.
///
/// Cost: `2 F K²` operations per batch row.
pub(super) fn crossed(side: &DenseSide, kind: BilinearKind, matrices: &CubeTensor) -> CubeTensor {
    let out = empty_like(&side.embeddings);
    launch!(
        cross,
        side.len(),
        [&side.embeddings, matrices, &out],
        side.len(),
        side.shape,
        kind == BilinearKind::FieldEach,
    );
    out
}

/// `out[b, i] = embeddings[b, i] matrices[i]`, or `matrices[0]` if there is one for all fields.
#[cube(launch, address_type = "dynamic")]
fn cross(
    embeddings: &[f32],
    matrices: &[f32],
    out: &mut [f32],
    num_units: usize,
    #[comptime] shape: RowShape,
    #[comptime] per_field: bool,
) {
    if ABSOLUTE_POS >= num_units {
        terminate!();
    }
    let dim = comptime!(shape.embedding_dim);
    let to = place(ABSOLUTE_POS, shape);
    let mut sum = 0.0;
    if to.field < comptime!(shape.num_fields - 1) {
        let vector = ABSOLUTE_POS - to.k;
        let matrix = matrix_of(to.field, per_field);
        for c in 0..dim {
            sum += embeddings[vector + c] * matrices[(matrix * dim + c) * dim + to.k];
        }
    }
    out[ABSOLUTE_POS] = sum;
}

/// The index of a left field's matrix.
#[cube]
fn matrix_of(field: usize, #[comptime] per_field: bool) -> usize {
    if per_field { field } else { 0usize.runtime() }
}

/// Adds to the gradient of the embeddings what they get as left vectors: each field's `to_left` multiplied by
/// the transpose of its matrix.
///
/// Cost: `2 F K²` operations per batch row.
#[cfg(feature = "autodiff")]
pub(super) fn add_uncrossed(
    side: &DenseSide,
    kind: BilinearKind,
    matrices: &CubeTensor,
    to_left: &CubeTensor,
    to: Rows,
) {
    launch!(
        uncross,
        side.len(),
        [to_left, matrices, to.all],
        side.len(),
        to.start,
        side.shape,
        kind == BilinearKind::FieldEach,
    );
}

/// `out[b, i] += to_left[b, i] matrices[i]ᵀ`, from `start` on in `out`, or `matrices[0]` if there is one for all fields.
#[cfg(feature = "autodiff")]
#[cube(launch, address_type = "dynamic")]
fn uncross(
    to_left: &[f32],
    matrices: &[f32],
    out: &mut [f32],
    num_units: usize,
    start: usize,
    #[comptime] shape: RowShape,
    #[comptime] per_field: bool,
) {
    if ABSOLUTE_POS >= num_units {
        terminate!();
    }
    let dim = comptime!(shape.embedding_dim);
    let to = place(ABSOLUTE_POS, shape);
    if to.field < comptime!(shape.num_fields - 1) {
        let vector = ABSOLUTE_POS - to.k;
        let matrix = matrix_of(to.field, per_field);
        let mut sum = 0.0;
        for c in 0..dim {
            sum += to_left[vector + c] * matrices[(matrix * dim + to.k) * dim + c];
        }
        out[start + ABSOLUTE_POS] += sum;
    }
}
