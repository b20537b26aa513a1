use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::Device;
use fibinet_nn::backend::Backend;

use crate::optim::head::host::HostOptimizer;
use crate::optim::head::norms::{clip_factor, regularize, scale};
use crate::optim::head::parameters::HostParameters;
use crate::optim::rules::UpdateDense;

/// The optimizer of the dense parameters: our own if they are in host memory, else Burn's.
pub(crate) enum HeadOptimizer {
    /// On flex.
    Host(HostOptimizer),
    /// On every other backend.
    Burn(Box<ModuleOptimizer>),
}

/// The settings of one step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HeadStep {
    pub(crate) learning_rate: f64,
    /// λ of `λ/2 ‖W‖²` over the weights of rank 2 or more.
    pub(crate) l2: f64,
    /// Bound on the global norm of all gradients, those of table rows included. 0 disables it.
    pub(crate) max_norm: f64,
}

impl HeadOptimizer {
    pub(crate) fn new(rule: Box<dyn UpdateDense>, device: &Device) -> Self {
        let device = device.clone().inner();
        // ndarray's tensors cannot be taken apart without a copy.
        let host = Backend::Flex.device().is_ok_and(|flex| flex == device);
        if host {
            Self::Host(HostOptimizer::new(rule))
        } else {
            Self::Burn(Box::new(rule.burns()))
        }
    }

    /// One step. Returns the head, and the factor that all gradients were scaled by to respect the bound.
    ///
    /// - `row_squares`: the sum of the squares of the rows' gradients
    pub(crate) fn step<M: Module>(
        &mut self,
        head: M,
        mut gradients: GradientsParams,
        step: HeadStep,
        row_squares: impl FnOnce() -> f64,
    ) -> (M, f64) {
        let HeadStep {
            learning_rate,
            l2,
            max_norm,
        } = step;
        let factor = |squares: f64| {
            if max_norm > 0.0 {
                clip_factor((squares + row_squares()).sqrt(), max_norm)
            } else {
                1.0
            }
        };
        match self {
            Self::Host(optimizer) => {
                let (head, mut parameters) = HostParameters::take(head, gradients);
                let mut squares = 0.0;
                if max_norm > 0.0 {
                    squares = parameters.squared_norm(l2);
                }
                let factor = factor(squares);
                optimizer.step(&mut parameters, learning_rate, l2, factor);
                (parameters.put_back(head), factor)
            }
            Self::Burn(optimizer) => {
                let mut squares = 0.0;
                if l2 > 0.0 || max_norm > 0.0 {
                    squares = regularize(&head, &mut gradients, l2);
                }
                let factor = factor(squares);
                if factor < 1.0 {
                    scale(&head, &mut gradients, factor);
                }
                (optimizer.step(learning_rate, head, gradients), factor)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optim::head::rule::{DenseOptimizer, DenseSettings};
    use burn::module::Param;
    use burn::nn::{Linear, LinearConfig};
    use burn::tensor::TensorData;
    use fibinet_testing::{cpu_devices, tensor, to_vec};

    const WIDTHS: [usize; 2] = [30, 20];

    fn data<const D: usize>(shape: [usize; D], number: impl Fn(usize) -> f32) -> TensorData {
        TensorData::new((0..shape.iter().product()).map(number).collect(), shape)
    }

    fn linear(device: &Device) -> Linear {
        let mut linear = LinearConfig::new(WIDTHS[0], WIDTHS[1]).init(device);
        let weight = data(WIDTHS, |i| (i % 23) as f32 / 50.0 - 0.2);
        linear.weight = Param::from_data(weight, device);
        let bias = data([WIDTHS[1]], |i| i as f32 / 100.0);
        linear.bias = Some(Param::from_data(bias, device));
        linear
    }

    /// Gradients between .1 and 3 in absolute value: Adam divides by them, and one near zero would amplify
    /// rounding.
    fn gradients(linear: &Linear, step: usize) -> GradientsParams {
        let number = |i: usize| {
            let size = 0.1 + ((i * 7 + step * 5) % 30) as f32 / 10.0;
            if (i + step).is_multiple_of(3) {
                -size
            } else {
                size
            }
        };
        let device = linear.weight.val().device().inner();
        let mut gradients = GradientsParams::new();
        let of_weight = tensor::<2>(data(WIDTHS, number), &device);
        gradients.register(linear.weight.id, of_weight);
        let bias = linear.bias.as_ref().expect("a bias");
        let of_bias = tensor::<1>(data([WIDTHS[1]], number), &device);
        gradients.register(bias.id, of_bias);
        gradients
    }

    fn numbers(linear: Linear) -> Vec<f32> {
        let mut numbers = to_vec(linear.weight.val());
        numbers.extend(to_vec(linear.bias.expect("a bias").val()));
        numbers
    }

    /// The weights after ten steps, and the factor on each step's gradients.
    fn after(
        mut optimizer: HeadOptimizer,
        step: HeadStep,
        device: &Device,
    ) -> (Vec<f32>, Vec<f64>) {
        let mut head = linear(device);
        let mut factors = Vec::new();
        for number in 0..10 {
            let gradients = gradients(&head, number);
            let (moved, factor) = optimizer.step(head, gradients, step, || 25.0);
            head = moved;
            factors.push(factor);
        }
        (numbers(head), factors)
    }

    #[test]
    fn only_flex_is_the_host() {
        for (name, device) in cpu_devices() {
            let optimizer = HeadOptimizer::new(rule(DenseOptimizer::Adam, 0.0), &device);
            let is_host = matches!(optimizer, HeadOptimizer::Host(_));
            assert_eq!(is_host, name == "flex", "{name}");
        }
    }

    fn rule(optimizer: DenseOptimizer, momentum: f64) -> Box<dyn UpdateDense> {
        optimizer.rule(DenseSettings {
            momentum,
            weight_decay: 0.1,
        })
    }

    #[test]
    fn ours_and_burns_agree_with_l2_and_a_bound_on_the_norm() {
        for (_, device) in cpu_devices() {
            for (optimizer, momentum) in [
                (DenseOptimizer::Adam, 0.0),
                (DenseOptimizer::Adamw, 0.0),
                (DenseOptimizer::Adagrad, 0.0),
                (DenseOptimizer::Sgd, 0.9),
                (DenseOptimizer::Sgd, 0.0),
            ] {
                assert_agree(optimizer, momentum, &device);
            }
        }
    }

    fn assert_agree(optimizer: DenseOptimizer, momentum: f64, device: &Device) {
        let run = |l2, max_norm| {
            let step = HeadStep {
                learning_rate: 0.01,
                l2,
                max_norm,
            };
            let host = HeadOptimizer::Host(HostOptimizer::new(rule(optimizer, momentum)));
            let burns = HeadOptimizer::Burn(Box::new(rule(optimizer, momentum).burns()));
            (after(host, step, device), after(burns, step, device))
        };
        let (ours, burns) = run(5.0, 10.0);
        // The bound is relative to the distance that the weights moved.
        let before = numbers(linear(device));
        let moved = before.iter().zip(&burns.0);
        let moved = moved.fold(0.0_f32, |most, (b, e)| most.max((b - e).abs()));
        for (i, (a, e)) in ours.0.iter().zip(&burns.0).enumerate() {
            assert!((a - e).abs() < 1e-5 * moved, "{optimizer:?} {i}: {a}, {e}");
        }
        for (a, e) in ours.1.iter().zip(&burns.1) {
            assert!((a - e).abs() < 1e-6 * e, "{optimizer:?}: {a}, {e}");
            assert!(*a < 1.0, "{optimizer:?}: no step was clipped");
        }
        // L2 and the bound each make a difference.
        for (l2, max_norm) in [(0.0, 10.0), (5.0, 0.0)] {
            let ((other, _), _) = run(l2, max_norm);
            let differ = other.iter().zip(&ours.0).any(|(a, b)| (a - b).abs() > 1e-4);
            assert!(differ, "{optimizer:?}: L2 {l2}, bound {max_norm}");
        }
    }
}
