/// The number of predicted clicks divided by the number of observed clicks: above 1 the predictions are too
/// high on the whole, below 1 too low. `None` if no label is positive.
///
/// ```text
/// ratio = Σ_i w_i σ(z_i) / Σ_i w_i y_i
/// ```
///
/// The weight `w` is 1 for positives and `negative_weight` for negatives: in a log that kept each negative
/// with probability `r`, one negative stands for `1 / r`. A label above 0.5 is positive.
///
/// He et al., "Practical Lessons from Predicting Clicks on Ads at Facebook", ADKDD 2014, call it
/// calibration.
///
/// # Shapes
///
/// - `logits`, `labels`: `[rows]`
/// - returns a number of at least 0, without a unit
///
/// ```
/// use fibinet_train::metrics::calibration_ratio;
///
/// // σ(0) = 1/2: two clicks are predicted, one is observed.
/// assert_eq!(calibration_ratio(&[0.0; 4], &[1.0, 0.0, 0.0, 0.0], 1.0), Some(2.0));
/// // Each negative stands for three: five clicks are predicted.
/// assert_eq!(calibration_ratio(&[0.0; 4], &[1.0, 0.0, 0.0, 0.0], 3.0), Some(5.0));
/// ```
///
/// # Panics
///
/// If the numbers of logits and labels differ.
pub fn calibration_ratio(logits: &[f32], labels: &[f32], negative_weight: f64) -> Option<f64> {
    assert_eq!(labels.len(), logits.len(), "expected one label per logit");
    let (mut predicted, mut observed) = (0.0, 0.0);
    for (&logit, &label) in logits.iter().zip(labels) {
        let probability = 1.0 / (1.0 + (-f64::from(logit)).exp());
        if label > 0.5 {
            predicted += probability;
            observed += 1.0;
        } else {
            predicted += negative_weight * probability;
        }
    }
    (observed > 0.0).then(|| predicted / observed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_match_cases_worked_by_hand() {
        let ln3 = 3_f32.ln();
        // σ(ln 3) = 3/4, σ(-ln 3) = 1/4
        let logits = [ln3, -ln3, -ln3, -ln3];
        let labels = [1.0, 1.0, 0.0, 0.0];
        let close = |ratio: Option<f64>, expected: f64| {
            let ratio = ratio.unwrap();
            assert!(
                (ratio - expected).abs() < 1e-7,
                "{ratio}, expected {expected}"
            );
        };
        close(calibration_ratio(&logits, &labels, 1.0), 1.5 / 2.0);
        close(calibration_ratio(&logits, &labels, 10.0), 6.0 / 2.0);
    }

    #[test]
    fn without_a_click_there_is_no_ratio_and_extreme_logits_stay_finite() {
        assert_eq!(calibration_ratio(&[], &[], 1.0), None);
        assert_eq!(calibration_ratio(&[1.0], &[0.0], 1.0), None);
        let sure = calibration_ratio(&[1000.0, -1000.0], &[1.0, 0.0], 5.0);
        assert_eq!(sure, Some(1.0));
    }
}
