use std::time::{Duration, Instant};

/// Where the host's time in one step went. The parts do not overlap, and add up to the step. All are zero
/// before the first step.
///
/// A device that works asynchronously is waited for in `backward`, whatever it works on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StepTimes {
    /// Reading the batch's table rows and moving them to the device.
    pub gather: Duration,
    /// The forward pass of the head and the loss.
    pub forward: Duration,
    /// The backward pass, down to the embeddings and linear terms.
    pub backward: Duration,
    /// Three stretches of the step: finding the distinct rows and replaying stale ones, reading their gradients
    /// from the device and summing them by row, and updating the rows.
    pub row_optimizer: Duration,
    /// The update of the head, and before it the norm of all gradients if that has a bound.
    pub dense_optimizer: Duration,
}

/// A stopwatch that measures the time from one call to the next.
pub(crate) struct Laps {
    start: Instant,
}

impl Laps {
    pub(crate) fn start() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    /// The time since the last lap, or since the start.
    pub(crate) fn lap(&mut self) -> Duration {
        let now = Instant::now();
        now.duration_since(std::mem::replace(&mut self.start, now))
    }
}
