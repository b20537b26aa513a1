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
use crate::run::kept::ValidLogits;
use crate::run::members::Members;
use crate::run::memory::MemoryEstimate;
use crate::run::options::RunOptions;
use crate::run::report::WarmStart;
use crate::run::stopping::Stopping;

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
    pub(super) members: Members,
    pub(super) warm_start: Option<WarmStart>,
    pub(super) stopping: Stopping,
    /// The validation logits of the weights that are in the directory, if members are of two kinds.
    pub(super) kept: Option<ValidLogits>,
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
        let mut memory = MemoryEstimate::of_head(model, train, options.device);
        memory.check()?;
        let base = open_base(options, model, train)?;
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
        let mut members = Members::new(model, plan.sizes(), train, options.device)?;
        let warm_start = base
            .map(|base| members.warm_start(&base, options.device))
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
            members,
            warm_start,
            stopping: Stopping::default(),
            kept: None,
            progress: TrainingProgress::default(),
        })
    }
}

/// The bundle of a warm start, if there is to be one. It must have the same model and members.
fn open_base(
    options: &RunOptions<'_>,
    model: &CtrModelConfig<AnyHeadConfig>,
    train: &TrainSettings,
) -> Result<Option<Bundle>, TrainError> {
    let Some(path) = options.warm_start else {
        return Ok(None);
    };
    // Every byte is checked: all of them are read anyway, and damage would be passed on.
    let base = Bundle::open_verified(path)?;
    let (name, base_name) = (model.head.name(), base.model.head.name());
    if name != base_name {
        return Err(TrainError::RunFile(format!(
            "[model] is `{name}`, but the bundle to warm-start from holds `{base_name}`"
        )));
    }
    if base.model != *model {
        let text = "[model] differs from that of the bundle to warm-start from";
        return Err(TrainError::RunFile(text.to_owned()));
    }
    let (members, base_members) = (train.members, base.num_members());
    if members != base_members {
        return Err(TrainError::RunFile(format!(
            "train.members is {members}, but the bundle to warm-start from has {base_members}: set \
             train.members = {base_members}"
        )));
    }
    let (alternate, base_alternate) = (train.alternate_batch_norm, base.alternate_batch_norm);
    if members > 1 && alternate != base_alternate {
        return Err(TrainError::RunFile(format!(
            "train.alternate_batch_norm is {alternate}, but {base_alternate} in the bundle to warm-start from: set \
             train.alternate_batch_norm = {base_alternate}"
        )));
    }
    Ok(Some(base))
}
