//! One model a file, each a head over [`FieldInputs`](crate::FieldInputs).

pub(crate) mod ctr_model;
pub(crate) mod fibinet;
pub(crate) mod head;
pub(crate) mod preset;
