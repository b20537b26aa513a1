/// The exact area under the ROC curve: the share of (positive, negative) pairs in which the positive has the
/// higher score. A tie counts half. `None` if there is no such pair.
///
/// ```text
/// AUC = [#(z₊ > z₋) + ½ #(z₊ = z₋)] / (N₊ N₋)
/// ```
///
/// This is the Mann-Whitney U statistic over `N₊ N₋` (Hanley and McNeil, "The Meaning and Use of the Area
/// under a Receiver Operating Characteristic (ROC) Curve", Radiology 1982). Rows are sorted once and pairs
/// counted in integers, so nothing is approximated.
///
/// # Shapes
///
/// - `scores`: `[rows]`, logits or probabilities, because only their order matters
/// - `labels`: `[rows]`, where a label above 0.5 is positive
/// - returns a number in `[0, 1]`
///
/// ```
/// use fibinet_train::metrics::auc;
///
/// assert_eq!(auc(&[0.1, 0.4, 0.4, 0.8], &[0.0, 0.0, 1.0, 1.0]), Some(0.875));
/// assert_eq!(auc(&[0.1, 0.4], &[1.0, 1.0]), None);
/// ```
///
/// # Panics
///
/// If the numbers of scores and labels differ.
pub fn auc(scores: &[f32], labels: &[f32]) -> Option<f64> {
    assert_eq!(labels.len(), scores.len(), "expected one label per score");
    let mut ranked: Vec<(f32, bool)> = scores
        .iter()
        .zip(labels)
        // -0 and 0 are the same score, although `total_cmp` distinguishes them.
        .map(|(&score, &label)| (score + 0.0, label > 0.5))
        .collect();
    ranked.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    ranked_auc(&ranked, |&scored| scored)
}

/// The [`auc`] of rows that are sorted by score.
///
/// - `scored`: returns a row's score, and whether the row is positive
pub(super) fn ranked_auc<T>(ranked: &[T], scored: impl Fn(&T) -> (f32, bool)) -> Option<f64> {
    let (mut positives, mut negatives) = (0_u128, 0_u128);
    // Twice the pairs won, so that ties are integers.
    let mut won = 0_u128;
    for tied in ranked.chunk_by(|a, b| scored(a).0.total_cmp(&scored(b).0).is_eq()) {
        let tied_positives = tied.iter().filter(|row| scored(row).1).count() as u128;
        let tied_negatives = tied.len() as u128 - tied_positives;
        won += tied_positives * (2 * negatives + tied_negatives);
        positives += tied_positives;
        negatives += tied_negatives;
    }
    let pairs = 2 * positives * negatives;
    (pairs > 0).then(|| won as f64 / pairs as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ties_count_half_and_one_class_has_no_auc() {
        assert_eq!(auc(&[1.0; 4], &[1.0, 0.0, 1.0, 0.0]), Some(0.5));
        assert_eq!(auc(&[0.0, -0.0], &[1.0, 0.0]), Some(0.5));
        assert_eq!(auc(&[3.0, 2.0, 1.0], &[1.0, 0.0, 0.0]), Some(1.0));
        assert_eq!(auc(&[1.0, 2.0, 3.0], &[1.0, 0.0, 0.0]), Some(0.0));
        assert_eq!(auc(&[], &[]), None);
        assert_eq!(auc(&[1.0], &[0.0]), None);
    }

    proptest! {
        #[test]
        fn every_pair_is_counted(rows in proptest::collection::vec((0_u8..8, any::<bool>()), 0..60)) {
            let scores: Vec<f32> = rows.iter().map(|(score, _)| f32::from(*score) - 4.0).collect();
            let labels: Vec<f32> = rows.iter().map(|(_, positive)| f32::from(u8::from(*positive))).collect();
            let (mut won, mut pairs) = (0.0, 0.0);
            for (positive, _) in rows.iter().filter(|(_, positive)| *positive) {
                for (negative, _) in rows.iter().filter(|(_, positive)| !*positive) {
                    pairs += 1.0;
                    won += match positive.cmp(negative) {
                        std::cmp::Ordering::Greater => 1.0,
                        std::cmp::Ordering::Equal => 0.5,
                        std::cmp::Ordering::Less => 0.0,
                    };
                }
            }
            let expected = (pairs > 0.0).then(|| won / pairs);
            prop_assert_eq!(auc(&scores, &labels), expected);
        }
    }
}
