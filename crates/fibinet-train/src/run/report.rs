use fibinet_data::SkippedRows;
use fibinet_model::LogitMap;
use serde::{Deserialize, Serialize};

use crate::metrics::Metrics;

/// What an evaluation found; a line of `history.jsonl`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EvaluationReport {
    /// From 1.
    pub epoch: usize,
    /// Steps of the run so far.
    pub step: u64,
    /// Of these steps.
    pub learning_rate: f64,
    /// Mean loss of the training steps since the last one, without L2.
    pub train_loss: f64,
    /// On the validation rows.
    pub valid: Metrics,
    /// Whether it is the best so far.
    pub best: bool,
}

/// What a run took from the one that it went on from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WarmStart {
    /// Rows of the tables that were taken.
    pub kept_rows: usize,
    /// Rows of tokens that the other run did not know.
    pub new_rows: usize,
}

/// What a run came to; `report.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunReport {
    /// Of the best epoch's weights on the validation rows.
    pub valid: Metrics,
    /// Log loss on the validation rows before calibration.
    pub valid_logloss_uncalibrated: f64,
    /// The calibration, where one lowered it.
    pub calibration: Option<LogitMap>,
    /// Of the same on the test rows, where there are some.
    pub test: Option<Metrics>,
    /// The epoch whose weights were kept, from 1.
    pub best_epoch: usize,
    /// Epochs trained, the last one perhaps in part.
    pub epochs: usize,
    /// Trained numbers, tables and head.
    pub num_parameters: usize,
    /// Rows of the training split.
    pub train_rows: usize,
    /// What was taken from another run.
    pub warm_start: Option<WarmStart>,
    /// Rows that no split has.
    #[serde(rename = "left_out")]
    pub skipped: SkippedRows,
    /// Training rows a second of training, evaluation left out.
    pub rows_per_second: f64,
    /// The share of that time in which training waited for data.
    pub data_wait: f64,
}
