//! A trained model on disk.

pub(crate) mod directory;
pub(crate) mod logit_map;
pub(crate) mod manifest;
pub(crate) mod staging;
