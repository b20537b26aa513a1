//! From a data batch to what a model reads.

mod field_ids;
pub(crate) mod plan;

pub use plan::{FieldPlan, RowInputs, SlotLists};
