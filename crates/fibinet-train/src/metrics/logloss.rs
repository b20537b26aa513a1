/// The mean logistic loss of logits, in nats: `-[y log σ(z) + (1 - y) log(1 - σ(z))]`.
///
/// From logits, not probabilities: nothing is clipped, and a confident mistake costs what it costs.
///
/// ```
/// let loss = fibinet_train::logloss(&[0.0, 1000.0], &[1.0, 0.0]);
/// assert_eq!(loss, (2_f64.ln() + 1000.0) / 2.0);
/// ```
///
/// # Panics
///
/// If there are not as many labels as logits.
pub fn logloss(logits: &[f32], labels: &[f32]) -> f64 {
    weighted_logloss(logits, labels, 1.0)
}

/// The weighted mean of the rows' logistic losses, `Σ w_i ℓ_i / Σ w_i`, in nats; see [`logloss`].
///
/// The weight `w` is 1 for positives and `negative_weight` for negatives: a log that kept each
/// negative with the rate `r` stands for the whole one at the weight `1 / r`. A label above 0.5 is
/// positive.
///
/// ```
/// // A click, and a negative that stands for three.
/// let loss = fibinet_train::weighted_logloss(&[0.0, 1000.0], &[1.0, 0.0], 3.0);
/// assert_eq!(loss, (2_f64.ln() + 3.0 * 1000.0) / 4.0);
/// ```
///
/// # Panics
///
/// If there are not as many labels as logits.
pub fn weighted_logloss(logits: &[f32], labels: &[f32], negative_weight: f64) -> f64 {
    assert_eq!(logits.len(), labels.len(), "a label a logit");
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
    fn losses_are_those_worked_by_hand() {
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
    fn a_weight_repeats_the_negatives() {
        let (logits, labels) = ([0.3, -1.2, 2.0], [1.0, 0.0, 0.0]);
        let repeated = logloss(&[0.3, -1.2, -1.2, 2.0, 2.0], &[1.0, 0.0, 0.0, 0.0, 0.0]);
        let weighted = weighted_logloss(&logits, &labels, 2.0);
        assert!((weighted - repeated).abs() < 1e-15);
        assert_eq!(weighted_logloss(&[], &[], 2.0), 0.0);
    }
}
