use rayon::prelude::*;

#[cfg(feature = "autodiff")]
use super::gradient::{Gradients, RowGradients};
use super::output::Output;
#[cfg(feature = "autodiff")]
use super::output::par_add_in_order;
use super::row_shape::RowShape;
use super::rows::Strip;
use super::side::{CHUNK, PreparedSide};
use super::tasks::{Task, whole_fields};
#[cfg(feature = "autodiff")]
use crate::kernels::BACKWARD_ROWS;

/// The most pair columns per task for field_interaction, unless one left field has more. With `K` up to about 32 the
/// matrices of that many, and their gradient, stay in a core's second-level cache while a chunk or block of batch rows
/// uses them: 4 `K` KiB each. Otherwise a batch row's pairs are written or read in one go.
const COLUMNS: usize = 1024;

/// Batch rows whose gradients one thread computes together.
#[cfg(feature = "autodiff")]
const BLOCK: usize = 2 * CHUNK;

/// The most bytes of the blocks' gradients of the matrices, unless each thread's own takes more.
#[cfg(feature = "autodiff")]
const BLOCK_BYTES: usize = 64 << 20;

/// The blocks whose gradients of the matrices, `num_weights` each, exist at once.
#[cfg(feature = "autodiff")]
fn blocks_at_once(num_weights: usize) -> usize {
    let affordable = BLOCK_BYTES / (num_weights * size_of::<f32>()).max(1);
    affordable
        .min(BACKWARD_ROWS / BLOCK)
        .max(rayon::current_num_threads())
}

/// The tasks of each side, one after the other.
fn tasks(sides: &[PreparedSide], shape: RowShape) -> Vec<Task> {
    let columns = sides.iter().map(|side| {
        if side.has_left_vector_per_pair() {
            COLUMNS
        } else {
            shape.num_columns()
        }
    });
    whole_fields(shape, &columns.collect::<Vec<_>>())
}

/// The pairs of each side, `[B, S P K]`.
///
/// Cost: the output is written once, the embeddings are read from the cache. `P K` multiplications
/// per side and batch row, and `2 P K²` more operations for field_interaction.
pub(super) fn forward(sides: &[PreparedSide], shape: RowShape) -> Output {
    let (stride, batch) = (sides.len() * shape.num_columns(), sides[0].num_rows());
    let mut out = Output::new(batch * stride);
    let tasks = tasks(sides, shape);
    let chunks = out.par_chunks_mut(CHUNK * stride).enumerate();
    chunks.for_each(|(chunk, out)| {
        let rows = chunk * CHUNK..batch.min((chunk + 1) * CHUNK);
        for task in &tasks {
            let (side, offset) = (&sides[task.side], task.column);
            let strip = Strip { stride, offset };
            side.form(task, rows.clone(), (out, strip));
        }
    });
    out
}

/// The gradients of each side, given the gradient of the pairs, `[B, S P K]`.
///
/// Sums over the batch are computed block by block and added in the order of the blocks, so they do not depend on the
/// number of threads.
///
/// Cost: the gradient is read once. `4 P K` multiplications and additions per side and batch row, and `6 P K²`
/// more for field_interaction, whose left vectors are computed again. The gradient of the matrices is written and
/// read once per block, and for field_interaction once per [tile](super::per_pair).
#[cfg(feature = "autodiff")]
pub(super) fn backward(
    sides: &[PreparedSide],
    shape: RowShape,
    gradient: &[f32],
) -> Vec<Gradients> {
    let (stride, batch) = (sides.len() * shape.num_columns(), sides[0].num_rows());
    let tasks = tasks(sides, shape);
    let sides = sides.iter().enumerate().map(|(index, side)| {
        let first = tasks.partition_point(|task| task.side < index);
        let after = tasks.partition_point(|task| task.side <= index);
        let tasks = &tasks[first..after];
        let mut to_rows = Output::new(batch * shape.len());
        let mut to_matrices = Output::zeros(side.num_weights());
        // Each block has a gradient of the matrices of its own, of which only those of one range exist at once.
        let scratch_len = side.scratch_len(BLOCK.min(batch));
        let range_rows = blocks_at_once(side.num_weights()) * BLOCK;
        let ranges = to_rows.chunks_mut(range_rows * shape.len()).enumerate();
        for (range, to_rows) in ranges {
            let blocks = to_rows.par_chunks_mut(BLOCK * shape.len()).enumerate();
            let scratch = || Output::new(scratch_len);
            let blocks = blocks.map_init(scratch, |scratch, (block, to_rows)| {
                to_rows.fill(0.0);
                let start = range * range_rows + block * BLOCK;
                // Not `Output::zeros`, whose threads would make this one wait.
                let mut to_matrices = Output::new(side.num_weights());
                to_matrices.fill(0.0);
                let to = RowGradients {
                    rows: start..start + to_rows.len() / shape.len(),
                    gradient: &gradient[start * stride..],
                    stride,
                    to_rows,
                    to_matrices: &mut to_matrices,
                };
                side.backward(tasks, to, scratch);
                to_matrices
            });
            let blocks: Vec<Output> = blocks.collect();
            let parts: Vec<&[f32]> = blocks.iter().map(|block| &**block).collect();
            par_add_in_order(&mut to_matrices, &parts);
        }
        side.gradients(to_rows, to_matrices)
    });
    sides.collect()
}
