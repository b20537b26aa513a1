use fibinet_data::encode::{FieldCells, Surprise};
use fibinet_data::prepare::SkippedRows;
use fibinet_model::bundle::LogitMap;
use serde::{Deserialize, Serialize};

use crate::metrics::Metrics;

/// The result of an evaluation; one line of `history.jsonl`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EvaluationReport {
    /// The epoch, from 1.
    pub epoch: usize,
    /// Steps of the run so far.
    pub step: u64,
    /// The learning rate of the steps before it.
    pub learning_rate: f64,
    /// Mean loss of the members in the training steps since the last one, without L2.
    pub train_loss: f64,
    /// Metrics of the validation rows: those of the members' mean. If members are of two kinds, those of one may be the
    /// ones kept before, where that mean is better.
    pub valid: Metrics,
    /// Whether it is the best evaluation so far.
    pub best: bool,
}

/// What a run copied from the bundle of its warm start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WarmStart {
    /// Table rows that were copied, of each member.
    pub kept_rows: usize,
    /// Table rows of tokens that the bundle did not know, of each member.
    pub new_rows: usize,
}

/// What the validation and the test rows show of each field's cells.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SplitCells {
    /// Those of the validation rows.
    pub valid: Vec<FieldCells>,
    /// Those of the test rows; empty if there are none.
    pub test: Vec<FieldCells>,
    /// Fields of which the test rows have far more unusual cells than the validation rows.
    #[serde(skip)]
    pub surprises: Vec<Surprise>,
}

/// The result of a run; `report.json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunReport {
    /// Metrics of the validation rows with the best weights.
    pub valid: Metrics,
    /// Log loss on the validation rows before calibration.
    pub valid_logloss_uncalibrated: f64,
    /// The calibration; `None` if none lowered the log loss.
    pub calibration: Option<LogitMap>,
    /// Metrics of the test rows; `None` if there are no test rows.
    pub test: Option<Metrics>,
    /// The epoch whose weights were kept, from 1.
    pub best_epoch: usize,
    /// Epochs trained; the last one may be incomplete.
    pub epochs: usize,
    /// Models whose probabilities are averaged.
    pub members: usize,
    /// Trained parameters of all members, tables included.
    pub num_parameters: usize,
    /// Rows of the training split.
    pub train_rows: usize,
    /// Clicks of the training split. Those of the other splits are in their metrics.
    pub train_clicks: usize,
    /// What was copied from another bundle.
    pub warm_start: Option<WarmStart>,
    /// What the rows show of each field's cells.
    pub fields: SplitCells,
    /// Rows that were skipped.
    #[serde(rename = "left_out")]
    pub skipped: SkippedRows,
    /// Training rows per second, evaluations apart.
    pub rows_per_second: f64,
    /// The share of that time in which training waited for data.
    pub data_wait: f64,
}
