use std::path::{Path, PathBuf};

use clap::Args;

/// `--cache`
#[derive(Debug, Args)]
pub(crate) struct CacheArgs {
    /// Directory of the encoded rows, which later runs on the same data reuse; by default
    /// `.fibinet-cache` beside the run file.
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
}

impl CacheArgs {
    /// The directory asked for, or the one beside the run file.
    pub(crate) fn directory(&self, run_file: &Path) -> PathBuf {
        match &self.cache {
            Some(cache) => cache.clone(),
            None => run_file.with_file_name(".fibinet-cache"),
        }
    }
}
