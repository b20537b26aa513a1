//! The shapes of the operations' outputs, which Burn's fusion asks for before it runs an operation.

use burn::backend::fusion::custom::TensorSpec;
use burn::tensor::Shape;

use super::ops::{PairSideMetadata, PairSidesMetadata, ReaderMetadata};
use crate::pairs::num_pairs;

impl PairSidesMetadata {
    /// `[B, S P K]`
    pub fn pairs(&self) -> TensorSpec {
        let (first, num_sides) = self.first();
        let [batch, num_fields, embedding_dim] = first.embeddings.shape.dims();
        let num_columns = num_sides * num_pairs(num_fields) * embedding_dim;
        sized([batch, num_columns], &first.embeddings)
    }

    /// `[B, H]`
    pub fn mapped(&self, reader: &ReaderMetadata) -> TensorSpec {
        let (first, _) = self.first();
        let [batch, _, _] = first.embeddings.shape.dims();
        let (ReaderMetadata::Pairs { weight } | ReaderMetadata::PairsAndDense { weight, .. }) =
            reader;
        let [_, num_outputs] = weight.shape.dims();
        sized([batch, num_outputs], &first.embeddings)
    }

    /// The first side, and the number of sides.
    fn first(&self) -> (&PairSideMetadata, usize) {
        match self {
            Self::One { only } => (only, 1),
            Self::Two { first, .. } => (first, 2),
        }
    }
}

/// `[B, P]`
pub(super) fn inner_products(embeddings: &TensorSpec) -> TensorSpec {
    let [batch, num_fields, _] = embeddings.shape.dims();
    sized([batch, num_pairs(num_fields)], embeddings)
}

/// `[n, K]`
pub(super) fn table_rows(table: &TensorSpec, rows: &TensorSpec) -> TensorSpec {
    let ([_, width], [num_rows]) = (table.shape.dims(), rows.shape.dims());
    sized([num_rows, width], table)
}

/// `[V, K]`
#[cfg(feature = "autodiff")]
pub(super) fn table_rows_backward(
    num_rows: &usize,
    _rows: &TensorSpec,
    gradient: &TensorSpec,
) -> TensorSpec {
    let [_, width] = gradient.shape.dims();
    sized([*num_rows, width], gradient)
}

/// An output of a shape, of the type of an input.
fn sized<const D: usize>(shape: [usize; D], input: &TensorSpec) -> TensorSpec {
    TensorSpec::new(Shape::from(shape), input.dtype)
}
