use crate::optim::rules::adam::Adam;
use crate::optim::rules::{Step, UpdateRow};

/// Adam whose moments move only when a row is touched, with the bias correction of all steps, as
/// TensorFlow's LazyAdam and PyTorch's SparseAdam. If every step updates every row it is dense Adam.
#[derive(Debug)]
pub(crate) struct LazyAdam;

impl UpdateRow for LazyAdam {
    fn state_width(&self, width: usize) -> usize {
        2 * width
    }

    fn update(&self, step: Step) -> impl Fn(&mut [f32], &mut [f32], &[f32]) + Sync {
        let adam = Adam::new(step.number, step.learning_rate, step.scale);
        move |weights, state, gradient| {
            // Both moments of a row are adjacent, so that its state is one stretch of memory.
            let (first, second) = state.split_at_mut(weights.len());
            adam.update(weights, first, second, gradient);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_update_in_a_later_step_has_that_steps_bias_correction() {
        let step = Step {
            number: 2,
            learning_rate: 0.1,
            scale: 1.0,
        };
        let (mut weights, mut state) = ([1.0_f32], [0.0; 2]);
        LazyAdam.update(step)(&mut weights, &mut state, &[-2.0]);
        // m = -0.2, v = 0.004: m / (1 - .9²) = -1.052632, √(v / (1 - .999²)) = 1.414567
        assert!((weights[0] - 1.074_414).abs() < 1e-6, "{weights:?}");
        assert!((state[0] + 0.2).abs() < 1e-7 && (state[1] - 0.004).abs() < 1e-7);
        assert_eq!(LazyAdam.state_width(10), 20);
    }
}
