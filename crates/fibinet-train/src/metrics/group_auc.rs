use serde::{Deserialize, Serialize};

use crate::metrics::auc::ranked_auc;

/// The result of [`group_auc`], and the rows that it covers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct GroupAuc {
    /// The mean AUC of the groups, weighted by their numbers of rows.
    pub auc: f64,
    /// The number of groups that have both classes.
    pub groups: usize,
    /// The number of rows in those groups.
    pub rows: usize,
}

/// How well rows are ranked within their groups, for example within the impressions of one user: the mean of
/// the groups' exact [AUCs](crate::metrics::auc()), each weighted by its number of rows. `None` if no group has both
/// classes.
///
/// ```text
/// GAUC = Σ_g n_g AUC_g / Σ_g n_g     over the groups g with both classes
/// ```
///
/// In a log, a group is what its cell says, and a blank cell says as much as any other: all rows without a user
/// are ranked as one group. Exclude them from the file if that is not meant.
///
/// Zhu et al., "Optimized Cost per Click in Taobao Display Advertising", KDD 2017, weight by impressions or by
/// clicks. This function weights by impressions. Features that only distinguish groups, such as how often a
/// user clicks, raise the AUC but not the group AUC.
///
/// # Shapes
///
/// - `scores`: `[rows]`, logits or probabilities, because only their order matters
/// - `labels`: `[rows]`, where a label above 0.5 is positive
/// - `groups`: `[rows]`, any numbers that are equal for the rows of one group
///
/// ```
/// use fibinet_train::metrics::group_auc;
///
/// let scores = [0.9, 0.8, 0.2, 0.1, 0.7];
/// let labels = [0.0, 1.0, 1.0, 0.0, 1.0];
/// let users = [1, 1, 2, 2, 3];
/// let ranked = group_auc(&scores, &labels, &users).unwrap();
/// assert_eq!((ranked.auc, ranked.groups, ranked.rows), (0.5, 2, 4));
/// ```
///
/// # Panics
///
/// If the numbers of scores, labels and groups differ.
pub fn group_auc(scores: &[f32], labels: &[f32], groups: &[u64]) -> Option<GroupAuc> {
    assert_eq!(labels.len(), scores.len(), "expected one label per score");
    assert_eq!(groups.len(), scores.len(), "expected one group per score");
    let mut ranked: Vec<(u64, f32, bool)> = groups
        .iter()
        .zip(scores)
        .zip(labels)
        // -0 and 0 are the same score, although `total_cmp` distinguishes them.
        .map(|((&group, &score), &label)| (group, score + 0.0, label > 0.5))
        .collect();
    ranked.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let (mut sum, mut num_groups, mut rows) = (0.0, 0, 0);
    for group in ranked.chunk_by(|a, b| a.0 == b.0) {
        if let Some(auc) = ranked_auc(group, |&(_, score, positive)| (score, positive)) {
            sum += auc * group.len() as f64;
            num_groups += 1;
            rows += group.len();
        }
    }
    (num_groups > 0).then(|| GroupAuc {
        auc: sum / rows as f64,
        groups: num_groups,
        rows,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::auc;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn groups_are_weighted_by_their_rows() {
        // Group 7 ranks 3 of 3 pairs right, group 9 has a tie, group 8 only negatives, group 6 only a click.
        let scores = [4.0, 1.0, 2.0, 3.0, 5.0, 5.0, 9.0, 9.0, 0.0];
        let labels = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
        let groups = [7, 7, 7, 7, 9, 9, 8, 8, 6];
        let expected = GroupAuc {
            auc: (4.0 * 1.0 + 2.0 * 0.5) / 6.0,
            groups: 2,
            rows: 6,
        };
        assert_eq!(group_auc(&scores, &labels, &groups), Some(expected));
    }

    #[test]
    fn without_a_group_of_both_classes_there_is_no_group_auc() {
        assert_eq!(group_auc(&[], &[], &[]), None);
        assert_eq!(group_auc(&[1.0, 2.0], &[0.0, 1.0], &[1, 2]), None);
    }

    #[test]
    fn zeros_of_either_sign_tie() {
        let ranked = group_auc(&[-0.0, 0.0], &[0.0, 1.0], &[3, 3]).unwrap();
        assert_eq!(ranked.auc, 0.5);
    }

    proptest! {
        #[test]
        fn group_auc_is_the_mean_of_the_groups_aucs(
            rows in proptest::collection::vec((0_u64..6, 0_u8..8, any::<bool>()), 0..80),
        ) {
            let groups: Vec<u64> = rows.iter().map(|row| row.0).collect();
            let scores: Vec<f32> = rows.iter().map(|row| f32::from(row.1) - 4.0).collect();
            let labels: Vec<f32> = rows.iter().map(|row| f32::from(u8::from(row.2))).collect();
            let (mut sum, mut counted, mut weight) = (0.0, 0, 0);
            for group in groups.iter().copied().collect::<BTreeSet<u64>>() {
                let of = |values: &[f32]| -> Vec<f32> {
                    let members = values.iter().zip(&groups).filter(|(_, of)| **of == group);
                    members.map(|(&value, _)| value).collect()
                };
                let (scores, labels) = (of(&scores), of(&labels));
                if let Some(auc) = auc(&scores, &labels) {
                    sum += auc * scores.len() as f64;
                    counted += 1;
                    weight += scores.len();
                }
            }
            match group_auc(&scores, &labels, &groups) {
                None => prop_assert_eq!(counted, 0),
                Some(ranked) => {
                    prop_assert_eq!((ranked.groups, ranked.rows), (counted, weight));
                    prop_assert!((ranked.auc - sum / weight as f64).abs() < 1e-12);
                }
            }
        }
    }
}
