//! Where numbers, fields and pairs are in embeddings and in arrays of pairs, in terms of a kernel.

use cubecl::prelude::*;

use super::operands::Columns;
use crate::kernels::row_shape::RowShape;

/// The place of a number in `[B, F, K]`.
#[derive(CubeType, Clone, Copy)]
pub(super) struct Place {
    pub row: usize,
    pub field: usize,
    pub k: usize,
}

/// The place of the number at an index.
#[cube]
pub(super) fn place(index: usize, #[comptime] shape: RowShape) -> Place {
    let dim = comptime!(shape.embedding_dim);
    Place {
        row: index / comptime!(shape.len()),
        field: index / dim % comptime!(shape.num_fields),
        k: index % dim,
    }
}

/// The fields of a pair.
#[derive(CubeType, Clone, Copy)]
pub(super) struct Fields {
    pub left: usize,
    pub right: usize,
}

/// The fields of the pair of an index.
#[cube]
pub(super) fn fields(pair: usize, #[comptime] num_fields: usize) -> Fields {
    let mut left = 0;
    let mut after = comptime!(num_fields - 1).runtime();
    while left + 1 < after {
        let middle = (left + after) / 2;
        if first_pair(middle, num_fields) <= pair {
            left = middle;
        } else {
            after = middle;
        }
    }
    let right = pair - first_pair(left, num_fields) + left + 1;
    Fields { left, right }
}

/// The index of the pair of two fields.
#[cube]
pub(super) fn pair_of(left: usize, right: usize, #[comptime] num_fields: usize) -> usize {
    first_pair(left, num_fields) + right - left - 1
}

/// The first pair of a left field.
#[cube]
fn first_pair(left: usize, #[comptime] num_fields: usize) -> usize {
    left * (comptime!(2 * num_fields - 1) - left) / 2
}

/// Where the columns of a batch row start.
#[cube]
pub(super) fn start_of(row: usize, #[comptime] columns: Columns) -> usize {
    row * comptime!(columns.stride) + comptime!(columns.offset)
}
