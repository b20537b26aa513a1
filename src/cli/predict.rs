use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use fibinet::data::open_rows;
use fibinet::serve::{Scorer, probability};

use super::aside::AsideFile;
use super::device;

/// Score raw rows: one probability a row, in the rows' order
///
/// Example: fibinet predict runs/first --data new.csv -o scores.csv
#[derive(Debug, Args)]
pub(super) struct PredictArgs {
    /// The bundle.
    run: PathBuf,
    /// Rows, written as the training file is; a label is not needed.
    #[arg(long)]
    data: PathBuf,
    /// A CSV file of one column, `probability`.
    #[arg(short, long)]
    output: PathBuf,
    /// flex, ndarray, wgpu, vulkan, metal or cuda, as far as compiled in.
    #[arg(long)]
    device: Option<String>,
}

pub(super) fn run(args: &PredictArgs) -> Result<()> {
    let device = device::select(args.device.as_deref())?;
    let scorer = Scorer::open(&args.run, &device)?;
    let mut reader = open_rows(&args.data, scorer.encoder().format())?;
    let mut output = AsideFile::create(&args.output)?;
    let context = || args.output.display().to_string();
    writeln!(output, "probability").with_context(context)?;
    let mut rows = 0;
    scorer.score_rows(reader.as_mut(), false, |logits, _| {
        for &logit in logits {
            writeln!(output, "{}", probability(logit)).with_context(context)?;
        }
        rows += logits.len();
        Ok::<(), anyhow::Error>(())
    })?;
    output.commit()?;
    eprintln!("{rows} rows scored into {}", args.output.display());
    Ok(())
}
