//! From a data batch to what a model reads.

mod field_ids;
pub(crate) mod input_memory;
pub(crate) mod plan;
