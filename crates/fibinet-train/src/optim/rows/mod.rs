//! The sparse half of training: tables on the host, gradients by distinct row, and optimizers that
//! update the rows met.

pub(crate) mod gradients;
pub(crate) mod optimizer;
pub(crate) mod rounding;
pub(crate) mod rows_read;
pub(crate) mod segments;
pub(crate) mod table_numbers;
pub(crate) mod table_rows;
pub(crate) mod tables;
