//! From raw files to an encoder and shards.

pub(crate) mod base;
pub(crate) mod cache;
pub(crate) mod fit;
pub(crate) mod labels;
pub(crate) mod prepared;
pub(crate) mod run;
pub(crate) mod scan;
pub(crate) mod sorted_keys;
pub(crate) mod split;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod time_cuts;
pub(crate) mod write;

pub use crate::skipped::SkippedRows;
pub use cache::{prepare_cached, source_bytes};
pub use prepared::Prepared;
pub use run::{Progress, prepare};
