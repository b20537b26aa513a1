use serde::{Deserialize, Serialize};

use crate::metrics::Metrics;

/// What an epoch came to; a line of `history.jsonl`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EpochReport {
    /// From 1.
    pub epoch: usize,
    /// Mean loss of the training steps, without L2.
    pub train_loss: f64,
    /// On the validation rows.
    pub valid: Metrics,
    /// Whether it is the best so far.
    pub best: bool,
}

/// What a run came to; `report.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunReport {
    /// Of the best epoch's weights on the validation rows.
    pub valid: Metrics,
    /// Of the same on the test rows, where there are some.
    pub test: Option<Metrics>,
    /// The epoch whose weights were kept, from 1.
    pub best_epoch: usize,
    /// Epochs trained.
    pub epochs: usize,
    /// Trained numbers, tables and head.
    pub num_parameters: usize,
    /// Rows of the training split.
    pub train_rows: usize,
    /// Training rows a second of training, evaluation left out.
    pub rows_per_second: f64,
}
