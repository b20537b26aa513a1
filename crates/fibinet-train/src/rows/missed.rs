use std::collections::VecDeque;

use crate::adam::{BETA_1, BETA_2, EPSILON, Number, corrections};

/// Steps after which a moment no longer moves its weight: 0.9²⁵⁶ is 2e-12.
const WINDOW: usize = 256;
/// Rows last met before this step are replayed step by step: until then bias corrections change too
/// fast for the series.
pub(crate) const SERIES_FROM: u32 = 1024;
/// From this step on no row last met before the series would move any more: they are brought up, once.
pub(crate) const EARLY_END: u32 = SERIES_FROM + WINDOW as u32;
/// Terms of the series.
const TERMS: usize = 7;
/// Steps after the last one around which the series stands, about where half of the movement is.
const CENTER: i32 = 10;

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
/// from each weight. `z` hardly changes while `β1ⁿ` lives, so that the sum over the steps is a short
/// series around a center c, the same for all rows of one ℓ but for m and v:
///
/// ```text
/// Σ a_s m / (√v + ε z_s) = m / D · Σ_j (-ε / D)ʲ Σ_s a_s (z_s - c)ʲ,   D = √v + ε c
/// ```
///
/// Its seven sums over s are kept for each of the last 256 values of ℓ and grow by a term a step; after
/// 256 steps no more is added. So a row costs one root and one division a weight however long it was
/// not met, each step having its own learning rate and bias corrections. The terms left out are below
/// 1e-10 of the movement from step 1,024 on; rows last met before are replayed step by step, and the optimizer brings
/// all of them up at step 1,280, so that no later read does it again.
///
/// A step costs 256 additions of seven terms. Sums that are kept, 72 bytes each, are one a step until
/// Adam's corrections are 1 (step 37,000), and after it 256 a change of the learning rate.
#[derive(Debug, Clone)]
pub(crate) struct MissedSteps {
    steps: u32,
    /// `lr / (1 - β1ˢ)` and `√(1 - β2ˢ)` of the steps from 1 that rows last met early may miss.
    early: Vec<(f64, f64)>,
    /// Of the last values of ℓ, the last being the last step.
    open: VecDeque<Sums>,
    /// Of the values before, each from its ℓ on until the next one's.
    closed: Vec<(u32, Sums)>,
    /// `β1ⁿ`, `q⁻ⁿ` and `β2ⁿ` for n up to the window.
    powers: Vec<Powers>,
    betas: (f64, f64),
}

#[derive(Debug, Clone, Copy)]
struct Powers {
    first: f64,
    inverse_root: f64,
    second: f64,
}

/// The series' sums of one ℓ.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Sums {
    center: f64,
    moments: [f64; TERMS],
}

impl MissedSteps {
    /// Before the first step, for rows of these numbers: a moment decays by what β is in them.
    pub(crate) fn new<N: Number>() -> Self {
        let betas = (N::of(BETA_1).wide(), N::of(BETA_2).wide());
        let powers = (0..=WINDOW as i32).map(|n| Powers {
            first: betas.0.powi(n),
            inverse_root: betas.1.sqrt().powi(-n),
            second: betas.1.powi(n),
        });
        Self {
            steps: 0,
            early: Vec::new(),
            open: VecDeque::with_capacity(WINDOW + 1),
            closed: Vec::new(),
            powers: powers.collect(),
            betas,
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
        if self.early.len() < SERIES_FROM as usize + WINDOW {
            self.early.push((rate, second));
        }
        let oldest = self.open.len();
        for (i, sums) in self.open.iter_mut().enumerate() {
            let powers = self.powers[oldest - i];
            let z = second * powers.inverse_root;
            let mut term = rate * powers.first * z;
            for moment in &mut sums.moments {
                *moment += term;
                term *= z - sums.center;
            }
        }
        if oldest == WINDOW {
            let last = self.steps - WINDOW as u32;
            let sums = self.open.pop_front().expect("the window is not empty");
            let kept = self.closed.last().is_some_and(|(_, kept)| *kept == sums);
            if last >= SERIES_FROM && !kept {
                self.closed.push((last, sums));
            }
        }
        let (_, center) = corrections(self.steps + CENTER as u32);
        self.open.push_back(Sums {
            center: center * self.betas.1.sqrt().powi(-CENTER),
            moments: [0.0; TERMS],
        });
    }

    /// Moves the weights of a row, last up to date after step `last`, by the steps that it missed. Its
    /// moments are those of that step.
    pub(crate) fn replay<N: Number>(
        &self,
        last: u32,
        weights: &mut [N],
        first: &[N],
        second: &[N],
    ) {
        let missed = self.steps - last;
        // Before its first step a row has no momentum.
        if missed == 0 || last == 0 {
            return;
        }
        let moments = first.iter().zip(second);
        if last < SERIES_FROM {
            let window = (missed as usize).min(WINDOW);
            let steps = self.early[last as usize..][..window].iter();
            for ((rate, correction), powers) in steps.zip(&self.powers[1..]) {
                let z = correction * powers.inverse_root;
                let factor = N::of(rate * powers.first * z);
                let epsilon = N::of(EPSILON * z);
                for (weight, (first, second)) in weights.iter_mut().zip(moments.clone()) {
                    *weight = *weight - factor * *first / (second.sqrt() + epsilon);
                }
            }
            return;
        }
        let sums = self.sums(last);
        let terms = sums.moments.map(N::of);
        let (center, epsilon) = (N::of(EPSILON * sums.center), N::of(EPSILON));
        for (weight, (first, second)) in weights.iter_mut().zip(moments) {
            let inverse = N::of(1.0) / (second.sqrt() + center);
            let ratio = epsilon * inverse;
            let mut series = terms[TERMS - 1];
            for term in terms[..TERMS - 1].iter().rev() {
                series = *term - ratio * series;
            }
            *weight = *weight - *first * inverse * series;
        }
    }

    /// Decays the moments of a row as the steps it missed do.
    pub(crate) fn decay<N: Number>(&self, last: u32, first: &mut [N], second: &mut [N]) {
        let missed = self.steps - last;
        if missed == 0 || last == 0 {
            return;
        }
        let (decay_1, decay_2) = match self.powers.get(missed as usize) {
            Some(powers) => (powers.first, powers.second),
            None => {
                let missed = f64::from(missed);
                (self.betas.0.powf(missed), self.betas.1.powf(missed))
            }
        };
        let (decay_1, decay_2) = (N::of(decay_1), N::of(decay_2));
        for (first, second) in first.iter_mut().zip(second) {
            *first = decay_1 * *first;
            *second = decay_2 * *second;
        }
    }

    /// The sums of rows last met in a step that has a series.
    fn sums(&self, last: u32) -> &Sums {
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
    use crate::adam::Adam;
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

    fn start<N: Number>(rows: usize) -> Vec<Row<N>> {
        let weight = |i: usize| N::of(0.05 + 0.01 * (i % 7) as f64);
        let row = |i: usize| Row {
            weights: [weight(i), weight(i + 1), weight(i + 2)],
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
            N::of(size * (draw as f64 / 1000.0 - 0.9))
        })
    }

    /// The weights of dense Adam and of rows that are replayed, after every 97th step and the last. To
    /// read the latter must change nothing.
    fn train<N: Number>(steps: u32, rows: usize) -> (Vec<f64>, Vec<f64>) {
        let (mut dense, mut exact) = (start::<N>(rows), start::<N>(rows));
        let mut missed = MissedSteps::new::<N>();
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
    /// which rounds in each of its steps.
    fn follows_dense_adam(steps: u32, rows: usize) {
        let (dense, exact) = train::<f64>(steps, rows);
        let (worst, _) = distance(&dense, &exact);
        assert!(worst < 1e-12, "{worst:e} in f64");
        let (dense_f32, exact_f32) = train::<f32>(steps, rows);
        let (worst, largest) = distance(&dense, &exact_f32);
        let (bound, _) = distance(&dense, &dense_f32);
        let close = worst <= bound.max(1e-6 * largest);
        assert!(close, "{worst:e} in f32, dense Adam {bound:e}");
        // Until there is a series, both round alike.
        if steps <= SERIES_FROM {
            let (between, _) = distance(&dense_f32, &exact_f32);
            assert!(between < 1e-6 * largest, "{between:e} of {largest}");
        }
    }

    #[test]
    fn a_thousand_steps_follow_dense_adam() {
        follows_dense_adam(1000, 300);
    }

    #[test]
    fn the_series_follows_dense_adam() {
        follows_dense_adam(4000, 1000);
    }

    #[test]
    fn sums_are_kept_once_while_nothing_changes() {
        let mut missed = MissedSteps::new::<f32>();
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
        assert_eq!(missed.closed.len(), kept + WINDOW);
    }
}
