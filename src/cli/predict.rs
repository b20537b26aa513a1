use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use fibinet::data::{Label, open_rows};
use fibinet::serve::{Scorer, probability};

use super::aside::AsideFile;
use super::{UsageError, device, say};

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
    if is_same_file(&args.data, &args.output) {
        let path = args.output.display();
        let message = format!("{path} is the file to score; write the scores to another");
        return Err(UsageError(message).into());
    }
    let device = device::select(args.device.as_deref())?;
    let scorer = Scorer::open(&args.run, &device)?;
    let format = scorer.encoder().format();
    let mut reader = open_rows(&args.data, format, Label::Optional)?;
    if format.columns.is_some() && !reader.columns().contains(&format.label) {
        say(&format!(
            "rows are one cell narrower: `{}` is taken to be absent",
            format.label
        ));
    }
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
    say(&format!(
        "{rows} rows scored into {}",
        args.output.display()
    ));
    Ok(())
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}
