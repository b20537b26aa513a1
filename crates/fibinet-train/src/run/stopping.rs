use crate::config::{Monitor, TrainSettings};
use crate::metrics::Metrics;

/// What the evaluations of a run say so far: which one was best, and whether training goes on.
#[derive(Debug, Default)]
pub(super) struct Stopping {
    best: Option<Best>,
    /// Evaluations in a row without a new best.
    without_best: usize,
    /// The same since the learning rate was last cut.
    on_plateau: usize,
}

#[derive(Debug, Clone, Copy)]
struct Best {
    epoch: usize,
    metrics: Metrics,
}

/// What follows from an evaluation that is not a new best.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Verdict {
    /// The learning rate of the next steps, if it is to change.
    pub(super) learning_rate: Option<f64>,
    /// Whether training is over.
    pub(super) stop: bool,
}

impl Stopping {
    /// The epoch of the best evaluation, from 1; `None` before the first one.
    pub(super) fn best_epoch(&self) -> Option<usize> {
        self.best.map(|best| best.epoch)
    }

    /// Whether metrics are better than those of every evaluation before.
    pub(super) fn is_best(&self, metrics: &Metrics, monitor: Monitor) -> bool {
        self.best
            .is_none_or(|best| is_better(metrics, &best.metrics, monitor))
    }

    /// Notes a new best evaluation.
    pub(super) fn set_best(&mut self, epoch: usize, metrics: Metrics) {
        *self = Self {
            best: Some(Best { epoch, metrics }),
            ..Self::default()
        };
    }

    /// Notes an evaluation that is not a new best, at a learning rate.
    pub(super) fn not_best(&mut self, settings: &TrainSettings, learning_rate: f64) -> Verdict {
        self.without_best += 1;
        self.on_plateau += 1;
        let is_plateau = self.on_plateau >= settings.plateau_patience;
        if is_plateau {
            self.on_plateau = 0;
        }
        let cut = (learning_rate * settings.plateau_factor).max(settings.min_learning_rate);
        Verdict {
            learning_rate: is_plateau.then_some(cut.min(learning_rate)),
            stop: self.without_best >= settings.patience,
        }
    }
}

fn is_better(new: &Metrics, best: &Metrics, monitor: Monitor) -> bool {
    match (monitor, new.auc, best.auc) {
        (Monitor::Auc, Some(new), Some(best)) => new > best,
        (Monitor::AucMinusLogloss, Some(new_auc), Some(best_auc)) => {
            new_auc - new.logloss > best_auc - best.logloss
        }
        // Validation rows of one class have no AUC, but they have a log loss.
        _ => new.logloss < best.logloss,
    }
}
