use std::fs::File;
use std::io::BufWriter;
use std::sync::Arc;

use fibinet_data::shards::{Batch, BatchStream, Shards};
use fibinet_model::bundle::{Bundle, LogitMap};
use fibinet_model::scorer::Scorer;

use crate::error::TrainError;
use crate::metrics::Predictions;
use crate::metrics::calibration;
use crate::metrics::logloss::weighted_logloss;
use crate::run::kept::{Choice, ValidLogits};
use crate::run::memory::EVALUATION_ROWS;
use crate::run::read_ahead::read_ahead;
use crate::run::report::{RunReport, SplitCells};
use crate::run::state::Run;

const REPORT: &str = "report.json";

impl Run<'_> {
    /// The logits of the validation rows by the members as they are, and the weights to keep of them and of those kept
    /// before. Their metrics are those of the members' mean, without calibration.
    pub(super) fn evaluate(&self) -> Result<(ValidLogits, Choice), TrainError> {
        let heads = self.members.valid_heads();
        let num_kinds = self.train.member_kinds();
        let mut logits = ValidLogits::default();
        let mut rows = Predictions::default();
        for_batches(&self.prepared.valid, |batch, labels, groups| {
            logits.extend(
                self.members.logits(&heads, &self.plan.inputs(batch)),
                num_kinds,
            );
            rows.labels.extend(labels);
            rows.groups.extend(groups);
        })?;
        let output = LogitMap::of_sampled_negatives(self.data.negative_rate);
        let metrics = |mut logits: Vec<f32>| {
            logits
                .iter_mut()
                .for_each(|logit| *logit = output.apply(*logit));
            rows.logits = logits;
            rows.metrics(self.data.negative_rate)
        };
        let sizes = [self.train.members, num_kinds];
        let choice = logits.best_choice(self.kept.as_ref(), sizes, self.train.monitor, metrics);
        Ok((logits, choice))
    }

    /// Calibrates and evaluates the best weights, read back from disk by the code that will serve them.
    pub(super) fn finish(self) -> Result<RunReport, TrainError> {
        let rate = self.data.negative_rate;
        let open = || Scorer::new(Bundle::open_unchecked(self.directory)?, &self.device);
        let mut scorer = open()?;
        let mut valid = predict(&self.prepared.valid, |batch| scorer.logits(batch))?;
        let uncalibrated = valid.metrics(rate).logloss;
        let calibration = self.calibrate(&valid, uncalibrated);
        if let Some(map) = calibration {
            let heads = self.members.valid_heads();
            self.bundle_parts(&heads, map)
                .write_settings(self.directory)?;
            drop(heads);
            scorer = open()?;
            valid = predict(&self.prepared.valid, |batch| scorer.logits(batch))?;
        }
        let test = match &self.prepared.test {
            Some(test) => Some(predict(test, |batch| scorer.logits(batch))?.metrics(rate)),
            None => None,
        };
        let seconds = self
            .progress
            .training_time
            .as_secs_f64()
            .max(f64::MIN_POSITIVE);
        let report = RunReport {
            valid: valid.metrics(rate),
            valid_logloss_uncalibrated: uncalibrated,
            calibration,
            test,
            best_epoch: self.stopping.best_epoch().unwrap_or(0),
            epochs: self.progress.epoch,
            members: scorer.bundle().num_members(),
            num_parameters: scorer.num_params(),
            train_rows: self.prepared.train.num_rows(),
            train_clicks: self.classes.train_clicks,
            warm_start: self.warm_start,
            fields: self.split_cells(),
            skipped: self.prepared.skipped.clone(),
            rows_per_second: self.progress.total_rows as f64 / seconds,
            data_wait: self.progress.waited.as_secs_f64() / seconds,
        };
        self.write_report(&report)?;
        Ok(report)
    }

    fn split_cells(&self) -> SplitCells {
        let test = match &self.prepared.test {
            Some(_) => self.prepared.test_cells(),
            None => Vec::new(),
        };
        SplitCells {
            valid: self.prepared.valid_cells(),
            surprises: self.prepared.encoder.surprises(&test),
            test,
        }
    }

    fn write_report(&self, report: &RunReport) -> Result<(), TrainError> {
        let path = self.directory.join(REPORT);
        let file = File::create(&path).map_err(TrainError::io(&path))?;
        serde_json::to_writer_pretty(BufWriter::new(file), report).map_err(|error| TrainError::Io {
            path,
            error: error.into(),
        })
    }

    /// The calibration, if it lowers the log loss of the validation rows.
    fn calibrate(&self, valid: &Predictions, uncalibrated: f64) -> Option<LogitMap> {
        let kind = self.train.calibration.kind()?;
        let weight = 1.0 / self.data.negative_rate;
        let fitted = calibration::fit(kind, &valid.logits, &valid.labels, weight)?;
        let mapped: Vec<f32> = valid
            .logits
            .iter()
            .map(|logit| fitted.apply(*logit))
            .collect();
        // These logits are corrected for sampled negatives already, and the bundle's map corrects again.
        let correction = self.data.negative_rate.ln();
        let map = LogitMap {
            scale: fitted.scale,
            shift: fitted.shift + (fitted.scale - 1.0) * correction,
        };
        (weighted_logloss(&mapped, &valid.labels, weight) < uncalibrated).then_some(map)
    }
}

/// The predictions for a split's rows, whose batches are read ahead.
fn predict(
    shards: &Arc<Shards>,
    logits: impl Fn(&Batch) -> Vec<f32>,
) -> Result<Predictions, TrainError> {
    let mut predictions = Predictions::default();
    for_batches(shards, |batch, labels, groups| {
        predictions.extend(&logits(batch), &labels, &groups);
    })?;
    Ok(predictions)
}

/// Calls a function with each batch of a split, its labels and its groups.
fn for_batches(
    shards: &Arc<Shards>,
    mut run: impl FnMut(&Batch, Vec<f32>, Vec<u64>),
) -> Result<(), TrainError> {
    let stream = BatchStream::new(Arc::clone(shards), EVALUATION_ROWS, None);
    for batch in read_ahead(stream)? {
        let mut batch = batch?;
        let labels = std::mem::take(&mut batch.labels);
        let groups = std::mem::take(&mut batch.groups);
        run(&batch, labels, groups);
    }
    Ok(())
}
