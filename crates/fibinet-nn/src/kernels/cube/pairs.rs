//! The pairs of one side, written into their columns of an array.
//!
//! # Cost
//!
//! The pairs are written once, by units that are neighbours in memory. One multiplication per number, and for
//! field_interaction `2 K` operations more.

use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::crossed::crossed;
use super::operands::{Columns, DenseSide, address_type, cubes, empty_beside};
use super::pair_index::{left_field, right_field};
use crate::kernels::row_shape::RowShape;
use crate::pairs::BilinearKind;

/// Batch rows whose pairs one unit writes, so that it finds the fields of its column only once.
const ROWS: usize = 8;

/// The pairs of each side, `[B, S P K]`.
pub(super) fn forward(sides: &[DenseSide]) -> CubeTensor {
    let (batch, stride) = (sides[0].batch, sides.len() * sides[0].shape.num_columns());
    let out = empty_beside(&sides[0].embeddings, [batch, stride]);
    for (columns, side) in columns(sides, stride).zip(sides) {
        write(side, &out, columns);
    }
    out
}

/// The columns of each side, one side after the other, in an array of `stride` columns.
pub(super) fn columns(sides: &[DenseSide], stride: usize) -> impl Iterator<Item = Columns> {
    let width = sides[0].shape.num_columns();
    (0..sides.len()).map(move |index| Columns {
        stride,
        offset: index * width,
    })
}

/// Writes the pairs of a side into its columns of `out`.
pub(super) fn write(side: &DenseSide, out: &CubeTensor, columns: Columns) {
    let left = match &side.matrices {
        None => side.embeddings.clone(),
        Some((BilinearKind::FieldInteraction, matrices)) => {
            return write_per_pair(side, matrices, out, columns);
        }
        Some((kind, matrices)) => crossed(side, *kind, matrices),
    };
    let (count, dim) = cubes(out, num_units(side));
    per_field::launch(
        &out.client,
        count,
        dim,
        address_type([&left, &side.embeddings, out]),
        left.into_buffer_arg(),
        side.embeddings.clone().into_buffer_arg(),
        out.clone().into_buffer_arg(),
        side.batch,
        side.shape,
        columns,
    );
}

fn write_per_pair(side: &DenseSide, matrices: &CubeTensor, out: &CubeTensor, columns: Columns) {
    let (count, dim) = cubes(out, num_units(side));
    per_pair::launch(
        &out.client,
        count,
        dim,
        address_type([&side.embeddings, matrices, out]),
        side.embeddings.clone().into_buffer_arg(),
        matrices.clone().into_buffer_arg(),
        out.clone().into_buffer_arg(),
        side.batch,
        side.shape,
        columns,
    );
}

fn num_units(side: &DenseSide) -> usize {
    side.batch.div_ceil(ROWS) * side.shape.num_columns()
}

/// `out[b, i, j] = left[b, i] ⊙ right[b, j]`, both sides `[B, F, K]`.
#[cube(launch, address_type = "dynamic")]
fn per_field(
    left: &[f32],
    right: &[f32],
    out: &mut [f32],
    batch: usize,
    #[comptime] shape: RowShape,
    #[comptime] columns: Columns,
) {
    let num_columns = comptime!(shape.num_columns());
    let dim = comptime!(shape.embedding_dim);
    let column = ABSOLUTE_POS % num_columns;
    let start = ABSOLUTE_POS / num_columns * ROWS;
    if start >= batch {
        terminate!();
    }
    let (pair, k) = (column / dim, column % dim);
    let i = left_field(pair, comptime!(shape.num_fields));
    let j = right_field(pair, i, comptime!(shape.num_fields));
    for row in start..min(start + ROWS, batch) {
        let from = row * comptime!(shape.len()) + k;
        let to = row * comptime!(columns.stride) + comptime!(columns.offset) + column;
        out[to] = left[from + i * dim] * right[from + j * dim];
    }
}

/// `out[b, i, j] = embeddings[b, i] matrices[i, j] ⊙ embeddings[b, j]`, `matrices` `[P, K, K]`.
#[cube(launch, address_type = "dynamic")]
fn per_pair(
    embeddings: &[f32],
    matrices: &[f32],
    out: &mut [f32],
    batch: usize,
    #[comptime] shape: RowShape,
    #[comptime] columns: Columns,
) {
    let num_columns = comptime!(shape.num_columns());
    let dim = comptime!(shape.embedding_dim);
    let column = ABSOLUTE_POS % num_columns;
    let start = ABSOLUTE_POS / num_columns * ROWS;
    if start >= batch {
        terminate!();
    }
    let (pair, k) = (column / dim, column % dim);
    let i = left_field(pair, comptime!(shape.num_fields));
    let j = right_field(pair, i, comptime!(shape.num_fields));
    for row in start..min(start + ROWS, batch) {
        let from = row * comptime!(shape.len());
        let mut crossed = 0.0;
        for c in 0..dim {
            crossed += embeddings[from + i * dim + c] * matrices[(pair * dim + c) * dim + k];
        }
        let to = row * comptime!(columns.stride) + comptime!(columns.offset) + column;
        out[to] = crossed * embeddings[from + j * dim + k];
    }
}
