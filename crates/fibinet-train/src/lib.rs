//! Training CTR models: from a run file to a bundle.
//!
//! [`train`](run::train) does everything: it prepares the data, trains, stops early by the validation rows, restores the
//! best weights from disk, evaluates them on the test rows and writes a bundle. A [`Trainer`] trains one
//! model step by step.
//!
//! The tables and the head are trained separately. The table rows that a batch touches are gathered into a
//! leaf `[B, F, K]` and the head runs on it. The leaf's gradient, summed per distinct row, updates those rows
//! only ([`RowOptimizer`](optim::RowOptimizer)), so that the cost of a step does not grow with the vocabulary.

pub mod config;
pub mod metrics;
pub mod optim;
pub mod run;

mod error;
mod step_times;
mod trainer;

pub use error::{NotFinite, TrainError};
pub use step_times::StepTimes;
pub use trainer::Trainer;
