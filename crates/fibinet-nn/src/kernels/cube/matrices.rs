//! The gradients of the matrices, which are sums over the batch.
//!
//! They are summed in two steps, each in a fixed order, so the same input gives the same bits: first per chunk of
//! batch rows, then over the chunks.
//!
//! # Cost
//!
//! `2 K²` operations per matrix and batch row, and for field_all per field and batch row. The sums of every chunk are
//! written and read once.

use burn::backend::TensorMetadata;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::index::{fields, start_of};
use super::launch::launch;
use super::operands::{Columns, DenseSide, empty_beside, empty_like};
use crate::kernels::row_shape::RowShape;
use crate::pairs::BilinearKind;

/// The units that the first step is divided into, if there are batch rows for as many.
const UNITS: usize = 1 << 17;

/// The least number of batch rows per chunk.
const CHUNK: usize = 16;

/// How the batch is divided.
struct Chunks {
    /// Batch rows per chunk.
    rows: usize,
    /// The number of chunks.
    count: usize,
}

impl Chunks {
    /// The chunks for sums of `num_sums` numbers. They depend on nothing but sizes.
    fn new(batch: usize, num_sums: usize) -> Self {
        let rows = (batch * num_sums).div_ceil(UNITS).max(CHUNK);
        let count = batch.div_ceil(rows).max(1);
        Self { rows, count }
    }
}

/// The gradient of the matrices of field_all or field_each, given that of the left vectors, `[B, F, K]`.
pub(super) fn per_field(
    side: &DenseSide,
    kind: BilinearKind,
    matrices: &CubeTensor,
    to_left: &CubeTensor,
) -> CubeTensor {
    let num_sums = matrices.shape().num_elements();
    sum_over_batch(side.batch, matrices, |chunks, sums| {
        let num_units = chunks.count * num_sums;
        launch!(
            chunk_per_field,
            num_units,
            [&side.embeddings, to_left, sums],
            num_units,
            side.batch,
            chunks.rows,
            num_sums,
            side.shape,
            kind == BilinearKind::FieldEach,
        );
    })
}

/// The gradient of the matrices of field_interaction, given that of the pairs.
pub(super) fn per_pair(
    side: &DenseSide,
    matrices: &CubeTensor,
    gradient: &CubeTensor,
    columns: Columns,
) -> CubeTensor {
    sum_over_batch(side.batch, matrices, |chunks, sums| {
        let num_units = chunks.count * matrices.shape().num_elements();
        launch!(
            chunk_per_pair,
            num_units,
            [&side.embeddings, gradient, sums],
            num_units,
            side.batch,
            chunks.rows,
            side.shape,
            columns,
        );
    })
}

/// Has `sum_chunks` write the sums of every chunk, `[chunks, …]`, and adds them up. The sums have the shape of
/// `matrices`.
fn sum_over_batch(
    batch: usize,
    matrices: &CubeTensor,
    sum_chunks: impl Fn(&Chunks, &CubeTensor),
) -> CubeTensor {
    let num_sums = matrices.shape().num_elements();
    let chunks = Chunks::new(batch, num_sums);
    let out = empty_like(matrices);
    if chunks.count == 1 {
        sum_chunks(&chunks, &out);
        return out;
    }
    let of_chunks = empty_beside(matrices, [chunks.count, num_sums]);
    sum_chunks(&chunks, &of_chunks);
    let num_chunks = chunks.count;
    launch!(
        add_chunks,
        num_sums,
        [&of_chunks, &out],
        num_chunks,
        num_sums,
    );
    out
}

/// `out[n] = of_chunks[0, n] + of_chunks[1, n] + …`
#[cube(launch, address_type = "dynamic")]
fn add_chunks(of_chunks: &[f32], out: &mut [f32], num_chunks: usize, num_sums: usize) {
    if ABSOLUTE_POS >= num_sums {
        terminate!();
    }
    let mut sum = 0.0;
    for chunk in 0..num_chunks {
        sum += of_chunks[chunk * num_sums + ABSOLUTE_POS];
    }
    out[ABSOLUTE_POS] = sum;
}

/// `out[chunk, m] = Σ embeddings[b, i]ᵀ to_left[b, i]`, over the chunk's batch rows, and over all left fields `i` or
/// for `i = m`.
#[cube(launch, address_type = "dynamic")]
fn chunk_per_field(
    embeddings: &[f32],
    to_left: &[f32],
    out: &mut [f32],
    num_units: usize,
    batch: usize,
    chunk_rows: usize,
    num_sums: usize,
    #[comptime] shape: RowShape,
    #[comptime] each: bool,
) {
    if ABSOLUTE_POS >= num_units {
        terminate!();
    }
    let dim = comptime!(shape.embedding_dim);
    let (chunk, index) = (ABSOLUTE_POS / num_sums, ABSOLUTE_POS % num_sums);
    let (matrix, a, b) = (index / (dim * dim), index / dim % dim, index % dim);
    let start = chunk * chunk_rows;
    let mut sum = 0.0;
    for row in start..min(start + chunk_rows, batch) {
        let from = row * comptime!(shape.len());
        if each {
            let vector = from + matrix * dim;
            sum += embeddings[vector + a] * to_left[vector + b];
        } else {
            for field in 0..comptime!(shape.num_fields - 1) {
                let vector = from + field * dim;
                sum += embeddings[vector + a] * to_left[vector + b];
            }
        }
    }
    out[ABSOLUTE_POS] = sum;
}

/// `out[chunk, i, j] = Σ embeddings[b, i]ᵀ (gradient[b, i, j] ⊙ embeddings[b, j])`, over the chunk's batch rows.
#[cube(launch, address_type = "dynamic")]
fn chunk_per_pair(
    embeddings: &[f32],
    gradient: &[f32],
    out: &mut [f32],
    num_units: usize,
    batch: usize,
    chunk_rows: usize,
    #[comptime] shape: RowShape,
    #[comptime] columns: Columns,
) {
    if ABSOLUTE_POS >= num_units {
        terminate!();
    }
    let dim = comptime!(shape.embedding_dim);
    let num_sums = comptime!(shape.num_columns() * shape.embedding_dim);
    let (chunk, index) = (ABSOLUTE_POS / num_sums, ABSOLUTE_POS % num_sums);
    let (pair, a, b) = (index / (dim * dim), index / dim % dim, index % dim);
    let fields = fields(pair, comptime!(shape.num_fields));
    let start = chunk * chunk_rows;
    let mut sum = 0.0;
    for row in start..min(start + chunk_rows, batch) {
        let from = row * comptime!(shape.len());
        let column = start_of(row, columns) + pair * dim + b;
        let to_left = gradient[column] * embeddings[from + fields.right * dim + b];
        sum += embeddings[from + fields.left * dim + a] * to_left;
    }
    out[ABSOLUTE_POS] = sum;
}
