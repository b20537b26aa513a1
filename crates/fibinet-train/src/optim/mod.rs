//! Optimizers of table rows and of dense parameters, and the rules that both follow.

pub(crate) mod head;
pub(crate) mod norm;
pub(crate) mod rows;
pub(crate) mod rules;

pub use head::norms::clip_by_global_norm;
pub use head::rule::DenseOptimizer;
pub use rows::gradients::RowGradients;
pub use rows::optimizer::RowOptimizer;
pub use rows::rule::RowRule;
pub use rows::table_numbers::TableNumbers;
pub use rows::tables::Tables;
