use core::ops::Range;

use super::matrix::Matrix;
pub(super) use crate::kernels::row_shape::RowShape;

impl RowShape {
    /// The number of pair columns of one left field.
    #[inline(always)]
    pub fn width_of(self, left: usize) -> usize {
        (self.num_fields - 1 - left) * self.embedding_dim
    }

    /// The elements of all fields right of `left` in a row of embeddings.
    #[inline(always)]
    pub fn fields_after(self, left: usize) -> Range<usize> {
        (left + 1) * self.embedding_dim..self.len()
    }

    /// The elements of one field in a row of embeddings.
    #[inline(always)]
    pub fn field_range(self, field: usize) -> Range<usize> {
        field * self.embedding_dim..(field + 1) * self.embedding_dim
    }
}

/// The elements of the matrices of a left field's pairs.
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
