//! From a data batch to what a model reads.

pub(crate) mod buffers;
mod field_ids;
pub(crate) mod plan;
