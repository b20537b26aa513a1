//! From a raw click log to encoded batches.
//!
//! ```text
//! raw rows       CSV, TSV, gz, zst, Parquet      RowReader
//!   → Encoder    vocabularies, buckets, scaling  fitted on the training rows alone
//!   → shards     Parquet: label, u32 ids, f32    ShardWriter, Shards
//!   → Batch      ids, numerics, labels           BatchStream, shuffled by seed
//! ```
//!
//! [`prepare`] does the first three steps. Every step streams: memory grows with the vocabularies, and by
//! .2 MB a million rows of 39 fields, for what the footers of shard files will say of row groups. Of the
//! rows that are not yet enough for a row group 32,768 wait in memory, the others behind the row groups of
//! their files: 4 million rows took 34 MiB, 16 million 36. Nothing here knows of Burn or of models.

mod batch;
mod blocks;
mod bytes;
mod columns;
mod encoder;
mod error;
mod fit;
mod guess;
mod mapped;
mod packed;
mod parquet_rows;
mod parquet_text;
mod parquet_value;
mod parts;
mod prefetch;
mod prepare;
mod reader;
mod schema;
mod shard_column;
mod shards;
mod spill;
mod split;
mod stream;
mod synthetic;
mod time;
mod token_table;
mod vocabulary;

pub use batch::{Batch, IdLists};
pub use encoder::{Encoder, FieldLayout, RowEncoder};
pub use error::DataError;
pub use guess::{ColumnGuess, Guess, Known, guess_delimiter, guess_fields};
pub use mapped::MappedFile;
pub use parquet_rows::ParquetReader;
pub use parquet_text::ParquetTable;
pub use prefetch::Prefetch;
pub use prepare::{LeftOut, Prepared, Progress, prepare, prepare_cached, source_bytes};
pub use reader::{DelimitedReader, Label, Place, Position, RowReader, open_rows};
pub use schema::{
    BuiltinSchema, DataConfig, DataSpec, FieldEncoding, FieldSpec, OnBadRow, Pooling, RowFormat,
    Scaling, SchemaError, Sources, TimePart,
};
pub use shards::{ShardLayout, ShardWriter, Shards};
pub use split::{RandomSplit, Split, SplitBy, SplitConfig, SplitKind, mix as mix_seed};
pub use stream::{BatchStream, Shuffle};
pub use synthetic::{SyntheticConfig, SyntheticSummary};
pub use vocabulary::Vocabulary;
