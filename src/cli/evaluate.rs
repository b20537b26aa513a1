use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use fibinet::data::{DataError, Label, open_rows};
use fibinet::serve::{BundleError, Scorer};
use fibinet::train::Predictions;

use super::progress::metrics_line;
use super::{device, print};

/// Judge a bundle on labelled rows: AUC and log loss
///
/// Example: fibinet evaluate runs/first --data test.csv
#[derive(Debug, Args)]
pub(super) struct EvaluateArgs {
    /// The bundle.
    run: PathBuf,
    /// Rows with labels, written as the training file is.
    #[arg(long)]
    data: PathBuf,
    /// flex, ndarray, wgpu, vulkan, metal or cuda, as far as compiled in.
    #[arg(long)]
    device: Option<String>,
    /// Print the result as one JSON object on stdout.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &EvaluateArgs) -> Result<()> {
    let device = device::select(args.device.as_deref())?;
    let scorer = Scorer::open(&args.run, &device)?;
    let mut reader = open_rows(&args.data, scorer.encoder().format(), Label::Required)
        .map_err(BundleError::Data)?;
    let mut predictions = Predictions::default();
    scorer.score_rows(reader.as_mut(), true, |logits, labels| {
        predictions.extend(logits, labels);
        Ok::<(), BundleError>(())
    })?;
    let metrics = predictions.metrics();
    if metrics.rows == 0 {
        return Err(DataError::Empty {
            path: args.data.clone(),
        }
        .into());
    }
    if args.json {
        return print(&serde_json::to_string(&metrics)?);
    }
    let line = metrics_line("data", &metrics);
    print(&format!("{line}  ({} rows)", metrics.rows))
}
