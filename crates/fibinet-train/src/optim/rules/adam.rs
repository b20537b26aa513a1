use std::ops::{Add, Div, Mul, Sub};

/// What a moment keeps of itself in a step.
pub(crate) const BETA_1: f64 = 0.9;
/// What a second moment keeps of itself in a step.
pub(crate) const BETA_2: f64 = 0.999;
/// Outside the root.
pub(crate) const EPSILON: f64 = 1e-8;

/// The numbers that Adam runs in: f32, and f64 where tests ask how far f32 is off.
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
    /// The share of a step's movement, of what it was where a row was last met, that may be left out: in f32
    /// below half a unit in the last place, in f64 what the tests ask.
    const NEGLIGIBLE: f64;

    /// The nearest one.
    fn of(number: f64) -> Self;
    /// Itself.
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

/// The bias corrections of a step, from 1: `1 - β1ᵗ` and `√(1 - β2ᵗ)`.
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
/// It reads four numbers and writes three, once each.
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
    /// Of a step from 1, without L2 and decay.
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

    pub(crate) fn with_l2(self, l2: f64) -> Self {
        Self {
            l2: N::of(l2),
            ..self
        }
    }

    /// With `w = keep w` before the step.
    pub(crate) fn with_kept(self, keep: f64) -> Self {
        Self {
            keep: N::of(keep),
            ..self
        }
    }

    /// Moves weights by their gradients.
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
