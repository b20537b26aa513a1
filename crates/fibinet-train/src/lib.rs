//! Training CTR models: from a run file to a bundle.
//!
//! [`train`] does the whole: it prepares the data, trains, stops early by the validation rows,
//! restores the best weights from disk, judges them on the test rows and leaves a bundle. A
//! [`Trainer`] is one model in training, step by step.
//!
//! The embedding half and the head are trained apart: the
//! rows that a batch meets are gathered into a leaf `[B, F, K]`, the head runs on it, and the leaf's
//! gradient, summed by distinct row, updates those rows alone ([`RowOptimizer`]). A step's cost does
//! not grow with the vocabulary.

mod config;
mod error;
mod metrics;
mod optim;
mod run;
mod trainer;

pub use config::{
    Calibration, Monitor, RowUpdate, RunConfig, RunSettings, TrainConfig, TrainSettings,
};
pub use error::{NotFinite, TrainError};
pub use metrics::auc::auc;
pub use metrics::calibration::{CalibrationKind, fit as fit_calibration};
pub use metrics::calibration_ratio::calibration_ratio;
pub use metrics::group_auc::{GroupAuc, group_auc};
pub use metrics::logloss::{logloss, weighted_logloss};
pub use metrics::{Metrics, Predictions};
pub use optim::head::norms::clip_by_global_norm;
pub use optim::head::rule::DenseOptimizer;
pub use optim::rows::gradients::RowGradients;
pub use optim::rows::optimizer::RowOptimizer;
pub use optim::rows::rule::RowRule;
pub use optim::rows::table_numbers::TableNumbers;
pub use optim::rows::tables::Tables;
pub use run::report::{EvaluationReport, RunReport, WarmStart};
pub use run::step_times::StepTimes;
pub use run::{Event, RunOptions, train};
pub use trainer::Trainer;
