//! How numbers are cut into bins.

use std::cmp::Reverse;
use std::ops::Range;

/// Bins of numbers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bins {
    /// Ascending upper edges: bin `i` holds the numbers up to `edges[i]`, the last bin the rest.
    pub(crate) edges: Vec<f64>,
    /// The values that are bins of their own and hold the share of at least two bins, ascending.
    pub(crate) values: Vec<f64>,
}

impl Bins {
    /// At most `num_bins` bins of numbers that are `sorted`. Each bin holds one of the numbers at least.
    ///
    /// A value that holds at least a bin's share of the numbers is a bin of its own, and the others share the
    /// remaining bins equally. If there are too few bins for that, the most frequent values come first.
    pub(crate) fn new(sorted: &[f64], num_bins: usize) -> Self {
        let runs = runs(sorted, num_bins);
        let values = runs.iter().filter(|run| run.is_value);
        let mut bins = num_bins - values.clone().count();
        let values = values.filter(|run| run.range.len() * num_bins >= 2 * sorted.len());
        let values: Vec<f64> = values.map(|run| sorted[run.range.start]).collect();
        // What is left for the runs that are not one value.
        let wide = runs.iter().filter(|run| !run.is_value);
        let mut num_numbers: usize = wide.clone().map(|run| run.range.len()).sum();
        let mut num_runs = wide.count();
        let mut edges = Vec::with_capacity(num_bins);
        for (at, run) in runs.iter().enumerate() {
            let numbers = &sorted[run.range.clone()];
            if !run.is_value {
                num_runs -= 1;
                let share = (numbers.len() * bins + num_numbers / 2) / num_numbers;
                let share = share.clamp(1, bins - num_runs);
                edges.extend(equal_shares(numbers, share));
                (bins, num_numbers) = (bins - share, num_numbers - numbers.len());
            }
            if let Some(next) = runs.get(at + 1) {
                let first = sorted[next.range.start];
                edges.push(if run.is_value {
                    numbers[0]
                } else {
                    first.next_down()
                });
            }
        }
        edges.dedup();
        Self { edges, values }
    }
}

/// The edges between at most `num_bins` bins of sorted numbers.
fn equal_shares(numbers: &[f64], num_bins: usize) -> impl Iterator<Item = f64> {
    let len = numbers.len();
    let ends = (1..num_bins).filter_map(move |i| (len * i / num_bins).checked_sub(1));
    let edges = ends.map(|end| numbers[end]);
    // An edge at the last number would leave the last bin without one.
    edges.filter(move |edge| *edge < numbers[len - 1])
}

/// Neighbours among sorted numbers.
struct Run {
    range: Range<usize>,
    /// Whether they are one value that is a bin of its own.
    is_value: bool,
}

/// The values that are bins of their own, and the runs of other numbers between them.
fn runs(sorted: &[f64], num_bins: usize) -> Vec<Run> {
    let mut end = 0;
    let values = sorted.chunk_by(|a, b| a == b).map(|equal| {
        end += equal.len();
        end - equal.len()..end
    });
    let values: Vec<Range<usize>> = values.collect();
    let is_bin = are_bins(&values, sorted.len(), num_bins);
    let mut runs: Vec<Run> = Vec::new();
    for (range, is_value) in values.into_iter().zip(is_bin) {
        match runs.last_mut().filter(|run| !run.is_value && !is_value) {
            Some(run) => run.range.end = range.end,
            None => runs.push(Run { range, is_value }),
        }
    }
    runs
}

/// Which of the values, each with the range of its numbers, are bins of their own.
fn are_bins(values: &[Range<usize>], num_numbers: usize, num_bins: usize) -> Vec<bool> {
    let mut by_count: Vec<usize> = (0..values.len()).collect();
    by_count.sort_by_key(|at| Reverse(values[*at].len()));
    let mut is_bin = vec![false; values.len()];
    // Without those that are bins: the numbers left, and the bins left for them.
    let (mut numbers, mut bins) = (num_numbers, num_bins);
    // One for each value that is a bin and for each run between them.
    let mut num_runs = 1;
    for at in by_count {
        let neighbours = [at.checked_sub(1), Some(at + 1)].into_iter().flatten();
        let split = neighbours.filter(|at| is_bin.get(*at) == Some(&false));
        let num_runs_then = num_runs + split.count();
        let len = values[at].len();
        if len * bins < numbers || num_runs_then > num_bins {
            break;
        }
        is_bin[at] = true;
        (numbers, bins, num_runs) = (numbers - len, bins - 1, num_runs_then);
    }
    is_bin
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The edges of values that occur so often.
    fn edges_of(counts: &[(f64, usize)], num_bins: usize) -> Vec<f64> {
        let numbers = counts.iter().flat_map(|(value, n)| vec![*value; *n]);
        let mut numbers: Vec<f64> = numbers.collect();
        numbers.sort_unstable_by(f64::total_cmp);
        Bins::new(&numbers, num_bins).edges
    }

    /// Values that occur once each.
    fn once(values: Range<u32>) -> Vec<(f64, usize)> {
        values.map(|value| (value.into(), 1)).collect()
    }

    #[test]
    fn distinct_numbers_are_cut_into_equal_shares() {
        assert_eq!(edges_of(&once(1..5), 2), [2.0]);
        assert_eq!(edges_of(&once(1..9), 4), [2.0, 4.0, 6.0]);
        assert_eq!(Bins::new(&[], 4).edges, [] as [f64; 0]);
        assert_eq!(Bins::new(&[7.0], 4).edges, [] as [f64; 0]);
    }

    #[test]
    fn as_few_values_as_bins_are_bins_of_their_own() {
        for num_bins in [4, 5, 100] {
            let counts = [(0.0, 90), (2.0, 1), (3.0, 5), (9.0, 1)];
            assert_eq!(edges_of(&counts, num_bins), [0.0, 2.0, 3.0]);
        }
        assert_eq!(edges_of(&[(5.0, 10)], 4), [] as [f64; 0]);
        assert_eq!(Bins::new(&[-0.0, 0.0, 1.0, 1.0], 4).edges, [0.0]);
    }

    #[test]
    fn a_frequent_value_is_a_bin_of_its_own_and_the_others_share_the_rest() {
        // At the start, at the end and in the middle.
        let mut counts = once(1..9);
        counts.push((0.0, 92));
        assert_eq!(edges_of(&counts, 5), [0.0, 2.0, 4.0, 6.0]);
        counts[8].0 = 99.0;
        let before = 99_f64.next_down();
        assert_eq!(edges_of(&counts, 5), [2.0, 4.0, 6.0, before]);
        counts[8].0 = 4.5;
        let before = 4.5_f64.next_down();
        assert_eq!(edges_of(&counts, 5), [2.0, before, 4.5, 6.0]);
        // Two values side by side; what lies between is with the second.
        counts.push((4.75, 50));
        assert_eq!(edges_of(&counts, 6), [2.0, before, 4.5, 4.75, 6.0]);
    }

    #[test]
    fn a_value_that_is_frequent_among_the_rest_is_a_bin_of_its_own() {
        let mut counts = once(1..41);
        counts.extend([(0.0, 900), (20.0, 9)]);
        let before = 20_f64.next_down();
        assert_eq!(edges_of(&counts, 6), [0.0, 9.0, before, 20.0, 30.0]);
    }

    #[test]
    fn the_most_frequent_values_come_first_if_bins_are_few() {
        // 0 between others would need three bins.
        assert_eq!(edges_of(&[(-1.0, 1), (0.0, 92), (1.0, 7)], 2), [0.0]);
        let counts = [(1.0, 1), (2.0, 40), (3.0, 1), (4.0, 30), (5.0, 1)];
        let before = 2_f64.next_down();
        assert_eq!(edges_of(&counts, 3), [before, 2.0]);
        assert_eq!(edges_of(&counts, 4), [before, 2.0, 4.0]);
    }

    #[test]
    fn values_with_the_share_of_two_bins_are_known() {
        let numbers: Vec<f64> = [vec![1.0; 30], vec![2.0; 50], vec![3.0; 20]].concat();
        assert_eq!(Bins::new(&numbers, 4).values, [2.0]);
        assert_eq!(Bins::new(&numbers, 10).values, [1.0, 2.0, 3.0]);
        assert_eq!(Bins::new(&[], 4).values, [] as [f64; 0]);
    }

    #[test]
    fn every_bin_holds_a_number() {
        for seed in 0..300 {
            let draw = |i| crate::mix::mix(seed, i);
            let numbers = (0..draw(0) % 400).map(|i| {
                let kind = draw(2 * i + 1) % 3;
                draw(2 * i + 2) % [1, 4, 300][kind as usize]
            });
            let mut numbers: Vec<f64> = numbers.map(|number| number as f64 - 2.0).collect();
            numbers.sort_unstable_by(f64::total_cmp);
            let num_bins = 2 + (draw(1) % 40) as usize;
            let Bins { edges, values } = Bins::new(&numbers, num_bins);
            let mut bins: Vec<usize> = numbers
                .iter()
                .map(|number| edges.partition_point(|edge| edge < number))
                .collect();
            bins.dedup();
            assert!(bins.iter().copied().eq(0..bins.len()), "{seed}: {edges:?}");
            assert_eq!(
                bins.len(),
                if numbers.is_empty() {
                    0
                } else {
                    edges.len() + 1
                }
            );
            assert!(edges.len() < num_bins, "{seed}");
            let bin = |number: f64| edges.partition_point(|edge| *edge < number);
            for value in values {
                let of_bin = numbers.iter().filter(|number| bin(**number) == bin(value));
                assert!(of_bin.copied().all(|number| number == value), "{seed}");
            }
        }
    }
}
