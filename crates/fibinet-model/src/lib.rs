//! What training and scoring share: model inputs, tables, bundles and the scorer.
//!
//! [`FieldPlan`] and [`TableRows`] join the batches of `fibinet-data` to the heads of `fibinet-nn`. A
//! [`Bundle`] is a directory with everything that scoring needs: the fitted encoder, the model's settings,
//! the head, and the tables, which are mapped. A [`Scorer`] turns raw rows into logits with it.
//!
//! Nothing here knows of optimizers.

#[cfg(target_endian = "big")]
compile_error!("tables are mapped in the byte order of their file, little-endian");

mod batch_reader;
mod bundle;
mod error;
mod inputs;
mod scorer;
mod tables;

pub use batch_reader::ScoreOptions;
pub use bundle::directory::{Bundle, BundleParts};
pub use bundle::logit_map::LogitMap;
pub use bundle::staging::Staging;
pub use error::BundleError;
pub use inputs::buffers::InputBuffers;
pub use inputs::plan::{FieldPlan, RowInputs, SlotLists};
pub use scorer::{ScoredRows, Scorer, probability};
pub use tables::huge_pages;
pub use tables::table_file::FinishedRows;
pub use tables::table_rows::{TableRows, score};
pub use tables::table_slice::{TableDtype, TableSlice};
pub use tables::view::TableView;
