//! One model per file, each a [`Head`](crate::Head) over [`FieldInputs`](crate::FieldInputs), and the
//! registry of them.
//!
//! To add a model, write its file, declare it here and give it a line in `registry.rs`. It then trains, is
//! saved, scores and is inspected like every other model.

#[macro_use]
mod registry_macro;

pub(crate) mod ctr_model;
pub mod dnn;
pub mod fibinet;
pub(crate) mod head;
pub mod lr;
pub(crate) mod registry;
pub(crate) mod spec;
