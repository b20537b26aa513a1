//! Optimizer rules, one per file: how weights move by their gradients.
//!
//! A rule has a form for table rows ([`UpdateRow`]), a form for dense parameters ([`UpdateDense`]), or
//! both. To add one, write its file here, declare it (`mod NAME;`) and add one line to the registry of its
//! form: `row_rules!` in `rows/rule.rs`, or `dense_rules!` in `head/rule.rs`.

use std::fmt::Debug;

pub(crate) mod adagrad;
pub(crate) mod adam;
pub(crate) mod exact_adam;
pub(crate) mod lazy_adam;
pub(crate) mod rowwise_adagrad;
pub(crate) mod sgd;

/// The numbers that all updates of one step share.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    /// Counted from 1.
    pub(crate) number: u32,
    pub(crate) learning_rate: f64,
    /// Factor of every gradient, for the bound on the global norm.
    pub(crate) scale: f64,
}

/// The form of a rule for table rows.
pub(crate) trait UpdateRow: Debug + Sync {
    /// Numbers of state per row, for a table with `width` numbers per row.
    fn state_width(&self, width: usize) -> usize;

    /// The update of one step. It is called with a row's weights, its state and its gradient, which has as
    /// many numbers as the weights.
    fn update(&self, step: Step) -> impl Fn(&mut [f32], &mut [f32], &[f32]) + Sync;

    /// The replay of the steps that did not touch a row. `None` if such steps do not change the row.
    fn replay(&self) -> Option<Box<dyn Replay>> {
        None
    }
}

/// The steps of a rule that moves rows without touching them: recorded one by one, and replayed on a stale
/// row when it is next read.
pub(crate) trait Replay: Debug + Send + Sync {
    /// Steps recorded so far.
    fn steps(&self) -> u32;

    /// Records a step.
    fn record(&mut self, learning_rate: f64);

    /// Moves the weights of a row by all steps recorded after step `last`.
    ///
    /// - `last`: the step that last touched the row; 0 if none has
    /// - `state`: the row's state after that step
    fn replay(&self, last: u32, weights: &mut [f32], state: &[f32]);

    /// Brings the state of a row from after step `last` to after the last recorded step.
    fn decay(&self, last: u32, state: &mut [f32]);
}

/// The form of a rule for dense parameters.
pub(crate) trait UpdateDense: Debug + Send + Sync {
    /// Numbers of both state arrays, for a parameter of `len` numbers.
    fn state_lens(&self, len: usize) -> [usize; 2];

    /// One step on a part of a parameter: moves the weights by `scale (g + l2 w)`.
    ///
    /// - `state`: the same part of both state arrays; an array that the rule does not keep is empty
    fn update(
        &self,
        step: Step,
        l2: f64,
        weights: &mut [f32],
        gradient: &[f32],
        state: [&mut [f32]; 2],
    );

    /// Burn's optimizer by the same rule, for devices other than the host.
    fn burns(&self) -> burn::optim::ModuleOptimizer;
}
