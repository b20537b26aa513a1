//! The layers, one per file, and the table lookup that two of them share.

pub(crate) mod bilinear;
pub(crate) mod combination;
pub(crate) mod dnn;
pub(crate) mod feature_embedding;
pub(crate) mod linear_logit;
pub(crate) mod lookup;
pub(crate) mod pair_product;
pub(crate) mod senet;

#[cfg(all(test, feature = "flex", feature = "autodiff"))]
mod kernel_tests;
