use core::ops::Range;
use std::borrow::Cow;

use rayon::prelude::*;

use super::matrix::{Matrix, MatrixMut, Write};
use super::output::Output;
use super::per_pair::{CrossPerPair, LeftVectors, PADDING};
use super::row_shape::{RowShape, matrices_of};
use super::rows::{Cross, Strip, Swap, VectorLoop};
use super::tasks::Task;
use crate::pairs::BilinearKind;

/// Batch rows of the array of pairs that one thread writes or reads at a time. Sums over the batch are
/// computed chunk by chunk and added in the order of the chunks, so they do not depend on the number of
/// threads.
pub(super) const CHUNK: usize = 64;

/// One side of the pairs, prepared so that its pairs can be formed task by task.
pub(super) struct PreparedSide<'a> {
    pub shape: RowShape,
    /// `[B, F, K]`
    pub embeddings: &'a [f32],
    #[cfg_attr(
        not(feature = "autodiff"),
        expect(dead_code, reason = "the backward pass reads it")
    )]
    pub kind: Option<(BilinearKind, &'a [f32])>,
    pub left: Left<'a>,
}

/// What a pair's right vector is multiplied by.
pub(super) enum Left<'a> {
    /// One vector per field, `[B, F, K]`. The last field's is never used.
    PerField(Cow<'a, [f32]>),
    /// One vector per pair, too many to keep. Holds the matrices that compute them instead: those of a left
    /// field's `n` pairs side by side, `[K, n K]`, one left field after the other.
    PerPair(Output),
}

impl<'a> PreparedSide<'a> {
    /// Multiplies each field's vector by its matrix, or lays the matrices of the pairs side by side.
    ///
    /// Cost: for field_all and field_each `2 F K²` operations per batch row, and an array as large as the
    /// embeddings. For field_interaction a copy of the matrices, `P K²` numbers. Otherwise nothing.
    pub fn new(
        shape: RowShape,
        embeddings: &'a [f32],
        kind: Option<(BilinearKind, &'a [f32])>,
    ) -> Self {
        let left = match kind {
            None => Left::PerField(Cow::Borrowed(embeddings)),
            Some((BilinearKind::FieldInteraction, matrices)) => {
                Left::PerPair(side_by_side(shape, matrices))
            }
            Some((kind, matrices)) => {
                let mut crossed = vec![0.0; embeddings.len()];
                let chunk = CHUNK * shape.len();
                crossed
                    .par_chunks_mut(chunk)
                    .zip(embeddings.par_chunks(chunk))
                    .for_each(|(crossed, rows)| {
                        for part in by_matrix(shape, kind, rows.len() / shape.len()) {
                            let left = part.of(rows);
                            let right = matrix(shape, matrices, part.matrix);
                            part.of_mut(crossed).product_here(left, right, Write::Over);
                        }
                    });
                Left::PerField(Cow::Owned(crossed))
            }
        };
        Self {
            shape,
            embeddings,
            kind,
            left,
        }
    }

    pub fn num_rows(&self) -> usize {
        self.embeddings.len() / self.shape.len()
    }

    /// Whether each pair has a left vector of its own (field_interaction).
    pub fn has_left_vector_per_pair(&self) -> bool {
        matches!(self.left, Left::PerPair(_))
    }

    /// Writes the pairs of a task for some batch rows.
    ///
    /// Cost: one operation per element of the pairs, which are written once. With a left vector per pair
    /// `2 K` more.
    pub fn form(&self, task: &Task, rows: Range<usize>, (out, strip): (&mut [f32], Strip)) {
        let (shape, runs) = (self.shape, &task.runs);
        let right = self.of(rows.clone());
        match &self.left {
            Left::PerField(left) => {
                let left = &left[self.span(rows)];
                let cross = Cross {
                    shape,
                    runs,
                    left,
                    right,
                    out,
                    strip,
                };
                cross.run();
            }
            Left::PerPair(matrices) => {
                let left = LeftVectors {
                    shape,
                    runs,
                    matrices,
                    rows: right,
                };
                let cross = CrossPerPair { left, out, strip };
                cross.run();
            }
        }
    }

    /// The elements of some batch rows in the embeddings.
    pub fn span(&self, rows: Range<usize>) -> Range<usize> {
        rows.start * self.shape.len()..rows.end * self.shape.len()
    }

    pub fn of(&self, rows: Range<usize>) -> &'a [f32] {
        &self.embeddings[self.span(rows)]
    }
}

/// The embeddings that one matrix of field_all or field_each multiplies.
pub(super) struct Part {
    pub matrix: usize,
    offset: usize,
    size: [usize; 2],
    stride: usize,
}

impl Part {
    pub fn of<'a>(&self, rows: &'a [f32]) -> Matrix<'a> {
        Matrix::new(&rows[self.offset..], self.size, self.stride)
    }

    pub fn of_mut<'a>(&self, rows: &'a mut [f32]) -> MatrixMut<'a> {
        MatrixMut::new(&mut rows[self.offset..], self.size, self.stride)
    }
}

/// All fields at once for field_all, one left field after the other for field_each.
pub(super) fn by_matrix(
    shape: RowShape,
    kind: BilinearKind,
    num_rows: usize,
) -> impl Iterator<Item = Part> {
    let RowShape {
        num_fields,
        embedding_dim,
    } = shape;
    let (num_parts, num_vectors, stride) = match kind {
        BilinearKind::FieldAll => (1, num_rows * num_fields, embedding_dim),
        _ => (num_fields - 1, num_rows, shape.len()),
    };
    (0..num_parts).map(move |matrix| Part {
        matrix,
        offset: matrix * embedding_dim,
        size: [num_vectors, embedding_dim],
        stride,
    })
}

pub(super) fn matrix(shape: RowShape, matrices: &[f32], index: usize) -> Matrix<'_> {
    let dim = shape.embedding_dim;
    Matrix::new(&matrices[index * dim * dim..], [dim, dim], dim)
}

/// Copies matrices `[P, K, K]` into `[K, n K]` per left field: those of its `n` pairs side by side. [`PADDING`] zeros
/// follow the last.
pub(super) fn side_by_side(shape: RowShape, matrices: &[f32]) -> Output {
    let embedding_dim = shape.embedding_dim;
    let mut out = Output::new(matrices.len() + PADDING);
    let (of_fields, padding) = out.split_at_mut(matrices.len());
    padding.fill(0.0);
    par_left_fields(shape, of_fields).for_each(|(field, to)| {
        let swap = Swap {
            sizes: [shape.num_fields - 1 - field, embedding_dim],
            embedding_dim,
            from: &matrices[matrices_of(shape, field)],
            to,
        };
        swap.run();
    });
    out
}

/// Divides the matrices of all pairs into those of each left field, and gives them with the field.
pub(super) fn par_left_fields(
    shape: RowShape,
    mut matrices: &mut [f32],
) -> impl ParallelIterator<Item = (usize, &mut [f32])> {
    let fields = (0..shape.num_fields - 1).map(|field| {
        let len = matrices_of(shape, field).len();
        (
            field,
            matrices.split_off_mut(..len).expect("a matrix per pair"),
        )
    });
    fields.collect::<Vec<_>>().into_par_iter()
}
