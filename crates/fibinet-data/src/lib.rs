//! From a raw click log to encoded batches.
//!
//! ```text
//! raw rows       CSV, TSV                        RowReader
//!   → Encoder    vocabularies, buckets, scaling  fitted on the training rows alone
//!   → shards     Parquet: label, u32 ids, f32    write_shards, Shards
//!   → Batch      ids, numerics, labels           BatchStream, shuffled by seed
//! ```
//!
//! [`prepare`] does the first three steps. Every step streams: memory grows with the vocabularies,
//! never with the rows. Nothing here knows of Burn or of models.

mod batch;
mod encoder;
mod error;
mod fit;
mod guess;
mod mapped;
mod prepare;
mod reader;
mod schema;
mod shards;
mod split;
mod stream;
mod vocabulary;

pub use batch::Batch;
pub use encoder::{Encoder, FieldLayout, RowEncoder};
pub use error::DataError;
pub use fit::EncoderFit;
pub use guess::{ColumnGuess, Guess, guess_fields};
pub use mapped::MappedFile;
pub use prepare::{Prepared, Progress, SplitKind, prepare};
pub use reader::{DelimitedReader, Label, Position, RowReader, open_rows};
pub use schema::{
    BuiltinSchema, DataConfig, DataSpec, FieldEncoding, FieldSpec, RowFormat, Scaling, SchemaError,
    Sources,
};
pub use shards::{ShardWriter, Shards};
pub use split::{RandomSplit, mix as mix_seed};
pub use stream::{BatchStream, Shuffle};
pub use vocabulary::Vocabulary;
