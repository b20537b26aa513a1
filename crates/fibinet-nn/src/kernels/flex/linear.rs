//! The pairs and the linear map that reads them, without an array of pairs.
//!
//! Pair columns are divided into tasks. The pairs of a task are formed, multiplied into the output and
//! dropped. Forward, a thread does this for the batch rows of one panel, task by task, and waits for
//! nothing until the end. A batch of few panels is also divided by columns: each group of tasks has an
//! output array of its own, and these are summed. Backward ([`batch_innermost`](super::batch_innermost))
//! the pairs are formed again and multiplied into their rows of the weight's gradient, and the gradient
//! of the pairs is consumed where it was written.
//!
//! # Cost
//!
//! - Arithmetic: one product of `[B, 2 P K]` and `[2 P K, H]` forward and two backward, `4 B P K H`
//!   operations each, which is nearly everything. In addition, per side and batch row, `P K`
//!   multiplications forward and `5 P K` operations backward, and for field_interaction `2 P K²` and
//!   `6 P K²` more.
//! - Bytes: inputs, output and their gradients are read or written once. Forward the weight is read once
//!   per panel of 256 batch rows (at H = 400 a panel's products take about 25 times as long). Backward
//!   the weight is read, and its gradient written, once per 2,048 batch rows. Pairs stay in the cache. At
//!   F = 39, K = 10 and 2,048 rows the array of pairs that is saved has 121 MB, and its gradient as many.
//! - Memory, at any `B` and `F`: forward .4 MB per thread, and up to seven outputs of 512 batch rows;
//!   backward four tasks (or one per thread) of 3 MB, twice as much for field_interaction. The left vectors
//!   of field_all and field_each are added to that and are as large as the embeddings. So are, for 2,048
//!   batch rows at a time, up to four backward arrays as large as a side's embeddings, and a copy of the output's
//!   gradient.
//!
//! The table says how many times as long it takes to write the array of pairs
//! ([`pairs`](super::pairs)) and multiply with flex's own products: forward, and forward with backward,
//! at F = 39, K = 10, H = 400 (`cargo bench --bench layers -- KIND ROUNDS B` at 13541a2, "to hidden"; AMD EPYC Zen 4,
//! 2 cores), with a glibc that keeps freed buffers (`MALLOC_MMAP_THRESHOLD_=8589934592
//! MALLOC_TRIM_THRESHOLD_=17179869184`).
//!
//! | B, ROUNDS | field_all | field_each | field_interaction |
//! |---|---|---|---|
//! | 256, 31 | 1.21, 1.15 | 1.17, 1.22 | 1.25, 1.20 |
//! | 2,048, 5 | 1.14, 1.10 | 1.11, 1.22 | 1.06, 1.24 |
//! | 8,192, 3 | 1.17, 1.09 | 1.14, 1.11 | 1.13, 1.15 |
//!
//! The head therefore never writes pairs out.

use rayon::prelude::*;

#[cfg(feature = "autodiff")]
use super::batch_innermost;
#[cfg(feature = "autodiff")]
use super::gradient::Gradients;
use super::linear_map::LinearMap;
use super::matrix::{Matrix, MatrixMut, Write};
use super::output::{Output, par_add_in_order};
use super::row_shape::RowShape;
use super::rows::Strip;
use super::side::PreparedSide;
#[cfg(feature = "autodiff")]
use super::small_batch::SideSlices;
use super::tasks::{Task, tasks};
use crate::kernels::{PANEL_ROWS, TASK_COLUMNS};

/// Jobs of the forward pass that threads take one by one, if the batch has as many: enough that no
/// thread waits long for the last one.
const JOBS: usize = 16;

/// The most groups of columns. Each has an output array of its own, and these are summed.
const MOST_GROUPS: usize = 8;

/// The result of [`backward`].
#[cfg(feature = "autodiff")]
pub(super) struct LinearGradients {
    pub sides: Vec<Gradients>,
    pub weight: Output,
    pub dense: Option<Output>,
}

/// `[p; dense] W` or `[p; q; dense] W`, `[B, H]`.
pub(super) fn forward(sides: &[PreparedSide], shape: RowShape, map: LinearMap) -> Output {
    let batch = sides[0].num_rows();
    let len = batch * map.num_outputs;
    let tasks = tasks(shape, sides.len(), TASK_COLUMNS);
    let num_groups = (JOBS / batch.div_ceil(PANEL_ROWS)).clamp(1, MOST_GROUPS);
    let mut groups = tasks.chunks(tasks.len().div_ceil(num_groups));
    let mut out = Output::zeros(len);
    let mut others = vec![0.0; (groups.len() - 1) * len];
    let outs = core::iter::once(&mut out[..]).chain(others.chunks_mut(len));
    let jobs: Vec<_> = outs
        .zip(&mut groups)
        .flat_map(|(out, tasks)| {
            let panels = out.chunks_mut(PANEL_ROWS * map.num_outputs).enumerate();
            panels.map(move |(panel, out)| (tasks, panel * PANEL_ROWS, out))
        })
        .collect();
    jobs.into_par_iter()
        .for_each_init(Vec::new, |pairs, (tasks, first_row, out)| {
            add_products(sides, tasks, first_row, map, pairs, out);
        });
    par_add_in_order(&mut out, &others.chunks_exact(len).collect::<Vec<_>>());
    if let Some((dense, num_dense)) = map.dense {
        let weight = &map.weight[sides.len() * shape.num_columns() * map.num_outputs..];
        MatrixMut::new(&mut out, [batch, map.num_outputs], map.num_outputs).product(
            Matrix::new(dense, [batch, num_dense], num_dense),
            Matrix::new(weight, [num_dense, map.num_outputs], map.num_outputs),
            Write::Add,
        );
    }
    out
}

/// Adds the contribution of the tasks' pairs to the outputs of consecutive batch rows. `pairs` is a scratch
/// buffer.
fn add_products(
    sides: &[PreparedSide],
    tasks: &[Task],
    first_row: usize,
    map: LinearMap,
    pairs: &mut Vec<f32>,
    out: &mut [f32],
) {
    let num_outputs = map.num_outputs;
    let rows = first_row..first_row + out.len() / num_outputs;
    for task in tasks {
        let size = [rows.len(), task.width];
        pairs.resize(size[0] * size[1], 0.0);
        let (stride, offset) = (task.width, 0);
        sides[task.side].form(task, rows.clone(), (pairs, Strip { stride, offset }));
        let weight = &map.weight[task.column * num_outputs..];
        MatrixMut::new(out, [rows.len(), num_outputs], num_outputs).product_here(
            Matrix::new(pairs, size, task.width),
            Matrix::new(weight, [task.width, num_outputs], num_outputs),
            Write::Add,
        );
    }
}

/// All gradients, given the gradient of the output, `[B, H]`.
#[cfg(feature = "autodiff")]
pub(super) fn backward(
    sides: &[SideSlices],
    shape: RowShape,
    map: LinearMap,
    gradient: &[f32],
) -> LinearGradients {
    let (batch, num_outputs) = (sides[0].0.len() / shape.len(), map.num_outputs);
    assert!(batch > 0, "expected at least one batch row");
    let mut to_weight = Output::new(map.weight.len());
    let weight = (map.weight, num_outputs);
    let side_gradients = batch_innermost::backward(sides, shape, weight, gradient, &mut to_weight);
    let gradient = Matrix::new(gradient, [batch, num_outputs], num_outputs);
    let dense = map.dense.map(|(dense, num_dense)| {
        let tail = sides.len() * shape.num_columns() * num_outputs;
        let size = [num_dense, num_outputs];
        let weight = Matrix::new(&map.weight[tail..], size, num_outputs);
        let values = Matrix::new(dense, [batch, num_dense], num_dense);
        MatrixMut::new(&mut to_weight[tail..], size, num_outputs).product(
            values.transposed(),
            gradient,
            Write::Over,
        );
        let mut to_dense = Output::new(dense.len());
        MatrixMut::new(&mut to_dense, [batch, num_dense], num_dense).product(
            gradient,
            weight.transposed(),
            Write::Over,
        );
        to_dense
    });
    LinearGradients {
        sides: side_gradients,
        weight: to_weight,
        dense,
    }
}
