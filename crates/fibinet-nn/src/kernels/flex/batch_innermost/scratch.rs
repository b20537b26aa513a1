//! The work of one task: from pairs to their gradient, and on to the gradients of panels and matrices.

use core::ops::Range;

use pulp::Arch;
use rayon::prelude::*;

use super::lanes::{FoldLanes, PassOn, product, transposed};
use super::panel::{Panel, SideMatrices, field_of, of_field};
use crate::kernels::PANEL_ROWS as LANES;
use crate::kernels::flex::matrix::{Matrix, MatrixMut, Write};
use crate::kernels::flex::rows::{Swap, VectorLoop};
use crate::kernels::flex::tasks::Task;

/// The scratch buffers of a task: what it leaves for the panels, one panel after the other.
#[derive(Default)]
pub(super) struct Scratch {
    /// The gradient of the pairs, `[width, lanes]`. For field_interaction that of their left vectors.
    pub(super) pairs: Vec<f32>,
    /// For field_interaction the left vectors, `[width, lanes]`, later the gradient of the right ones.
    pub(super) crossed: Vec<f32>,
    /// For field_interaction the gradient of the left fields, `[runs K, lanes]`.
    pub(super) to_left: Vec<f32>,
}

/// The linear map's weight, `[S P K, H]`, and the gradient of its output.
pub(super) struct Outputs<'a> {
    pub(super) weight: &'a [f32],
    pub(super) num_outputs: usize,
    /// `[B, H]`
    pub(super) gradient: &'a [f32],
    /// `[H, lanes]` per panel.
    pub(super) transposed_gradient: Vec<Vec<f32>>,
}

impl<'a> Outputs<'a> {
    pub(super) fn new(weight: &'a [f32], num_outputs: usize, gradient: &'a [f32]) -> Self {
        Self {
            weight,
            num_outputs,
            gradient,
            transposed_gradient: gradient
                .par_chunks(LANES * num_outputs)
                .map(|rows| transposed(rows, num_outputs))
                .collect(),
        }
    }
}

/// Takes the first numbers off a slice.
pub(super) fn take_first<'a>(rest: &mut &'a mut [f32], len: usize) -> &'a mut [f32] {
    let (first, after) = core::mem::take(rest).split_at_mut(len);
    *rest = after;
    first
}

/// The elements of a panel in an array of `width` numbers per lane.
fn part(panel: usize, lanes: usize, width: usize) -> Range<usize> {
    panel * LANES * width..(panel * LANES + lanes) * width
}

impl Scratch {
    /// Forms the pairs, adds their products with the output's gradient to the weight's gradient, and
    /// overwrites the pairs with their gradient.
    pub(super) fn fill(
        &mut self,
        task: &Task,
        side: &SideMatrices,
        panels: &[Vec<Panel>],
        outputs: &Outputs,
        (to_weight, write): (&mut [f32], Write),
    ) {
        let Outputs {
            weight,
            num_outputs,
            gradient,
            transposed_gradient,
        } = outputs;
        let width = task.width;
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
            let panel = &panel[task.side];
            let (lanes, at) = (panel.lanes, part(index, panel.lanes, width));
            self.form_pairs(task, side, panel, at.clone());
            let pairs = &mut self.pairs[at];
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

    /// Forms the pairs of a panel, whose elements are `at`: the products of their left and right vectors.
    fn form_pairs(&mut self, task: &Task, side: &SideMatrices, panel: &Panel, at: Range<usize>) {
        let Panel { right, left, .. } = panel;
        let (shape, lanes) = (side.shape, panel.lanes);
        for run in &task.runs {
            let [pair_range, right_range] = run.parts(shape, lanes);
            let pairs = &mut self.pairs[at.clone()][pair_range.clone()];
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
    }

    /// Turns the gradient of the pairs into that of the right and the left fields, and adds to the gradient
    /// of the matrices, `[n, K, K]`. For sides with a left vector per pair.
    pub(super) fn pass_on(
        &mut self,
        task: &Task,
        side: &SideMatrices,
        panels: &[Vec<Panel>],
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

    /// Adds the gradients that the task left for a panel to those of its fields, for some lanes.
    pub(super) fn collect_into(
        &self,
        panel: &mut Panel,
        index: usize,
        side: &SideMatrices,
        task: &Task,
        lanes: Range<usize>,
    ) {
        let (dim, stride) = (side.shape.embedding_dim, panel.lanes);
        for (number, run) in task.runs.iter().enumerate() {
            if side.has_left_vector_per_pair() {
                let mut add = |rows: Range<usize>, from: &[f32], first: usize| {
                    for (row, from_row) in rows.zip(first..) {
                        let from = &from[from_row * stride..][lanes.clone()];
                        let to = &mut panel.to_right[row * stride..][lanes.clone()];
                        to.iter_mut().zip(from).for_each(|(to, x)| *to += x);
                    }
                };
                let rights = run.rights.start * dim..run.rights.end * dim;
                let crossed = &self.crossed[part(index, stride, task.width)];
                add(rights, crossed, run.column);
                let to_left = &self.to_left[part(index, stride, task.runs.len() * dim)];
                add(side.shape.field_range(run.left), to_left, number * dim);
            } else {
                let Panel {
                    right,
                    left,
                    to_right,
                    to_left,
                    ..
                } = &mut *panel;
                let fold = FoldLanes {
                    dim,
                    run,
                    stride,
                    lanes: lanes.clone(),
                    pairs: &self.pairs[part(index, stride, task.width)],
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
