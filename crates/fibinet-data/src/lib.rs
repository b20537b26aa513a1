//! From a raw click log to encoded batches.
//!
//! ```text
//! raw rows       CSV, TSV, gz, zst, Parquet      RowReader: cells of text or numbers
//!   → Encoder    vocabularies, buckets, scaling  fitted on the training rows alone
//!   → shards     Parquet: label, u32 ids, f32    ShardWriter, Shards
//!   → Batch      ids, numerics, labels           BatchStream, shuffled by seed
//! ```
//!
//! [`prepare`](prepare::prepare) does the first three steps. Every step streams: memory grows with the vocabularies, and by
//! 0.2 MB per million rows of 39 fields for the footers of the shards. [`ShardWriter`](shards::ShardWriter) says what else it
//! holds: 4 million rows took 34 MiB, 16 million 36. Nothing here knows of Burn or of models.

pub mod config;
pub mod encode;
pub mod fields;
pub mod formats;
pub mod prepare;
pub mod shards;
pub mod synthetic;

mod cell;
mod error;
mod mix;
mod number_text;
mod position;
mod schema_error;
mod single_text;
mod skipped;

pub use error::{DataError, DataErrorKind, ErrorClass};
pub use mix::mix as mix_seed;
pub use position::{Location, Position};
