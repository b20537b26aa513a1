use burn::module::Module;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{
    AdaGradConfig, AdamConfig, AdamWConfig, GradientsParams, ModuleOptimizer, SgdConfig,
};
use burn::tensor::Device;
use fibinet_nn::Backend;

use crate::config::{DenseOptimizer, TrainConfig};
use crate::dense::{clip_factor, regularize, scale};
use crate::host_optimizer::{HostOptimizer, HostParameters};

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
