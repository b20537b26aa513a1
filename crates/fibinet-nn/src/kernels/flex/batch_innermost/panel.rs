//! Batch rows as panels, `[F K, lanes]`, and what a side does with whole panels.

use core::ops::Range;

use rayon::prelude::*;

use super::lanes::{transpose, transposed};
use crate::kernels::PANEL_ROWS as LANES;
use crate::kernels::flex::gradient::matrix_mut;
use crate::kernels::flex::matrix::{Matrix, MatrixMut, Write};
use crate::kernels::flex::row_shape::RowShape;
use crate::kernels::flex::side::matrix;
use crate::kernels::flex::small_batch::SideSlices;
use crate::pairs::BilinearKind;

/// The matrices of one side.
#[derive(Clone, Copy)]
pub(super) struct SideMatrices<'a> {
    pub(super) shape: RowShape,
    pub(super) kind: Option<(BilinearKind, &'a [f32])>,
    /// The matrices of field_interaction as [`side_by_side`](crate::kernels::flex::side::side_by_side) lays them out.
    pub(super) by_field: &'a [f32],
}

/// One side of some batch rows. Arrays are `[F K, lanes]`.
pub(super) struct Panel {
    pub(super) lanes: usize,
    pub(super) right: Vec<f32>,
    /// The left vectors of field_all and field_each. The last field's are never used.
    pub(super) left: Option<Vec<f32>>,
    pub(super) to_right: Vec<f32>,
    /// The gradient of the left vectors, if there is one per field.
    pub(super) to_left: Vec<f32>,
}

/// The panels of some batch rows, each side by side. `numbers` are those of the rows in a side's embeddings.
pub(super) fn panels(
    sides: &[SideMatrices],
    slices: &[SideSlices],
    numbers: Range<usize>,
) -> Vec<Vec<Panel>> {
    let chunk = LANES * sides[0].shape.len();
    let starts: Vec<usize> = numbers.clone().step_by(chunk).collect();
    let panel = |start: usize| {
        let rows = start..numbers.end.min(start + chunk);
        let sides = sides.iter().zip(slices);
        let panels = sides.map(|(side, (embeddings, _))| side.panel(&embeddings[rows.clone()]));
        panels.collect()
    };
    starts.into_par_iter().map(panel).collect()
}

impl SideMatrices<'_> {
    pub(super) fn has_left_vector_per_pair(&self) -> bool {
        matches!(self.kind, Some((BilinearKind::FieldInteraction, _)))
    }

    /// The matrix of a left field, `[K, K]`, if there is one per field or one for all.
    pub(super) fn matrix(&self, field: usize) -> Option<Matrix<'_>> {
        match self.kind {
            Some((BilinearKind::FieldAll, matrices)) => Some(matrix(self.shape, matrices, 0)),
            Some((BilinearKind::FieldEach, matrices)) => Some(matrix(self.shape, matrices, field)),
            Some((BilinearKind::FieldInteraction, _)) | None => None,
        }
    }

    pub(super) fn panel(&self, rows: &[f32]) -> Panel {
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
        let to_left = if self.has_left_vector_per_pair() {
            Vec::new()
        } else {
            vec![0.0; right.len()]
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
    pub(super) fn finish(
        &self,
        side: usize,
        panels: &mut [Vec<Panel>],
        to_rows: &mut [f32],
        to_matrices: Option<&mut [f32]>,
    ) {
        let shape = self.shape;
        if let (false, Some(to_matrices)) = (self.has_left_vector_per_pair(), to_matrices) {
            self.add_to_matrices(side, panels, to_matrices);
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

    /// Adds what the panels collected for the left vectors to the gradient of their matrices, one per left
    /// field or one for all.
    fn add_to_matrices(&self, side: usize, panels: &[Vec<Panel>], to_matrices: &mut [f32]) {
        let shape = self.shape;
        let matrix_len = shape.embedding_dim * shape.embedding_dim;
        let num_matrices = to_matrices.len() / matrix_len;
        let chunks = to_matrices.par_chunks_mut(matrix_len).enumerate();
        chunks.for_each(|(index, to_matrix)| {
            let left_fields = 0..shape.num_fields - 1;
            for field in left_fields.filter(|field| num_matrices == 1 || *field == index) {
                for panel in panels {
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
}

/// The elements of one field's vectors, `[K, lanes]`, in a panel.
pub(super) fn of_field(shape: RowShape, field: usize, lanes: usize) -> Range<usize> {
    let Range { start, end } = shape.field_range(field);
    start * lanes..end * lanes
}

/// The vectors of one field, `[K, lanes]`.
pub(super) fn field_of(shape: RowShape, panel: &[f32], field: usize, lanes: usize) -> Matrix<'_> {
    let size = [shape.embedding_dim, lanes];
    Matrix::new(
        &panel[shape.field_range(field).start * lanes..],
        size,
        lanes,
    )
}

pub(super) fn field_mut(
    shape: RowShape,
    panel: &mut [f32],
    field: usize,
    lanes: usize,
) -> MatrixMut<'_> {
    let size = [shape.embedding_dim, lanes];
    MatrixMut::new(
        &mut panel[shape.field_range(field).start * lanes..],
        size,
        lanes,
    )
}
