use fibinet_model::scorer::mean_logits;

use crate::config::Monitor;
use crate::metrics::Metrics;
use crate::run::stopping::is_better;

/// The logits of the validation rows, one column for each part of the members that is kept on its own.
///
/// Members of one kind are kept together and have one column, their mean. Of two kinds one may be at its best epochs
/// before the other, so that the weights that are kept of each may be of another epoch, and every member has a column.
#[derive(Debug, Default)]
pub(super) struct ValidLogits {
    /// Before the correction for sampled negatives.
    columns: Vec<Vec<f32>>,
}

/// The weights that an evaluation would keep.
#[derive(Debug)]
pub(super) struct Choice {
    /// Whether each member's weights are those of this evaluation, and not those kept before.
    pub(super) renewed: Vec<bool>,
    /// The metrics of the mean of these weights.
    pub(super) metrics: Metrics,
    /// The log loss of the mean of all members as they are, which is finite if each of them is.
    pub(super) logloss_now: f64,
}

impl ValidLogits {
    /// Adds the members' logits of a batch.
    pub(super) fn extend(&mut self, members: Vec<Vec<f32>>, num_kinds: usize) {
        let columns = if num_kinds == 1 {
            vec![mean_logits(&members)]
        } else {
            members
        };
        self.columns.resize(columns.len(), Vec::new());
        for (all, batch) in self.columns.iter_mut().zip(columns) {
            all.extend(batch);
        }
    }

    /// The best of these: the weights of all members are new, or those of one kind are and the others are the `kept`
    /// ones. `metrics` are those of the logits of the mean. Members alternate in kind.
    pub(super) fn best_choice(
        &self,
        kept: Option<&Self>,
        [num_members, num_kinds]: [usize; 2],
        monitor: Monitor,
        mut metrics: impl FnMut(Vec<f32>) -> Metrics,
    ) -> Choice {
        let metrics_now = metrics(mean_logits(&self.columns));
        let logloss_now = metrics_now.logloss;
        let all = Choice {
            renewed: vec![true; num_members],
            metrics: metrics_now,
            logloss_now,
        };
        let Some(kept) = kept.filter(|_| num_kinds > 1) else {
            return all;
        };
        let of_kind = (0..num_kinds).map(|kind| {
            let renewed: Vec<bool> = (0..num_members).map(|i| i % num_kinds == kind).collect();
            let metrics = metrics(mean_logits(&self.mixed(kept, &renewed)));
            Choice {
                renewed,
                metrics,
                logloss_now,
            }
        });
        of_kind.fold(all, |best, other| {
            if is_better(&other.metrics, &best.metrics, monitor) {
                other
            } else {
                best
            }
        })
    }

    /// The logits of weights of which some are new and the others kept.
    fn mixed(&self, kept: &Self, renewed: &[bool]) -> Vec<Vec<f32>> {
        let columns = self.columns.iter().zip(&kept.columns).zip(renewed);
        columns
            .map(|((new, kept), &renewed)| if renewed { new } else { kept }.clone())
            .collect()
    }

    /// Replaces the columns of the members whose weights are kept from before.
    pub(super) fn keep(&mut self, kept: Option<Self>, renewed: &[bool]) {
        let Some(kept) = kept else { return };
        let columns = self.columns.iter_mut().zip(kept.columns).zip(renewed);
        for ((new, kept), &renewed) in columns {
            if !renewed {
                *new = kept;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The logits of two validation rows by two members of two kinds.
    fn logits(members: [[f32; 2]; 2]) -> ValidLogits {
        let mut logits = ValidLogits::default();
        for row in 0..2 {
            let batch = members.map(|of_member| vec![of_member[row]]);
            logits.extend(batch.to_vec(), 2);
        }
        logits
    }

    /// The second row is clicked.
    fn metrics(logits: Vec<f32>) -> Metrics {
        let predictions = crate::metrics::Predictions {
            logits,
            labels: vec![0.0, 1.0],
            groups: Vec::new(),
        };
        predictions.metrics(1.0)
    }

    fn choice(new: &ValidLogits, kept: Option<&ValidLogits>) -> Choice {
        new.best_choice(kept, [2, 2], Monitor::Logloss, metrics)
    }

    #[test]
    fn the_first_evaluation_keeps_all_members() {
        let first = logits([[9.0, -9.0], [0.0, 0.0]]);
        assert_eq!(choice(&first, None).renewed, [true, true]);
    }

    #[test]
    fn a_kind_that_got_worse_keeps_its_weights() {
        let mut kept = logits([[0.0, 0.0], [-1.0, 1.0]]);
        for (new, renewed, mean) in [
            // The first kind got better, the second one worse.
            (
                [[-2.0, 2.0], [1.0, -1.0]],
                [true, false],
                [-2.0, 2.0, -1.0, 1.0],
            ),
            // The other way round.
            (
                [[-1.0, 1.0], [-3.0, 3.0]],
                [false, true],
                [-2.0, 2.0, -3.0, 3.0],
            ),
            (
                [[-4.0, 4.0], [-4.0, 4.0]],
                [true, true],
                [-4.0, 4.0, -4.0, 4.0],
            ),
        ] {
            let mut new = logits(new);
            let choice = choice(&new, Some(&kept));
            assert_eq!(choice.renewed, renewed);
            let [first, second] = [[mean[0], mean[1]], [mean[2], mean[3]]];
            let expected = metrics(mean_logits(&[first.to_vec(), second.to_vec()]));
            assert_eq!(choice.metrics, expected);
            new.keep(Some(kept), &choice.renewed);
            assert_eq!(new.columns, [first, second]);
            kept = new;
        }
    }

    #[test]
    fn a_member_that_diverged_shows_though_the_kept_weights_are_chosen() {
        let kept = logits([[-1.0, 1.0], [-1.0, 1.0]]);
        let new = logits([[f32::NAN, 1.0], [-2.0, 2.0]]);
        for monitor in [Monitor::Auc, Monitor::Logloss] {
            let choice = new.best_choice(Some(&kept), [2, 2], monitor, metrics);
            assert!(choice.logloss_now.is_nan(), "{monitor:?}");
        }
    }

    #[test]
    fn members_of_one_kind_are_kept_together() {
        let mut new = ValidLogits::default();
        new.extend(vec![vec![0.0, 1.0], vec![0.0, 3.0]], 1);
        assert_eq!(new.columns.len(), 1);
        let better = logits([[-9.0, 9.0], [-9.0, 9.0]]);
        let choice = new.best_choice(Some(&better), [2, 1], Monitor::Logloss, metrics);
        assert_eq!(choice.renewed, [true, true]);
    }
}
