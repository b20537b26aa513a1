//! The rules by which numbers move.

pub(crate) mod adam;
pub(crate) mod exact_adam;
