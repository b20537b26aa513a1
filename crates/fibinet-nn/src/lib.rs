//! Layers and models for click-through-rate prediction on the [Burn](burn) framework.
//!
//! An example of `F` fields becomes a probability in four steps, each a Burn `Module` usable on its own:
//!
//! 1. [`FeatureEmbedding`](layers::FeatureEmbedding) looks up one vector per field, [`LinearLogit`](layers::LinearLogit) one weight per field;
//! 2. [`Senet`](layers::Senet) scales the vector of each field by how much it matters for this example;
//! 3. [`BilinearInteraction`](layers::BilinearInteraction) (or [`PairProduct`](layers::PairProduct)) crosses every pair of fields, and
//!    [`Combination`](layers::Combination) puts the pairs of the raw and the re-weighted vectors side by side;
//! 4. [`Dnn`](layers::Dnn) turns them into logits.
//!
//! [`FiBiNet`](models::fibinet::FiBiNet) wires steps 2 to 4 into a [`Head`](models::Head) over [`FieldInputs`](inputs::FieldInputs); [`CtrModel`](models::CtrModel) puts step 1 in
//! front of any head. Layers and models name no backend: a tensor's backend lives in
//! its [`Device`](burn::tensor::Device), and the same layers run on each ([`Backend`](backend::Backend)).
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
//! use fibinet_nn::inputs::FieldIds;
//! use fibinet_nn::models::CtrModelConfig;
//! use fibinet_nn::models::fibinet::FiBiNetConfig;
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

pub mod backend;
pub mod inputs;
pub mod layers;
pub mod loss;
pub mod memory;
pub mod models;

mod error;
mod kernels;
mod pairs;
mod suggestion;

pub use error::ConfigError;
pub use suggestion::nearest;

#[cfg(test)]
mod testing;
