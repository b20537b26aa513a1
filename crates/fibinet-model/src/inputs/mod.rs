//! From a data batch to what a model reads.

pub(crate) mod input_memory;
pub(crate) mod plan;
