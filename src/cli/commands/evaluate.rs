use std::path::PathBuf;

use anyhow::{Result, ensure};
use burn::tensor::Device;
use clap::Args;
use fibinet::data::formats::Label;
use fibinet::data::{DataError, DataErrorKind};
use fibinet::model::bundle::{Bundle, BundleError};
use fibinet::model::scorer::{ReadRows, ScoreOptions, Scorer};
use fibinet::train::metrics::{Metrics, Predictions};

use crate::cli::args::{DeviceArgs, LogArgs};
use crate::cli::failure::UsageError;
use crate::cli::output::{
    JsonArgs, Printer, Report, cell_table, metrics_line, note, skipped_rows, surprise_line,
};

/// Evaluate a bundle on labelled rows: AUC, log loss and calibration
///
/// Every byte of the bundle is checked first. The result also has the share of each field's cells that were
/// unknown, missing, out of the range of the training rows, or written in another way. A warning names fields
/// where a share is far above that of the validation rows.
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
        let mut reader = self.log.open(scorer.encoder().format(), Label::Required)?;
        let options = ScoreOptions {
            labels: true,
            on_bad_row: self.log.on_bad_row.into(),
            missing: self.log.missing.clone(),
            ..ScoreOptions::default()
        };
        let mut predictions = Predictions::default();
        let read = scorer.score_rows(reader.as_mut(), &options, |rows| {
            predictions.extend(&rows.logits, &rows.labels, &rows.groups);
            Ok::<(), BundleError>(())
        })?;
        if let Some(line) = skipped_rows(&read.skipped) {
            note(&line);
        }
        let negative_rate = self.negative_rate.unwrap_or(scorer.bundle().negative_rate);
        let metrics = predictions.metrics(negative_rate);
        if metrics.rows == 0 {
            let path = self.log.data;
            return Err(DataError::from(DataErrorKind::Empty { path }).into());
        }
        if let Some(line) =
            surprise_line(&scorer.encoder().surprises(&read.fields), "this file has")
        {
            note(&line);
        }
        self.printer.print(&Evaluation { metrics, read })
    }
}

struct Evaluation {
    metrics: Metrics,
    read: ReadRows,
}

impl Report for Evaluation {
    fn text(&self) -> String {
        let line = metrics_line("data", &self.metrics);
        let (rows, clicks) = (self.metrics.rows, self.metrics.clicks);
        let line = format!("{line}  ({rows} rows, {clicks} clicks)");
        match cell_table(&[&self.read.fields]) {
            Some(table) => format!("{line}\n\n{table}"),
            None => line,
        }
    }

    fn json(&self) -> serde_json::Result<String> {
        let mut report = serde_json::to_value(self.metrics)?;
        report["left_out"] = serde_json::to_value(&self.read.skipped)?;
        report["fields"] = serde_json::to_value(&self.read.fields)?;
        Ok(report.to_string())
    }
}
