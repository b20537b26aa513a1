use burn::optim::{AdaGradConfig, ModuleOptimizer};

use crate::optim::rules::{Step, UpdateDense, UpdateRow};

/// ε outside the root; PyTorch's value.
pub(crate) const EPSILON: f32 = 1e-10;

/// Adagrad (Duchi, Hazan and Singer, 2011) in PyTorch's form: `s += g²; w -= lr g / (√s + ε)`, for table
/// rows and for dense parameters.
#[derive(Debug)]
pub(crate) struct Adagrad;

impl UpdateRow for Adagrad {
    fn state_width(&self, width: usize) -> usize {
        width
    }

    fn update(&self, step: Step) -> impl Fn(&mut [f32], &mut [f32], &[f32]) + Sync {
        let (rate, scale) = (step.learning_rate as f32, step.scale as f32);
        move |weights, sums, gradient| {
            for ((weight, gradient), sum) in weights.iter_mut().zip(gradient).zip(sums) {
                let gradient = scale * gradient;
                *sum += gradient * gradient;
                *weight -= rate * gradient / (sum.sqrt() + EPSILON);
            }
        }
    }
}

impl UpdateDense for Adagrad {
    fn state_lens(&self, len: usize) -> [usize; 2] {
        [len, 0]
    }

    fn update(
        &self,
        step: Step,
        l2: f64,
        weights: &mut [f32],
        gradient: &[f32],
        [sums, _]: [&mut [f32]; 2],
    ) {
        let (rate, scale, l2) = (step.learning_rate as f32, step.scale as f32, l2 as f32);
        for ((weight, gradient), sum) in weights.iter_mut().zip(gradient).zip(sums) {
            let gradient = scale * (gradient + l2 * *weight);
            *sum += gradient * gradient;
            *weight -= rate * gradient / (sum.sqrt() + EPSILON);
        }
    }

    fn burns(&self) -> ModuleOptimizer {
        AdaGradConfig::new().with_epsilon(EPSILON).init()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_of_squares_has_the_scale_and_divides_the_step() {
        let step = Step {
            number: 1,
            learning_rate: 0.1,
            scale: 0.5,
        };
        let (mut weights, mut sums) = ([1.0_f32], [16.0]);
        // g = .5 · 6 = 3, s = 16 + 9: .1 · 3 / 5
        UpdateRow::update(&Adagrad, step)(&mut weights, &mut sums, &[6.0]);
        assert_eq!(sums, [25.0]);
        assert!((weights[0] - 0.94).abs() < 1e-7, "{weights:?}");
        assert_eq!(Adagrad.state_width(10), 10);
    }
}
