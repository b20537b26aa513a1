use serde::{Deserialize, Serialize};

/// Maps a model's logits to the scored ones: a calibration, and the correction for a log whose negatives
/// were sampled. It keeps the order of the logits.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogitMap {
    /// The factor, above 0.
    pub scale: f64,
    /// What is added after scaling.
    pub shift: f64,
}

impl LogitMap {
    /// Leaves logits as they are.
    pub const IDENTITY: Self = Self {
        scale: 1.0,
        shift: 0.0,
    };

    /// The correction for a log that kept each negative with the probability `negative_rate`:
    /// `z + ln(negative_rate)`, since the odds of a click in it are `1 / negative_rate` times the true ones.
    ///
    /// He et al., [Practical Lessons from Predicting Clicks on Ads at
    /// Facebook](https://doi.org/10.1145/2648584.2648589) (2014), section 6.3.
    pub fn of_sampled_negatives(negative_rate: f64) -> Self {
        Self {
            scale: 1.0,
            shift: negative_rate.ln(),
        }
    }

    /// The mapped logit, `scale · z + shift`.
    pub fn apply(&self, logit: f32) -> f32 {
        (self.scale * f64::from(logit) + self.shift) as f32
    }
}

impl Default for LogitMap {
    fn default() -> Self {
        Self::IDENTITY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sampled_negatives_make_the_odds_too_high_by_their_rate() {
        // 10 clicks and 90 others; a tenth of the others was kept, so the odds in the log are 10 to 9.
        let map = LogitMap::of_sampled_negatives(0.1);
        let odds = map.apply((10.0_f32 / 9.0).ln()).exp();
        assert!((odds - 10.0 / 90.0).abs() < 1e-6, "{odds}");
        assert_eq!(LogitMap::of_sampled_negatives(1.0), LogitMap::IDENTITY);
        assert_eq!(LogitMap::IDENTITY.apply(0.3), 0.3);
    }
}
