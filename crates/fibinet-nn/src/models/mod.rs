//! One model per file, each a [`Head`] over [`FieldInputs`](crate::FieldInputs), and the registry of them.
//!
//! To add a model, write its file and its line in `registry.rs`: it then trains, is saved, scores and is
//! inspected like every other.

#[macro_use]
mod registry_macro;

pub(crate) mod ctr_model;
pub(crate) mod dnn;
pub(crate) mod fibinet;
pub(crate) mod head;
pub(crate) mod lr;
pub(crate) mod registry;
pub(crate) mod spec;
