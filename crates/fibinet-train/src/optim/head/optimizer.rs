use burn::module::Module;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{
    AdaGradConfig, AdamConfig, AdamWConfig, GradientsParams, ModuleOptimizer, SgdConfig,
};
use burn::tensor::Device;
use fibinet_nn::Backend;

use crate::config::{DenseOptimizer, TrainConfig};
use crate::optim::head::host::HostOptimizer;
use crate::optim::head::norms::{clip_factor, regularize, scale};
use crate::optim::head::parameters::HostParameters;

/// The optimizer of a head's parameters: ours where they lie in host memory, else Burn's.
pub(crate) enum HeadOptimizer {
    /// On flex.
    Host(HostOptimizer),
    /// On every other backend.
    Burn(Box<ModuleOptimizer>),
}

impl HeadOptimizer {
    pub(crate) fn new(config: &TrainConfig, device: &Device) -> Self {
        let device = device.clone().inner();
        // ndarray's tensors cannot be taken apart without a copy.
        let host = Backend::Flex.device().is_ok_and(|flex| flex == device);
        if host {
            let (momentum, decay) = (config.momentum, config.weight_decay);
            return Self::Host(HostOptimizer::new(config.optimizer, momentum, decay));
        }
        Self::Burn(Box::new(burns(config)))
    }

    /// One step with the config's L2 and bound on the global norm; gives the head and what gradients
    /// were multiplied by to keep the bound.
    ///
    /// - `row_squares`: the sum of the squares of the rows' gradients
    pub(crate) fn step<M: Module>(
        &mut self,
        head: M,
        mut gradients: GradientsParams,
        config: &TrainConfig,
        row_squares: impl FnOnce() -> f64,
    ) -> (M, f64) {
        let (rate, l2, max_norm) = (
            config.learning_rate,
            config.net_l2,
            config.max_gradient_norm,
        );
        let factor = |squares: f64| match max_norm > 0.0 {
            true => clip_factor((squares + row_squares()).sqrt(), max_norm),
            false => 1.0,
        };
        match self {
            Self::Host(optimizer) => {
                let (head, mut parameters) = HostParameters::take(head, gradients);
                let squares = if max_norm > 0.0 {
                    parameters.squared_norm(l2)
                } else {
                    0.0
                };
                let factor = factor(squares);
                optimizer.step(&mut parameters, rate, l2, factor);
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
                (optimizer.step(rate, head, gradients), factor)
            }
        }
    }
}

fn burns(config: &TrainConfig) -> ModuleOptimizer {
    match config.optimizer {
        DenseOptimizer::Adam => AdamConfig::new().with_epsilon(1e-8).init(),
        DenseOptimizer::Adamw => AdamWConfig::new()
            .with_epsilon(1e-8)
            .with_weight_decay(config.weight_decay as f32)
            .init(),
        DenseOptimizer::Adagrad => AdaGradConfig::new().with_epsilon(1e-10).init(),
        DenseOptimizer::Sgd => {
            let momentum = (config.momentum > 0.0).then(|| {
                MomentumConfig::new()
                    .with_momentum(config.momentum)
                    .with_dampening(0.0)
            });
            SgdConfig::new().with_momentum(momentum).init()
        }
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use burn::module::Param;
    use burn::nn::{Linear, LinearConfig};
    use burn::tensor::{Tensor, TensorData};

    const WIDTHS: [usize; 2] = [30, 20];

    fn device() -> Device {
        Device::flex().autodiff()
    }

    fn tensor<const D: usize>(shape: [usize; D], number: impl Fn(usize) -> f32) -> Tensor<D> {
        let numbers = (0..shape.iter().product()).map(number).collect();
        Tensor::from_data(TensorData::new(numbers, shape), &device())
    }

    fn linear() -> Linear {
        let mut linear = LinearConfig::new(WIDTHS[0], WIDTHS[1]).init(&device());
        let weight = tensor(WIDTHS, |i| (i % 23) as f32 / 50.0 - 0.2);
        linear.weight = Param::from_tensor(weight.require_grad());
        let bias = tensor([WIDTHS[1]], |i| i as f32 / 100.0);
        linear.bias = Some(Param::from_tensor(bias.require_grad()));
        linear
    }

    /// Gradients of .1 to 3 in size, so that none is next to nothing: Adam divides by theirs.
    fn gradients(linear: &Linear, step: usize) -> GradientsParams {
        let number = |i: usize| {
            let size = 0.1 + ((i * 7 + step * 5) % 30) as f32 / 10.0;
            if (i + step).is_multiple_of(3) {
                -size
            } else {
                size
            }
        };
        let mut gradients = GradientsParams::new();
        gradients.register(linear.weight.id, tensor(WIDTHS, number).inner());
        let bias = linear.bias.as_ref().expect("a bias");
        gradients.register(bias.id, tensor([WIDTHS[1]], number).inner());
        gradients
    }

    fn numbers(linear: Linear) -> Vec<f32> {
        let weight = linear.weight.val().into_data();
        let mut numbers: Vec<f32> = weight.try_into_vec().expect("f32");
        let bias = linear.bias.expect("a bias").val().into_data();
        numbers.extend(bias.try_into_vec::<f32>().expect("f32"));
        numbers
    }

    /// The weights after ten steps, and what each step's gradients were multiplied by.
    fn after(mut optimizer: HeadOptimizer, config: &TrainConfig) -> (Vec<f32>, Vec<f64>) {
        let mut head = linear();
        let mut factors = Vec::new();
        for step in 0..10 {
            let gradients = gradients(&head, step);
            let (moved, factor) = optimizer.step(head, gradients, config, || 25.0);
            head = moved;
            factors.push(factor);
        }
        (numbers(head), factors)
    }

    #[test]
    fn ours_and_burns_agree_with_l2_and_a_bound_on_the_norm() {
        for (optimizer, momentum) in [
            (DenseOptimizer::Adam, 0.0),
            (DenseOptimizer::Adamw, 0.0),
            (DenseOptimizer::Adagrad, 0.0),
            (DenseOptimizer::Sgd, 0.9),
            (DenseOptimizer::Sgd, 0.0),
        ] {
            let config = |net_l2, max_gradient_norm| TrainConfig {
                optimizer,
                momentum,
                weight_decay: 0.1,
                learning_rate: 0.01,
                net_l2,
                max_gradient_norm,
                ..TrainConfig::default()
            };
            let run = |config: &TrainConfig| {
                let host = HeadOptimizer::new(config, &device());
                assert!(matches!(host, HeadOptimizer::Host(_)), "flex is the host");
                let burns = HeadOptimizer::Burn(Box::new(burns(config)));
                (after(host, config), after(burns, config))
            };
            let both = config(5.0, 10.0);
            let (ours, burns) = run(&both);
            // Of the way that the weights went.
            let before = numbers(linear());
            let moved = before.iter().zip(&burns.0);
            let moved = moved.fold(0.0_f32, |most, (b, e)| most.max((b - e).abs()));
            for (i, (a, e)) in ours.0.iter().zip(&burns.0).enumerate() {
                assert!((a - e).abs() < 1e-5 * moved, "{optimizer:?} {i}: {a}, {e}");
            }
            for (a, e) in ours.1.iter().zip(&burns.1) {
                assert!((a - e).abs() < 1e-6 * e, "{optimizer:?}: {a}, {e}");
                assert!(*a < 1.0, "{optimizer:?}: no step was clipped");
            }
            // Each of the two is felt.
            for without in [config(0.0, 10.0), config(5.0, 0.0)] {
                let ((other, _), _) = run(&without);
                let differ = other.iter().zip(&ours.0).any(|(a, b)| (a - b).abs() > 1e-4);
                assert!(differ, "{optimizer:?}: {without:?}");
            }
        }
    }
}
