use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use burn::tensor::Device;
use fibinet_data::{
    BatchStream, DataError, Prepared, Progress, Shards, Shuffle, mix_seed, prepare,
};
use fibinet_nn::{FiBiNet, FiBiNetConfig};
use fibinet_serve::{Bundle, BundleParts, FieldPlan, Scorer, Staging, score};

use crate::config::{Monitor, RunConfig};
use crate::error::TrainError;
use crate::metrics::{Metrics, Predictions};
use crate::report::{EpochReport, RunReport};
use crate::trainer::Trainer;

const SHARDS: &str = "shards";
const HISTORY: &str = "history.jsonl";
const REPORT: &str = "report.json";

/// Where and how a run runs.
#[derive(Debug, Clone)]
pub struct RunOptions<'a> {
    /// The directory that the bundle becomes.
    pub out: &'a Path,
    /// Replace it where it exists.
    pub force: bool,
    /// What the head runs on.
    pub device: &'a Device,
}

/// What happens in a run, as it happens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Event {
    /// Data is being prepared.
    Preparing(Progress),
    /// Training begins.
    Training {
        /// Rows of the training split.
        train_rows: usize,
        /// Rows of the validation split.
        valid_rows: usize,
        /// Rows of the test split.
        test_rows: usize,
        /// Trained numbers.
        num_parameters: usize,
    },
    /// A step is done.
    Step {
        /// From 1.
        epoch: usize,
        /// Rows of the epoch so far.
        rows: usize,
        /// The step's loss.
        loss: f32,
    },
    /// An epoch is done and judged.
    Epoch(EpochReport),
}

/// Trains as a run file says and leaves a bundle, with `history.jsonl` and `report.json`.
///
/// Everything is written aside and moved into place at the end: until then `out` is as it was.
///
/// # Errors
///
/// Where the config is wrong, the data is not what it says, `out` is taken, a file cannot be
/// written, or the loss is no number any more.
pub fn train(
    config: &RunConfig,
    options: &RunOptions<'_>,
    mut observe: impl FnMut(Event),
) -> Result<RunReport, TrainError> {
    let spec = config.validate()?;
    let staging = Staging::create(options.out, options.force)?;
    let shards = staging.path().join(SHARDS);
    let prepared = prepare(&spec, &shards, |progress| {
        observe(Event::Preparing(progress));
    })?;

    let model = config.resolve_model(&spec)?;
    let plan = FieldPlan::new(&prepared.encoder.layout(), model.numerics)?;
    let mut run = Run {
        config,
        directory: staging.path(),
        device: options.device.clone().inner(),
        trainer: Trainer::new(&model, plan.sizes().clone(), &config.train, options.device)?,
        model,
        plan,
        prepared,
        training_time: Duration::ZERO,
    };
    let outcome = run.fit(&mut observe)?;
    let report = run.judge(outcome)?;
    fs::remove_dir_all(&shards).map_err(TrainError::io(&shards))?;
    staging.commit()?;
    Ok(report)
}

struct Run<'a> {
    config: &'a RunConfig,
    directory: &'a Path,
    device: Device,
    model: FiBiNetConfig,
    plan: FieldPlan,
    prepared: Prepared,
    trainer: Trainer,
    training_time: Duration,
}

struct Outcome {
    best_epoch: usize,
    epochs: usize,
}

impl Run<'_> {
    /// Trains until the validation rows say stop; the best weights are then in the directory.
    fn fit(&mut self, observe: &mut impl FnMut(Event)) -> Result<Outcome, TrainError> {
        let head = self.trainer.valid_head();
        let parts = self.bundle_parts(&head);
        parts.write_settings(self.directory)?;
        let num_parameters = Bundle::num_params(&head, &parts.tables);
        // While it lives, a step copies the weights instead of moving them in place.
        drop(head);
        observe(Event::Training {
            train_rows: self.prepared.train.num_rows(),
            valid_rows: self.prepared.valid.num_rows(),
            test_rows: self.prepared.test.as_ref().map_or(0, Shards::num_rows),
            num_parameters,
        });
        let path = self.directory.join(HISTORY);
        let mut history = File::create(&path).map_err(TrainError::io(&path))?;
        let mut best: Option<(usize, Metrics)> = None;
        let mut epoch = 0;
        while epoch < self.config.train.epochs {
            epoch += 1;
            let train_loss = self.epoch(epoch, observe)?;
            let valid = self.evaluate(&self.prepared.valid)?;
            self.require_finite(valid.logloss, || {
                format!("on the validation rows after epoch {epoch}")
            })?;
            let better = best.is_none_or(|(_, best)| self.better(&valid, &best));
            let report = EpochReport {
                epoch,
                train_loss,
                valid,
                best: better,
            };
            let line = serde_json::to_string(&report).map_err(|error| TrainError::Io {
                path: path.clone(),
                source: error.into(),
            })?;
            writeln!(history, "{line}").map_err(TrainError::io(&path))?;
            if better {
                best = Some((epoch, valid));
                let head = self.trainer.valid_head();
                self.bundle_parts(&head).write_weights(self.directory)?;
            }
            observe(Event::Epoch(report));
            if best.is_some_and(|(best, _)| epoch - best >= self.config.train.patience) {
                break;
            }
        }
        Ok(Outcome {
            best_epoch: best.map_or(epoch, |(best, _)| best),
            epochs: epoch,
        })
    }

    fn epoch(&mut self, epoch: usize, observe: &mut impl FnMut(Event)) -> Result<f64, TrainError> {
        let start = Instant::now();
        let train = &self.config.train;
        let shuffle = Shuffle {
            seed: mix_seed(train.seed ^ SHUFFLE, epoch as u64),
            buffer_rows: train.shuffle_rows,
        };
        let (mut rows, mut total) = (0, 0.0);
        let stream = BatchStream::new(&self.prepared.train, train.batch_size, Some(shuffle));
        for (step, batch) in (1_u64..).zip(stream) {
            let inputs = self.plan.inputs(batch?);
            let loss = self.trainer.step(&inputs);
            self.require_finite(f64::from(loss), || {
                format!("at step {step} of epoch {epoch}")
            })?;
            rows += inputs.num_rows;
            total += f64::from(loss) * inputs.num_rows as f64;
            observe(Event::Step { epoch, rows, loss });
        }
        self.training_time += start.elapsed();
        Ok(total / rows as f64)
    }

    fn require_finite(&self, loss: f64, place: impl Fn() -> String) -> Result<(), TrainError> {
        if loss.is_finite() {
            return Ok(());
        }
        Err(TrainError::NotFinite {
            loss,
            place: place(),
            learning_rate: self.config.train.learning_rate,
        })
    }

    fn better(&self, new: &Metrics, best: &Metrics) -> bool {
        match (self.config.train.monitor, new.auc, best.auc) {
            (Monitor::Auc, Some(new), Some(best)) => new > best,
            // A validation split of one class has no AUC; the loss it has.
            _ => new.logloss < best.logloss,
        }
    }

    fn evaluate(&self, shards: &Shards) -> Result<Metrics, DataError> {
        let head = self.trainer.valid_head();
        let tables = self.trainer.tables.view();
        let mut predictions = Predictions::default();
        for batch in BatchStream::new(shards, EVALUATION_ROWS, None) {
            let inputs = self.plan.inputs(batch?);
            let logits = score(&head, &tables, &inputs, &self.device);
            predictions.extend(&logits, &inputs.labels);
        }
        Ok(predictions.metrics())
    }

    fn bundle_parts<'a>(&'a self, head: &'a FiBiNet) -> BundleParts<'a> {
        BundleParts {
            encoder: &self.prepared.encoder,
            config: &self.model,
            head,
            tables: self.trainer.tables.view(),
        }
    }

    /// Judges the best weights, read back from disk, by the code that will serve them.
    fn judge(self, outcome: Outcome) -> Result<RunReport, TrainError> {
        let scorer = Scorer::new(Bundle::open_unchecked(self.directory)?, &self.device)?;
        let metrics = |shards: &Shards| -> Result<Metrics, DataError> {
            let mut predictions = Predictions::default();
            for batch in BatchStream::new(shards, EVALUATION_ROWS, None) {
                let batch = batch?;
                let labels = batch.labels.clone();
                predictions.extend(&scorer.logits(batch), &labels);
            }
            Ok(predictions.metrics())
        };
        let train_rows = self.prepared.train.num_rows();
        let report = RunReport {
            valid: metrics(&self.prepared.valid)?,
            test: self.prepared.test.as_ref().map(metrics).transpose()?,
            best_epoch: outcome.best_epoch,
            epochs: outcome.epochs,
            num_parameters: scorer.num_params(),
            train_rows,
            rows_per_second: (train_rows * outcome.epochs) as f64
                / self.training_time.as_secs_f64().max(f64::MIN_POSITIVE),
        };
        let path = self.directory.join(REPORT);
        let file = File::create(&path).map_err(TrainError::io(&path))?;
        serde_json::to_writer_pretty(file, &report).map_err(|error| TrainError::Io {
            path: path.clone(),
            source: error.into(),
        })?;
        Ok(report)
    }
}

const EVALUATION_ROWS: usize = 4096;
/// Keeps the rows' order apart from the draws of the same seed.
const SHUFFLE: u64 = 0x5348_5546_464c_4531;
