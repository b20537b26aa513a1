//! The sparse half of training: tables on the host, gradients summed by distinct row, and optimizers that
//! update the touched rows. [`HostRows`](host_rows::HostRows) is what a trainer uses of it.

pub(crate) mod batch_tables;
pub(crate) mod gradients;
pub(crate) mod host_rows;
pub(crate) mod optimizer;
pub(crate) mod rounding;
pub(crate) mod rule;
pub(crate) mod segments;
pub(crate) mod stale_rows;
pub(crate) mod stateful_table;
pub(crate) mod table_numbers;
pub(crate) mod tables;
