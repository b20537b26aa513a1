use core::ops::Range;

use rayon::prelude::*;

use super::fold::Fold;
use super::matrix::{MatrixMut, Write};
use super::output::Output;
use super::per_pair::{FoldPerPair, LeftVectors};
use super::row_shape::{RowShape, matrices_of};
use super::rows::{Strip, Swap, VectorLoop};
use super::side::{Left, PreparedSide, by_matrix, matrix, par_left_fields};
use super::tasks::Task;
use crate::pairs::BilinearKind;

/// The gradients of one side.
pub(super) struct Gradients {
    /// `[B, F, K]`
    pub embeddings: Output,
    /// `[1 | F | F - 1 | P, K, K]`
    pub matrices: Option<Output>,
}

/// The gradient of some batch rows' pairs, and where that of their side goes.
pub(super) struct RowGradients<'a> {
    /// The batch rows.
    pub rows: Range<usize>,
    /// `[rows, stride]`
    pub gradient: &'a [f32],
    /// The number of pair columns of all sides.
    pub stride: usize,
    /// `[rows, F, K]`, zeros.
    pub to_rows: &'a mut [f32],
    /// Added to. The matrices of field_interaction are laid out as
    /// [`side_by_side`](super::side::side_by_side) does.
    pub to_matrices: &'a mut [f32],
}

impl PreparedSide<'_> {
    /// The number of elements of all matrices.
    pub fn num_weights(&self) -> usize {
        self.kind.map_or(0, |(_, matrices)| matrices.len())
    }

    /// The length of the scratch buffer that [`backward`](Self::backward) needs for `num_rows` batch rows.
    pub fn scratch_len(&self, num_rows: usize) -> usize {
        match self.left {
            Left::PerField(_) => num_rows * self.shape.len(),
            Left::PerPair(_) => 0,
        }
    }

    /// Reads the gradient of some batch rows' pairs once and adds to the gradients of the side.
    ///
    /// The tasks consist of whole left fields. `scratch` has at least [`scratch_len`](Self::scratch_len) numbers, of
    /// any value.
    ///
    /// Cost: that of [`Fold`], and for field_all and field_each `4 F K²` operations per batch row. With a left
    /// vector per pair, that of [`FoldPerPair`].
    pub fn backward(&self, tasks: &[Task], to: RowGradients, scratch: &mut [f32]) {
        match &self.left {
            Left::PerField(left) => self.backward_per_field(tasks, left, to, scratch),
            Left::PerPair(matrices) => self.backward_per_pair(tasks, matrices, to),
        }
    }

    /// [`backward`](Self::backward) with a left vector per field.
    fn backward_per_field(
        &self,
        tasks: &[Task],
        left: &[f32],
        to: RowGradients,
        scratch: &mut [f32],
    ) {
        let shape = self.shape;
        let to_left = &mut scratch[..to.to_rows.len()];
        // `Fold` writes those of left fields. The last field is none, but all are read.
        let last = shape.field_range(shape.num_fields - 1);
        let rows = to_left.chunks_exact_mut(shape.len());
        rows.for_each(|row| row[last.clone()].fill(0.0));
        for task in tasks {
            let (stride, offset) = (to.stride, task.column);
            let fold = Fold {
                shape,
                runs: &task.runs,
                left: &left[self.span(to.rows.clone())],
                right: self.of(to.rows.clone()),
                gradient: to.gradient,
                strip: Strip { stride, offset },
                to_left: &mut *to_left,
                to_right: &mut *to.to_rows,
            };
            fold.run();
        }
        let Some((kind, matrices)) = self.kind else {
            let sums = to.to_rows.iter_mut().zip(&*to_left);
            return sums.for_each(|(to, x)| *to += x);
        };
        for part in by_matrix(shape, kind, to.rows.len()) {
            let (rows, to_left) = (part.of(self.of(to.rows.clone())), part.of(to_left));
            let right = matrix(shape, matrices, part.matrix).transposed();
            part.of_mut(to.to_rows)
                .product_here(to_left, right, Write::Add);
            matrix_mut(shape, to.to_matrices, part.matrix).product_here(
                rows.transposed(),
                to_left,
                Write::Add,
            );
        }
    }

    /// [`backward`](Self::backward) with a left vector per pair.
    fn backward_per_pair(&self, tasks: &[Task], matrices: &[f32], to: RowGradients) {
        let (shape, rows) = (self.shape, self.of(to.rows));
        for task in tasks {
            let (stride, offset) = (to.stride, task.column);
            let left = LeftVectors {
                shape,
                runs: &task.runs,
                matrices,
                rows,
            };
            let fold = FoldPerPair {
                left,
                gradient: to.gradient,
                strip: Strip { stride, offset },
                to_rows: &mut *to.to_rows,
                to_matrices: &mut *to.to_matrices,
            };
            fold.run();
        }
    }

    /// The gradients of the side, given what all batch rows added up to.
    pub fn gradients(&self, embeddings: Output, to_matrices: Output) -> Gradients {
        let matrices = self.kind.map(|(kind, _)| match kind {
            BilinearKind::FieldInteraction => pair_by_pair(self.shape, &to_matrices),
            BilinearKind::FieldAll | BilinearKind::FieldEach => to_matrices,
        });
        Gradients {
            embeddings,
            matrices,
        }
    }
}

pub(super) fn matrix_mut(shape: RowShape, matrices: &mut [f32], index: usize) -> MatrixMut<'_> {
    let dim = shape.embedding_dim;
    MatrixMut::new(&mut matrices[index * dim * dim..], [dim, dim], dim)
}

/// The inverse of [`side_by_side`](super::side::side_by_side): from `[K, n K]` per left field to
/// `[P, K, K]`.
fn pair_by_pair(shape: RowShape, matrices: &[f32]) -> Output {
    let embedding_dim = shape.embedding_dim;
    let mut out = Output::new(matrices.len());
    par_left_fields(shape, &mut out).for_each(|(field, to)| {
        let swap = Swap {
            sizes: [embedding_dim, shape.num_fields - 1 - field],
            embedding_dim,
            from: &matrices[matrices_of(shape, field)],
            to,
        };
        swap.run();
    });
    out
}
