//! From a data batch to what a model reads.

pub(crate) mod buffers;
mod field_ids;
pub(crate) mod plan;

pub use buffers::InputBuffers;
pub use plan::{FieldPlan, RowInputs, SlotLists};
