//! Optimizers of table rows and of dense parameters, and the rules that both follow.

pub(crate) mod head;
pub(crate) mod norm;
pub(crate) mod rows;
pub(crate) mod rules;
