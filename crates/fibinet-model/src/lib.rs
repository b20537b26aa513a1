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
pub mod huge_pages;
mod input_memory;
mod logit_map;
mod plan;
mod scorer;
mod staging;
mod table_file;
mod table_slice;
mod tables;

pub use bundle::{Bundle, BundleParts};
pub use error::BundleError;
pub use logit_map::LogitMap;
pub use plan::{FieldPlan, PlaceLists, RowInputs};
pub use scorer::{ScoreOptions, ScoredRows, Scorer, probability};
pub use staging::Staging;
pub use table_file::RowsBehind;
pub use table_slice::{TableDtype, TableSlice};
pub use tables::{TableView, score};
