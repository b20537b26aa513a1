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
    assert_eq!(logits.len(), labels.len(), "a label a logit");
    let losses = logits.iter().zip(labels).map(|(&logit, &label)| {
        let (z, y) = (f64::from(logit), f64::from(label));
        z.max(0.0) - z * y + (-z.abs()).exp().ln_1p()
    });
    losses.sum::<f64>() / logits.len().max(1) as f64
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
}
