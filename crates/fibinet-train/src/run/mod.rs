//! A whole run: data, training, early stopping, evaluation, bundle.

pub(crate) mod report;

mod class_counts;
mod evaluation;
mod event;
mod kept;
mod machine;
mod members;
mod memory;
mod options;
mod read_ahead;
mod state;
mod stopping;
mod training;

pub use event::Event;
pub use options::RunOptions;
pub use report::{EvaluationReport, RunReport, SplitCells, WarmStart};

use std::fs;
use std::path::{Path, PathBuf};

use fibinet_model::bundle::Staging;

use crate::config::RunConfig;
use crate::error::TrainError;
use crate::run::state::{Run, SHARDS};

/// Trains as a run file says and writes a bundle, with `history.jsonl` and `report.json` in it.
///
/// Everything is written to a directory beside `out`, which is renamed to `out` at the end. Until then
/// `out` stays as it was. A run whose loss becomes infinite or NaN leaves its best weights so far, if it
/// has any, as a bundle beside `out`, which the error names.
///
/// # Errors
///
/// If the config is wrong, the model takes more memory than there is, the data is not what it says, training or
/// validation rows have only one class, `out` is taken, a file cannot be written, or the loss becomes infinite
/// or NaN.
pub fn train(
    config: &RunConfig,
    options: &RunOptions<'_>,
    mut observe: impl FnMut(Event),
) -> Result<RunReport, TrainError> {
    let settings = config.validate()?;
    let staging = Staging::create(options.out, options.force)?;
    let mut run = Run::new(&settings, options, staging.path(), &mut observe)?;
    let trained = run.train(&mut observe);
    let diverged = match (trained, run.stopping.best_epoch()) {
        (Ok(()), _) => None,
        (Err(TrainError::NotFinite(failure)), Some(epoch)) => Some((failure, epoch)),
        (Err(error), _) => return Err(error),
    };
    let report = run.finish()?;
    let shards = staging.path().join(SHARDS);
    if shards.exists() {
        fs::remove_dir_all(&shards).map_err(TrainError::io(&shards))?;
    }
    let Some((mut failure, best_epoch)) = diverged else {
        staging.commit()?;
        return Ok(report);
    };
    let beside = beside(options.out);
    staging.commit_as(&beside)?;
    failure.kept = Some((best_epoch, beside));
    Err(TrainError::NotFinite(failure))
}

/// Where a run that diverged leaves its best weights.
fn beside(out: &Path) -> PathBuf {
    let mut name = out.file_name().unwrap_or_default().to_owned();
    name.push(".diverged");
    out.with_file_name(name)
}
