//! A whole run: data, training, early stopping, evaluation, bundle.

pub(crate) mod report;

mod evaluation;
mod event;
mod read_ahead;
mod state;
mod stopping;
mod training;

pub use event::Event;
pub use report::{EvaluationReport, RunReport, WarmStart};

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use burn::tensor::Device;
use fibinet_data::prepare::{prepare, prepare_cached};
use fibinet_model::bundle::{Bundle, Staging};
use fibinet_model::inputs::FieldPlan;

use crate::config::{RunConfig, RunSettings};
use crate::error::TrainError;
use crate::run::state::{Run, TrainingProgress};
use crate::run::stopping::Stopping;
use crate::trainer::Trainer;

const SHARDS: &str = "shards";

/// Where and how a run runs.
#[derive(Debug, Clone)]
pub struct RunOptions<'a> {
    /// The directory that the bundle becomes.
    pub out: &'a Path,
    /// Whether a bundle that is already there is replaced.
    pub force: bool,
    /// The device of the head.
    pub device: &'a Device,
    /// A bundle to start from: its encoder, its head, and the table rows of its tokens.
    pub warm_start: Option<&'a Path>,
    /// The directory that keeps encoded rows for later runs; `None` removes them when the run ends.
    pub cache: Option<&'a Path>,
}

/// Trains as a run file says and writes a bundle, with `history.jsonl` and `report.json` in it.
///
/// Everything is written to a directory beside `out`, which is renamed to `out` at the end. Until then
/// `out` stays as it was. A run whose loss becomes infinite or NaN leaves its best weights so far, if it
/// has any, as a bundle beside `out`, which the error names.
///
/// # Errors
///
/// If the config is wrong, the data is not what it says, `out` is taken, a file cannot be written, or the
/// loss becomes infinite or NaN.
pub fn train(
    config: &RunConfig,
    options: &RunOptions<'_>,
    mut observe: impl FnMut(Event),
) -> Result<RunReport, TrainError> {
    let RunSettings { data, model, train } = config.validate()?;
    let staging = Staging::create(options.out, options.force)?;
    let shards = staging.path().join(SHARDS);
    // Every byte is checked: all of them are read anyway, and damage would be passed on.
    let base = options.warm_start.map(Bundle::open_verified).transpose()?;
    if base.as_ref().is_some_and(|base| base.model != model) {
        let reason = "[model] differs from that of the bundle that the run is to start from";
        return Err(TrainError::RunFile(reason.to_owned()));
    }
    let base_encoder = base.as_ref().map(|base| &base.encoder);
    let progress = |progress| observe(Event::Preparing(progress));
    let prepared = match options.cache {
        Some(cache) => prepare_cached(&data, base_encoder, cache, progress)?.0,
        None => prepare(&data, base_encoder, &shards, progress)?,
    };

    let plan = FieldPlan::new(&prepared.encoder.layout(), model.tables.numerics)?;
    let mut trainer = Trainer::new(&model, plan.sizes().clone(), &train, options.device)?;
    let warm_start = base
        .map(|base| warm_start(base, &mut trainer, options.device))
        .transpose()?;
    let mut run = Run {
        train: &train,
        data: &data,
        directory: staging.path(),
        device: options.device.clone().inner(),
        trainer,
        warm_start,
        model,
        plan,
        prepared,
        stopping: Stopping::default(),
        progress: TrainingProgress::default(),
        training_time: Duration::ZERO,
        waited: Duration::ZERO,
    };
    let trained = run.train(&mut observe);
    let best_epoch = run.stopping.best_epoch();
    let diverged = match (trained, best_epoch) {
        (Ok(()), _) => None,
        (Err(TrainError::NotFinite(failure)), Some(_)) => Some(failure),
        (Err(error), _) => return Err(error),
    };
    let report = run.finish()?;
    if shards.exists() {
        fs::remove_dir_all(&shards).map_err(TrainError::io(&shards))?;
    }
    match diverged.zip(best_epoch) {
        None => {
            staging.commit()?;
            Ok(report)
        }
        Some((mut failure, epoch)) => {
            let beside = beside(options.out);
            staging.commit_as(&beside)?;
            failure.kept = Some((epoch, beside));
            Err(TrainError::NotFinite(failure))
        }
    }
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

/// Where a run that diverged leaves its best weights.
fn beside(out: &Path) -> PathBuf {
    let mut name = out.file_name().unwrap_or_default().to_owned();
    name.push(".diverged");
    out.with_file_name(name)
}
