use std::fmt::Debug;

use serde::{Deserialize, Serialize};

use crate::optim::rows::stateful_table::StatefulTable;
use crate::optim::rules::adagrad::Adagrad;
use crate::optim::rules::exact_adam::ExactAdam;
use crate::optim::rules::lazy_adam::LazyAdam;
use crate::optim::rules::rowwise_adagrad::RowwiseAdagrad;
use crate::optim::rules::sgd::Sgd;
use crate::optim::rules::{Replay, Step, UpdateRow};

/// Defines [`RowRule`] from lines `Name => its implementation`, each after its documentation.
macro_rules! row_rules {
    ($($(#[$doc:meta])* $name:ident => $rule:expr,)+) => {
        /// How table rows move by their gradients.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum RowRule {
            $($(#[$doc])* $name,)+
        }

        impl RowRule {
            /// Every rule.
            #[cfg(test)]
            pub(crate) const ALL: &[Self] = &[$(Self::$name),+];

            /// The implementation of the rule.
            pub(crate) fn rule(self) -> &'static dyn UpdateRows {
                match self {
                    $(Self::$name => &$rule,)+
                }
            }
        }
    };
}

row_rules! {
    /// `w -= lr g`
    Sgd => Sgd,
    /// `s += g²; w -= lr g / (√s + ε)` (Duchi, Hazan and Singer, 2011), in PyTorch's form.
    Adagrad => Adagrad,
    /// Adagrad with one sum of squares per row, of the mean of `g²` over it, as in torchrec and FBGEMM:
    /// `s += mean(g²); w -= lr g / (√s + ε)`.
    RowwiseAdagrad => RowwiseAdagrad,
    /// Adam (Kingma and Ba, 2015) whose moments move only when a row is touched, with the bias correction
    /// of all steps, as TensorFlow's LazyAdam and PyTorch's SparseAdam. If every step updates every row it
    /// is dense Adam.
    LazyAdam => LazyAdam,
    /// Dense Adam at the cost of the touched rows. The momentum that moves a row in steps that do not touch
    /// it is replayed when the row is next read, with each step's own learning rate and bias correction.
    /// L2 applies to the touched rows, as the gradient does. For L2 on all rows in all steps, after which no
    /// row is untouched, use [`RowUpdate::All`](crate::config::RowUpdate::All).
    ///
    /// In a table of 16-bit numbers the moments are just as exact. A weight gets the sum of the updates that it
    /// missed in f32 and is rounded once, where dense Adam would round it in each of those steps: the mean
    /// over all roundings is the same, and the variance is smaller.
    ExactAdam => ExactAdam,
}

/// [`UpdateRow`] for many rows of a table: the rule is looked up once per table and step, not once per row.
pub(crate) trait UpdateRows: Debug + Sync {
    /// See [`UpdateRow::state_width`].
    fn state_width(&self, width: usize) -> usize;

    /// Updates the rows, each by its own gradient. `gradients` holds those of all rows one after the other.
    fn update_rows(&self, step: Step, table: StatefulTable<'_>, rows: &[usize], gradients: &[f32]);

    /// See [`UpdateRow::replay`].
    fn replay(&self) -> Option<Box<dyn Replay>>;
}

impl<R: UpdateRow> UpdateRows for R {
    fn state_width(&self, width: usize) -> usize {
        self.state_width(width)
    }

    fn update_rows(&self, step: Step, table: StatefulTable<'_>, rows: &[usize], gradients: &[f32]) {
        let (update, width) = (self.update(step), table.width());
        table.for_each(rows, &|index, weights: &mut [f32], state: &mut [f32]| {
            update(weights, state, &gradients[index * width..][..width]);
        });
    }

    fn replay(&self) -> Option<Box<dyn Replay>> {
        self.replay()
    }
}
