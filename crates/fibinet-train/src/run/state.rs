use std::path::Path;
use std::time::Duration;

use burn::tensor::Device;
use fibinet_data::config::DataSpec;
use fibinet_data::prepare::{Prepared, prepare, prepare_cached};
use fibinet_model::bundle::Bundle;
use fibinet_model::inputs::FieldPlan;
use fibinet_nn::models::{AnyHeadConfig, CtrModelConfig};

use crate::config::{RunSettings, TrainSettings};
use crate::error::TrainError;
use crate::run::class_counts::ClassCounts;
use crate::run::event::Event;
use crate::run::memory::MemoryEstimate;
use crate::run::options::RunOptions;
use crate::run::report::WarmStart;
use crate::run::stopping::Stopping;
use crate::trainer::Trainer;

/// The directory of the encoded rows while the run lasts, if there is no cache.
pub(super) const SHARDS: &str = "shards";

/// A run between preparing its data and writing its report.
pub(super) struct Run<'a> {
    pub(super) train: &'a TrainSettings,
    pub(super) data: &'a DataSpec,
    pub(super) model: &'a CtrModelConfig<AnyHeadConfig>,
    /// The directory that becomes the bundle.
    pub(super) directory: &'a Path,
    pub(super) device: Device,
    pub(super) plan: FieldPlan,
    pub(super) prepared: Prepared,
    pub(super) classes: ClassCounts,
    /// The least memory that training takes.
    pub(super) memory_bytes: u64,
    pub(super) trainer: Trainer,
    pub(super) warm_start: Option<WarmStart>,
    pub(super) stopping: Stopping,
    pub(super) progress: TrainingProgress,
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
    /// The time spent training, evaluations apart.
    pub(super) training_time: Duration,
    /// The part of that time spent waiting for batches.
    pub(super) waited: Duration,
}

impl<'a> Run<'a> {
    /// Prepares the data and builds the model, with what it takes from the bundle of a warm start.
    pub(super) fn new(
        settings: &'a RunSettings,
        options: &RunOptions<'_>,
        directory: &'a Path,
        observe: &mut impl FnMut(Event),
    ) -> Result<Self, TrainError> {
        let RunSettings { data, model, train } = settings;
        let mut memory = MemoryEstimate::of_head(model, train);
        memory.check()?;
        let base = open_base(options, model)?;
        let encoder = base.as_ref().map(|base| &base.encoder);
        let progress = |progress| observe(Event::Preparing(progress));
        let prepared = match options.cache {
            Some(cache) => prepare_cached(data, encoder, cache, progress)?.0,
            None => prepare(data, encoder, &directory.join(SHARDS), progress)?,
        };
        let classes = ClassCounts::of(&prepared, &data.format)?;
        let layout = prepared.encoder.layout();
        let plan = FieldPlan::new(&layout, model.tables.numerics)?;
        memory.add_tables(&model.tables, &plan, &layout, train);
        memory.check()?;
        let mut trainer = Trainer::new(model, plan.sizes().clone(), train, options.device)?;
        let warm_start = base
            .map(|base| warm_start(base, &mut trainer, options.device))
            .transpose()?;
        Ok(Self {
            train,
            data,
            model,
            directory,
            device: options.device.clone().inner(),
            plan,
            prepared,
            classes,
            memory_bytes: memory.bytes(),
            trainer,
            warm_start,
            stopping: Stopping::default(),
            progress: TrainingProgress::default(),
        })
    }
}

/// The bundle of a warm start, if there is to be one.
fn open_base(
    options: &RunOptions<'_>,
    model: &CtrModelConfig<AnyHeadConfig>,
) -> Result<Option<Bundle>, TrainError> {
    // Every byte is checked: all of them are read anyway, and damage would be passed on.
    let base = options.warm_start.map(Bundle::open_verified).transpose()?;
    let Some(other) = base.as_ref().filter(|base| base.model != *model) else {
        return Ok(base);
    };
    let (name, base_name) = (model.head.name(), other.model.head.name());
    Err(TrainError::RunFile(if name == base_name {
        "[model] differs from that of the bundle to warm-start from".to_owned()
    } else {
        format!("[model] is `{name}`, but the bundle to warm-start from holds `{base_name}`")
    }))
}

/// Copies the head and the table rows of known tokens from a bundle.
fn warm_start(
    base: Bundle,
    trainer: &mut Trainer,
    device: &Device,
) -> Result<WarmStart, TrainError> {
    let head = base.head(&device.clone().inner().autodiff())?;
    let kept_rows = trainer.copy_rows(&base.tables());
    trainer.set_head(head);
    Ok(WarmStart {
        kept_rows,
        new_rows: trainer.sizes().num_rows() - kept_rows,
    })
}
