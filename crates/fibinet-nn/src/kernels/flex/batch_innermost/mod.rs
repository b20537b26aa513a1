//! The backward pass of [`linear`](super::linear), with the batch as the innermost dimension.
//!
//! Batch rows form panels of up to [`PANEL_ROWS`](crate::kernels::PANEL_ROWS), and the embeddings of a panel are transposed once, to
//! `[F K, lanes]`. A pair is then `K` products of two rows, at any `K`. And the two products of the
//! backward pass read both pairs and weight along their rows: reading the pairs down their columns would
//! cost a tenth of the product.
//!
//! Each task of [`TASK_COLUMNS`] pair columns forms its pairs, multiplies them into its rows of the
//! weight's gradient, and overwrites the pairs with their gradient, without waiting for other tasks. After
//! a group of tasks the panels consume that gradient. Sums are computed pair by pair and panel by panel,
//! whatever the number of threads.
//!
//! # Cost
//!
//! - Arithmetic: the two products, `4 P K H` operations each per batch row. In addition, per batch row and
//!   side, `P K` to form the pairs and `4 P K` to consume their gradient, and for the matrices `6 P K²`
//!   with field_interaction or `6 F K²` with the other kinds (left vectors, their gradient, and that of
//!   the matrices).
//! - Bytes: per 2,048 batch rows the weight is read and its gradient written once (and also read, from the
//!   second 2,048 on). Embeddings and the output's gradient are read once and written transposed. The
//!   gradients of the sides are written once. Pairs and their gradient stay in the cache, and so does what
//!   a group of tasks reads of the panels.
//! - Memory: see [`linear`](super::linear).

mod lanes;
mod panel;
mod scratch;

use rayon::prelude::*;

use self::lanes::LANES_AT_ONCE;
use self::panel::{Panel, SideMatrices, panels};
use self::scratch::{Outputs, Scratch, take_first};
use super::gradient::Gradients;
use super::matrix::Write;
use super::output::Output;
use super::row_shape::RowShape;
use super::side::side_by_side;
use super::small_batch::SideSlices;
use super::tasks::{Task, tasks};
use crate::kernels::{BACKWARD_ROWS, BACKWARD_TASKS, TASK_COLUMNS};
use crate::pairs::BilinearKind;

/// The gradients of the sides, given the gradient of the output, `[B, H]`.
///
/// The gradient of the weight's first rows, which multiply pairs, is written to `to_weight`.
pub(super) fn backward(
    sides: &[SideSlices],
    shape: RowShape,
    (weight, num_outputs): (&[f32], usize),
    gradient: &[f32],
    to_weight: &mut [f32],
) -> Vec<Gradients> {
    let len = shape.len();
    let by_field = sides.iter().map(|(_, matrices)| match *matrices {
        Some((BilinearKind::FieldInteraction, matrices)) => side_by_side(shape, matrices),
        _ => Output::new(0),
    });
    let by_field: Vec<_> = by_field.collect();
    let side_matrices = sides.iter().zip(&by_field);
    let side_matrices = side_matrices.map(|((_, kind), by_field)| SideMatrices {
        shape,
        kind: *kind,
        by_field,
    });
    let side_matrices: Vec<_> = side_matrices.collect();
    let tasks = tasks(shape, sides.len(), TASK_COLUMNS);
    let mut scratch_buffers: Vec<Scratch> = Vec::new();
    let num_buffers = BACKWARD_TASKS.next_multiple_of(rayon::current_num_threads());
    scratch_buffers.resize_with(num_buffers, Scratch::default);

    let to_sides = sides.iter().map(|(embeddings, kind)| Gradients {
        embeddings: Output::new(embeddings.len()),
        matrices: kind.map(|(_, matrices)| Output::zeros(matrices.len())),
    });
    let mut to_sides: Vec<_> = to_sides.collect();
    let batch = sides[0].0.len() / len;
    for start in (0..batch).step_by(BACKWARD_ROWS) {
        let rows = start..batch.min(start + BACKWARD_ROWS);
        let write = if start == 0 { Write::Over } else { Write::Add };
        let mut panels = panels(&side_matrices, sides, start * len..rows.end * len);
        let gradient = &gradient[start * num_outputs..rows.end * num_outputs];
        let outputs = Outputs::new(weight, num_outputs, gradient);
        let to_matrices = to_sides
            .iter_mut()
            .map(|to| to.matrices.as_deref_mut().unwrap_or_default());
        let to_matrices = to_matrices.collect();
        run_tasks(
            &tasks,
            &side_matrices,
            &mut panels,
            &outputs,
            &mut scratch_buffers,
            (&mut *to_weight, write),
            to_matrices,
        );
        for (i, to) in to_sides.iter_mut().enumerate() {
            let to_rows = &mut to.embeddings[start * len..rows.end * len];
            side_matrices[i].finish(i, &mut panels, to_rows, to.matrices.as_deref_mut());
        }
    }
    to_sides
}

/// Runs all tasks on some batch rows, a group at a time. After each group the panels consume the gradients that
/// it left.
fn run_tasks<'a>(
    tasks: &[Task],
    sides: &[SideMatrices],
    panels: &mut [Vec<Panel>],
    outputs: &Outputs,
    scratch_buffers: &mut [Scratch],
    (mut to_weight, write): (&'a mut [f32], Write),
    mut to_matrices: Vec<&'a mut [f32]>,
) {
    for tasks in tasks.chunks(scratch_buffers.len()) {
        let outlets = outlets(tasks, sides, outputs, &mut to_weight, &mut to_matrices);
        let work = tasks.par_iter().zip(&mut *scratch_buffers).zip(outlets);
        work.for_each(|((task, scratch), (to_weight, to_matrices))| {
            let side = &sides[task.side];
            scratch.fill(task, side, panels, outputs, (to_weight, write));
            if side.has_left_vector_per_pair() {
                scratch.pass_on(task, side, panels, to_matrices);
            }
        });
        let panels = panels.par_iter_mut().enumerate();
        panels.for_each(|(index, panel)| {
            let num_lanes = panel[0].lanes;
            for start in (0..num_lanes).step_by(LANES_AT_ONCE) {
                let lanes = start..num_lanes.min(start + LANES_AT_ONCE);
                for (task, scratch) in tasks.iter().zip(&*scratch_buffers) {
                    let (panel, side) = (&mut panel[task.side], &sides[task.side]);
                    scratch.collect_into(panel, index, side, task, lanes.clone());
                }
            }
        });
    }
}

/// The part of the weight's gradient and of the matrices' gradient that each task writes, taken off the front of
/// both.
fn outlets<'a>(
    tasks: &[Task],
    sides: &[SideMatrices],
    outputs: &Outputs,
    to_weight: &mut &'a mut [f32],
    to_matrices: &mut [&'a mut [f32]],
) -> Vec<(&'a mut [f32], &'a mut [f32])> {
    let outlet = |task: &Task| {
        let side = &sides[task.side];
        let num_weights = task.width * outputs.num_outputs;
        let num_matrix_elements = if side.has_left_vector_per_pair() {
            task.width * side.shape.embedding_dim
        } else {
            0
        };
        (
            take_first(to_weight, num_weights),
            take_first(&mut to_matrices[task.side], num_matrix_elements),
        )
    };
    tasks.iter().map(outlet).collect()
}
