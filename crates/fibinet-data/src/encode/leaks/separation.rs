use crate::encode::leaks::values::{Counts, total};

/// The strength of the prior: a value's click rate is that of its rows and of this many average rows.
const PRIOR_ROWS: f64 = 10.0;
/// The 99% quantile of the normal distribution.
const Z_99: f64 = 2.326_348;

/// How well one column alone tells clicks from other rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Separation {
    /// The AUC of its click rates.
    pub(super) auc: f64,
    /// What that AUC exceeds with 99% confidence.
    pub(super) bound: f64,
}

impl Separation {
    /// Scores each row by the click rate of its bin among the rows of the other folds. The prior is the
    /// same for all folds: one without a fold's own clicks would rank that fold's rows by their labels.
    pub(super) fn of_bins(bins: &[Counts]) -> Self {
        let all = bins.iter().map(total);
        let [others, clicks] = all.fold([0, 0], |all, bin| [all[0] + bin[0], all[1] + bin[1]]);
        let prior = clicks as f64 / (clicks + others) as f64;
        let mut scored = Vec::with_capacity(bins.len());
        for bin in bins {
            let total = total(bin);
            for own in bin.iter().filter(|own| **own != [0, 0]) {
                let [others, clicks] = [total[0] - own[0], total[1] - own[1]].map(|n| n as f64);
                let rate = (clicks + PRIOR_ROWS * prior) / (clicks + others + PRIOR_ROWS);
                scored.push((rate, *own));
            }
        }
        let auc = auc(scored);
        let bound = lower_bound(auc, clicks, others);
        Self { auc, bound }
    }

    /// Whether no other row ranks as high as a click.
    pub(super) fn is_perfect(self) -> bool {
        self.auc >= 1.0
    }
}

/// The AUC of rows that come in groups: a score, and how many of its rows are no clicks and clicks.
fn auc(mut scored: Vec<(f64, [u64; 2])>) -> f64 {
    scored.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let (mut below, mut clicks, mut ranked) = (0.0, 0.0, 0.0);
    for ties in scored.chunk_by(|a, b| a.0 == b.0) {
        let [own_others, own_clicks] = ties.iter().fold([0.0, 0.0], |total, (_, own)| {
            [total[0] + own[0] as f64, total[1] + own[1] as f64]
        });
        ranked += own_clicks * (below + 0.5 * own_others);
        below += own_others;
        clicks += own_clicks;
    }
    if below * clicks > 0.0 {
        ranked / (below * clicks)
    } else {
        0.5
    }
}

/// The least AUC that an observed one is compatible with at 99%: the one that it exceeds by 2.33 of its
/// standard errors. They are those of Hanley and McNeil (1982) at that least AUC, since the error of an
/// AUC of 1 would be 0, however few the rows.
fn lower_bound(auc: f64, clicks: u64, others: u64) -> f64 {
    let (mut low, mut high) = (0.5, auc);
    if high <= low {
        return auc;
    }
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if auc - middle > Z_99 * standard_error(middle, clicks, others) {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

/// Hanley and McNeil (1982), equation 1, with their approximations of Q1 and Q2.
fn standard_error(auc: f64, clicks: u64, others: u64) -> f64 {
    let (clicks, others) = (clicks as f64, others as f64);
    let square = auc * auc;
    let two_clicks = auc / (2.0 - auc) - square;
    let two_others = 2.0 * square / (1.0 + auc) - square;
    let variance = auc * (1.0 - auc) + (clicks - 1.0) * two_clicks + (others - 1.0) * two_others;
    (variance / (clicks * others)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::leaks::sample::testing::values_of;

    fn separation(values: impl Iterator<Item = u64>, clicks: &[bool]) -> Separation {
        let cells = values.map(|value| format!("v{value}"));
        let rows: Vec<(bool, String)> = clicks.iter().copied().zip(cells).collect();
        Separation::of_bins(&values_of(&rows).counts)
    }

    #[test]
    fn the_auc_of_groups_counts_half_of_the_ties() {
        // 3 clicks and 4 others: of 12 pairs, 2·3 + 1·(1 + 2/2) are ranked rightly.
        let groups = vec![(0.1, [1, 0]), (0.5, [2, 1]), (0.9, [1, 2])];
        assert_eq!(auc(groups), (2.0 * 3.0 + 2.0 * 0.5 + 2.0) / 12.0);
        assert_eq!(auc(vec![(0.1, [5, 0]), (0.9, [0, 3])]), 1.0);
        assert_eq!(auc(vec![(0.1, [0, 3]), (0.9, [5, 0])]), 0.0);
        assert_eq!(auc(vec![(0.3, [5, 3])]), 0.5);
        assert_eq!(auc(vec![(0.3, [5, 0])]), 0.5);
    }

    #[test]
    fn the_standard_error_is_that_worked_by_hand() {
        // A = 3/4, 3 clicks, 5 others: Q1 = 3/5, Q2 = 9/14.
        let variance: f64 = (0.1875 + 2.0 * (0.6 - 0.5625) + 4.0 * (9.0 / 14.0 - 0.5625)) / 15.0;
        assert!((standard_error(0.75, 3, 5) - variance.sqrt()).abs() < 1e-12);
    }

    #[test]
    fn the_bound_of_a_perfect_column_rises_with_its_rows() {
        // Near 1 the variance is about (1 - A) / 2 per click, so that 1 - bound is about z² / (2 clicks).
        for clicks in [500_u64, 5_000, 50_000] {
            let gap = 1.0 - lower_bound(1.0, clicks, clicks);
            let expected = Z_99 * Z_99 / 2.0 / clicks as f64;
            assert!((gap / expected - 1.0).abs() < 0.05, "{clicks}: {gap}");
        }
        assert!(lower_bound(1.0, 50, 50) < 0.95);
        assert_eq!(lower_bound(0.4, 50, 50), 0.4);
    }

    #[test]
    fn the_bound_lies_2_33_errors_below() {
        let bound = lower_bound(0.9, 400, 1600);
        let errors = (0.9 - bound) / standard_error(bound, 400, 1600);
        assert!((errors - Z_99).abs() < 1e-6, "{errors}");
    }

    #[test]
    fn values_of_one_row_each_say_nothing() {
        let clicks: Vec<bool> = (0..1000).map(|row| row % 3 == 0).collect();
        assert_eq!(separation(0..1000, &clicks).auc, 0.5);
    }

    #[test]
    fn values_of_one_label_each_separate_perfectly() {
        let clicks: Vec<bool> = (0..1000).map(|row| row % 3 == 0).collect();
        // Forty values of about 8 clicks, and sixty of 11 other rows.
        let value = |row: u64| {
            if row.is_multiple_of(3) {
                row % 40
            } else {
                40 + row % 60
            }
        };
        let found = separation((0..1000).map(value), &clicks);
        assert!(found.is_perfect(), "{found:?}");
    }

    #[test]
    fn values_drawn_by_chance_do_not_separate() {
        let clicks: Vec<bool> = (0..20_000)
            .map(|row| crate::mix::mix(1, row).is_multiple_of(4))
            .collect();
        let values = (0..20_000).map(|row| crate::mix::mix(2, row) % 500);
        let found = separation(values, &clicks);
        assert!((found.auc - 0.5).abs() < 0.02, "{found:?}");
    }
}
