use std::ops::{Add, Div, Mul, Sub};

use burn::optim::{AdamConfig, AdamWConfig, ModuleOptimizer};

use crate::optim::rules::{Step, UpdateDense};

/// Decay of the first moment per step.
pub(crate) const BETA_1: f64 = 0.9;
/// Decay of the second moment per step.
pub(crate) const BETA_2: f64 = 0.999;
/// ε outside the root; PyTorch's value.
pub(crate) const EPSILON: f64 = 1e-8;

/// A number type that Adam can compute in: f32, and f64 for the tests that measure how far f32 is off.
pub(crate) trait Number:
    Copy
    + Send
    + Sync
    + Default
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
{
    /// The largest share of a step's movement that may be dropped, relative to the step that last touched
    /// the row: in f32 below half a unit in the last place, in f64 what the tests require.
    const NEGLIGIBLE: f64;

    /// The number of this type that is nearest.
    fn of(number: f64) -> Self;
    /// The same number in f64.
    fn wide(self) -> f64;
    /// The square root.
    fn sqrt(self) -> Self;
}

impl Number for f32 {
    const NEGLIGIBLE: f64 = 1e-8;

    fn of(number: f64) -> Self {
        number as Self
    }

    fn wide(self) -> f64 {
        self.into()
    }

    fn sqrt(self) -> Self {
        self.sqrt()
    }
}

#[cfg(test)]
impl Number for f64 {
    const NEGLIGIBLE: f64 = 1e-12;

    fn of(number: f64) -> Self {
        number
    }

    fn wide(self) -> f64 {
        self
    }

    fn sqrt(self) -> Self {
        self.sqrt()
    }
}

/// The bias corrections of a step, counted from 1: `1 - β1ᵗ` and `√(1 - β2ᵗ)`.
pub(crate) fn corrections(step: u32) -> (f64, f64) {
    let step = f64::from(step);
    (1.0 - BETA_1.powf(step), (1.0 - BETA_2.powf(step)).sqrt())
}

/// A step of Adam (Kingma and Ba, 2015, algorithm 1) in PyTorch's form, with the decoupled decay of
/// AdamW (Loshchilov and Hutter, 2019):
///
/// ```text
/// g = scale (g + l2 w);  m = β1 m + (1 - β1) g;  v = β2 v + (1 - β2) g²
/// w = keep w - lr / (1 - β1ᵗ) · m / (√v / √(1 - β2ᵗ) + ε)
/// ```
///
/// An update reads four numbers per weight and writes three, once each.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Adam<N> {
    /// `lr / (1 - β1ᵗ)`
    rate: N,
    /// `1 / √(1 - β2ᵗ)`
    correction: N,
    scale: N,
    l2: N,
    keep: N,
}

impl<N: Number> Adam<N> {
    /// The update of a step, counted from 1, without L2 and without decay.
    pub(crate) fn new(step: u32, learning_rate: f64, scale: f64) -> Self {
        let (first, second) = corrections(step);
        Self {
            rate: N::of(learning_rate / first),
            correction: N::of(1.0 / second),
            scale: N::of(scale),
            l2: N::of(0.0),
            keep: N::of(1.0),
        }
    }

    /// The update with the L2 gradient `l2 w`.
    pub(crate) fn with_l2(self, l2: f64) -> Self {
        Self {
            l2: N::of(l2),
            ..self
        }
    }

    /// The update with `w = keep w` before it.
    pub(crate) fn with_kept(self, keep: f64) -> Self {
        Self {
            keep: N::of(keep),
            ..self
        }
    }

    /// Moves weights and both moments by the gradient.
    pub(crate) fn update(
        self,
        weights: &mut [N],
        first: &mut [N],
        second: &mut [N],
        gradient: &[N],
    ) {
        let (beta_1, beta_2, epsilon) = (N::of(BETA_1), N::of(BETA_2), N::of(EPSILON));
        let (rest_1, rest_2) = (N::of(1.0 - BETA_1), N::of(1.0 - BETA_2));
        let moments = first.iter_mut().zip(second);
        for ((weight, gradient), (first, second)) in weights.iter_mut().zip(gradient).zip(moments) {
            let gradient = self.scale * (*gradient + self.l2 * *weight);
            *first = beta_1 * *first + rest_1 * gradient;
            *second = beta_2 * *second + rest_2 * (gradient * gradient);
            let denominator = second.sqrt() * self.correction + epsilon;
            *weight = self.keep * *weight - self.rate * (*first / denominator);
        }
    }
}

/// Adam on dense parameters, or AdamW, which has decoupled weight decay.
#[derive(Debug)]
pub(crate) struct DenseAdam {
    /// `None` is Adam.
    pub(crate) weight_decay: Option<f64>,
}

impl UpdateDense for DenseAdam {
    fn state_lens(&self, len: usize) -> [usize; 2] {
        [len, len]
    }

    fn update(
        &self,
        step: Step,
        l2: f64,
        weights: &mut [f32],
        gradient: &[f32],
        [first, second]: [&mut [f32]; 2],
    ) {
        let mut adam = Adam::new(step.number, step.learning_rate, step.scale).with_l2(l2);
        if let Some(decay) = self.weight_decay {
            adam = adam.with_kept(1.0 - step.learning_rate * decay);
        }
        adam.update(weights, first, second, gradient);
    }

    fn burns(&self) -> ModuleOptimizer {
        match self.weight_decay {
            None => AdamConfig::new().with_epsilon(EPSILON as f32).init(),
            Some(decay) => AdamWConfig::new()
                .with_epsilon(EPSILON as f32)
                .with_weight_decay(decay as f32)
                .init(),
        }
    }
}
