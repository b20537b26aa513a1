//! What layers and models read: the ids of a batch, and what the tables make of them.

pub(crate) mod field_ids;
pub(crate) mod field_sizes;

pub use field_ids::{FieldIds, Pooling};
pub use field_sizes::{FieldSizes, IdOutOfRange};

use burn::tensor::Tensor;

/// What a [`Head`](crate::models::Head) reads of a batch: the output of the embedding half of a model.
///
/// A head takes what it needs and may leave the rest: logistic regression reads linear terms alone.
#[derive(Debug, Clone, Default)]
pub struct FieldInputs {
    /// The fields' vectors, `[B, F, K]`; a numeric field's is already multiplied by its value.
    pub embeddings: Option<Tensor<3>>,
    /// The fields' linear terms `w_i x_i`, `[B, F]`.
    pub linear: Option<Tensor<2>>,
    /// Raw numeric inputs, `[B, N]`.
    pub dense: Option<Tensor<2>>,
}

/// What a [`CtrModel`](crate::models::CtrModel) reads of a batch: the fields' ids, and raw numeric inputs.
///
/// Ids alone are inputs too: `model.forward(FieldIds::new(ids))`.
#[derive(Debug, Clone)]
pub struct CtrInputs {
    /// The fields' ids and values.
    pub ids: FieldIds,
    /// Raw numeric inputs, `[B, N]`; `None` if the head reads none.
    pub dense: Option<Tensor<2>>,
}

impl CtrInputs {
    /// The inputs of a head without raw numeric inputs.
    pub fn new(ids: FieldIds) -> Self {
        Self { ids, dense: None }
    }

    /// Adds raw numeric inputs `[B, N]`.
    pub fn with_dense(self, dense: Option<Tensor<2>>) -> Self {
        Self { dense, ..self }
    }
}

impl From<FieldIds> for CtrInputs {
    fn from(ids: FieldIds) -> Self {
        Self::new(ids)
    }
}

/// What a head reads of a batch, by its shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InputShape {
    /// Fields, `F`.
    pub num_fields: usize,
    /// Embedding dimension, `K`; 0 if the head reads no embeddings.
    pub embedding_dim: usize,
    /// Whether the head reads linear terms.
    pub linear: bool,
    /// Raw numeric inputs, `N`.
    pub num_dense: usize,
}

impl FieldInputs {
    /// Inputs of embeddings `[B, F, K]` alone.
    pub fn new(embeddings: Tensor<3>) -> Self {
        Self {
            embeddings: Some(embeddings),
            ..Self::default()
        }
    }

    /// Adds linear terms `[B, F]`.
    pub fn with_linear(self, linear: Option<Tensor<2>>) -> Self {
        Self { linear, ..self }
    }

    /// Adds raw numeric inputs `[B, N]`.
    pub fn with_dense(self, dense: Option<Tensor<2>>) -> Self {
        Self { dense, ..self }
    }

    /// Takes the embeddings, `[B, F, K]`.
    ///
    /// # Panics
    ///
    /// If there are none: the tables were made for a head that reads no embeddings.
    pub fn take_embeddings(&mut self) -> Tensor<3> {
        self.embeddings
            .take()
            .expect("this head reads embeddings, but its inputs have none")
    }

    /// Takes the linear terms, `[B, F]`.
    ///
    /// # Panics
    ///
    /// If there are none: the tables were made for a head without a linear part.
    pub fn take_linear(&mut self) -> Tensor<2> {
        self.linear
            .take()
            .expect("this head reads linear terms, but its inputs have none")
    }

    /// Takes the `num_dense` raw numeric inputs, `[B, N]`; `None` if that is 0.
    ///
    /// # Panics
    ///
    /// If the inputs have another number of them.
    pub fn take_dense(&mut self, num_dense: usize) -> Option<Tensor<2>> {
        let dense = self.dense.take();
        let got = dense.as_ref().map_or(0, |dense| dense.dims()[1]);
        assert_eq!(
            got, num_dense,
            "expected {num_dense} raw numeric inputs per batch row"
        );
        dense
    }
}
