use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::operands::{DenseSide, address_type, cubes, empty_beside};
use crate::kernels::row_shape::RowShape;
use crate::pairs::BilinearKind;

/// Each field's vector multiplied by its matrix, `[B, F, K]`, for field_all and field_each. That of the last field,
/// which is the left field of no pair, is zero.
///
/// Cost: `2 F K²` operations per batch row.
pub(super) fn crossed(side: &DenseSide, kind: BilinearKind, matrices: &CubeTensor) -> CubeTensor {
    let RowShape {
        num_fields,
        embedding_dim,
    } = side.shape;
    let out = empty_beside(&side.embeddings, [side.batch, num_fields, embedding_dim]);
    let num_units = side.batch * side.shape.len();
    let (count, dim) = cubes(&out, num_units);
    cross::launch(
        &out.client,
        count,
        dim,
        address_type([&side.embeddings, matrices, &out]),
        side.embeddings.clone().into_buffer_arg(),
        matrices.clone().into_buffer_arg(),
        out.clone().into_buffer_arg(),
        num_units,
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
    let (vector, k) = (ABSOLUTE_POS / dim, ABSOLUTE_POS % dim);
    let field = vector % comptime!(shape.num_fields);
    let mut sum = 0.0;
    if field < comptime!(shape.num_fields - 1) {
        let matrix = matrix_of(field, per_field);
        for c in 0..dim {
            sum += embeddings[vector * dim + c] * matrices[(matrix * dim + c) * dim + k];
        }
    }
    out[ABSOLUTE_POS] = sum;
}

/// The index of a left field's matrix.
#[cube]
pub(super) fn matrix_of(field: usize, #[comptime] per_field: bool) -> usize {
    if per_field { field } else { 0usize.runtime() }
}

/// Adds to the gradient of the embeddings, `out`, what they get as left vectors: each field's `to_left` multiplied by
/// the transpose of its matrix.
///
/// Cost: `2 F K²` operations per batch row.
#[cfg(feature = "autodiff")]
pub(super) fn add_uncrossed(
    side: &DenseSide,
    kind: BilinearKind,
    matrices: &CubeTensor,
    to_left: &CubeTensor,
    out: &CubeTensor,
) {
    let num_units = side.batch * side.shape.len();
    let (count, dim) = cubes(out, num_units);
    uncross::launch(
        &out.client,
        count,
        dim,
        address_type([to_left, matrices, out]),
        to_left.clone().into_buffer_arg(),
        matrices.clone().into_buffer_arg(),
        out.clone().into_buffer_arg(),
        num_units,
        side.shape,
        kind == BilinearKind::FieldEach,
    );
}

/// `out[b, i] += to_left[b, i] matrices[i]ᵀ`, or `matrices[0]` if there is one for all fields.
#[cfg(feature = "autodiff")]
#[cube(launch, address_type = "dynamic")]
fn uncross(
    to_left: &[f32],
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
    let (vector, k) = (ABSOLUTE_POS / dim, ABSOLUTE_POS % dim);
    let field = vector % comptime!(shape.num_fields);
    if field < comptime!(shape.num_fields - 1) {
        let matrix = matrix_of(field, per_field);
        let mut sum = 0.0;
        for c in 0..dim {
            sum += to_left[vector * dim + c] * matrices[(matrix * dim + k) * dim + c];
        }
        out[ABSOLUTE_POS] += sum;
    }
}
