use std::path::PathBuf;

use clap::Args;
use fibinet::train::TrainError;
use fibinet::train::config::RunConfig;

/// A run file, and `--set`.
#[derive(Debug, Args)]
pub(crate) struct RunFileArgs {
    /// Run file, such as `fibinet init` writes.
    #[arg(value_name = "RUN_FILE")]
    pub(crate) config: PathBuf,
    /// Settings that replace those of the run file, such as `train.epochs=5`.
    #[arg(long, value_name = "SECTION.KEY=VALUE", num_args = 1..)]
    set: Vec<String>,
}

impl RunFileArgs {
    /// The run file with its replaced settings.
    pub(crate) fn read(&self) -> Result<RunConfig, TrainError> {
        RunConfig::read(&self.config, &self.set)
    }
}
