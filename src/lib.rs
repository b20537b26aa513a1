//! Click-through-rate models on the [Burn](burn) deep-learning framework.
//!
//! | module | contents |
//! |---|---|
//! | [`nn`] | layers and models as Burn modules, and the kernels below them |
//! | [`data`] | from raw click logs to encoded batches |
//! | [`model`] | tables, bundles, and the scorer from raw rows to probabilities |
//! | [`train`] | from a run file to a bundle |
//! | [`storage`] | files and directories that are never seen half written |

pub use fibinet_data as data;
pub use fibinet_model as model;
pub use fibinet_nn as nn;
pub use fibinet_storage as storage;
pub use fibinet_train as train;

/// The README's Rust blocks, as doctests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
