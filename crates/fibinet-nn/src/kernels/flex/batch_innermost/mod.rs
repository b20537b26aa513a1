//! The backward pass of [`linear`](super::linear), with the batch as the innermost dimension.
//!
//! Batch rows form panels of up to [`LANES`], and the embeddings of a panel are transposed once, to
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

use core::ops::Range;

use pulp::Arch;
use rayon::prelude::*;

use self::lanes::{FoldLanes, LANES_AT_ONCE, PassOn, product, transpose, transposed};
use super::gradient::{Gradients, matrix_mut};
use super::matrix::{Matrix, MatrixMut, Write};
use super::rows::{RowShape, Swap, VectorLoop};
use super::side::{matrix, side_by_side};
use super::small_batch::SideSlices;
use super::tasks::{Task, tasks};
use crate::kernels::{BACKWARD_ROWS, BACKWARD_TASKS, PANEL_ROWS as LANES, TASK_COLUMNS};
use crate::pairs::BilinearKind;

/// The matrices of one side.
#[derive(Clone, Copy)]
struct SideMatrices<'a> {
    shape: RowShape,
    kind: Option<(BilinearKind, &'a [f32])>,
    /// The matrices of field_interaction as [`side_by_side`] lays them out.
    by_field: &'a [f32],
}

/// One side of some batch rows. Arrays are `[F K, lanes]`.
struct Panel {
    lanes: usize,
    right: Vec<f32>,
    /// The left vectors of field_all and field_each. The last field's are never used.
    left: Option<Vec<f32>>,
    to_right: Vec<f32>,
    /// The gradient of the left vectors, if there is one per field.
    to_left: Vec<f32>,
}

/// The scratch buffers of a task: what it leaves for the panels, one panel after the other.
#[derive(Default)]
struct Scratch {
    /// The gradient of the pairs, `[width, lanes]`. For field_interaction that of their left vectors.
    pairs: Vec<f32>,
    /// For field_interaction the left vectors, `[width, lanes]`, later the gradient of the right ones.
    crossed: Vec<f32>,
    /// For field_interaction the gradient of the left fields, `[runs K, lanes]`.
    to_left: Vec<f32>,
}

/// The linear map's weight, `[2 P K, H]`, and the gradient of its output.
struct Outputs<'a> {
    weight: &'a [f32],
    num_outputs: usize,
    /// `[B, H]`
    gradient: &'a [f32],
    /// `[H, lanes]` per panel.
    transposed_gradient: Vec<Vec<f32>>,
}

/// The gradients of the sides, given the gradient of the output, `[B, H]`.
///
/// The gradient of the weight's first `2 P K` rows is written to `to_weight`.
pub(super) fn backward(
    sides: [SideSlices; 2],
    shape: RowShape,
    (weight, num_outputs): (&[f32], usize),
    gradient: &[f32],
    to_weight: &mut [f32],
) -> [Gradients; 2] {
    let len = shape.len();
    let by_field = sides.map(|(_, matrices)| match matrices {
        Some((BilinearKind::FieldInteraction, matrices)) => side_by_side(shape, matrices),
        _ => Vec::new(),
    });
    let side_matrices: [_; 2] = core::array::from_fn(|i| SideMatrices {
        shape,
        kind: sides[i].1,
        by_field: &by_field[i],
    });
    let tasks = tasks(shape, TASK_COLUMNS);
    let mut scratch_buffers: Vec<Scratch> = Vec::new();
    let num_buffers = BACKWARD_TASKS.next_multiple_of(rayon::current_num_threads());
    scratch_buffers.resize_with(num_buffers, Scratch::default);

    let mut to_sides = sides.map(|(embeddings, kind)| Gradients {
        embeddings: vec![0.0; embeddings.len()],
        matrices: kind.map(|(_, matrices)| vec![0.0; matrices.len()]),
    });
    let batch = sides[0].0.len() / len;
    for start in (0..batch).step_by(BACKWARD_ROWS) {
        let rows = start..batch.min(start + BACKWARD_ROWS);
        let write = if start == 0 { Write::Over } else { Write::Add };
        let mut panels = panels(
            &side_matrices,
            sides.map(|(all, _)| &all[start * len..rows.end * len]),
        );
        let gradient = &gradient[start * num_outputs..rows.end * num_outputs];
        let outputs = Outputs {
            weight,
            num_outputs,
            gradient,
            transposed_gradient: gradient
                .par_chunks(LANES * num_outputs)
                .map(|rows| transposed(rows, num_outputs))
                .collect(),
        };
        let mut weight_left = &mut *to_weight;
        let mut matrices_left = to_sides.each_mut().map(|to| match &mut to.matrices {
            Some(matrices) => &mut matrices[..],
            None => &mut [],
        });
        for tasks in tasks.chunks(num_buffers) {
            let outlets: Vec<_> = tasks
                .iter()
                .map(|task| {
                    let to_weight = take_first(&mut weight_left, task.width * num_outputs);
                    let to_matrices = match side_matrices[task.side].has_left_vector_per_pair() {
                        true => take_first(
                            &mut matrices_left[task.side],
                            task.width * shape.embedding_dim,
                        ),
                        false => &mut [],
                    };
                    (to_weight, to_matrices)
                })
                .collect();
            tasks
                .par_iter()
                .zip(&mut scratch_buffers)
                .zip(outlets)
                .for_each(|((task, scratch), (to_weight, to_matrices))| {
                    let side = &side_matrices[task.side];
                    scratch.fill(task, side, &panels, &outputs, (to_weight, write));
                    if side.has_left_vector_per_pair() {
                        scratch.pass_on(task, side, &panels, to_matrices);
                    }
                });
            panels
                .par_iter_mut()
                .enumerate()
                .for_each(|(index, panel)| {
                    let num_lanes = panel[0].lanes;
                    for start in (0..num_lanes).step_by(LANES_AT_ONCE) {
                        let lanes = start..num_lanes.min(start + LANES_AT_ONCE);
                        for (task, scratch) in tasks.iter().zip(&scratch_buffers) {
                            let side = &side_matrices[task.side];
                            panel[task.side].collect(index, side, task, scratch, lanes.clone());
                        }
                    }
                });
        }
        for (i, to) in to_sides.iter_mut().enumerate() {
            let to_rows = &mut to.embeddings[start * len..rows.end * len];
            side_matrices[i].finish(i, &mut panels, to_rows, to.matrices.as_deref_mut());
        }
    }
    to_sides
}

/// Takes the first numbers off a slice.
fn take_first<'a>(rest: &mut &'a mut [f32], len: usize) -> &'a mut [f32] {
    let (first, after) = core::mem::take(rest).split_at_mut(len);
    *rest = after;
    first
}

/// The panels of some batch rows, given as `[B, F, K]` per side.
fn panels(sides: &[SideMatrices; 2], rows: [&[f32]; 2]) -> Vec<[Panel; 2]> {
    let chunk = LANES * sides[0].shape.len();
    let [first, second] = rows;
    first
        .par_chunks(chunk)
        .zip(second.par_chunks(chunk))
        .map(|(first, second)| [sides[0].panel(first), sides[1].panel(second)])
        .collect()
}

impl SideMatrices<'_> {
    fn has_left_vector_per_pair(&self) -> bool {
        matches!(self.kind, Some((BilinearKind::FieldInteraction, _)))
    }

    /// The matrix of a left field, `[K, K]`, if there is one per field or one for all.
    fn matrix(&self, field: usize) -> Option<Matrix<'_>> {
        match self.kind {
            Some((BilinearKind::FieldAll, matrices)) => Some(matrix(self.shape, matrices, 0)),
            Some((BilinearKind::FieldEach, matrices)) => Some(matrix(self.shape, matrices, field)),
            Some((BilinearKind::FieldInteraction, _)) | None => None,
        }
    }

    fn panel(&self, rows: &[f32]) -> Panel {
        let shape = self.shape;
        let lanes = rows.len() / shape.len();
        let right = transposed(rows, shape.len());
        let left = self.matrix(0).map(|_| {
            let mut left = vec![0.0; right.len()];
            for field in 0..shape.num_fields - 1 {
                if let Some(matrix) = self.matrix(field) {
                    let from = field_of(shape, &right, field, lanes);
                    let to = field_mut(shape, &mut left, field, lanes);
                    to.product_here(matrix.transposed(), from, Write::Over);
                }
            }
            left
        });
        let to_left = match self.has_left_vector_per_pair() {
            true => Vec::new(),
            false => vec![0.0; right.len()],
        };
        Panel {
            lanes,
            to_right: vec![0.0; right.len()],
            right,
            left,
            to_left,
        }
    }

    /// The gradients of batch rows and matrices from those that the panels collected.
    fn finish(
        &self,
        side: usize,
        panels: &mut [[Panel; 2]],
        to_rows: &mut [f32],
        to_matrices: Option<&mut [f32]>,
    ) {
        let shape = self.shape;
        let dim = shape.embedding_dim;
        if let (false, Some(to_matrices)) = (self.has_left_vector_per_pair(), to_matrices) {
            let num_matrices = to_matrices.len() / (dim * dim);
            let chunks = to_matrices.par_chunks_mut(dim * dim).enumerate();
            chunks.for_each(|(index, to_matrix)| {
                let left_fields = 0..shape.num_fields - 1;
                for field in left_fields.filter(|field| num_matrices == 1 || *field == index) {
                    for panel in panels.iter() {
                        let Panel {
                            lanes,
                            right,
                            to_left,
                            ..
                        } = &panel[side];
                        matrix_mut(shape, to_matrix, 0).product_here(
                            field_of(shape, right, field, *lanes),
                            field_of(shape, to_left, field, *lanes).transposed(),
                            Write::Add,
                        );
                    }
                }
            });
        }
        panels
            .par_iter_mut()
            .zip(to_rows.par_chunks_mut(LANES * shape.len()))
            .for_each(|(panel, to_rows)| {
                let Panel {
                    lanes,
                    to_right,
                    to_left,
                    ..
                } = &mut panel[side];
                if self.kind.is_none() {
                    to_right
                        .iter_mut()
                        .zip(&*to_left)
                        .for_each(|(to, x)| *to += x);
                }
                for field in 0..shape.num_fields - 1 {
                    if let Some(matrix) = self.matrix(field) {
                        let from = field_of(shape, to_left, field, *lanes);
                        let to = field_mut(shape, to_right, field, *lanes);
                        to.product_here(matrix, from, Write::Add);
                    }
                }
                transpose(to_right, *lanes, to_rows);
            });
    }
}

/// The elements of one field's vectors, `[K, lanes]`, in a panel.
fn of_field(shape: RowShape, field: usize, lanes: usize) -> Range<usize> {
    let Range { start, end } = shape.field_range(field);
    start * lanes..end * lanes
}

/// The vectors of one field, `[K, lanes]`.
fn field_of(shape: RowShape, panel: &[f32], field: usize, lanes: usize) -> Matrix<'_> {
    let size = [shape.embedding_dim, lanes];
    Matrix::new(
        &panel[shape.field_range(field).start * lanes..],
        size,
        lanes,
    )
}

fn field_mut(shape: RowShape, panel: &mut [f32], field: usize, lanes: usize) -> MatrixMut<'_> {
    let size = [shape.embedding_dim, lanes];
    MatrixMut::new(
        &mut panel[shape.field_range(field).start * lanes..],
        size,
        lanes,
    )
}

/// The elements of a panel in an array of `width` numbers per lane.
fn part(panel: usize, lanes: usize, width: usize) -> Range<usize> {
    panel * LANES * width..(panel * LANES + lanes) * width
}

impl Scratch {
    /// Forms the pairs, adds their products with the output's gradient to the weight's gradient, and
    /// overwrites the pairs with their gradient.
    fn fill(
        &mut self,
        task: &Task,
        side: &SideMatrices,
        panels: &[[Panel; 2]],
        outputs: &Outputs,
        (to_weight, write): (&mut [f32], Write),
    ) {
        let Outputs {
            weight,
            num_outputs,
            gradient,
            transposed_gradient,
        } = outputs;
        let (shape, width) = (side.shape, task.width);
        let size = [width, *num_outputs];
        let weight = Matrix::new(&weight[task.column * num_outputs..], size, *num_outputs);
        let num_rows = gradient.len() / num_outputs;
        self.pairs.resize(width * num_rows, 0.0);
        if side.has_left_vector_per_pair() {
            self.crossed.resize(width * num_rows, 0.0);
        }
        for (index, (panel, transposed_gradient)) in
            panels.iter().zip(transposed_gradient).enumerate()
        {
            let Panel {
                lanes, right, left, ..
            } = &panel[task.side];
            let (lanes, at) = (*lanes, part(index, panel[task.side].lanes, width));
            let pairs = &mut self.pairs[at.clone()];
            for run in &task.runs {
                let [pair_range, right_range] = run.parts(shape, lanes);
                let pairs = &mut pairs[pair_range.clone()];
                let rights = &right[right_range];
                if side.has_left_vector_per_pair() {
                    let crossed = &mut self.crossed[at.clone()][pair_range];
                    MatrixMut::new(crossed, [run.width(shape), lanes], lanes).product_here(
                        run.matrices(shape, side.by_field).transposed(),
                        field_of(shape, right, run.left, lanes),
                        Write::Over,
                    );
                    product(pairs, crossed, rights);
                } else {
                    let left = &left.as_ref().unwrap_or(right)[of_field(shape, run.left, lanes)];
                    let rights = rights.chunks_exact(left.len());
                    for (pair, right) in pairs.chunks_exact_mut(left.len()).zip(rights) {
                        product(pair, left, right);
                    }
                }
            }
            let rows = &gradient[index * LANES * num_outputs..];
            let rows = Matrix::new(rows, [lanes, *num_outputs], *num_outputs);
            let write = if index == 0 { write } else { Write::Add };
            MatrixMut::new(to_weight, size, *num_outputs).product_here(
                Matrix::new(pairs, [width, lanes], lanes),
                rows,
                write,
            );
            MatrixMut::new(pairs, [width, lanes], lanes).product_here(
                weight,
                Matrix::new(transposed_gradient, [*num_outputs, lanes], lanes),
                Write::Over,
            );
        }
    }

    /// Turns the gradient of the pairs into that of the right and the left fields, and adds to the gradient
    /// of the matrices, `[n, K, K]`. For sides with a left vector per pair.
    fn pass_on(
        &mut self,
        task: &Task,
        side: &SideMatrices,
        panels: &[[Panel; 2]],
        to_matrices: &mut [f32],
    ) {
        let (shape, width) = (side.shape, task.width);
        let dim = shape.embedding_dim;
        let num_rows = self.pairs.len() / width;
        self.to_left.resize(task.runs.len() * dim * num_rows, 0.0);
        let mut matrices_left = to_matrices;
        for (number, run) in task.runs.iter().enumerate() {
            let to_matrices = take_first(&mut matrices_left, run.width(shape) * dim);
            let size = [dim, run.width(shape)];
            let mut by_field = vec![0.0; to_matrices.len()];
            let (sizes, embedding_dim) = ([run.rights.len(), dim], dim);
            let swap = Swap {
                sizes,
                embedding_dim,
                from: &*to_matrices,
                to: &mut by_field,
            };
            swap.run();
            for (index, panel) in panels.iter().enumerate() {
                let Panel { lanes, right, .. } = &panel[task.side];
                let lanes = *lanes;
                let at = part(index, lanes, width);
                let [pair_range, right_range] = run.parts(shape, lanes);
                let pairs = &mut self.pairs[at.clone()][pair_range.clone()];
                let crossed = &mut self.crossed[at][pair_range];
                Arch::new().dispatch(PassOn {
                    gradient: &mut *pairs,
                    crossed,
                    right: &right[right_range],
                });
                let to_crossed = Matrix::new(pairs, [run.width(shape), lanes], lanes);
                let to_left = &mut self.to_left[part(index, lanes, task.runs.len() * dim)];
                MatrixMut::new(&mut to_left[number * dim * lanes..], [dim, lanes], lanes)
                    .product_here(run.matrices(shape, side.by_field), to_crossed, Write::Over);
                MatrixMut::new(&mut by_field, size, size[1]).product_here(
                    field_of(shape, right, run.left, lanes),
                    to_crossed.transposed(),
                    Write::Add,
                );
            }
            let sizes = [dim, run.rights.len()];
            let swap = Swap {
                sizes,
                embedding_dim,
                from: &by_field,
                to: to_matrices,
            };
            swap.run();
        }
    }
}

impl Panel {
    /// Adds the gradients that a task left for this panel to those of its fields.
    fn collect(
        &mut self,
        index: usize,
        side: &SideMatrices,
        task: &Task,
        scratch: &Scratch,
        lanes: Range<usize>,
    ) {
        let (dim, stride) = (side.shape.embedding_dim, self.lanes);
        for (number, run) in task.runs.iter().enumerate() {
            if side.has_left_vector_per_pair() {
                let mut add = |rows: Range<usize>, from: &[f32], first: usize| {
                    for (row, from_row) in rows.zip(first..) {
                        let from = &from[from_row * stride..][lanes.clone()];
                        let to = &mut self.to_right[row * stride..][lanes.clone()];
                        to.iter_mut().zip(from).for_each(|(to, x)| *to += x);
                    }
                };
                let rights = run.rights.start * dim..run.rights.end * dim;
                let crossed = &scratch.crossed[part(index, stride, task.width)];
                add(rights, crossed, run.column);
                let to_left = &scratch.to_left[part(index, stride, task.runs.len() * dim)];
                add(side.shape.field_range(run.left), to_left, number * dim);
            } else {
                let Self {
                    right,
                    left,
                    to_right,
                    to_left,
                    ..
                } = self;
                let fold = FoldLanes {
                    dim,
                    run,
                    stride,
                    lanes: lanes.clone(),
                    pairs: &scratch.pairs[part(index, stride, task.width)],
                    left: left.as_deref().unwrap_or(right),
                    right,
                    to_left,
                    to_right,
                };
                Arch::new().dispatch(fold);
            }
        }
    }
}
