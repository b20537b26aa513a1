//! The pairs and the linear map that reads them, without an array of pairs.
//!
//! Pair columns come in tasks: a task's pairs are formed, multiplied into the output and forgotten.
//! Forward a thread does so for the rows of one panel, task by task, with nothing to wait for but the
//! end; a batch of few panels has its columns parted as well, each part with outputs of its own, which
//! are then summed. Backward ([`turned`](super::turned)) pairs are formed again, multiplied into their
//! rows of the weight's gradient, and the gradient of them is consumed where it lies.
//!
//! # Cost
//!
//! - arithmetic: one product of `[B, 2 P K]` and `[2 P K, H]` forward and two backward, `4 B P K H`
//!   operations each, which is nearly all; and per side and row `P K` multiplications forward, `5 P K`
//!   operations backward, `2 P K²` and `6 P K²` more for field_interaction;
//! - bytes: inputs, output and their gradients once; the weight once a panel of 256 rows forward (at
//!   H = 400 a panel's products take about 25 times as long as that), once for 2,048 rows backward,
//!   as its gradient; pairs are written and read in the cache. At F = 39, K = 10 and 2,048 rows the
//!   array it saves is 121 MB, and as much for its gradient;
//! - memory, at any `B` and `F`: forward .4 MB a thread, and up to seven outputs of 512 rows; backward
//!   four tasks (or one a thread) of 3 MB; twice that for field_interaction. Besides it the left vectors
//!   of field_all and field_each, as many as embeddings, and backward, of 2,048 rows, up to four arrays
//!   of each side's embeddings and the output's gradient once more.
//!
//! The array of pairs ([`pairs`](super::pairs)) and flex's own products take so many times as long, at
//! F = 39, K = 10, H = 400 (`cargo bench --bench layers -- KIND ROUNDS B`, "to hidden"; AMD EPYC Zen 4,
//! 2 cores), forward and with backward, where glibc keeps freed buffers
//! (`MALLOC_MMAP_THRESHOLD_=8589934592 MALLOC_TRIM_THRESHOLD_=17179869184`), and as it comes:
//!
//! | B, ROUNDS | field_all | field_each | field_interaction | as it comes |
//! |---|---|---|---|---|
//! | 256, 31 | 1.21, 1.15 | 1.17, 1.22 | 1.25, 1.20 | .85 to 1.34, 1.27 to 1.99 |
//! | 2,048, 5 | 1.14, 1.10 | 1.11, 1.22 | 1.06, 1.24 | 1.33 to 1.48, 1.34 to 1.40 |
//! | 8,192, 3 | 1.17, 1.09 | 1.14, 1.11 | 1.13, 1.15 | 1.30 to 1.36, 1.43 to 1.48 |
//!
//! so the head never writes pairs out. Below 1 are field_all's and field_each's 256 rows forward, .85 to .93,
//! where 7 of 24 ms go with that setting: what it costs to get memory from the system again, which in the
//! bench's turns falls to one form or the other. (A scorer's 256 rows take .97 of the products alone.)

use rayon::prelude::*;

#[cfg(feature = "autodiff")]
use super::batch_innermost;
#[cfg(feature = "autodiff")]
use super::gradient::Gradients;
use super::matrix::{Matrix, MatrixMut, Write};
use super::rows::{RowShape, Strip};
use super::side::PreparedSide;
use super::small_batch;
#[cfg(feature = "autodiff")]
use super::small_batch::SideSlices;
use super::tasks::{Task, tasks};
use crate::kernels::{PANEL_ROWS, TASK_COLUMNS};

/// Parts of the forward pass that threads take one by one, where the batch allows: enough that none
/// waits long for the last.
const JOBS: usize = 16;

/// The most parts of the columns: each has outputs of its own, which are then summed.
const MOST_GROUPS: usize = 8;

/// The linear map that reads the pairs.
#[derive(Clone, Copy)]
pub(super) struct LinearMap<'a> {
    /// `[2 P K + N, H]`
    pub weight: &'a [f32],
    /// `H`
    pub num_outputs: usize,
    /// `[B, N]`, and `N`
    pub dense: Option<(&'a [f32], usize)>,
}

/// What [`backward`] finds.
#[cfg(feature = "autodiff")]
pub(super) struct LinearGradients {
    pub sides: [Gradients; 2],
    pub weight: Vec<f32>,
    pub dense: Option<Vec<f32>>,
}

/// `[p; q; dense] W`, `[B, H]`.
pub(super) fn forward(sides: &[PreparedSide; 2], shape: RowShape, map: LinearMap) -> Vec<f32> {
    let batch = sides[0].num_rows();
    let len = batch * map.num_outputs;
    let tasks = tasks(shape, TASK_COLUMNS);
    let num_groups = (JOBS / batch.div_ceil(PANEL_ROWS)).clamp(1, MOST_GROUPS);
    let mut groups = tasks.chunks(tasks.len().div_ceil(num_groups));
    let mut out = vec![0.0; len];
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
        .for_each_init(Scratch::default, |scratch, (tasks, first_row, out)| {
            scratch.add_products(sides, tasks, first_row, map, out);
        });
    add_arrays(&mut out, &others);
    if let Some((dense, num_dense)) = map.dense {
        let weight = &map.weight[2 * shape.num_columns() * map.num_outputs..];
        MatrixMut::new(&mut out, [batch, map.num_outputs], map.num_outputs).product(
            Matrix::new(dense, [batch, num_dense], num_dense),
            Matrix::new(weight, [num_dense, map.num_outputs], map.num_outputs),
            Write::Add,
        );
    }
    out
}

/// What one thread forms at a time.
#[derive(Default)]
struct Scratch {
    /// `[rows, width]`
    pairs: Vec<f32>,
    /// For field_interaction the pairs' left vectors, `[rows, width]`.
    crossed: Vec<f32>,
}

impl Scratch {
    /// Adds what the pairs of some tasks give to the outputs of rows that follow one another.
    fn add_products(
        &mut self,
        sides: &[PreparedSide; 2],
        tasks: &[Task],
        first_row: usize,
        map: LinearMap,
        out: &mut [f32],
    ) {
        let num_outputs = map.num_outputs;
        let rows = first_row..first_row + out.len() / num_outputs;
        for task in tasks {
            let (side, size) = (&sides[task.side], [rows.len(), task.width]);
            self.pairs.resize(size[0] * size[1], 0.0);
            if side.has_left_vector_per_pair() {
                self.crossed.resize(size[0] * size[1], 0.0);
            }
            let (stride, offset) = (task.width, 0);
            let strip = Strip { stride, offset };
            side.form(
                task,
                rows.clone(),
                &mut self.crossed,
                (&mut self.pairs, strip),
            );
            let weight = &map.weight[task.column * num_outputs..];
            MatrixMut::new(out, [rows.len(), num_outputs], num_outputs).product_here(
                Matrix::new(&self.pairs, size, task.width),
                Matrix::new(weight, [task.width, num_outputs], num_outputs),
                Write::Add,
            );
        }
    }
}

/// Adds arrays as long as the first, one after the other, on all threads.
fn add_arrays(sum: &mut [f32], others: &[f32]) {
    const CHUNK: usize = 1 << 14;
    let len = sum.len();
    let chunks = sum.par_chunks_mut(CHUNK).enumerate();
    chunks.for_each(|(chunk, sum)| {
        let others = others.chunks_exact(len);
        small_batch::add_all(sum, others.map(|other| &other[chunk * CHUNK..]));
    });
}

/// The gradients from that of the output, `[B, H]`.
#[cfg(feature = "autodiff")]
pub(super) fn backward(
    sides: [SideSlices; 2],
    shape: RowShape,
    map: LinearMap,
    gradient: &[f32],
) -> LinearGradients {
    let (batch, num_outputs) = (sides[0].0.len() / shape.len(), map.num_outputs);
    let mut to_weight = vec![0.0; map.weight.len()];
    let weight = (map.weight, num_outputs);
    let sides = batch_innermost::backward(sides, shape, weight, gradient, &mut to_weight);
    let gradient = Matrix::new(gradient, [batch, num_outputs], num_outputs);
    let dense = map.dense.map(|(dense, num_dense)| {
        let tail = 2 * shape.num_columns() * num_outputs;
        let size = [num_dense, num_outputs];
        let weight = Matrix::new(&map.weight[tail..], size, num_outputs);
        let values = Matrix::new(dense, [batch, num_dense], num_dense);
        MatrixMut::new(&mut to_weight[tail..], size, num_outputs).product(
            values.transposed(),
            gradient,
            Write::Over,
        );
        let mut to_dense = vec![0.0; dense.len()];
        MatrixMut::new(&mut to_dense, [batch, num_dense], num_dense).product(
            gradient,
            weight.transposed(),
            Write::Over,
        );
        to_dense
    });
    LinearGradients {
        sides,
        weight: to_weight,
        dense,
    }
}
