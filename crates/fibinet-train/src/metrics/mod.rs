//! How good predictions are, over a whole split, in f64.

pub(crate) mod auc;
pub(crate) mod logloss;

use serde::{Deserialize, Serialize};

use crate::metrics::auc::auc;
use crate::metrics::logloss::logloss;

/// The logits and labels of a split.
#[derive(Debug, Clone, Default)]
pub struct Predictions {
    logits: Vec<f32>,
    labels: Vec<f32>,
}

/// What a split's predictions are worth.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Area under the ROC curve; none where the split has one class.
    pub auc: Option<f64>,
    /// Mean logistic loss, in nats.
    pub logloss: f64,
    /// The split's rows.
    pub rows: usize,
}

impl Predictions {
    /// Adds a batch.
    ///
    /// # Panics
    ///
    /// If there are not as many labels as logits.
    pub fn extend(&mut self, logits: &[f32], labels: &[f32]) {
        assert_eq!(logits.len(), labels.len(), "a label a logit");
        self.logits.extend_from_slice(logits);
        self.labels.extend_from_slice(labels);
    }

    /// The metrics of all rows added.
    pub fn metrics(&self) -> Metrics {
        Metrics {
            auc: auc(&self.logits, &self.labels),
            logloss: logloss(&self.logits, &self.labels),
            rows: self.logits.len(),
        }
    }
}
