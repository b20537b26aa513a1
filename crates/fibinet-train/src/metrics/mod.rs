//! How good predictions are, over a whole split, in f64.

pub(crate) mod auc;
pub(crate) mod calibration;
pub(crate) mod calibration_ratio;
pub(crate) mod group_auc;
pub(crate) mod logloss;

use serde::{Deserialize, Serialize};

use crate::metrics::auc::auc;
use crate::metrics::calibration_ratio::calibration_ratio;
use crate::metrics::group_auc::{GroupAuc, group_auc};
use crate::metrics::logloss::weighted_logloss;

/// The logits and labels of a split.
#[derive(Debug, Clone, Default)]
pub struct Predictions {
    /// A row's logit.
    pub logits: Vec<f32>,
    /// A row's label, 0 or 1.
    pub labels: Vec<f32>,
    /// A row's group; empty where rows have none.
    pub groups: Vec<u64>,
}

/// What a split's predictions are worth.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Area under the ROC curve; none where the split has one class.
    pub auc: Option<f64>,
    /// The same within groups of rows; none where rows have no groups, or none has both classes.
    pub group_auc: Option<GroupAuc>,
    /// Mean logistic loss, in nats.
    pub logloss: f64,
    /// Clicks predicted over clicks observed; none where there is no click.
    pub calibration_ratio: Option<f64>,
    /// The split's rows.
    pub rows: usize,
}

impl Predictions {
    /// Adds a batch; `groups` is empty where rows have none.
    ///
    /// # Panics
    ///
    /// If there are not as many labels, or groups, as logits.
    pub fn extend(&mut self, logits: &[f32], labels: &[f32], groups: &[u64]) {
        assert_eq!(logits.len(), labels.len(), "a label a logit");
        assert!(
            groups.is_empty() || groups.len() == logits.len(),
            "a group a logit"
        );
        self.groups.extend_from_slice(groups);
        self.logits.extend_from_slice(logits);
        self.labels.extend_from_slice(labels);
    }

    /// The metrics of all rows added, of a log that kept each negative with the rate
    /// `negative_rate`: one that it has stands for `1 / negative_rate`.
    pub fn metrics(&self, negative_rate: f64) -> Metrics {
        let weight = 1.0 / negative_rate;
        Metrics {
            auc: auc(&self.logits, &self.labels),
            group_auc: match self.groups.is_empty() {
                true => None,
                false => group_auc(&self.logits, &self.labels, &self.groups),
            },
            logloss: weighted_logloss(&self.logits, &self.labels, weight),
            calibration_ratio: calibration_ratio(&self.logits, &self.labels, weight),
            rows: self.logits.len(),
        }
    }
}
