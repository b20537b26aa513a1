//! One model per file, each a [`Head`] over [`FieldInputs`](crate::inputs::FieldInputs), and the
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
pub(crate) mod tables_config;

pub use ctr_model::{CtrModel, CtrModelConfig};
pub use head::{Head, HeadConfig, HeadPart, PairBytes};
pub use registry::{AnyHead, AnyHeadConfig, AnySpec, SpecVisitor};
pub use spec::{FieldCounts, ModelSpec};
pub use tables_config::{Numerics, TablesConfig};
