use serde::{Deserialize, Serialize};

use crate::fields::cell_counts::Unusual;

/// The smallest and the largest number of the training rows, both 0 if they have none.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct NumberRange {
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl NumberRange {
    /// Whether it can be a range of finite numbers.
    pub(crate) fn is_valid(self) -> bool {
        self.min.is_finite() && self.max.is_finite() && self.min <= self.max
    }

    /// Whether a number is smaller or larger than those of the training rows.
    pub(crate) fn excludes(self, number: f64) -> bool {
        number < self.min || number > self.max
    }

    /// The number of the range that is nearest to this one.
    pub(crate) fn clamp(self, number: f64) -> f64 {
        number.clamp(self.min, self.max)
    }
}

/// What is unusual about a number; NaN is missing. Fits of earlier versions have no range.
pub(crate) fn unusual_number(number: f64, range: Option<NumberRange>) -> Option<Unusual> {
    if number.is_nan() {
        Some(Unusual::Missing)
    } else {
        let range = range.filter(|range| range.excludes(number));
        range.map(|_| Unusual::OutOfRange)
    }
}
