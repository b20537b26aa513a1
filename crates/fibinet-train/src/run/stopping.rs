use crate::config::{Monitor, TrainSettings};
use crate::metrics::Metrics;

/// AUCs that differ by at most this much are equal.
const EQUAL_AUC: f64 = 1e-4;

/// What the evaluations of a run say so far: which one was best, and whether training goes on.
#[derive(Debug, Default)]
pub(super) struct Stopping {
    best: Option<Best>,
    /// The lowest log loss of all evaluations so far.
    lowest_logloss: Option<f64>,
    /// Evaluations in a row without a new best.
    without_best: usize,
    /// The same since the learning rate was last cut.
    on_plateau: usize,
}

#[derive(Debug, Clone, Copy)]
struct Best {
    epoch: usize,
    metrics: Metrics,
    /// The highest AUC of all evaluations so far. The best one's own AUC may be lower, but is equal to it.
    highest_auc: Option<f64>,
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
            .is_none_or(|best| best.is_surpassed_by(metrics, monitor))
    }

    /// Notes a new best evaluation.
    pub(super) fn set_best(&mut self, epoch: usize, metrics: Metrics) {
        let best = Best {
            epoch,
            metrics,
            highest_auc: self.highest_auc(&metrics),
        };
        *self = Self {
            best: Some(best),
            lowest_logloss: self.lowest_logloss,
            ..Self::default()
        };
        self.note_logloss(&metrics);
    }

    /// Notes a log loss, and returns whether it is the lowest so far.
    fn note_logloss(&mut self, metrics: &Metrics) -> bool {
        let logloss = metrics.logloss;
        let is_lowest = self.lowest_logloss.is_none_or(|lowest| logloss < lowest);
        if is_lowest {
            self.lowest_logloss = Some(logloss);
        }
        is_lowest
    }

    /// Notes an evaluation that is not a new best, at a learning rate.
    ///
    /// If there are several members, one whose log loss is the lowest so far uses up no patience: the mean of
    /// members that have hardly trained ranks rows well, and then worse for some epochs in which their log loss
    /// falls fast.
    pub(super) fn not_best(
        &mut self,
        metrics: &Metrics,
        settings: &TrainSettings,
        learning_rate: f64,
    ) -> Verdict {
        let highest_auc = self.highest_auc(metrics);
        if let Some(best) = &mut self.best {
            best.highest_auc = highest_auc;
        }
        if self.note_logloss(metrics) && settings.members > 1 {
            return Verdict {
                learning_rate: None,
                stop: false,
            };
        }
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

    /// The highest AUC so far, these metrics included.
    fn highest_auc(&self, metrics: &Metrics) -> Option<f64> {
        let before = self.best.and_then(|best| best.highest_auc);
        let aucs = [before, metrics.auc];
        aucs.into_iter().flatten().reduce(f64::max)
    }
}

impl Best {
    /// Whether metrics are better than these, which are the best so far.
    ///
    /// AUCs are compared with the highest so far, and not with that of the best evaluation: else the best one
    /// could become worse step by step.
    fn is_surpassed_by(&self, new: &Metrics, monitor: Monitor) -> bool {
        let best = &self.metrics;
        match (monitor, new.auc, best.auc) {
            (Monitor::Auc, Some(new_auc), Some(best_auc)) => {
                let highest = self.highest_auc.map_or(new_auc, |auc| auc.max(new_auc));
                let is_highest = |auc| auc >= highest - EQUAL_AUC;
                match (is_highest(new_auc), is_highest(best_auc)) {
                    (true, true) => new.logloss < best.logloss,
                    (new_is_highest, _) => new_is_highest,
                }
            }
            (Monitor::AucMinusLogloss, Some(new_auc), Some(best_auc)) => {
                new_auc - new.logloss > best_auc - best.logloss
            }
            // Validation rows of one class have no AUC, but they have a log loss.
            _ => new.logloss < best.logloss,
        }
    }
}

/// Whether the metrics of one choice of weights are better than those of another.
pub(super) fn is_better(new: &Metrics, than: &Metrics, monitor: Monitor) -> bool {
    let best = Best {
        epoch: 0,
        metrics: *than,
        highest_auc: than.auc,
    };
    best.is_surpassed_by(new, monitor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TrainConfig;

    fn metrics((auc, logloss): (f64, f64)) -> Metrics {
        Metrics {
            auc: Some(auc),
            group_auc: None,
            logloss,
            calibration_ratio: None,
            rows: 1000,
            clicks: 100,
        }
    }

    /// The number of the best of some evaluations, by AUC and log loss, from 1.
    fn best(evaluations: &[(f64, f64)]) -> Option<usize> {
        let mut stopping = Stopping::default();
        let settings = TrainConfig::default().validate().unwrap();
        for (epoch, &(auc, logloss)) in (1..).zip(evaluations) {
            let metrics = metrics((auc, logloss));
            if stopping.is_best(&metrics, Monitor::Auc) {
                stopping.set_best(epoch, metrics);
            } else {
                stopping.not_best(&metrics, &settings, 0.1);
            }
        }
        stopping.best_epoch()
    }

    #[test]
    fn the_log_loss_of_several_members_may_fall_before_their_auc_rises() {
        let evaluations = [(0.861, 0.65), (0.857, 0.59), (0.860, 0.52), (0.859, 0.53)];
        let stops = |members| {
            let config = TrainConfig {
                members,
                ..TrainConfig::default()
            };
            let settings = config.validate().unwrap();
            let mut stopping = Stopping::default();
            stopping.set_best(1, metrics(evaluations[0]));
            let later = evaluations[1..].iter();
            let verdicts = later.map(|&of| stopping.not_best(&metrics(of), &settings, 0.1));
            verdicts.map(|verdict| verdict.stop).collect::<Vec<_>>()
        };
        // The patience is 2.
        assert_eq!(stops(1), [false, true, true]);
        assert_eq!(stops(2), [false, false, false]);
    }

    #[test]
    fn the_higher_auc_is_better_whatever_the_log_loss() {
        assert_eq!(best(&[(0.8, 0.3), (0.8002, 0.5), (0.7, 0.1)]), Some(2));
    }

    #[test]
    fn of_equal_aucs_the_lower_log_loss_is_better() {
        assert_eq!(best(&[(0.9999, 0.69), (0.99985, 0.02)]), Some(2));
        assert_eq!(best(&[(0.9999, 0.02), (0.99995, 0.69)]), Some(1));
        assert_eq!(best(&[(0.9, 0.3), (0.9, 0.3)]), Some(1));
    }

    #[test]
    fn equal_aucs_do_not_lead_downwards() {
        // Each is equal to the one before it, but the last is not equal to the first.
        let falling = [(0.9, 0.4), (0.89992, 0.3), (0.89984, 0.2)];
        assert_eq!(best(&falling), Some(2));
        // Nor do those that were not the best count for nothing.
        let rising = [(0.9, 0.3), (0.90008, 0.4), (0.90012, 0.5)];
        assert_eq!(best(&rising), Some(3));
    }
}
