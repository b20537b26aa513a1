//! Bundles of trained CTR models, and the scorer that turns raw rows into probabilities.
//!
//! A [`Bundle`] is a directory with everything that scoring needs: the fitted encoder, the
//! embedding tables, which are mapped and not read, and the head. The [`Scorer`] runs it.
//! [`Staging`] writes one aside and moves it into place, so that a reader sees the old bundle or the
//! new one. [`FieldPlan`] and [`TableView`] join `fibinet-data`'s batches to `fibinet-nn`'s heads,
//! for training as for serving.

#[cfg(target_endian = "big")]
compile_error!("tables are mapped as they lie in their file, little-endian");

mod batch_reader;
mod bundle;
mod error;
mod inputs;
mod scorer;
mod tables;

pub use bundle::directory::{Bundle, BundleParts};
pub use bundle::logit_map::LogitMap;
pub use bundle::staging::Staging;
pub use error::BundleError;
pub use inputs::buffers::InputBuffers;
pub use inputs::plan::{FieldPlan, RowInputs, SlotLists};
pub use scorer::{ScoreOptions, ScoredRows, Scorer, probability};
pub use tables::huge_pages;
pub use tables::table_file::FinishedRows;
pub use tables::table_rows::{TableRows, score};
pub use tables::table_slice::{TableDtype, TableSlice};
pub use tables::view::TableView;
