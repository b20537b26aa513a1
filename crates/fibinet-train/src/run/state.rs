use std::path::Path;
use std::time::Duration;

use burn::tensor::Device;
use fibinet_data::config::DataSpec;
use fibinet_data::prepare::Prepared;
use fibinet_model::inputs::FieldPlan;
use fibinet_nn::models::{AnyHeadConfig, CtrModelConfig};

use crate::config::TrainSettings;
use crate::run::report::WarmStart;
use crate::run::stopping::Stopping;
use crate::trainer::Trainer;

/// A run between preparing its data and writing its report.
pub(super) struct Run<'a> {
    pub(super) train: &'a TrainSettings,
    pub(super) data: &'a DataSpec,
    /// The directory that becomes the bundle.
    pub(super) directory: &'a Path,
    pub(super) device: Device,
    pub(super) model: CtrModelConfig<AnyHeadConfig>,
    pub(super) plan: FieldPlan,
    pub(super) prepared: Prepared,
    pub(super) trainer: Trainer,
    pub(super) warm_start: Option<WarmStart>,
    pub(super) stopping: Stopping,
    pub(super) progress: TrainingProgress,
    /// The time spent training, evaluations apart.
    pub(super) training_time: Duration,
    /// The part of that time spent waiting for batches.
    pub(super) waited: Duration,
}

/// How far training has come.
#[derive(Debug, Default)]
pub(super) struct TrainingProgress {
    /// The last epoch begun, from 1.
    pub(super) epoch: usize,
    /// Steps so far.
    pub(super) step: u64,
    /// Rows trained on up to the last evaluation.
    pub(super) total_rows: u64,
    /// Rows since the last evaluation.
    pub(super) rows: u64,
    /// The sum of their losses.
    pub(super) loss: f64,
}
