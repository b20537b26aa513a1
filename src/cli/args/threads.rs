use anyhow::{Context, Result};
use clap::Args;

/// `--threads`
#[derive(Debug, Args)]
pub(crate) struct ThreadArgs {
    /// Number of threads to compute with; by default one per core.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
}

impl ThreadArgs {
    /// Starts the process's thread pool with the number asked for.
    pub(crate) fn start(&self) -> Result<()> {
        let Some(threads) = self.threads else {
            return Ok(());
        };
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads.into())
            .build_global()
            .context("--threads")
    }
}
