use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use fibinet::data::{DataError, DataErrorKind, Label, open_rows};
use fibinet::model::{Bundle, BundleError, ScoreOptions, Scorer};
use fibinet::train::Predictions;

use crate::cli::args::BadRow;
use crate::cli::args::device;
use crate::cli::output::{left_out_line, metrics_line};
use crate::cli::{UsageError, print, say};

/// Check every byte of a bundle, and judge it on labelled rows: AUC and log loss
///
/// Example: fibinet evaluate runs/first --data test.csv
#[derive(Debug, Args)]
pub(crate) struct EvaluateArgs {
    /// The bundle.
    run: PathBuf,
    /// Rows with labels, written as the training file is.
    #[arg(long)]
    data: PathBuf,
    /// What a row that cannot be read does: end the run, or be left out and counted.
    #[arg(long, value_enum, default_value_t = BadRow::Fail)]
    on_bad_row: BadRow,
    /// The share of the negatives that this file kept; by default that of the training log.
    #[arg(long)]
    negative_rate: Option<f64>,
    /// flex, ndarray, wgpu, vulkan, metal or cuda, as far as compiled in.
    #[arg(long)]
    device: Option<String>,
    /// Print the result as one JSON object on stdout.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &EvaluateArgs) -> Result<()> {
    if let Some(rate) = args
        .negative_rate
        .filter(|rate| !(*rate > 0.0 && *rate <= 1.0))
    {
        let message = format!("--negative-rate must be in (0, 1], but is {rate}");
        return Err(UsageError(message).into());
    }
    let device = device::select(args.device.as_deref())?;
    let scorer = Scorer::new(Bundle::open_verified(&args.run)?, &device)?;
    let mut reader = open_rows(&args.data, scorer.encoder().format(), Label::Required)
        .map_err(BundleError::Data)?;
    let negative_rate = args.negative_rate.unwrap_or(scorer.bundle().negative_rate);
    let mut predictions = Predictions::default();
    let options = ScoreOptions {
        labels: true,
        on_bad_row: args.on_bad_row.into(),
        carry: Vec::new(),
    };
    let left_out = scorer.score_rows(reader.as_mut(), &options, |rows| {
        predictions.extend(&rows.logits, &rows.labels, &rows.groups);
        Ok::<(), BundleError>(())
    })?;
    if let Some(line) = left_out_line(&left_out) {
        say(&line);
    }
    let metrics = predictions.metrics(negative_rate);
    if metrics.rows == 0 {
        return Err(DataError::from(DataErrorKind::Empty {
            path: args.data.clone(),
        })
        .into());
    }
    if args.json {
        let mut report = serde_json::to_value(metrics)?;
        report["left_out"] = serde_json::to_value(&left_out)?;
        return print(&report.to_string());
    }
    let line = metrics_line("data", &metrics);
    print(&format!("{line}  ({} rows)", metrics.rows))
}
