use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use fibinet::train::config::RunConfig;

use crate::cli::args::refuse_standard;

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
    pub(crate) fn read(&self) -> Result<RunConfig> {
        refuse_standard("the run file", &self.config)?;
        Ok(RunConfig::read(&self.config, &self.set)?)
    }
}
