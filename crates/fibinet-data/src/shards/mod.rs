//! Encoded rows in Parquet files, written and read.

pub(crate) mod batch;
pub(crate) mod column;
pub(crate) mod columns;
pub(crate) mod layout;
pub(crate) mod packed;
pub(crate) mod prefetch;
pub(crate) mod reader;
pub(crate) mod row_group;
pub(crate) mod stream;
#[cfg(test)]
mod test_rows;
pub(crate) mod writer;

pub use batch::{Batch, IdLists};
pub use layout::{FieldLayout, FieldShape, Pooling, ShardLayout};
pub use prefetch::Prefetch;
pub use reader::Shards;
pub use stream::{BatchStream, Shuffle};
pub use writer::ShardWriter;
