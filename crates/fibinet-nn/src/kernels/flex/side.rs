use core::ops::Range;
use std::borrow::Cow;

use rayon::prelude::*;

use super::matrix::{Matrix, MatrixMut, Write};
use super::rows::{Cross, CrossEach, RowShape, Strip, Swap, VectorLoop};
use crate::layers::bilinear::BilinearKind;

/// Rows that one thread takes at a time: their pairs of one block stay in a core's second-level
/// cache. Sums over the batch are made chunk by chunk and folded in the chunks' order, so that they
/// do not depend on the number of threads.
pub(super) const CHUNK: usize = 64;

/// A block of pair columns: whole left fields of one side.
#[derive(Debug, Clone)]
pub(super) struct Block {
    /// 0 or 1.
    pub side: usize,
    pub fields: Range<usize>,
    /// First column, in the columns of both sides.
    pub column: usize,
    /// Columns.
    pub width: usize,
}

/// The blocks of both sides: as many left fields each as fit `columns`, but at least one.
pub(super) fn blocks(shape: RowShape, columns: usize) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut column = 0;
    for side in 0..2 {
        for field in 0..shape.num_fields - 1 {
            let width = shape.width_of(field);
            match blocks.last_mut() {
                Some(last) if last.side == side && last.width + width <= columns => {
                    last.fields.end += 1;
                    last.width += width;
                }
                _ => blocks.push(Block {
                    side,
                    fields: field..field + 1,
                    column,
                    width,
                }),
            }
            column += width;
        }
    }
    blocks
}

/// One side of the pairs, ready to be formed block by block.
pub(super) struct Side<'a> {
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

/// What a pair's right vector is multiplied with.
pub(super) enum Left<'a> {
    /// One vector a field, `[B, F, K]`; the last field's is never used.
    Fields(Cow<'a, [f32]>),
    /// One vector a pair, too many to keep. The matrices of each left field side by side, `[K, n K]`
    /// for its `n` pairs, one field after the other.
    Pairs(Vec<f32>),
}

impl<'a> Side<'a> {
    /// Multiplies each field's vector with its matrix, or lays the pairs' matrices out.
    pub fn new(
        shape: RowShape,
        embeddings: &'a [f32],
        kind: Option<(BilinearKind, &'a [f32])>,
    ) -> Self {
        let left = match kind {
            None => Left::Fields(Cow::Borrowed(embeddings)),
            Some((BilinearKind::FieldInteraction, matrices)) => {
                Left::Pairs(side_by_side(shape, matrices))
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
                Left::Fields(Cow::Owned(crossed))
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

    /// Whether a block's left vectors have to be kept in an array of their own.
    pub fn has_a_vector_a_pair(&self) -> bool {
        matches!(self.left, Left::Pairs(_))
    }

    /// Writes the pairs of a block for some rows; where there is a left vector a pair, these too, to
    /// `crossed`, `[rows, block.width]`.
    pub fn form(
        &self,
        block: &Block,
        rows: Range<usize>,
        crossed: &mut [f32],
        (out, strip): (&mut [f32], Strip),
    ) {
        let shape = self.shape;
        let chunk = CHUNK * shape.len();
        let right = self.of(rows.clone()).par_chunks(chunk);
        let out = out.par_chunks_mut(CHUNK * strip.stride);
        match &self.left {
            Left::Fields(left) => {
                let left = left[self.span(rows)].par_chunks(chunk);
                left.zip(right).zip(out).for_each(|((left, right), out)| {
                    let fields = &block.fields;
                    let cross = Cross {
                        shape,
                        fields,
                        left,
                        right,
                        out,
                        strip,
                    };
                    cross.run();
                });
            }
            Left::Pairs(matrices) => {
                let crossed = crossed.par_chunks_mut(CHUNK * block.width);
                right
                    .zip(crossed)
                    .zip(out)
                    .for_each(|((right, crossed), out)| {
                        self.cross_chunk(block, matrices, right, crossed);
                        let (fields, left, width) = (&block.fields, &*crossed, block.width);
                        let cross = CrossEach {
                            shape,
                            fields,
                            left,
                            width,
                            right,
                            out,
                            strip,
                        };
                        cross.run();
                    });
            }
        }
    }

    pub fn cross_chunk(&self, block: &Block, matrices: &[f32], rows: &[f32], crossed: &mut [f32]) {
        let (shape, num_rows) = (self.shape, rows.len() / self.shape.len());
        for (field, column) in columns_of(shape, block) {
            let left = field_of(shape, rows, field, num_rows);
            let size = [num_rows, shape.width_of(field)];
            MatrixMut::new(&mut crossed[column..], size, block.width).product_here(
                left,
                side_of(shape, matrices, field),
                Write::Over,
            );
        }
    }

    /// Where some rows lie in the embeddings.
    fn span(&self, rows: Range<usize>) -> Range<usize> {
        rows.start * self.shape.len()..rows.end * self.shape.len()
    }

    fn of(&self, rows: Range<usize>) -> &'a [f32] {
        &self.embeddings[self.span(rows)]
    }
}

/// Rows of embeddings that meet one matrix of field_all or field_each.
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

/// All fields at once for field_all, the left fields one by one for field_each.
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

/// The vectors of one field, `[rows, K]`.
pub(super) fn field_of(shape: RowShape, rows: &[f32], field: usize, num_rows: usize) -> Matrix<'_> {
    let size = [num_rows, shape.embedding_dim];
    Matrix::new(&rows[shape.of(field).start..], size, shape.len())
}

pub(super) fn matrix(shape: RowShape, matrices: &[f32], index: usize) -> Matrix<'_> {
    let dim = shape.embedding_dim;
    Matrix::new(&matrices[index * dim * dim..], [dim, dim], dim)
}

/// Where the matrices of a left field's pairs lie.
pub(super) fn matrices_of(shape: RowShape, field: usize) -> Range<usize> {
    let before: usize = (0..field).map(|field| shape.width_of(field)).sum();
    let dim = shape.embedding_dim;
    before * dim..(before + shape.width_of(field)) * dim
}

/// The matrices of a left field's pairs side by side, `[K, n K]`.
pub(super) fn side_of(shape: RowShape, matrices: &[f32], field: usize) -> Matrix<'_> {
    let width = shape.width_of(field);
    let matrices = &matrices[matrices_of(shape, field)];
    Matrix::new(matrices, [shape.embedding_dim, width], width)
}

/// A block's left fields, each with its first column in the block.
pub(super) fn columns_of(shape: RowShape, block: &Block) -> impl Iterator<Item = (usize, usize)> {
    block.fields.clone().scan(0, move |column, field| {
        let first = *column;
        *column += shape.width_of(field);
        Some((field, first))
    })
}

/// `[P, K, K]` as, for each left field with `n` pairs, `[K, n K]`.
pub(super) fn side_by_side(shape: RowShape, matrices: &[f32]) -> Vec<f32> {
    let embedding_dim = shape.embedding_dim;
    let mut out = vec![0.0; matrices.len()];
    for field in 0..shape.num_fields - 1 {
        let of_field = matrices_of(shape, field);
        let swap = Swap {
            sizes: [shape.num_fields - 1 - field, embedding_dim],
            embedding_dim,
            from: &matrices[of_field.clone()],
            to: &mut out[of_field],
        };
        swap.run();
    }
    out
}
