use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::Args;
use fibinet::data::synthetic::SyntheticConfig;
use fibinet::storage::AtomicFile;

use crate::cli::args::refuse_remote;
use crate::cli::failure::UsageError;
use crate::cli::output::{JsonArgs, Printer, note, print_bytes};

/// Write synthetic rows in Criteo's format, with interactions for a model to find
///
/// The log loss that it prints is that of the true click probabilities. No model can expect a lower one.
///
/// Example: fibinet synth --rows 100000 --vocabulary 50000 -o train.txt
#[derive(Debug, Args)]
pub(crate) struct SynthArgs {
    /// Number of rows to write.
    #[arg(long, value_name = "NUMBER")]
    rows: u64,
    /// Number of distinct tokens in the 26 categorical columns together.
    #[arg(long, value_name = "NUMBER", default_value_t = 1_000_000)]
    vocabulary: u64,
    /// Seed of the rows and of the true click probabilities.
    #[arg(long, value_name = "NUMBER", default_value_t = 2019)]
    seed: u64,
    /// File to write: tabs and no header, as `schema = "criteo"` reads it.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Replace the file if it exists.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    json: JsonArgs,
}

/// What `synth` does, checked.
pub(crate) struct SynthJob {
    config: SyntheticConfig,
    output: PathBuf,
    printer: Printer,
}

impl SynthArgs {
    pub(crate) fn check(self) -> Result<SynthJob> {
        refuse_remote(&self.output)?;
        let vocabulary = self.vocabulary;
        ensure!(
            (26..=u64::from(u32::MAX)).contains(&vocabulary),
            UsageError(format!(
                "--vocabulary must be in 26..=4294967295, but is {vocabulary}"
            ))
        );
        ensure!(
            self.force || !self.output.is_file(),
            UsageError(format!(
                "{} exists; choose another -o, or replace it with --force",
                self.output.display()
            ))
        );
        Ok(SynthJob {
            config: SyntheticConfig {
                rows: self.rows,
                vocabulary,
                seed: self.seed,
            },
            output: self.output,
            printer: self.json.printer(),
        })
    }
}

impl SynthJob {
    pub(crate) fn run(self) -> Result<()> {
        let path = self.output.display();
        let mut output = AtomicFile::create(&self.output)?;
        let summary = self.config.write(&mut output, |_| ());
        let summary = summary.with_context(|| path.to_string())?;
        output.commit()?;
        if self.printer == Printer::Json {
            return print_bytes(format!("{}\n", serde_json::to_string(&summary)?).as_bytes());
        }
        // Not to stdout, which may be the file written.
        note(&format!(
            "{path}: {} rows, {} clicks; log loss of the true probabilities {:.5}",
            summary.rows, summary.clicks, summary.bayes_logloss
        ));
        Ok(())
    }
}
