use std::time::{Duration, Instant};

/// Where the time of a step went, the host's: parts that do not overlap and are all of the step. Zeros
/// before the first one.
///
/// A device that works behind the host's back is waited for in `backward`, whatever it works on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StepTimes {
    /// The batch's rows read from the tables and brought to the device.
    pub gather: Duration,
    /// The head and the loss.
    pub forward: Duration,
    /// Their gradients, down to the fields' vectors.
    pub backward: Duration,
    /// The distinct rows found and those behind brought up; gradients summed by row; the rows moved:
    /// three stretches of the step.
    pub row_optimizer: Duration,
    /// The head moved, and before it the norm of all gradients where that has a bound.
    pub dense_optimizer: Duration,
}

/// The time between one call and the next.
pub(crate) struct Laps {
    start: Instant,
}

impl Laps {
    pub(crate) fn start() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    /// Since the last lap, or the start.
    pub(crate) fn lap(&mut self) -> Duration {
        let now = Instant::now();
        now.duration_since(std::mem::replace(&mut self.start, now))
    }
}
