use core::ops::Range;

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
    let pairs_before = field * (2 * shape.num_fields - 1 - field) / 2;
    let dim = shape.embedding_dim;
    let first = pairs_before * dim * dim;
    first..first + shape.width_of(field) * dim
}
