pub(crate) mod report;
pub(crate) mod step_times;

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use burn::tensor::Device;
use fibinet_data::{
    Batch, BatchStream, DataError, DataSpec, LeftOut, Prefetch, Prepared, Progress, Shards,
    Shuffle, mix_seed, prepare, prepare_cached,
};
use fibinet_model::{Bundle, BundleParts, FieldPlan, LogitMap, RowInputs, Scorer, Staging};
use fibinet_nn::{AnyHead, AnyHeadConfig, CtrModelConfig};

use crate::config::{Monitor, RunConfig, RunSettings, TrainSettings};
use crate::error::{NotFinite, TrainError};
use crate::metrics::calibration;
use crate::metrics::logloss::weighted_logloss;
use crate::metrics::{Metrics, Predictions};
use crate::run::report::{EvaluationReport, RunReport, WarmStart};
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
    /// A bundle to go on from: its encoder, head and rows of known tokens.
    pub warm_start: Option<&'a Path>,
    /// Where encoded rows are kept for the next run; none: they go when the run ends.
    pub cache: Option<&'a Path>,
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
    /// The model was judged on the validation rows.
    Evaluation(EvaluationReport),
}

/// Trains as a run file says and leaves a bundle, with `history.jsonl` and `report.json`.
///
/// Everything is written aside and moved into place at the end: until then `out` is as it was. A run
/// whose loss becomes infinite or no number leaves its best weights, if it has some, as a bundle
/// beside `out`, which the error names.
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
    let RunSettings {
        data: spec,
        model,
        train,
    } = config.validate()?;
    let staging = Staging::create(options.out, options.force)?;
    let shards = staging.path().join(SHARDS);
    // All of it is read anyway, and what is damaged would be handed on.
    let base = options.warm_start.map(Bundle::open_verified).transpose()?;
    let base_encoder = base.as_ref().map(|base| &base.encoder);
    let progress = |progress| observe(Event::Preparing(progress));
    let prepared = match options.cache {
        Some(cache) => prepare_cached(&spec, base_encoder, cache, progress)?.0,
        None => prepare(&spec, base_encoder, &shards, progress)?,
    };

    let plan = FieldPlan::new(&prepared.encoder.layout(), model.tables.numerics)?;
    let mut trainer = Trainer::new(&model, plan.sizes().clone(), &train, options.device)?;
    let warm_start = base
        .map(|base| warm_start(base, &mut trainer, &model, options.device))
        .transpose()?;
    let mut run = Run {
        train: &train,
        spec: &spec,
        directory: staging.path(),
        device: options.device.clone().inner(),
        trainer,
        warm_start,
        model,
        plan,
        prepared,
        stopping: Stopping::default(),
        training_time: Duration::ZERO,
        waited: Duration::ZERO,
        rows_trained: 0,
    };
    let fitted = run.fit(&mut observe);
    let kept = run.stopping.best.map(|best| best.epoch);
    let diverged = match (fitted, kept) {
        (Ok(()), _) => None,
        (Err(TrainError::NotFinite(failure)), Some(_)) => Some(failure),
        (Err(error), _) => return Err(error),
    };
    let report = run.judge()?;
    if shards.exists() {
        fs::remove_dir_all(&shards).map_err(TrainError::io(&shards))?;
    }
    match diverged.zip(kept) {
        None => {
            staging.commit()?;
            Ok(report)
        }
        Some((mut failure, epoch)) => {
            let beside = beside(options.out);
            staging.commit_as(&beside)?;
            failure.kept = Some((epoch, beside));
            Err(TrainError::NotFinite(failure))
        }
    }
}

/// Takes the head and the rows of known tokens from a bundle.
fn warm_start(
    base: Bundle,
    trainer: &mut Trainer,
    model: &CtrModelConfig<AnyHeadConfig>,
    device: &Device,
) -> Result<WarmStart, TrainError> {
    if base.model != *model {
        let reason = "[model] is not that of the run to go on from";
        return Err(TrainError::RunFile(reason.to_owned()));
    }
    let head = base.head(&device.clone().inner().autodiff())?;
    let kept_rows = trainer.take_rows(&base.tables());
    trainer.set_head(head);
    Ok(WarmStart {
        kept_rows,
        new_rows: trainer.sizes().num_rows() - kept_rows,
    })
}

/// Where a run that diverged leaves its best weights.
fn beside(out: &Path) -> PathBuf {
    let mut name = out.file_name().unwrap_or_default().to_owned();
    name.push(".diverged");
    out.with_file_name(name)
}

struct Run<'a> {
    train: &'a TrainSettings,
    spec: &'a DataSpec,
    directory: &'a Path,
    device: Device,
    model: CtrModelConfig<AnyHeadConfig>,
    plan: FieldPlan,
    prepared: Prepared,
    trainer: Trainer,
    warm_start: Option<WarmStart>,
    stopping: Stopping,
    training_time: Duration,
    /// Of that time, what was spent waiting for batches.
    waited: Duration,
    rows_trained: u64,
}

/// How the evaluations went so far.
#[derive(Debug, Default)]
struct Stopping {
    best: Option<Best>,
    /// The last epoch begun.
    epoch: usize,
    step: u64,
    /// Evaluations without a better one, since the best and since the last cut of the rate.
    worse: usize,
    flat: usize,
    /// Losses and rows since the last evaluation.
    loss: f64,
    rows: u64,
}

#[derive(Debug, Clone, Copy)]
struct Best {
    epoch: usize,
    metrics: Metrics,
}

impl Run<'_> {
    /// Trains until the validation rows say stop; the best weights are then in the directory.
    fn fit(&mut self, observe: &mut impl FnMut(Event)) -> Result<(), TrainError> {
        let head = self.trainer.valid_head();
        let parts = self.bundle_parts(&head, LogitMap::IDENTITY);
        parts.write_encoder(self.directory)?;
        parts.write_settings(self.directory)?;
        let num_parameters = Bundle::num_params(&head, &self.trainer.view());
        // While it lives, a step copies the weights instead of moving them in place.
        drop(head);
        observe(Event::Training {
            train_rows: self.prepared.train.num_rows(),
            valid_rows: self.prepared.valid.num_rows(),
            test_rows: self
                .prepared
                .test
                .as_ref()
                .map_or(0, |test| test.num_rows()),
            num_parameters,
        });
        let path = self.directory.join(HISTORY);
        let mut history = File::create(&path).map_err(TrainError::io(&path))?;
        for epoch in 1..=self.train.epochs {
            self.stopping.epoch = epoch;
            if self.epoch(&mut history, observe)? {
                break;
            }
        }
        Ok(())
    }

    /// The batches of an epoch, drawn and laid out ahead of their steps.
    fn batches(&self) -> Result<Prefetch<Result<RowInputs, DataError>>, TrainError> {
        let shuffle = Shuffle {
            seed: mix_seed(self.train.seed ^ SHUFFLE, self.stopping.epoch as u64),
            buffer_rows: self.spec.shuffle_rows,
        };
        let train = Arc::clone(&self.prepared.train);
        let stream = BatchStream::new(train, self.train.batch_size, Some(shuffle));
        let plan = self.plan.clone();
        prefetch(stream.map(move |batch| batch.map(|batch| plan.inputs(&batch))))
    }

    /// An epoch and its evaluations; whether training is over.
    fn epoch(
        &mut self,
        history: &mut File,
        observe: &mut impl FnMut(Event),
    ) -> Result<bool, TrainError> {
        let epoch = self.stopping.epoch;
        let mut batches = self.batches()?;
        let mut rows = 0;
        let mut start = Instant::now();
        while let Some(inputs) = batches.next() {
            let inputs = inputs?;
            let loss = self.trainer.step(&inputs);
            self.stopping.step += 1;
            let step = self.stopping.step;
            self.require_finite(f64::from(loss), || {
                format!("at step {step} (epoch {epoch})")
            })?;
            rows += inputs.num_rows;
            self.stopping.rows += inputs.num_rows as u64;
            self.stopping.loss += f64::from(loss) * inputs.num_rows as f64;
            observe(Event::Step { epoch, rows, loss });
            let every = self.train.evaluate_every as u64;
            let at_the_end = rows == self.prepared.train.num_rows();
            if every > 0 && step.is_multiple_of(every) && !at_the_end {
                self.training_time += start.elapsed();
                if self.evaluation(history, observe)? {
                    self.waited += batches.waited();
                    return Ok(true);
                }
                start = Instant::now();
            }
        }
        self.training_time += start.elapsed();
        self.waited += batches.waited();
        drop(batches);
        self.evaluation(history, observe)
    }

    /// Judges the model on the validation rows, writes it down where it is the best so far, and
    /// says whether training is over.
    fn evaluation(
        &mut self,
        history: &mut File,
        observe: &mut impl FnMut(Event),
    ) -> Result<bool, TrainError> {
        let Stopping { epoch, step, .. } = self.stopping;
        let valid = self.evaluate(&self.prepared.valid)?;
        self.require_finite(valid.logloss, || {
            format!("on the validation rows after step {step} (epoch {epoch})")
        })?;
        let best = self
            .stopping
            .best
            .is_none_or(|best| self.better(&valid, &best.metrics));
        let report = EvaluationReport {
            epoch,
            step,
            learning_rate: self.trainer.learning_rate(),
            train_loss: self.stopping.loss / self.stopping.rows.max(1) as f64,
            valid,
            best,
        };
        self.rows_trained += self.stopping.rows;
        (self.stopping.loss, self.stopping.rows) = (0.0, 0);
        let path = self.directory.join(HISTORY);
        let line = serde_json::to_string(&report).map_err(|error| TrainError::Io {
            path: path.clone(),
            source: error.into(),
        })?;
        writeln!(history, "{line}").map_err(TrainError::io(&path))?;
        if best {
            let head = self.trainer.valid_head();
            self.bundle_parts(&head, LogitMap::IDENTITY)
                .write_weights(self.directory)?;
            self.stopping.best = Some(Best {
                epoch,
                metrics: valid,
            });
            (self.stopping.worse, self.stopping.flat) = (0, 0);
        } else {
            self.stopping.worse += 1;
            self.stopping.flat += 1;
            if self.stopping.flat >= self.train.plateau_patience {
                self.stopping.flat = 0;
                let rate = self.trainer.learning_rate();
                let cut = (rate * self.train.plateau_factor).max(self.train.min_learning_rate);
                self.trainer.set_learning_rate(cut.min(rate));
            }
        }
        observe(Event::Evaluation(report));
        Ok(self.stopping.worse >= self.train.patience)
    }

    fn require_finite(&self, loss: f64, place: impl Fn() -> String) -> Result<(), TrainError> {
        if loss.is_finite() {
            return Ok(());
        }
        Err(TrainError::NotFinite(Box::new(NotFinite {
            loss,
            place: place(),
            learning_rate: self.trainer.learning_rate(),
            kept: None,
        })))
    }

    fn better(&self, new: &Metrics, best: &Metrics) -> bool {
        match (self.train.monitor, new.auc, best.auc) {
            (Monitor::Auc, Some(new), Some(best)) => new > best,
            (Monitor::AucMinusLogloss, Some(new_auc), Some(best_auc)) => {
                new_auc - new.logloss > best_auc - best.logloss
            }
            // A validation split of one class has no AUC; the loss it has.
            _ => new.logloss < best.logloss,
        }
    }

    /// Metrics of the model as it is, not calibrated.
    fn evaluate(&self, shards: &Arc<Shards>) -> Result<Metrics, TrainError> {
        let head = self.trainer.valid_head();
        let output = LogitMap::of_sampled_negatives(self.spec.negative_rate);
        let predictions = predict(shards, |batch| {
            let logits = self.trainer.score(&head, &self.plan.inputs(batch));
            logits
                .into_iter()
                .map(|logit| output.apply(logit))
                .collect()
        })?;
        Ok(predictions.metrics(self.spec.negative_rate))
    }

    fn bundle_parts<'a>(&'a self, head: &'a AnyHead, calibration: LogitMap) -> BundleParts<'a> {
        let negative_rate = self.spec.negative_rate;
        BundleParts {
            encoder: &self.prepared.encoder,
            model: &self.model,
            head,
            tables: self.trainer.view(),
            behind: self.trainer.rows_behind(),
            output: LogitMap {
                scale: calibration.scale,
                shift: calibration.shift + negative_rate.ln(),
            },
            negative_rate,
        }
    }

    /// Calibrates and judges the best weights, read back from disk, by the code that will serve
    /// them.
    fn judge(self) -> Result<RunReport, TrainError> {
        let rate = self.spec.negative_rate;
        let open = || Scorer::new(Bundle::open_unchecked(self.directory)?, &self.device);
        let mut scorer = open()?;
        let mut valid = predict(&self.prepared.valid, |batch| scorer.logits(batch))?;
        let uncalibrated = valid.metrics(rate).logloss;
        let calibration = self.calibrate(&valid, uncalibrated);
        if let Some(map) = calibration {
            let head = self.trainer.valid_head();
            self.bundle_parts(&head, map)
                .write_settings(self.directory)?;
            drop(head);
            scorer = open()?;
            valid = predict(&self.prepared.valid, |batch| scorer.logits(batch))?;
        }
        let test = match &self.prepared.test {
            Some(test) => Some(predict(test, |batch| scorer.logits(batch))?.metrics(rate)),
            None => None,
        };
        let seconds = self.training_time.as_secs_f64().max(f64::MIN_POSITIVE);
        let report = RunReport {
            valid: valid.metrics(rate),
            valid_logloss_uncalibrated: uncalibrated,
            calibration,
            test,
            best_epoch: self.stopping.best.map_or(0, |best| best.epoch),
            epochs: self.stopping.epoch,
            num_parameters: scorer.num_params(),
            train_rows: self.prepared.train.num_rows(),
            warm_start: self.warm_start,
            left_out: LeftOut::clone(&self.prepared.left_out),
            rows_per_second: self.rows_trained as f64 / seconds,
            data_wait: self.waited.as_secs_f64() / seconds,
        };
        let path = self.directory.join(REPORT);
        let file = File::create(&path).map_err(TrainError::io(&path))?;
        serde_json::to_writer_pretty(file, &report).map_err(|error| TrainError::Io {
            path: path.clone(),
            source: error.into(),
        })?;
        Ok(report)
    }

    /// The calibration, where there is one that lowers the log loss of the validation rows.
    fn calibrate(&self, valid: &Predictions, uncalibrated: f64) -> Option<LogitMap> {
        let kind = self.train.calibration.kind()?;
        let weight = 1.0 / self.spec.negative_rate;
        let corrected = calibration::fit(kind, &valid.logits, &valid.labels, weight)?;
        let mapped: Vec<f32> = valid
            .logits
            .iter()
            .map(|logit| corrected.apply(*logit))
            .collect();
        // The logits have the correction of sampled negatives in them, which is added again later.
        let correction = self.spec.negative_rate.ln();
        let map = LogitMap {
            scale: corrected.scale,
            shift: corrected.shift + (corrected.scale - 1.0) * correction,
        };
        (weighted_logloss(&mapped, &valid.labels, weight) < uncalibrated).then_some(map)
    }
}

/// The logits of a split's rows, whose batches are read ahead.
fn predict(
    shards: &Arc<Shards>,
    logits: impl Fn(&Batch) -> Vec<f32>,
) -> Result<Predictions, TrainError> {
    let stream = BatchStream::new(Arc::clone(shards), EVALUATION_ROWS, None);
    let mut predictions = Predictions::default();
    for batch in prefetch(stream)? {
        let mut batch = batch?;
        let labels = std::mem::take(&mut batch.labels);
        let groups = std::mem::take(&mut batch.groups);
        predictions.extend(&logits(&batch), &labels, &groups);
    }
    Ok(predictions)
}

fn prefetch<T: Send + 'static>(
    source: impl Iterator<Item = T> + Send + 'static,
) -> Result<Prefetch<T>, TrainError> {
    Prefetch::new(source, PREFETCHED).map_err(TrainError::io(Path::new("a thread")))
}

const EVALUATION_ROWS: usize = 4096;
/// Batches that lie ready.
const PREFETCHED: usize = 4;
/// Keeps the rows' order apart from the draws of the same seed.
const SHUFFLE: u64 = 0x5348_5546_464c_4531;
