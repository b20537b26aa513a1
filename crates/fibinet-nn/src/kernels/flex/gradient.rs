use rayon::prelude::*;

use super::fold::{Fold, FoldPerPair};
use super::matrix::{Matrix, MatrixMut, Write};
use super::row_shape::{RowShape, matrices_of};
use super::rows::{Strip, Swap, VectorLoop};
use super::side::{CHUNK, Left, PreparedSide, by_matrix, field_of, matrix};
use super::tasks::Task;
use crate::pairs::BilinearKind;

/// The gradients of a side while tasks add to them.
pub(super) struct SideGradient {
    /// `[B, F, K]`
    embeddings: Vec<f32>,
    /// The gradient of the left vectors of [`Left::PerField`], or of the matrices of [`Left::PerPair`].
    left: Vec<f32>,
}

/// The gradients of one side.
pub(super) struct Gradients {
    /// `[B, F, K]`
    pub embeddings: Vec<f32>,
    /// `[1 | F | F - 1 | P, K, K]`
    pub matrices: Option<Vec<f32>>,
}

impl PreparedSide<'_> {
    /// Writes the left vectors of a task, `[B, task.width]`, if there is one per pair.
    pub fn cross_all(&self, task: &Task, crossed: &mut [f32]) {
        let Left::PerPair(matrices) = &self.left else {
            return;
        };
        let rows = self.embeddings.par_chunks(CHUNK * self.shape.len());
        let crossed = crossed.par_chunks_mut(CHUNK * task.width);
        rows.zip(crossed).for_each(|(rows, crossed)| {
            self.cross(task, matrices, rows, crossed);
        });
    }

    /// All gradients zero.
    pub fn gradient(&self) -> SideGradient {
        let left = match &self.left {
            Left::PerField(left) => left.len(),
            Left::PerPair(matrices) => matrices.len(),
        };
        SideGradient {
            embeddings: vec![0.0; self.embeddings.len()],
            left: vec![0.0; left],
        }
    }

    /// Reads the gradient of a task's pairs once and adds to the gradients of the side.
    ///
    /// The task consists of whole left fields. `crossed` is what [`cross_all`](Self::cross_all) wrote. If
    /// there is a left vector per pair, its gradient overwrites it.
    ///
    /// Cost: that of [`Fold`]. With a left vector per pair, that of [`FoldPerPair`] and `4 K` operations per
    /// element of the gradient, in two products that each read the left vectors' gradient once.
    pub fn consume(
        &self,
        task: &Task,
        crossed: &mut [f32],
        gradient: (&[f32], Strip),
        to: &mut SideGradient,
    ) {
        match &self.left {
            Left::PerField(left) => self.consume_per_field(task, left, gradient, to),
            Left::PerPair(matrices) => {
                self.consume_per_pair(task, matrices, crossed, gradient, to);
                self.add_to_matrices(task, crossed, &mut to.left);
            }
        }
    }

    /// [`consume`](Self::consume) with a left vector per field.
    fn consume_per_field(
        &self,
        task: &Task,
        left: &[f32],
        (gradient, strip): (&[f32], Strip),
        to: &mut SideGradient,
    ) {
        let (shape, runs) = (self.shape, &task.runs[..]);
        let chunk = CHUNK * shape.len();
        let gradients = gradient.par_chunks(CHUNK * strip.stride);
        let inputs = self.embeddings.par_chunks(chunk).zip(gradients);
        let to_right = to.embeddings.par_chunks_mut(chunk);
        let outputs = to.left.par_chunks_mut(chunk).zip(to_right);
        let chunks = inputs.zip(left.par_chunks(chunk)).zip(outputs);
        chunks.for_each(|(((right, gradient), left), (to_left, to_right))| {
            let fold = Fold {
                shape,
                runs,
                left,
                right,
                gradient,
                strip,
                to_left,
                to_right,
            };
            fold.run();
        });
    }

    /// [`consume`](Self::consume) with a left vector per pair, but for the gradient of the matrices.
    fn consume_per_pair(
        &self,
        task: &Task,
        matrices: &[f32],
        crossed: &mut [f32],
        (gradient, strip): (&[f32], Strip),
        to: &mut SideGradient,
    ) {
        let (shape, width) = (self.shape, task.width);
        let chunk = CHUNK * shape.len();
        let gradients = gradient.par_chunks(CHUNK * strip.stride);
        let inputs = self.embeddings.par_chunks(chunk).zip(gradients);
        let chunks = inputs.zip(crossed.par_chunks_mut(CHUNK * width));
        let chunks = chunks.zip(to.embeddings.par_chunks_mut(chunk));
        chunks.for_each(|(((right, gradient), crossed), to_right)| {
            let fold = FoldPerPair {
                shape,
                runs: &task.runs,
                left: &mut *crossed,
                width,
                right,
                gradient,
                strip,
                to_right,
            };
            fold.run();
            let num_rows = right.len() / shape.len();
            for run in &task.runs {
                let size = [num_rows, run.width(shape)];
                let to_crossed = Matrix::new(&crossed[run.column..], size, width);
                let matrices = run.matrices(shape, matrices).transposed();
                let to_left = &mut to_right[shape.field_range(run.left).start..];
                MatrixMut::new(to_left, [num_rows, shape.embedding_dim], shape.len()).product_here(
                    to_crossed,
                    matrices,
                    Write::Add,
                );
            }
        });
    }

    /// Adds to the gradient of the matrices of a task, given the gradient of its left vectors.
    fn add_to_matrices(&self, task: &Task, to_crossed: &[f32], to_matrices: &mut [f32]) {
        let (shape, num_rows) = (self.shape, self.num_rows());
        let mut rest = &mut to_matrices[matrices_of(shape, task.runs[0].left).start..];
        let mut outputs = Vec::with_capacity(task.runs.len());
        for run in &task.runs {
            let (output, after) = rest.split_at_mut(matrices_of(shape, run.left).len());
            outputs.push((run, output));
            rest = after;
        }
        outputs.into_par_iter().for_each(|(run, output)| {
            let size = [num_rows, run.width(shape)];
            let to_crossed = Matrix::new(&to_crossed[run.column..], size, task.width);
            let left = field_of(shape, self.embeddings, run.left, num_rows).transposed();
            let size = [shape.embedding_dim, size[1]];
            MatrixMut::new(output, size, size[1]).product_here(left, to_crossed, Write::Add);
        });
    }

    /// The gradients of the side, once all tasks have added to them.
    ///
    /// Cost: embeddings and both gradients are read once, the embeddings' gradient is written once. For
    /// field_all and field_each `4 F K²` operations per batch row.
    pub fn finish(&self, gradient: SideGradient) -> Gradients {
        let shape = self.shape;
        let SideGradient {
            mut embeddings,
            left,
        } = gradient;
        let chunk = CHUNK * shape.len();
        let matrices = match self.kind {
            None => {
                let chunks = embeddings.par_chunks_mut(chunk).zip(left.par_chunks(chunk));
                chunks.for_each(|(to, from)| to.iter_mut().zip(from).for_each(|(to, x)| *to += x));
                None
            }
            Some((BilinearKind::FieldInteraction, _)) => Some(pair_by_pair(shape, &left)),
            Some((kind, matrices)) => {
                let inputs = self
                    .embeddings
                    .par_chunks(chunk)
                    .zip(left.par_chunks(chunk));
                let chunks = inputs.zip(embeddings.par_chunks_mut(chunk));
                let partial = chunks.map(|((rows, to_left), to_rows)| {
                    let mut to_matrices = vec![0.0; matrices.len()];
                    for part in by_matrix(shape, kind, rows.len() / shape.len()) {
                        let right = matrix(shape, matrices, part.matrix).transposed();
                        part.of_mut(to_rows)
                            .product_here(part.of(to_left), right, Write::Add);
                        let (rows, to_left) = (part.of(rows).transposed(), part.of(to_left));
                        matrix_mut(shape, &mut to_matrices, part.matrix).product_here(
                            rows,
                            to_left,
                            Write::Over,
                        );
                    }
                    to_matrices
                });
                let partial: Vec<_> = partial.collect();
                let mut sum = vec![0.0; matrices.len()];
                for chunk in &partial {
                    sum.iter_mut().zip(chunk).for_each(|(sum, x)| *sum += x);
                }
                Some(sum)
            }
        };
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
fn pair_by_pair(shape: RowShape, matrices: &[f32]) -> Vec<f32> {
    let embedding_dim = shape.embedding_dim;
    let mut out = vec![0.0; matrices.len()];
    for field in 0..shape.num_fields - 1 {
        let range = matrices_of(shape, field);
        let swap = Swap {
            sizes: [embedding_dim, shape.num_fields - 1 - field],
            embedding_dim,
            from: &matrices[range.clone()],
            to: &mut out[range],
        };
        swap.run();
    }
    out
}
