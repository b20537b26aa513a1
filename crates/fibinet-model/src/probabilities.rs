//! Probabilities of logits, and the mean of several members'.

use crate::bundle::logit_map::LogitMap;

/// The probability of a logit, `1 / (1 + exp(-z))`.
///
/// ```
/// assert_eq!(fibinet_model::scorer::probability(0.0), 0.5);
/// ```
pub fn probability(logit: f32) -> f32 {
    (1.0 / (1.0 + (-f64::from(logit)).exp())) as f32
}

/// The logit of the mean of members' probabilities, per row. One member's logits stay as they are.
///
/// A row for which a member's logit is NaN or infinite gets NaN.
///
/// # Panics
///
/// If there is no member, or if members have different numbers of rows.
///
/// ```
/// use fibinet_model::scorer::mean_logits;
///
/// // Probabilities of .5 and .9 have the mean .7.
/// let members = [vec![0.0], vec![9.0_f32.ln()]];
/// assert_eq!(mean_logits(&members), [(7.0_f32 / 3.0).ln()]);
/// assert_eq!(mean_logits(&[vec![0.3]]), [0.3]);
/// ```
pub fn mean_logits(members: &[Vec<f32>]) -> Vec<f32> {
    let Some(first) = members.first() else {
        panic!("expected at least one member");
    };
    let is_as_long = |logits: &Vec<f32>| logits.len() == first.len();
    assert!(
        members.iter().all(is_as_long),
        "expected one logit per row of each member"
    );
    match members {
        [only] => only.clone(),
        _ => (0..first.len())
            .map(|row| mean_logit(members.iter().map(|logits| logits[row])))
            .collect(),
    }
}

/// The standard deviation of members' probabilities, per row, each logit mapped on its own.
pub(crate) fn spreads(members: &[Vec<f32>], map: LogitMap) -> Vec<f32> {
    let num_rows = members.first().map_or(0, Vec::len);
    let spread = |row: usize| {
        let probabilities = members
            .iter()
            .map(|logits| f64::from(probability(map.apply(logits[row]))));
        standard_deviation(probabilities)
    };
    (0..num_rows).map(|row| spread(row) as f32).collect()
}

/// The logit of the mean of logits' probabilities, from the logarithms of both sums: in their
/// difference nothing cancels, however far the logits are from 0.
fn mean_logit(logits: impl Iterator<Item = f32> + Clone) -> f32 {
    if !logits.clone().all(f32::is_finite) {
        return f32::NAN;
    }
    let clicks = log_sum_exp(logits.clone().map(|z| log_probability(z.into())));
    let others = log_sum_exp(logits.map(|z| log_probability(-f64::from(z))));
    (clicks - others) as f32
}

/// `ln(1 / (1 + exp(-z)))`
fn log_probability(z: f64) -> f64 {
    z.min(0.0) - (-z.abs()).exp().ln_1p()
}

fn log_sum_exp(logs: impl Iterator<Item = f64> + Clone) -> f64 {
    let largest = logs.clone().fold(f64::NEG_INFINITY, f64::max);
    largest + logs.map(|log| (log - largest).exp()).sum::<f64>().ln()
}

fn standard_deviation(numbers: impl Iterator<Item = f64> + Clone) -> f64 {
    let count = numbers.clone().count() as f64;
    let mean = numbers.clone().sum::<f64>() / count;
    let squares = numbers.map(|number| (number - mean).powi(2)).sum::<f64>();
    (squares / count).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logit(probability: f64) -> f32 {
        (probability / (1.0 - probability)).ln() as f32
    }

    #[test]
    fn the_mean_is_that_of_the_probabilities() {
        let members = [vec![logit(0.1), logit(0.2)], vec![logit(0.5), logit(0.2)]];
        let means = mean_logits(&members);
        // (.1 + .5) / 2 and .2
        assert!((probability(means[0]) - 0.3).abs() < 1e-6, "{means:?}");
        assert!((probability(means[1]) - 0.2).abs() < 1e-6, "{means:?}");
    }

    #[test]
    fn one_members_logits_keep_their_bits() {
        let logits = vec![0.1, -1e30, f32::MIN_POSITIVE, f32::INFINITY];
        assert_eq!(mean_logits(std::slice::from_ref(&logits)), logits);
    }

    #[test]
    fn logits_far_from_zero_keep_their_order() {
        // p = 1 - (exp(-100) + exp(-60)) / 2, whose logit is 60 + ln 2.
        let mean = mean_logits(&[vec![100.0, -60.0, 3e38], vec![60.0, -100.0, 3e38]]);
        let expected = 60.0 + 2.0_f32.ln();
        assert!((mean[0] - expected).abs() < 1e-4, "{mean:?}");
        assert_eq!(mean[1], -mean[0]);
        assert!(mean[2].is_finite(), "{mean:?}");
    }

    #[test]
    fn a_logit_that_is_not_finite_is_not_hidden_by_the_others() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mean = mean_logits(&[vec![1.0, 1.0], vec![bad, 1.0]]);
            assert!(mean[0].is_nan() && mean[1].is_finite(), "{mean:?}");
        }
    }

    #[test]
    fn the_spread_is_that_of_mapped_probabilities() {
        let members = [vec![logit(0.2)], vec![logit(0.8)]];
        let spread = spreads(&members, LogitMap::IDENTITY);
        assert!((spread[0] - 0.3).abs() < 1e-6, "{spread:?}");
        // Odds of 1 to 4 and 4 to 1, doubled: probabilities of 1/3 and 8/9.
        let map = LogitMap {
            scale: 1.0,
            shift: 2.0_f64.ln(),
        };
        let spread = spreads(&members, map);
        let expected = (8.0_f32 / 9.0 - 1.0 / 3.0) / 2.0;
        assert!((spread[0] - expected).abs() < 1e-6, "{spread:?}");
    }
}
