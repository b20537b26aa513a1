//! Table rows by their number, and their dense gradient.
//!
//! # Cost
//!
//! - Forward: each named row is read and written once.
//! - Backward: the rows' numbers are sorted by block of table rows, in three passes over them. Each block is then
//!   written by one thread: set to zero, and in the cache the gradients of its rows are added in the order of the
//!   batch, so sums do not depend on the number of threads. The output's gradient is read once, and the gradient of
//!   the table is written to memory once.

use burn::backend::flex::FlexTensor;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::DType;
use rayon::prelude::*;

use super::operands::tensor;
use super::output::Output;
use crate::kernels::ops::TableOps;

/// Rows that a thread copies together.
const ROWS: usize = 1024;

/// Table rows whose gradient a thread writes together: at K = 10 they fit a core's second-level cache.
#[cfg(feature = "autodiff")]
const BLOCK: usize = 4096;

impl TableOps for Flex {
    fn table_rows(table: FloatTensor<Self>, rows: IntTensor<Self>) -> FloatTensor<Self> {
        let [num_rows, width] = table.shape().dims();
        let rows = indices(&rows, num_rows);
        let values = forward(table.to_contiguous().storage(), width, &rows);
        tensor(values, [rows.len(), width])
    }
}

/// The numbers of rows, i32 or i64, of a table of `num_rows` rows.
///
/// # Panics
///
/// If the table has no such row.
pub(super) fn indices(rows: &FlexTensor, num_rows: usize) -> Vec<usize> {
    fn below<I>(num_rows: usize, rows: &[I]) -> Vec<usize>
    where
        I: Copy + TryInto<usize> + std::fmt::Display,
    {
        let index = |row: &I| match (*row).try_into() {
            Ok(index) if index < num_rows => index,
            _ => panic!("table row {row} is out of range of the {num_rows} rows"),
        };
        rows.iter().map(index).collect()
    }
    let rows = rows.to_contiguous();
    match rows.dtype() {
        DType::I32 => below(num_rows, rows.storage::<i32>()),
        _ => below(num_rows, rows.storage::<i64>()),
    }
}

/// `[n, K]`
fn forward(table: &[f32], width: usize, rows: &[usize]) -> Output {
    let mut out = Output::new(rows.len() * width);
    let chunks = out.par_chunks_mut(ROWS * width).zip(rows.par_chunks(ROWS));
    chunks.for_each(|(out, rows)| {
        for (out, row) in out.chunks_exact_mut(width).zip(rows) {
            out.copy_from_slice(&table[row * width..][..width]);
        }
    });
    out
}

/// The gradient of the table, `[V, K]`, given that of the rows, `[n, K]`.
#[cfg(feature = "autodiff")]
pub(super) fn backward([num_rows, width]: [usize; 2], rows: &[usize], gradient: &[f32]) -> Output {
    let (order, ends) = by_block(rows, num_rows.div_ceil(BLOCK));
    let mut out = Output::new(num_rows * width);
    let blocks = out.par_chunks_mut(BLOCK * width).enumerate();
    blocks.for_each(|(block, out)| {
        out.fill(0.0);
        let start = block.checked_sub(1).map_or(0, |before| ends[before]);
        for &index in &order[start..ends[block]] {
            let to = &mut out[(rows[index] - block * BLOCK) * width..][..width];
            let from = &gradient[index * width..][..width];
            to.iter_mut().zip(from).for_each(|(to, x)| *to += x);
        }
    });
    out
}

/// The indices of `rows` sorted by block, in their order within a block, and where each block ends.
#[cfg(feature = "autodiff")]
fn by_block(rows: &[usize], num_blocks: usize) -> (Vec<usize>, Vec<usize>) {
    let mut ends = vec![0; num_blocks + 1];
    for row in rows {
        ends[row / BLOCK + 1] += 1;
    }
    for block in 1..=num_blocks {
        ends[block] += ends[block - 1];
    }
    // Each block's start moves to its end as its rows are placed.
    let mut order = vec![0; rows.len()];
    for (index, row) in rows.iter().enumerate() {
        let place = &mut ends[row / BLOCK];
        order[*place] = index;
        *place += 1;
    }
    ends.truncate(num_blocks);
    (order, ends)
}
