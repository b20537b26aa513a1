use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use fibinet::data::SyntheticConfig;

use crate::cli::aside::AsideFile;
use crate::cli::{UsageError, print, say};

/// Write synthetic rows in Criteo's form, with interactions for a model to find
///
/// The log loss that it prints is that of one who knows the law by which clicks were drawn: no model
/// does better, but for chance.
///
/// Example: fibinet synth --rows 100000 --vocabulary 50000 -o train.txt
#[derive(Debug, Args)]
pub(crate) struct SynthArgs {
    /// Rows.
    #[arg(long)]
    rows: u64,
    /// Distinct tokens of the 26 categorical columns together.
    #[arg(long, default_value_t = 1_000_000)]
    vocabulary: u64,
    /// Decides the rows and the law.
    #[arg(long, default_value_t = 2019)]
    seed: u64,
    /// The file to write: tabs, no header, as `schema = "criteo"` reads it.
    #[arg(short, long)]
    output: PathBuf,
    /// Replace the file where it exists.
    #[arg(long)]
    force: bool,
    /// Print the result as one JSON object on stdout.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &SynthArgs) -> Result<()> {
    if !(26..=u64::from(u32::MAX)).contains(&args.vocabulary) {
        let message = format!(
            "--vocabulary must be in 26..=4294967295, but is {}",
            args.vocabulary
        );
        return Err(UsageError(message).into());
    }
    if !args.force && args.output.is_file() {
        let message = format!(
            "{} exists; give another -o, or --force",
            args.output.display()
        );
        return Err(UsageError(message).into());
    }
    let config = SyntheticConfig {
        rows: args.rows,
        vocabulary: args.vocabulary,
        seed: args.seed,
    };
    let mut output = AsideFile::create(&args.output)?;
    let context = || args.output.display().to_string();
    let summary = config.write(&mut output, |_| ()).with_context(context)?;
    output.commit()?;
    if args.json {
        return print(&serde_json::to_string(&summary)?);
    }
    say(&format!(
        "{}: {} rows, {} clicks; the least log loss is {:.5}",
        args.output.display(),
        summary.rows,
        summary.clicks,
        summary.bayes_logloss
    ));
    Ok(())
}
