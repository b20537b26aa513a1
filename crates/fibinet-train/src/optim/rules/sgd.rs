use burn::optim::momentum::MomentumConfig;
use burn::optim::{ModuleOptimizer, SgdConfig};

use crate::optim::rules::{Step, UpdateDense, UpdateRow};

/// Gradient descent on table rows: `w -= lr g`.
#[derive(Debug)]
pub(crate) struct Sgd;

impl UpdateRow for Sgd {
    fn state_width(&self, _: usize) -> usize {
        0
    }

    fn update(&self, step: Step) -> impl Fn(&mut [f32], &mut [f32], &[f32]) + Sync {
        let (rate, scale) = (step.learning_rate as f32, step.scale as f32);
        move |weights, _, gradient| {
            for (weight, gradient) in weights.iter_mut().zip(gradient) {
                *weight -= rate * scale * gradient;
            }
        }
    }
}

/// Gradient descent on dense parameters, with momentum μ if that is above 0: `u = μ u + g; w -= lr u`,
/// PyTorch's form without dampening.
#[derive(Debug)]
pub(crate) struct DenseSgd {
    pub(crate) momentum: f64,
}

impl UpdateDense for DenseSgd {
    fn state_lens(&self, len: usize) -> [usize; 2] {
        [if self.momentum > 0.0 { len } else { 0 }, 0]
    }

    fn update(
        &self,
        step: Step,
        l2: f64,
        weights: &mut [f32],
        gradient: &[f32],
        [velocity, _]: [&mut [f32]; 2],
    ) {
        let (rate, scale, l2) = (step.learning_rate as f32, step.scale as f32, l2 as f32);
        let scaled = |weight: f32, gradient: f32| scale * (gradient + l2 * weight);
        let weights = weights.iter_mut().zip(gradient);
        if self.momentum > 0.0 {
            let momentum = self.momentum as f32;
            for ((weight, gradient), velocity) in weights.zip(velocity) {
                *velocity = momentum * *velocity + scaled(*weight, *gradient);
                *weight -= rate * *velocity;
            }
        } else {
            for (weight, gradient) in weights {
                *weight -= rate * scaled(*weight, *gradient);
            }
        }
    }

    fn burns(&self) -> ModuleOptimizer {
        let momentum = (self.momentum > 0.0).then(|| {
            MomentumConfig::new()
                .with_momentum(self.momentum)
                .with_dampening(0.0)
        });
        SgdConfig::new().with_momentum(momentum).init()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_moves_by_its_scaled_gradient() {
        let step = Step {
            number: 7,
            learning_rate: 0.5,
            scale: 0.25,
        };
        let mut weights = [1.0, -2.0];
        Sgd.update(step)(&mut weights, &mut [], &[8.0, 4.0]);
        assert_eq!(weights, [0.0, -2.5]);
        assert_eq!(Sgd.state_width(10), 0);
    }

    #[test]
    fn momentum_adds_up_gradients_with_their_l2() {
        let step = |number| Step {
            number,
            learning_rate: 0.5,
            scale: 1.0,
        };
        let rule = DenseSgd { momentum: 0.5 };
        let (mut weights, mut velocity) = ([2.0], [0.0]);
        // g = 1 + 2 · 2 = 5, u = 5, w = 2 - 2.5; then g = 1 - 1 = 0, u = 2.5, w = -.5 - 1.25
        for (number, expected) in [(1, -0.5), (2, -1.75)] {
            let state = [&mut velocity[..], &mut []];
            rule.update(step(number), 2.0, &mut weights, &[1.0], state);
            assert_eq!(weights, [expected]);
        }
        assert_eq!(rule.state_lens(9), [9, 0]);
        assert_eq!(DenseSgd { momentum: 0.0 }.state_lens(9), [0, 0]);
    }
}
