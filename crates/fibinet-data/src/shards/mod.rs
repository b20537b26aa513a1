//! Encoded rows in Parquet files, written and read.

pub(crate) mod column;
pub(crate) mod files;
pub(crate) mod packed;
pub(crate) mod prefetch;
pub(crate) mod spill;
pub(crate) mod stream;
