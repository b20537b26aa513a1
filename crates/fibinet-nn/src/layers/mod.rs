//! The layers, one per file, and the table lookup and the linear map that several of them share.

pub(crate) mod activation;
pub(crate) mod bilinear;
pub(crate) mod combination;
pub(crate) mod dnn;
pub(crate) mod feature_embedding;
pub(crate) mod linear;
pub(crate) mod linear_logit;
pub(crate) mod lookup;
pub(crate) mod pair_product;
pub(crate) mod senet;

#[cfg(all(test, feature = "flex", feature = "autodiff"))]
mod kernel_tests;

pub use crate::pairs::{BilinearKind, num_pairs};
pub use activation::Activation;
pub use bilinear::{BilinearInteraction, BilinearInteractionConfig, EachMatrices, Fans};
pub use combination::{
    Combination, CombinationConfig, CombinationKind, CombinationOrder, Interaction,
};
pub use dnn::{Dnn, DnnConfig};
pub use feature_embedding::{FeatureEmbedding, FeatureEmbeddingConfig};
pub use linear_logit::{LinearLogit, LinearLogitConfig};
pub use pair_product::{PairProduct, PairProductConfig, PairProductKind};
pub use senet::{Senet, SenetConfig, Squeeze};
