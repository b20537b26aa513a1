use std::time::{Duration, Instant};

/// Where the time of a step went, the host's: parts that follow each other and are all of the step.
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
    /// The distinct rows found, those behind brought up, gradients summed by row, and the rows moved.
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
