use std::fs::File;
use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use fibinet_data::shards::{BatchStream, Prefetch, Shuffle};
use fibinet_data::{DataError, mix_seed};
use fibinet_model::bundle::{BundleParts, LogitMap};
use fibinet_model::inputs::RowInputs;
use fibinet_nn::models::AnyHead;

use crate::error::{NotFinite, TrainError};
use crate::metrics::Metrics;
use crate::run::event::Event;
use crate::run::read_ahead::read_ahead;
use crate::run::report::EvaluationReport;
use crate::run::state::{Run, TrainingProgress};

const HISTORY: &str = "history.jsonl";
/// Keeps the rows' order apart from other draws of the same seed.
const SHUFFLE: u64 = 0x5348_5546_464c_4531;

impl Run<'_> {
    /// Trains until early stopping or the last epoch. Leaves the best weights in the run's
    /// directory.
    pub(super) fn train(&mut self, observe: &mut impl FnMut(Event)) -> Result<(), TrainError> {
        let heads = self.members.valid_heads();
        let parts = self.bundle_parts(&heads, LogitMap::IDENTITY);
        parts.write_encoder(self.directory)?;
        parts.write_settings(self.directory)?;
        // A live clone would make each step copy the weights instead of updating them in place.
        drop(heads);
        let test = self.prepared.test.as_ref();
        observe(Event::Training {
            train_rows: self.prepared.train.num_rows(),
            train_clicks: self.classes.train_clicks,
            valid_rows: self.prepared.valid.num_rows(),
            valid_clicks: self.classes.valid_clicks,
            test_rows: test.map_or(0, |test| test.num_rows()),
            test_clicks: self.classes.test_clicks,
            members: self.train.members,
            num_parameters: self.members.num_params(),
            memory_bytes: self.memory_bytes,
        });
        let path = self.directory.join(HISTORY);
        let mut history = File::create(&path).map_err(TrainError::io(&path))?;
        for epoch in 1..=self.train.epochs {
            self.progress.epoch = epoch;
            if self.epoch(&mut history, observe)? {
                break;
            }
        }
        Ok(())
    }

    /// The batches of an epoch, shuffled and laid out ahead of their steps.
    fn batches(&self) -> Result<Prefetch<Result<RowInputs, DataError>>, TrainError> {
        let shuffle = Shuffle {
            seed: mix_seed(self.train.seed ^ SHUFFLE, self.progress.epoch as u64),
            buffer_rows: self.data.shuffle_rows,
        };
        let train = Arc::clone(&self.prepared.train);
        let stream = BatchStream::new(train, self.train.batch_size, Some(shuffle));
        let plan = self.plan.clone();
        read_ahead(stream.map(move |batch| batch.map(|batch| plan.inputs(&batch))))
    }

    /// Trains for an epoch, with its evaluations, and returns whether training is over.
    fn epoch(
        &mut self,
        history: &mut File,
        observe: &mut impl FnMut(Event),
    ) -> Result<bool, TrainError> {
        let epoch = self.progress.epoch;
        let mut batches = self.batches()?;
        let mut rows = 0;
        let mut start = Instant::now();
        while let Some(inputs) = batches.next() {
            let inputs = inputs?;
            let loss = self.step(&inputs)?;
            rows += inputs.num_rows;
            observe(Event::Step { epoch, rows, loss });
            let every = self.train.evaluate_every as u64;
            let at_the_end = rows == self.prepared.train.num_rows();
            if every > 0 && self.progress.step.is_multiple_of(every) && !at_the_end {
                self.progress.training_time += start.elapsed();
                if self.evaluation(history, observe)? {
                    self.progress.waited += batches.waited();
                    return Ok(true);
                }
                start = Instant::now();
            }
        }
        self.progress.training_time += start.elapsed();
        self.progress.waited += batches.waited();
        drop(batches);
        self.evaluation(history, observe)
    }

    /// Trains on a batch and returns its loss.
    fn step(&mut self, inputs: &RowInputs) -> Result<f32, TrainError> {
        let loss = self.members.step(inputs);
        let progress = &mut self.progress;
        progress.step += 1;
        let (step, epoch) = (progress.step, progress.epoch);
        progress.rows += inputs.num_rows as u64;
        progress.loss += f64::from(loss) * inputs.num_rows as f64;
        self.require_finite(f64::from(loss), || {
            format!("at step {step} (epoch {epoch})")
        })?;
        Ok(loss)
    }

    /// Evaluates the members' mean on the validation rows, saves what is to be kept of them if it is the best so far,
    /// and returns whether training is over.
    fn evaluation(
        &mut self,
        history: &mut File,
        observe: &mut impl FnMut(Event),
    ) -> Result<bool, TrainError> {
        let TrainingProgress { epoch, step, .. } = self.progress;
        let (mut logits, choice) = self.evaluate()?;
        let valid = choice.metrics;
        self.require_finite(choice.logloss_now, || {
            format!("on the validation rows after step {step} (epoch {epoch})")
        })?;
        let report = self.evaluation_report(valid);
        self.append(history, &report)?;
        let stop = if report.best {
            let heads = self.members.valid_heads();
            let parts = self.bundle_parts(&heads, LogitMap::IDENTITY);
            for (member, _) in choice.renewed.iter().enumerate().filter(|(_, new)| **new) {
                parts.write_member(self.directory, member)?;
            }
            drop(heads);
            if self.train.member_kinds() > 1 {
                logits.keep(self.kept.take(), &choice.renewed);
                self.kept = Some(logits);
            }
            self.stopping.set_best(epoch, valid);
            // The setting is at least 1, so one best evaluation never stops training.
            false
        } else {
            let rate = self.members.learning_rate();
            let verdict = self.stopping.not_best(&valid, self.train, rate);
            if let Some(rate) = verdict.learning_rate {
                self.members.set_learning_rate(rate);
            }
            verdict.stop
        };
        observe(Event::Evaluation(report));
        Ok(stop)
    }

    /// The report of an evaluation, from which on losses and rows are counted from zero.
    fn evaluation_report(&mut self, valid: Metrics) -> EvaluationReport {
        let best = self.stopping.is_best(&valid, self.train.monitor);
        let progress = &mut self.progress;
        let (rows, loss) = (progress.rows, progress.loss);
        progress.total_rows += rows;
        (progress.rows, progress.loss) = (0, 0.0);
        EvaluationReport {
            epoch: progress.epoch,
            step: progress.step,
            learning_rate: self.members.learning_rate(),
            train_loss: loss / rows.max(1) as f64,
            valid,
            best,
        }
    }

    /// Adds a line to the history.
    fn append(&self, history: &mut File, report: &EvaluationReport) -> Result<(), TrainError> {
        let path = self.directory.join(HISTORY);
        let line = serde_json::to_string(report).map_err(|error| TrainError::Io {
            path: path.clone(),
            error: error.into(),
        })?;
        writeln!(history, "{line}").map_err(TrainError::io(&path))
    }

    fn require_finite(&self, loss: f64, place: impl Fn() -> String) -> Result<(), TrainError> {
        if loss.is_finite() {
            return Ok(());
        }
        Err(TrainError::NotFinite(Box::new(NotFinite {
            loss,
            place: place(),
            learning_rate: self.members.learning_rate(),
            kept: None,
        })))
    }

    pub(super) fn bundle_parts<'a>(
        &'a self,
        heads: &'a [AnyHead],
        calibration: LogitMap,
    ) -> BundleParts<'a> {
        let negative_rate = self.data.negative_rate;
        BundleParts {
            encoder: &self.prepared.encoder,
            model: self.model,
            members: self.members.parts(heads),
            output: LogitMap {
                scale: calibration.scale,
                shift: calibration.shift + negative_rate.ln(),
            },
            negative_rate,
            alternate_batch_norm: self.train.alternate_batch_norm,
        }
    }
}
