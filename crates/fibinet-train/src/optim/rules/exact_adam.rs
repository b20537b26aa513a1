use std::collections::VecDeque;
use std::marker::PhantomData;

use crate::optim::rules::adam::{BETA_1, BETA_2, EPSILON, Number, corrections};
use crate::optim::rules::lazy_adam::LazyAdam;
use crate::optim::rules::{Replay, Step, UpdateRow};

/// Terms of a series.
const TERMS: usize = 7;

/// The largest distance of a step from the center of its series, relative to the center, however small the
/// step's movement is.
const MAX_REACH: f64 = 0.5;

/// Dense Adam at the cost of the touched rows: the update of a touched row is [`LazyAdam`]'s, and the steps
/// that do not touch a row are [replayed](MissedSteps) when it is next read.
#[derive(Debug)]
pub(crate) struct ExactAdam;

impl UpdateRow for ExactAdam {
    fn state_width(&self, width: usize) -> usize {
        LazyAdam.state_width(width)
    }

    fn update(&self, step: Step) -> impl Fn(&mut [f32], &mut [f32], &[f32]) + Sync {
        LazyAdam.update(step)
    }

    fn replay(&self) -> Option<Box<dyn Replay>> {
        Some(Box::new(MissedSteps::<f32>::new()))
    }
}

/// The steps of dense Adam on rows that they do not touch, evaluated only when such a row is read.
///
/// A row that step ℓ touched last has a gradient of zero in later steps, but its momentum still moves it.
/// With `n = s - ℓ`, `q = √β2`, `z = √(1 - β2ˢ) / qⁿ` and the row's moments m and v after step ℓ, step s
/// subtracts from each weight
///
/// ```text
/// lr_s / (1 - β1ˢ) · β1ⁿ m / (√v qⁿ / √(1 - β2ˢ) + ε)  =  a_s m / (√v + ε z_s),
/// a_s = lr_s / (1 - β1ˢ) · β1ⁿ z_s
/// ```
///
/// z changes slowly while `β1ⁿ` is not negligible. The sum over consecutive steps whose z is near a center
/// c is therefore a short series in which only m and v differ between the rows of one ℓ:
///
/// ```text
/// Σ a_s m / (√v + ε z_s) = m / D · Σ_j (-ε c / D)ʲ Σ_s a_s (z_s / c - 1)ʲ,   D = √v + ε c
/// ```
///
/// The seven inner sums over s are kept for each of the last values of ℓ. Every step adds a term to each,
/// with its own learning rate and bias corrections, until the rest of the momentum is
/// [negligible](Number::NEGLIGIBLE). When a step's z is so far from c that the dropped terms would not be
/// negligible, another series begins. In f32 one series suffices from ℓ = 200 on. Before, while bias
/// corrections change fast, there are more, nine at ℓ = 1. A replayed row thus costs one square root and one
/// division per weight and series, however long it was not touched.
///
/// A step costs seven terms for each of the last 174 values of ℓ. About 100 bytes are kept per value of ℓ
/// until Adam's corrections are 1 (step 37,000). After that, 174 values are kept per change of the learning
/// rate.
#[derive(Debug, Clone)]
pub(crate) struct MissedSteps<N> {
    steps: u32,
    /// The series of the last values of ℓ, which still grow. The last entry belongs to the last step.
    open: VecDeque<Vec<Series>>,
    /// The series of earlier values of ℓ. Each entry holds from its ℓ to the next entry's.
    closed: Vec<(u32, Box<[Series]>)>,
    /// Indexed by n, while `β1ⁿ` is not negligible.
    decays: Vec<Decay>,
    betas: (f64, f64),
    numbers: PhantomData<N>,
}

/// The factors that n steps without a gradient put on a row's state.
#[derive(Debug, Clone, Copy)]
struct Decay {
    /// `β1ⁿ`
    first: f64,
    /// `β2ⁿ`
    second: f64,
    /// `q⁻ⁿ`
    inverse_root: f64,
    /// The largest distance of z from the center of its series, relative to the center.
    reach: f64,
}

/// The sums over consecutive steps whose z is near one center.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Series {
    center: f64,
    /// `Σ_s a_s (z_s / c - 1)ʲ`
    sums: [f64; TERMS],
}

impl<N: Number> MissedSteps<N> {
    /// No step is recorded yet. Moments decay by β as it is in the number type of the rows.
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
                    .min(MAX_REACH),
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

    /// Records a step.
    fn record(&mut self, learning_rate: f64) {
        self.steps += 1;
        let (first, second) = corrections(self.steps);
        let rate = learning_rate / first;
        let oldest = self.open.len();
        for (i, series) in self.open.iter_mut().enumerate() {
            let decay = &self.decays[oldest - i];
            let z = second * decay.inverse_root;
            let ends = |series: &Series| (z / series.center - 1.0).abs() > decay.reach;
            if series.last().is_none_or(ends) {
                // z grows with every step, so it starts as far below the center as it may be.
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

    /// Moves the weights of a row by all steps after step `last`, given the moments after that step.
    fn replay(&self, last: u32, weights: &mut [N], first: &[N], second: &[N]) {
        // A row that no step has touched has no momentum.
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

    /// Decays the moments of a row by all steps after step `last`.
    fn decay(&self, last: u32, first: &mut [N], second: &mut [N]) {
        let missed = self.steps - last;
        if missed == 0 || last == 0 {
            return;
        }
        let (decay_1, decay_2) = match self.decays.get(missed as usize) {
            Some(decay) => (decay.first, decay.second),
            // The momentum is negligible.
            None => (0.0, self.betas.1.powf(f64::from(missed))),
        };
        let (decay_1, decay_2) = (N::of(decay_1), N::of(decay_2));
        for (first, second) in first.iter_mut().zip(second) {
            *first = decay_1 * *first;
            *second = decay_2 * *second;
        }
    }

    /// The series of the rows that step `last`, which is not the last one, touched last.
    fn series(&self, last: u32) -> &[Series] {
        let missed = (self.steps - last) as usize;
        if missed < self.open.len() {
            return &self.open[self.open.len() - 1 - missed];
        }
        let after = self.closed.partition_point(|(first, _)| *first <= last);
        &self.closed[after - 1].1
    }
}

impl Replay for MissedSteps<f32> {
    fn steps(&self) -> u32 {
        self.steps
    }

    fn record(&mut self, learning_rate: f64) {
        self.record(learning_rate);
    }

    fn replay(&self, last: u32, weights: &mut [f32], state: &[f32]) {
        let (first, second) = state.split_at(weights.len());
        self.replay(last, weights, first, second);
    }

    fn decay(&self, last: u32, state: &mut [f32]) {
        let (first, second) = state.split_at_mut(state.len() / 2);
        self.decay(last, first, second);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optim::rules::adam::Adam;
    use fibinet_data::mix_seed;

    const WIDTH: usize = 3;

    /// A table row with its state.
    #[derive(Clone)]
    struct Row<N> {
        weights: [N; WIDTH],
        first: [N; WIDTH],
        second: [N; WIDTH],
        last: u32,
    }

    /// Rows with weights drawn from about N(0, 0.05), as initial embeddings are.
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

    /// A learning rate that warms up, falls every few hundred steps, and rises once.
    fn learning_rate(step: u32) -> f64 {
        let warm = f64::from(step.min(50)) / 50.0;
        let cut = 0.5_f64.powi((step / 400 % 4) as i32);
        1e-3 * warm * cut
    }

    /// Whether a step touches a row. Row r is touched about every r + 1 steps, as with Zipf-distributed ids.
    fn touches(step: u32, row: usize) -> bool {
        mix_seed(u64::from(step), row as u64).is_multiple_of(row as u64 + 1)
    }

    /// Gradients from the order of ε to far above it.
    fn gradient<N: Number>(step: u32, row: usize) -> [N; WIDTH] {
        std::array::from_fn(|k| {
            let draw = mix_seed(u64::from(step) << 20 | row as u64, k as u64) % 2001;
            let size = [1e-3, 1e-6, 2e-8][k];
            N::of(size * (draw as f64 / 1000.0 - 0.5))
        })
    }

    /// The weights of dense Adam and of replayed rows, after every 97th step and the last one. Reading the
    /// replayed rows must not change them.
    fn train<N: Number>(steps: u32, rows: usize) -> (Vec<f64>, Vec<f64>) {
        let (mut dense, mut exact) = (start::<N>(rows), start::<N>(rows));
        let mut missed = MissedSteps::<N>::new();
        let (mut dense_weights, mut exact_weights) = (Vec::new(), Vec::new());
        for step in 1..=steps {
            let adam = Adam::new(step, learning_rate(step), 1.0);
            for (i, (dense, exact)) in dense.iter_mut().zip(&mut exact).enumerate() {
                let touched = touches(step, i);
                let zero = [N::default(); WIDTH];
                let gradient = if touched { gradient(step, i) } else { zero };
                adam.update(
                    &mut dense.weights,
                    &mut dense.first,
                    &mut dense.second,
                    &gradient,
                );
                if touched {
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
            missed.record(learning_rate(step));
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

    /// The largest distance between two sets of weights, and the largest weight.
    fn distance(weights: &[f64], others: &[f64]) -> (f64, f64) {
        assert_eq!(weights.len(), others.len());
        let distances = weights.iter().zip(others).map(|(a, b)| (a - b).abs());
        let largest = weights.iter().copied().map(f64::abs);
        (distances.fold(0.0, f64::max), largest.fold(0.0, f64::max))
    }

    /// Asserts that in f64 replayed rows end where dense Adam's do, and in f32 no farther from there than
    /// dense Adam in f32, which rounds in every step. Returns the distance of the two in f32, and the
    /// largest weight.
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
    fn one_series_suffices_after_the_early_steps() {
        let mut missed = MissedSteps::<f32>::new();
        for _ in 0..2000 {
            missed.record(1e-3);
        }
        assert_eq!(missed.series(1).len(), 9);
        for last in 200..2000 {
            assert_eq!(missed.series(last).len(), 1, "last touched in step {last}");
        }
    }

    #[test]
    fn equal_sums_are_kept_once_while_the_learning_rate_stays() {
        let mut missed = MissedSteps::<f32>::new();
        for _ in 0..45_000 {
            missed.record(1e-3);
        }
        let kept = missed.closed.len();
        for _ in 0..1000 {
            missed.record(1e-3);
        }
        assert_eq!(missed.closed.len(), kept);
        assert!(kept < 40_000, "{kept}");
        missed.record(5e-4);
        for _ in 0..1000 {
            missed.record(5e-4);
        }
        assert_eq!(missed.closed.len(), kept + missed.decays.len() - 1);
    }
}
