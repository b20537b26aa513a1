use crate::pairs::num_pairs;

/// The sizes of a batch row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct RowShape {
    pub num_fields: usize,
    pub embedding_dim: usize,
}

impl RowShape {
    /// The number of elements in a row of embeddings, `F K`.
    #[inline(always)]
    pub fn len(self) -> usize {
        self.num_fields * self.embedding_dim
    }

    /// The number of pair columns of one side, `P K`.
    #[inline(always)]
    pub fn num_columns(self) -> usize {
        num_pairs(self.num_fields) * self.embedding_dim
    }
}
