//! The dense half of training: the optimizer of the dense parameters.

pub(crate) mod host;
pub(crate) mod norms;
pub(crate) mod optimizer;
pub(crate) mod parameters;
pub(crate) mod rule;
#[cfg(all(test, feature = "flex"))]
mod testing;
