//! Layers and models for click-through-rate prediction on the [Burn](burn) framework.
//!
//! An example of `F` fields becomes a probability in four steps, each a Burn `Module` usable on its own:
//!
//! 1. [`FeatureEmbedding`] looks up one vector per field, [`LinearLogit`] one weight per field;
//! 2. [`Senet`] scales the vector of each field by how much it matters for this example;
//! 3. [`BilinearInteraction`] (or [`PairProduct`]) crosses every pair of fields, and
//!    [`Combination`] puts the pairs of the raw and the re-weighted vectors side by side;
//! 4. [`Dnn`] turns them into logits.
//!
//! [`FiBiNet`] wires steps 2 to 4 into a [`Head`] over [`FieldInputs`]; [`CtrModel`] puts step 1 in
//! front of any head. Layers and models name no backend: a tensor's backend lives in
//! its [`Device`](burn::tensor::Device), and the same layers run on each ([`Backend`]).
//!
//! # Shapes
//!
//! The letters mean the same everywhere:
//!
//! | letter | meaning |
//! |---|---|
//! | `B` | batch rows |
//! | `F` | fields |
//! | `K` | embedding dimension |
//! | `P` | pairs of fields, `F (F - 1) / 2`, in the order (0,1), (0,2), …, (F-2,F-1) |
//! | `V` | table rows (vocabulary) |
//! | `N` | raw numeric inputs per batch row |
//! | `H` | hidden units |
//!
//! # Example
//!
//! ```
//! # #[cfg(feature = "flex")] {
//! use burn::tensor::{Device, Int, Tensor};
//! use fibinet_nn::{CtrModelConfig, FiBiNetConfig, FieldIds};
//!
//! let device = Device::flex();
//! // Three fields with vocabularies of 10, 20 and 30 tokens, and embeddings of 4 numbers.
//! let head = FiBiNetConfig::new(3, 4).with_hidden_units(vec![16, 8]);
//! let model = CtrModelConfig::new(head).init(vec![10, 20, 30], &device);
//! let ids = Tensor::<2, Int>::from_data([[1, 5, 29], [9, 0, 3]], &device); // [B, F]
//! let logits = model.forward(FieldIds::new(ids)); // [B]
//! assert_eq!(logits.dims(), [2]);
//! # }
//! ```

mod activation;
mod backend;
mod error;
mod field_ids;
mod fields;
mod inputs;
mod kernels;
mod layers;
mod loss;
pub mod models;
mod pairs;
mod suggestion;
mod tables_config;

pub use activation::Activation;
pub use backend::{Backend, BackendError};
pub use error::ConfigError;
pub use field_ids::{FieldIds, Pooling};
pub use fields::{FieldSizes, IdOutOfRange};
pub use inputs::{CtrInputs, FieldInputs, InputShape};
pub use layers::bilinear::{BilinearInteraction, BilinearInteractionConfig, EachMatrices, Fans};
pub use layers::combination::{
    Combination, CombinationConfig, CombinationKind, CombinationOrder, Interaction,
};
pub use layers::dnn::{Dnn, DnnConfig};
pub use layers::feature_embedding::{FeatureEmbedding, FeatureEmbeddingConfig};
pub use layers::linear_logit::{LinearLogit, LinearLogitConfig};
pub use layers::pair_product::{PairProduct, PairProductConfig, PairProductKind};
pub use layers::senet::{Senet, SenetConfig, Squeeze};
pub use loss::{BceLoss, Reduction};
pub use models::ctr_model::{CtrModel, CtrModelConfig};
pub use models::fibinet::{FiBiNet, FiBiNetConfig, FiBiNetSpec, Preset};
pub use models::head::{Head, HeadConfig, PairBytes};
pub use models::registry::{AnyHead, AnyHeadConfig, AnySpec, SpecVisitor};
pub use models::spec::{FieldCounts, ModelSpec};
pub use pairs::{BilinearKind, num_pairs};
pub use suggestion::nearest;
pub use tables_config::{Numerics, TablesConfig};

#[cfg(test)]
mod testing;
