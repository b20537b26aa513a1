use fibinet_data::prepare::Progress;

use crate::run::report::EvaluationReport;

/// What happens in a run, as it happens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Event {
    /// Data is being prepared.
    Preparing(Progress),
    /// Training begins.
    Training {
        /// Rows of the training split.
        train_rows: usize,
        /// Clicks of the training split.
        train_clicks: usize,
        /// Rows of the validation split.
        valid_rows: usize,
        /// Clicks of the validation split.
        valid_clicks: usize,
        /// Rows of the test split.
        test_rows: usize,
        /// Clicks of the test split.
        test_clicks: usize,
        /// Models whose probabilities are averaged.
        members: usize,
        /// Trained parameters of all members, tables included.
        num_parameters: usize,
        /// The least memory that they take in training, in bytes, as it was estimated.
        memory_bytes: u64,
    },
    /// A step has finished.
    Step {
        /// The epoch, from 1.
        epoch: usize,
        /// Rows of the epoch trained on so far.
        rows: usize,
        /// The step's loss, the mean of the members'.
        loss: f32,
    },
    /// The model was evaluated on the validation rows.
    Evaluation(EvaluationReport),
}
