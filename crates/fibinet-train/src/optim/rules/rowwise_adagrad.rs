use crate::optim::rules::adagrad::EPSILON;
use crate::optim::rules::{Step, UpdateRow};

/// Adagrad with one sum of squares per row, of the mean of `g²` over it, as in torchrec and FBGEMM:
/// `s += mean(g²); w -= lr g / (√s + ε)`.
#[derive(Debug)]
pub(crate) struct RowwiseAdagrad;

impl UpdateRow for RowwiseAdagrad {
    fn state_width(&self, _: usize) -> usize {
        1
    }

    fn update(&self, step: Step) -> impl Fn(&mut [f32], &mut [f32], &[f32]) + Sync {
        let (rate, scale) = (step.learning_rate as f32, step.scale as f32);
        move |weights, state, gradient| {
            let squares: f32 = gradient.iter().map(|g| (scale * g).powi(2)).sum();
            let sum = &mut state[0];
            *sum += squares / gradient.len() as f32;
            let rate = rate * scale / (sum.sqrt() + EPSILON);
            for (weight, gradient) in weights.iter_mut().zip(gradient) {
                *weight -= rate * gradient;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_a_row_share_the_mean_of_their_squares() {
        let step = Step {
            number: 1,
            learning_rate: 0.5,
            scale: 2.0,
        };
        let (mut weights, mut state) = ([0.0, 0.0], [11.0]);
        // The scaled gradient is (6, 8): s = 11 + (36 + 64) / 2 = 61
        RowwiseAdagrad.update(step)(&mut weights, &mut state, &[3.0, 4.0]);
        assert_eq!(state, [61.0]);
        let root = 61.0_f32.sqrt();
        for (weight, expected) in weights.into_iter().zip([-3.0 / root, -4.0 / root]) {
            assert!((weight - expected).abs() < 1e-6, "{weight}, {expected}");
        }
        assert_eq!(RowwiseAdagrad.state_width(10), 1);
    }
}
