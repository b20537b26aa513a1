//! Optimizers: of the tables' rows, of the head, and the rules of both.

pub(crate) mod head;
pub(crate) mod norm;
pub(crate) mod rows;
pub(crate) mod rules;
