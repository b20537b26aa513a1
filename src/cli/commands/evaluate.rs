use std::path::PathBuf;

use anyhow::{Result, ensure};
use burn::tensor::Device;
use clap::Args;
use fibinet::data::formats::Label;
use fibinet::data::prepare::SkippedRows;
use fibinet::data::{DataError, DataErrorKind};
use fibinet::model::bundle::{Bundle, BundleError};
use fibinet::model::scorer::{ScoreOptions, Scorer};
use fibinet::train::metrics::{Metrics, Predictions};

use crate::cli::args::{DeviceArgs, LogArgs};
use crate::cli::failure::UsageError;
use crate::cli::output::{JsonArgs, Printer, Report, metrics_line, note, skipped_rows};

/// Evaluate a bundle on labelled rows: AUC, log loss and calibration
///
/// Every byte of the bundle is checked first.
///
/// Example: fibinet evaluate runs/first --data test.csv
#[derive(Debug, Args)]
pub(crate) struct EvaluateArgs {
    /// Bundle that `fibinet train` wrote.
    #[arg(value_name = "BUNDLE")]
    run: PathBuf,
    #[command(flatten)]
    log: LogArgs,
    /// Fraction of the negatives kept in this file, such as 0.1; by default that of the training log.
    #[arg(long, value_name = "SHARE")]
    negative_rate: Option<f64>,
    #[command(flatten)]
    device: DeviceArgs,
    #[command(flatten)]
    json: JsonArgs,
}

/// What `evaluate` does, checked.
pub(crate) struct EvaluateJob {
    bundle: PathBuf,
    log: LogArgs,
    /// `None` for that of the bundle.
    negative_rate: Option<f64>,
    device: Device,
    printer: Printer,
}

impl EvaluateArgs {
    pub(crate) fn check(self) -> Result<EvaluateJob> {
        if let Some(rate) = self.negative_rate {
            ensure!(
                rate > 0.0 && rate <= 1.0,
                UsageError(format!("--negative-rate must be in (0, 1], but is {rate}"))
            );
        }
        Ok(EvaluateJob {
            bundle: self.run,
            log: self.log,
            negative_rate: self.negative_rate,
            device: self.device.select()?,
            printer: self.json.printer(),
        })
    }
}

impl EvaluateJob {
    pub(crate) fn run(self) -> Result<()> {
        let scorer = Scorer::new(Bundle::open_verified(&self.bundle)?, &self.device)?;
        let format = scorer.encoder().format();
        let mut reader = self.log.open(format, Label::Required)?;
        let options = ScoreOptions {
            labels: true,
            on_bad_row: self.log.on_bad_row.into(),
            carry: Vec::new(),
        };
        let mut predictions = Predictions::default();
        let skipped = scorer.score_rows(reader.as_mut(), &options, |rows| {
            predictions.extend(&rows.logits, &rows.labels, &rows.groups);
            Ok::<(), BundleError>(())
        })?;
        if let Some(line) = skipped_rows(&skipped) {
            note(&line);
        }
        let negative_rate = self.negative_rate.unwrap_or(scorer.bundle().negative_rate);
        let metrics = predictions.metrics(negative_rate);
        if metrics.rows == 0 {
            let path = self.log.data;
            return Err(DataError::from(DataErrorKind::Empty { path }).into());
        }
        self.printer.print(&Evaluation { metrics, skipped })
    }
}

struct Evaluation {
    metrics: Metrics,
    skipped: SkippedRows,
}

impl Report for Evaluation {
    fn text(&self) -> String {
        let line = metrics_line("data", &self.metrics);
        let (rows, clicks) = (self.metrics.rows, self.metrics.clicks);
        format!("{line}  ({rows} rows, {clicks} clicks)")
    }

    fn json(&self) -> serde_json::Result<String> {
        let mut report = serde_json::to_value(self.metrics)?;
        report["left_out"] = serde_json::to_value(&self.skipped)?;
        Ok(report.to_string())
    }
}
