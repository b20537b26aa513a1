//! What training and scoring share: model inputs, tables, bundles and the scorer.
//!
//! [`FieldPlan`](inputs::FieldPlan) and [`TableRows`](tables::TableRows) join the batches of `fibinet-data` to the heads of `fibinet-nn`. A
//! [`Bundle`](bundle::Bundle) is a directory with everything that scoring needs: the fitted encoder, the model's settings,
//! the head, and the tables, which are mapped. A [`Scorer`](scorer::Scorer) turns raw rows into logits with it.
//!
//! Nothing here knows of optimizers.

#[cfg(target_endian = "big")]
compile_error!("tables are mapped in the byte order of their file, little-endian");

pub mod bundle;
pub mod inputs;
pub mod scorer;
pub mod tables;

mod batch_reader;
mod error;
mod probabilities;
