/// The mean logistic loss of logits, in nats.
///
/// ```text
/// loss = -1/N Σ_i [y_i ln σ(z_i) + (1 - y_i) ln(1 - σ(z_i))]
/// ```
///
/// It is the negative log-likelihood of labels drawn with the predicted probabilities, per row; scikit-learn
/// calls it `log_loss`. It is computed from logits and not from probabilities, so that nothing is clipped and
/// a confident mistake has its full loss.
///
/// # Shapes
///
/// - `logits`, `labels`: `[rows]`; without rows the loss is 0
///
/// ```
/// let loss = fibinet_train::metrics::logloss(&[0.0, 1000.0], &[1.0, 0.0]);
/// assert_eq!(loss, (2_f64.ln() + 1000.0) / 2.0);
/// ```
///
/// # Panics
///
/// If the numbers of logits and labels differ.
pub fn logloss(logits: &[f32], labels: &[f32]) -> f64 {
    weighted_logloss(logits, labels, 1.0)
}

/// The weighted mean of the rows' logistic losses ℓ, in nats. See [`logloss`] for ℓ.
///
/// ```text
/// loss = Σ_i w_i ℓ_i / Σ_i w_i
/// ```
///
/// The weight `w` is 1 for positives and `negative_weight` for negatives: in a log that kept each negative
/// with probability `r`, one negative stands for `1 / r`. A label above 0.5 is positive.
///
/// # Shapes
///
/// - `logits`, `labels`: `[rows]`; without rows the loss is 0
///
/// ```
/// // A click, and a negative that stands for three.
/// let loss = fibinet_train::metrics::weighted_logloss(&[0.0, 1000.0], &[1.0, 0.0], 3.0);
/// assert_eq!(loss, (2_f64.ln() + 3.0 * 1000.0) / 4.0);
/// ```
///
/// # Panics
///
/// If the numbers of logits and labels differ.
pub fn weighted_logloss(logits: &[f32], labels: &[f32], negative_weight: f64) -> f64 {
    assert_eq!(labels.len(), logits.len(), "expected one label per logit");
    let (mut losses, mut weights) = (0.0, 0.0);
    for (&logit, &label) in logits.iter().zip(labels) {
        let (z, y) = (f64::from(logit), f64::from(label));
        let weight = if label > 0.5 { 1.0 } else { negative_weight };
        losses += weight * (z.max(0.0) - z * y + (-z.abs()).exp().ln_1p());
        weights += weight;
    }
    if weights > 0.0 { losses / weights } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_match_cases_worked_by_hand() {
        let ln3 = 3_f32.ln();
        // σ(ln 3) = 3/4
        let loss = logloss(&[ln3, ln3, -ln3], &[1.0, 0.0, 0.0]);
        let expected = (2.0 * (4.0_f64 / 3.0).ln() + 4.0_f64.ln()) / 3.0;
        assert!(
            (loss - expected).abs() < 1e-7,
            "{loss}, expected {expected}"
        );
        assert_eq!(logloss(&[800.0, -800.0], &[1.0, 0.0]), 0.0);
    }

    #[test]
    fn a_weight_counts_like_repeated_negatives() {
        let (logits, labels) = ([0.3, -1.2, 2.0], [1.0, 0.0, 0.0]);
        let repeated = logloss(&[0.3, -1.2, -1.2, 2.0, 2.0], &[1.0, 0.0, 0.0, 0.0, 0.0]);
        let weighted = weighted_logloss(&logits, &labels, 2.0);
        assert!((weighted - repeated).abs() < 1e-15);
        assert_eq!(weighted_logloss(&[], &[], 2.0), 0.0);
    }
}
