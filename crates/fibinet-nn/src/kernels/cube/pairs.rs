//! The pairs of one side, written into their columns of an array.
//!
//! # Cost
//!
//! The pairs are written once, by units that are neighbours in memory. One multiplication per number, and for
//! field_interaction `2 K` operations more.

use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::crossed::crossed;
use super::index::{fields, start_of};
use super::launch::launch;
use super::operands::{Columns, DenseSide, empty_beside};
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
    let embeddings = &side.embeddings;
    let num_units = side.batch.div_ceil(ROWS) * side.shape.num_columns();
    let (batch, shape) = (side.batch, side.shape);
    let left = match &side.matrices {
        None => embeddings.clone(),
        Some((BilinearKind::FieldInteraction, matrices)) => {
            launch!(
                per_pair,
                num_units,
                [embeddings, matrices, out],
                batch,
                shape,
                columns,
            );
            return;
        }
        Some((kind, matrices)) => crossed(side, *kind, matrices),
    };
    launch!(
        per_field,
        num_units,
        [&left, embeddings, out],
        batch,
        shape,
        columns,
    );
}

/// The part of the pairs that a unit writes: one column in some batch rows.
#[derive(CubeType, Clone, Copy)]
struct Part {
    column: usize,
    pair: usize,
    k: usize,
    first_row: usize,
}

#[cube]
fn part(unit: usize, #[comptime] shape: RowShape) -> Part {
    let num_columns = comptime!(shape.num_columns());
    let dim = comptime!(shape.embedding_dim);
    let column = unit % num_columns;
    Part {
        column,
        pair: column / dim,
        k: column % dim,
        first_row: unit / num_columns * ROWS,
    }
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
    let dim = comptime!(shape.embedding_dim);
    let part = part(ABSOLUTE_POS, shape);
    if part.first_row >= batch {
        terminate!();
    }
    let pair = fields(part.pair, comptime!(shape.num_fields));
    for row in part.first_row..min(part.first_row + ROWS, batch) {
        let from = row * comptime!(shape.len()) + part.k;
        out[start_of(row, columns) + part.column] =
            left[from + pair.left * dim] * right[from + pair.right * dim];
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
    let dim = comptime!(shape.embedding_dim);
    let part = part(ABSOLUTE_POS, shape);
    if part.first_row >= batch {
        terminate!();
    }
    let pair = fields(part.pair, comptime!(shape.num_fields));
    for row in part.first_row..min(part.first_row + ROWS, batch) {
        let from = row * comptime!(shape.len());
        let left = from + pair.left * dim;
        let mut crossed = 0.0;
        for c in 0..dim {
            crossed += embeddings[left + c] * matrices[(part.pair * dim + c) * dim + part.k];
        }
        out[start_of(row, columns) + part.column] =
            crossed * embeddings[from + pair.right * dim + part.k];
    }
}
