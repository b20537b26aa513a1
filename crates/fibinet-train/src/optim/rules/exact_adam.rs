use std::collections::VecDeque;
use std::marker::PhantomData;

use crate::optim::rules::adam::{BETA_1, BETA_2, EPSILON, Number, corrections};

/// Terms of a series.
const TERMS: usize = 7;

/// How far a step may be from its series' center, of the center, however little it moves.
const MOST_REACH: f64 = 0.5;

/// What dense Adam's steps do to rows that they do not meet, without doing it until a row is read.
///
/// A row last met in step ℓ has a gradient of zero in the steps after, but its momentum moves it on.
/// With `n = s - ℓ`, `q = √β2`, `z = √(1 - β2ˢ) / qⁿ` and the row's moments of step ℓ, step s takes
///
/// ```text
/// lr_s / (1 - β1ˢ) · β1ⁿ m / (√v qⁿ / √(1 - β2ˢ) + ε)  =  a_s m / (√v + ε z_s),
/// a_s = lr_s / (1 - β1ˢ) · β1ⁿ z_s
/// ```
///
/// from each weight. `z` changes slowly while `β1ⁿ` lives, so that the sum over steps in which it is near
/// a center c is a short series, the same for all rows of one ℓ but for m and v:
///
/// ```text
/// Σ a_s m / (√v + ε z_s) = m / D · Σ_j (-ε c / D)ʲ Σ_s a_s (z_s / c - 1)ʲ,   D = √v + ε c
/// ```
///
/// Its seven sums over s are kept for each of the last values of ℓ and grow by a term a step, each with its
/// own learning rate and bias corrections, until what is left of the momentum is
/// [negligible](Number::NEGLIGIBLE). As soon as a step's z is so far from c that the terms left out would
/// not be that, another series begins. In f32 one is enough from ℓ = 200 on; before, while bias corrections
/// change fast, there are more, nine at ℓ = 1. So a row costs a root and a division a weight and series,
/// however long it was not met.
///
/// A step costs seven terms for each of the last 174 values of ℓ. What is kept, about 100 bytes a value, is
/// one a step until Adam's corrections are 1 (step 37,000), and after it 174 a change of the learning rate.
#[derive(Debug, Clone)]
pub(crate) struct MissedSteps<N> {
    steps: u32,
    /// Of the last values of ℓ, the last being the last step.
    open: VecDeque<Vec<Series>>,
    /// Of the values before, each from its ℓ on until the next one's.
    closed: Vec<(u32, Box<[Series]>)>,
    /// By n, as long as momentum lives.
    decays: Vec<Decay>,
    betas: (f64, f64),
    numbers: PhantomData<N>,
}

/// What n steps without a gradient leave.
#[derive(Debug, Clone, Copy)]
struct Decay {
    /// `β1ⁿ`
    first: f64,
    /// `β2ⁿ`
    second: f64,
    /// `q⁻ⁿ`
    inverse_root: f64,
    /// How far z may be from a center, of the center.
    reach: f64,
}

/// Steps in a row with their z near a center.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Series {
    center: f64,
    /// `Σ_s a_s (z_s / c - 1)ʲ`
    sums: [f64; TERMS],
}

impl<N: Number> MissedSteps<N> {
    /// Before the first step. A moment decays by what β is in the rows' numbers.
    pub(crate) fn new() -> Self {
        let betas = (N::of(BETA_1).wide(), N::of(BETA_2).wide());
        let window = (N::NEGLIGIBLE.ln() / betas.0.ln()).floor() as i32;
        let decays = (0..=window).map(|n| {
            let first = betas.0.powi(n);
            Decay {
                first,
                second: betas.1.powi(n),
                inverse_root: betas.1.sqrt().powi(-n),
                reach: (N::NEGLIGIBLE / first)
                    .powf(1.0 / TERMS as f64)
                    .min(MOST_REACH),
            }
        });
        Self {
            steps: 0,
            open: VecDeque::new(),
            closed: Vec::new(),
            decays: decays.collect(),
            betas,
            numbers: PhantomData,
        }
    }

    /// The steps so far.
    pub(crate) fn steps(&self) -> u32 {
        self.steps
    }

    /// Another step, with its learning rate.
    pub(crate) fn push(&mut self, learning_rate: f64) {
        self.steps += 1;
        let (first, second) = corrections(self.steps);
        let rate = learning_rate / first;
        let oldest = self.open.len();
        for (i, series) in self.open.iter_mut().enumerate() {
            let decay = &self.decays[oldest - i];
            let z = second * decay.inverse_root;
            let ends = |series: &Series| (z / series.center - 1.0).abs() > decay.reach;
            if series.last().is_none_or(ends) {
                // z grows with every step: it begins as far below the center as it may be.
                series.push(Series {
                    center: z / (1.0 - decay.reach),
                    sums: [0.0; TERMS],
                });
            }
            let Series { center, sums } = series.last_mut().expect("one is open");
            let mut term = rate * decay.first * z;
            for sum in sums {
                *sum += term;
                term *= z / *center - 1.0;
            }
        }
        if oldest + 1 == self.decays.len() {
            let series = self.open.pop_front().expect("the window is not empty");
            if self.closed.last().is_none_or(|(_, kept)| **kept != *series) {
                let last = self.steps - oldest as u32;
                self.closed.push((last, series.into_boxed_slice()));
            }
        }
        self.open.push_back(Vec::new());
    }

    /// Moves the weights of a row, last up to date after step `last`, by the steps that it missed. Its
    /// moments are those of that step.
    pub(crate) fn replay(&self, last: u32, weights: &mut [N], first: &[N], second: &[N]) {
        // Before its first step a row has no momentum.
        if last == self.steps || last == 0 {
            return;
        }
        for series in self.series(last) {
            let sums = series.sums.map(N::of);
            let center = N::of(EPSILON * series.center);
            for (weight, (first, second)) in weights.iter_mut().zip(first.iter().zip(second)) {
                let inverse = N::of(1.0) / (second.sqrt() + center);
                let ratio = center * inverse;
                let mut sum = sums[TERMS - 1];
                for term in sums[..TERMS - 1].iter().rev() {
                    sum = *term - ratio * sum;
                }
                *weight = *weight - *first * inverse * sum;
            }
        }
    }

    /// Decays the moments of a row as the steps it missed do.
    pub(crate) fn decay(&self, last: u32, first: &mut [N], second: &mut [N]) {
        let missed = self.steps - last;
        if missed == 0 || last == 0 {
            return;
        }
        let (decay_1, decay_2) = match self.decays.get(missed as usize) {
            Some(decay) => (decay.first, decay.second),
            // No momentum is left.
            None => (0.0, self.betas.1.powf(f64::from(missed))),
        };
        let (decay_1, decay_2) = (N::of(decay_1), N::of(decay_2));
        for (first, second) in first.iter_mut().zip(second) {
            *first = decay_1 * *first;
            *second = decay_2 * *second;
        }
    }

    /// The series of rows last met in a step before the last one.
    fn series(&self, last: u32) -> &[Series] {
        let missed = (self.steps - last) as usize;
        if missed < self.open.len() {
            return &self.open[self.open.len() - 1 - missed];
        }
        let after = self.closed.partition_point(|(first, _)| *first <= last);
        &self.closed[after - 1].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optim::rules::adam::Adam;
    use fibinet_data::mix_seed;

    const WIDTH: usize = 3;

    /// A row of one of two forms of training.
    #[derive(Clone)]
    struct Row<N> {
        weights: [N; WIDTH],
        first: [N; WIDTH],
        second: [N; WIDTH],
        last: u32,
    }

    /// Weights of about N(0, 0.05), as embeddings start.
    fn start<N: Number>(rows: usize) -> Vec<Row<N>> {
        let draw = |i: usize, k: usize| {
            let uniform = |j: u64| mix_seed((i * WIDTH + k) as u64, j) as f64 / u64::MAX as f64;
            let sum: f64 = (0..12).map(uniform).sum();
            N::of(0.05 * (sum - 6.0))
        };
        let row = |i: usize| Row {
            weights: std::array::from_fn(|k| draw(i, k)),
            first: [N::default(); WIDTH],
            second: [N::default(); WIDTH],
            last: 0,
        };
        (0..rows).map(row).collect()
    }

    /// A rate that warms up, falls every few hundred steps, and rises once.
    fn learning_rate(step: u32) -> f64 {
        let warm = f64::from(step.min(50)) / 50.0;
        let cut = 0.5_f64.powi((step / 400 % 4) as i32);
        1e-3 * warm * cut
    }

    /// Whether a step meets a row: row r about every r + 1 steps, as on zipf ids.
    fn meets(step: u32, row: usize) -> bool {
        mix_seed(u64::from(step), row as u64).is_multiple_of(row as u64 + 1)
    }

    /// From the order of ε to far above it.
    fn gradient<N: Number>(step: u32, row: usize) -> [N; WIDTH] {
        std::array::from_fn(|k| {
            let draw = mix_seed(u64::from(step) << 20 | row as u64, k as u64) % 2001;
            let size = [1e-3, 1e-6, 2e-8][k];
            N::of(size * (draw as f64 / 1000.0 - 0.5))
        })
    }

    /// The weights of dense Adam and of rows that are replayed, after every 97th step and the last. To
    /// read the latter must change nothing.
    fn train<N: Number>(steps: u32, rows: usize) -> (Vec<f64>, Vec<f64>) {
        let (mut dense, mut exact) = (start::<N>(rows), start::<N>(rows));
        let mut missed = MissedSteps::<N>::new();
        let (mut dense_weights, mut exact_weights) = (Vec::new(), Vec::new());
        for step in 1..=steps {
            let adam = Adam::new(step, learning_rate(step), 1.0);
            for (i, (dense, exact)) in dense.iter_mut().zip(&mut exact).enumerate() {
                let met = meets(step, i);
                let zero = [N::default(); WIDTH];
                let gradient = if met { gradient(step, i) } else { zero };
                adam.update(
                    &mut dense.weights,
                    &mut dense.first,
                    &mut dense.second,
                    &gradient,
                );
                if met {
                    let Row {
                        weights,
                        first,
                        second,
                        last,
                    } = exact;
                    missed.replay(*last, weights, first, second);
                    missed.decay(*last, first, second);
                    adam.update(weights, first, second, &gradient);
                    *last = step;
                }
            }
            missed.push(learning_rate(step));
            if step % 97 == 0 || step == steps {
                for (dense, exact) in dense.iter().zip(&exact) {
                    let mut read = exact.weights;
                    missed.replay(exact.last, &mut read, &exact.first, &exact.second);
                    exact_weights.extend(read.map(Number::wide));
                    dense_weights.extend(dense.weights.map(Number::wide));
                }
            }
        }
        (dense_weights, exact_weights)
    }

    /// The largest distance, and the largest weight.
    fn distance(weights: &[f64], others: &[f64]) -> (f64, f64) {
        assert_eq!(weights.len(), others.len());
        let distances = weights.iter().zip(others).map(|(a, b)| (a - b).abs());
        let largest = weights.iter().copied().map(f64::abs);
        (distances.fold(0.0, f64::max), largest.fold(0.0, f64::max))
    }

    /// In f64 rows end where dense Adam's do, and in f32 no farther from there than dense Adam in f32,
    /// which rounds in each of its steps. Gives the distance of the two in f32, and the largest weight.
    fn follows_dense_adam(steps: u32, rows: usize) -> (f64, f64) {
        let (dense, exact) = train::<f64>(steps, rows);
        let (worst, _) = distance(&dense, &exact);
        assert!(worst < 1e-12, "{worst:e} in f64");
        let (dense_f32, exact_f32) = train::<f32>(steps, rows);
        let (worst, largest) = distance(&dense, &exact_f32);
        let (bound, _) = distance(&dense, &dense_f32);
        let close = worst <= bound.max(1e-6 * largest);
        assert!(close, "{worst:e} in f32, dense Adam {bound:e}");
        distance(&dense_f32, &exact_f32)
    }

    #[test]
    fn a_thousand_steps_follow_dense_adam() {
        let (between, largest) = follows_dense_adam(1000, 300);
        assert!(between <= 1e-6 * largest, "{between:e} of {largest}");
    }

    #[test]
    fn four_thousand_steps_follow_dense_adam() {
        follows_dense_adam(4000, 1000);
    }

    #[test]
    fn a_row_needs_few_series() {
        let mut missed = MissedSteps::<f32>::new();
        for _ in 0..2000 {
            missed.push(1e-3);
        }
        assert_eq!(missed.series(1).len(), 9);
        for last in 200..2000 {
            assert_eq!(missed.series(last).len(), 1, "last met in step {last}");
        }
    }

    #[test]
    fn sums_are_kept_once_while_nothing_changes() {
        let mut missed = MissedSteps::<f32>::new();
        for _ in 0..45_000 {
            missed.push(1e-3);
        }
        let kept = missed.closed.len();
        for _ in 0..1000 {
            missed.push(1e-3);
        }
        assert_eq!(missed.closed.len(), kept);
        assert!(kept < 40_000, "{kept}");
        missed.push(5e-4);
        for _ in 0..1000 {
            missed.push(5e-4);
        }
        assert_eq!(missed.closed.len(), kept + missed.decays.len() - 1);
    }
}
