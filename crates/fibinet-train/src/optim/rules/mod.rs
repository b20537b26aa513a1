//! The rules by which numbers move.

pub(crate) mod adam;
