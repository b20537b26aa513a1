//! Synthetic rows whose clicks follow a known law.

mod cells;
pub(crate) mod criteo;
mod draws;
mod law;

pub use criteo::{SyntheticConfig, SyntheticSummary};
