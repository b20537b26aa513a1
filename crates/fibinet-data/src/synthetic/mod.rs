//! Rows whose clicks follow a known law.

pub(crate) mod criteo;
