//! Click-through-rate models on the [Burn](burn) deep-learning framework.
//!
//! | module | what |
//! |---|---|
//! | [`nn`] | SENET, bilinear interaction and FiBiNET as Burn modules |
//! | [`data`] | raw click logs to encoded batches |

pub use fibinet_data as data;
pub use fibinet_nn as nn;
