//! Training CTR models: from a run file to a bundle.
//!
//! [`train`] does everything: it prepares the data, trains, stops early by the validation rows, restores the
//! best weights from disk, evaluates them on the test rows and writes a bundle. A [`Trainer`] trains one
//! model step by step.
//!
//! The tables and the head are trained separately. The table rows that a batch touches are gathered into a
//! leaf `[B, F, K]` and the head runs on it. The leaf's gradient, summed per distinct row, updates those rows
//! only ([`RowOptimizer`]), so that the cost of a step does not grow with the vocabulary.

mod config;
mod error;
mod metrics;
mod optim;
mod run;
mod step_times;
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
pub use run::{Event, RunOptions, train};
pub use step_times::StepTimes;
pub use trainer::Trainer;
