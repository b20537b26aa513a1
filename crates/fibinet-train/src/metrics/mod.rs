//! Metrics of predictions over a whole split, computed in f64.

pub(crate) mod auc;
pub(crate) mod calibration;
pub(crate) mod calibration_ratio;
pub(crate) mod group_auc;
pub(crate) mod logloss;

pub use auc::auc;
pub use calibration::{CalibrationKind, fit as fit_calibration};
pub use calibration_ratio::calibration_ratio;
pub use group_auc::{GroupAuc, group_auc};
pub use logloss::{logloss, weighted_logloss};

use serde::{Deserialize, Serialize};

/// The logits, labels and groups of a split, gathered batch by batch.
#[derive(Debug, Clone, Default)]
pub struct Predictions {
    /// One logit per row.
    pub logits: Vec<f32>,
    /// One label per row, 0 or 1.
    pub labels: Vec<f32>,
    /// One group per row, or empty if rows have no groups.
    pub groups: Vec<u64>,
}

/// The metrics of a split's predictions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Area under the ROC curve ([`auc`]). `None` if the split has only one class.
    pub auc: Option<f64>,
    /// AUC within groups of rows ([`group_auc`]). `None` if rows have no groups, or no group has both classes.
    pub group_auc: Option<GroupAuc>,
    /// Mean logistic loss, in nats ([`weighted_logloss`]).
    pub logloss: f64,
    /// Predicted clicks divided by observed clicks ([`calibration_ratio`]). `None` if there is no click.
    pub calibration_ratio: Option<f64>,
    /// The number of rows.
    pub rows: usize,
    /// The number of clicks among them.
    pub clicks: usize,
}

impl Predictions {
    /// Adds a batch.
    ///
    /// # Shapes
    ///
    /// - `logits`, `labels`: `[B]`
    /// - `groups`: `[B]`, or empty if rows have no groups
    ///
    /// # Panics
    ///
    /// If the numbers of logits and labels, or of logits and groups, differ.
    pub fn extend(&mut self, logits: &[f32], labels: &[f32], groups: &[u64]) {
        assert_eq!(labels.len(), logits.len(), "expected one label per logit");
        assert!(
            groups.is_empty() || groups.len() == logits.len(),
            "expected one group per logit or none, got {} groups and {} logits",
            groups.len(),
            logits.len()
        );
        self.groups.extend_from_slice(groups);
        self.logits.extend_from_slice(logits);
        self.labels.extend_from_slice(labels);
    }

    /// The metrics of all rows that were added.
    ///
    /// - `negative_rate`: the probability with which the log kept each negative, so that one negative stands
    ///   for `1 / negative_rate`
    pub fn metrics(&self, negative_rate: f64) -> Metrics {
        let weight = 1.0 / negative_rate;
        Metrics {
            auc: auc(&self.logits, &self.labels),
            group_auc: if self.groups.is_empty() {
                None
            } else {
                group_auc(&self.logits, &self.labels, &self.groups)
            },
            logloss: weighted_logloss(&self.logits, &self.labels, weight),
            calibration_ratio: calibration_ratio(&self.logits, &self.labels, weight),
            rows: self.logits.len(),
            clicks: self.labels.iter().filter(|label| **label > 0.5).count(),
        }
    }
}
