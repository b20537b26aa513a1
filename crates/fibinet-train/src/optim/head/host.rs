use std::collections::HashMap;

use rayon::prelude::*;

use crate::config::DenseOptimizer;
use crate::optim::head::parameters::{HostParameter, HostParameters};
use crate::optim::rows::optimizer::ADAGRAD_EPSILON;
use crate::optim::rules::adam::Adam;

/// Numbers that one task updates.
const CHUNK: usize = 1 << 14;

/// The optimizer of dense parameters whose device is the host: one threaded pass over gradient, state
/// and weights, with L2 and the factor of the global norm in it, where Burn's walks every array a dozen
/// times on one thread.
///
/// Adam reads four numbers a weight and writes three: 28 bytes; Adagrad and momentum 20, SGD without it 12;
/// a bound on the norm reads the gradient once more, and with L2 the weights. Weights are moved out of
/// their tensors and back, not copied, where nothing else holds them.
#[derive(Debug)]
pub(crate) struct HostOptimizer {
    rule: DenseOptimizer,
    momentum: f32,
    weight_decay: f64,
    /// By the parameters' paths, which, unlike Burn's ids, are the same in the next process.
    states: HashMap<String, State>,
}

/// Of a parameter: its steps, and both moments, or the velocity, or the sum of squares.
#[derive(Debug, Default)]
struct State {
    steps: u32,
    first: Vec<f32>,
    second: Vec<f32>,
}

impl HostOptimizer {
    pub(crate) fn new(rule: DenseOptimizer, momentum: f64, weight_decay: f64) -> Self {
        Self {
            rule,
            momentum: momentum as f32,
            weight_decay,
            states: HashMap::new(),
        }
    }

    /// One step: moves the parameters by `scale (g + l2 w)`, L2 on those of rank 2 or more.
    ///
    /// # Panics
    ///
    /// If a parameter has another shape than in the step before, or is no f32.
    pub(crate) fn step(
        &mut self,
        parameters: &mut HostParameters,
        learning_rate: f64,
        l2: f64,
        scale: f64,
    ) {
        for parameter in &mut parameters.taken {
            if !self.states.contains_key(&parameter.path) {
                let [first, second] = self.state_lens(parameter.gradient().len());
                let state = State {
                    steps: 0,
                    first: vec![0.0; first],
                    second: vec![0.0; second],
                };
                self.states.insert(parameter.path.clone(), state);
            }
            let lens = self.state_lens(parameter.gradient().len());
            let state = self.states.get_mut(&parameter.path);
            let state = state.expect("it was just put there");
            let path = &parameter.path;
            assert_eq!(
                [state.first.len(), state.second.len()],
                lens,
                "state of {path}"
            );
            state.steps += 1;
            let l2 = if parameter.decays { l2 } else { 0.0 };
            let update = match self.rule {
                DenseOptimizer::Adam => Update::Adam(adam(state, learning_rate, l2, scale)),
                DenseOptimizer::Adamw => {
                    let keep = 1.0 - learning_rate * self.weight_decay;
                    Update::Adam(adam(state, learning_rate, l2, scale).with_kept(keep))
                }
                DenseOptimizer::Adagrad => Update::Adagrad,
                DenseOptimizer::Sgd if self.momentum > 0.0 => Update::Momentum(self.momentum),
                DenseOptimizer::Sgd => Update::Sgd,
            };
            let numbers = (learning_rate as f32, l2 as f32, scale as f32);
            update.run(parameter, state, numbers);
        }
    }

    /// Numbers of both states of a parameter.
    fn state_lens(&self, len: usize) -> [usize; 2] {
        match self.rule {
            DenseOptimizer::Adam | DenseOptimizer::Adamw => [len, len],
            DenseOptimizer::Adagrad => [0, len],
            DenseOptimizer::Sgd if self.momentum > 0.0 => [len, 0],
            DenseOptimizer::Sgd => [0, 0],
        }
    }
}

fn adam(state: &State, learning_rate: f64, l2: f64, scale: f64) -> Adam<f32> {
    Adam::new(state.steps, learning_rate, scale).with_l2(l2)
}

/// A rule with the numbers of one step.
#[derive(Debug, Clone, Copy)]
enum Update {
    Adam(Adam<f32>),
    /// `s += g²; w -= lr g / (√s + ε)`
    Adagrad,
    /// `u = μ u + g; w -= lr u`
    Momentum(f32),
    /// `w -= lr g`
    Sgd,
}

impl Update {
    fn run(
        self,
        parameter: &mut HostParameter,
        state: &mut State,
        (rate, l2, scale): (f32, f32, f32),
    ) {
        let State { first, second, .. } = state;
        let (weights, gradient) = parameter.slices();
        let chunks = weights
            .par_chunks_mut(CHUNK)
            .zip(gradient.par_chunks(CHUNK));
        let gradient_of = |weight: f32, gradient: f32| scale * (gradient + l2 * weight);
        match self {
            Self::Adam(adam) => {
                let moments = first
                    .par_chunks_mut(CHUNK)
                    .zip(second.par_chunks_mut(CHUNK));
                let chunks = chunks.zip(moments);
                chunks.for_each(|((weights, gradient), (first, second))| {
                    adam.update(weights, first, second, gradient);
                });
            }
            Self::Adagrad => {
                let chunks = chunks.zip(second.par_chunks_mut(CHUNK));
                chunks.for_each(|((weights, gradient), sums)| {
                    for ((weight, gradient), sum) in weights.iter_mut().zip(gradient).zip(sums) {
                        let gradient = gradient_of(*weight, *gradient);
                        *sum += gradient * gradient;
                        *weight -= rate * gradient / (sum.sqrt() + ADAGRAD_EPSILON);
                    }
                });
            }
            Self::Momentum(momentum) => {
                let chunks = chunks.zip(first.par_chunks_mut(CHUNK));
                chunks.for_each(|((weights, gradient), velocity)| {
                    let numbers = weights.iter_mut().zip(gradient).zip(velocity);
                    for ((weight, gradient), velocity) in numbers {
                        *velocity = momentum * *velocity + gradient_of(*weight, *gradient);
                        *weight -= rate * *velocity;
                    }
                });
            }
            Self::Sgd => chunks.for_each(|(weights, gradient)| {
                for (weight, gradient) in weights.iter_mut().zip(gradient) {
                    *weight -= rate * gradient_of(*weight, *gradient);
                }
            }),
        }
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use burn::module::Param;
    use burn::nn::{Linear, LinearConfig};
    use burn::optim::momentum::MomentumConfig;
    use burn::optim::{
        AdaGradConfig, AdamConfig, AdamWConfig, GradientsParams, ModuleOptimizer, SgdConfig,
    };
    use burn::tensor::{Device, Tensor, TensorData};

    const RATE: f64 = 0.01;

    fn device() -> Device {
        Device::flex().autodiff()
    }

    /// More numbers than a chunk has.
    fn linear() -> Linear {
        let weights = (0..150 * 120).map(|i| (i % 23) as f32 / 50.0 - 0.2);
        let bias = (0..120).map(|i| i as f32 / 100.0);
        let data = |numbers: Vec<f32>, shape: Vec<usize>| TensorData::new(numbers, shape);
        let mut linear = LinearConfig::new(150, 120).init(&device());
        linear.weight = Param::from_data(data(weights.collect(), vec![150, 120]), &device());
        linear.bias = Some(Param::from_data(data(bias.collect(), vec![120]), &device()));
        linear
    }

    fn gradients(linear: &Linear, step: usize) -> GradientsParams {
        let input: Vec<f32> = (0..4 * 150)
            .map(|i| ((i * 7 + step * 3) % 11) as f32 / 10.0 - 0.4)
            .collect();
        let input = Tensor::<2>::from_data(TensorData::new(input, [4, 150]), &device());
        let output = linear.forward(input);
        let loss = (output.clone() * output).mean();
        GradientsParams::from_grads(loss.backward(), linear)
    }

    fn numbers(linear: &Linear) -> Vec<f32> {
        let bias = linear.bias.as_ref().unwrap().val().into_data();
        let mut numbers: Vec<f32> = linear.weight.val().into_data().try_into_vec().unwrap();
        numbers.extend(bias.try_into_vec::<f32>().unwrap());
        numbers
    }

    fn after(mut optimizer: HostOptimizer, l2: f64, steps: usize) -> Vec<f32> {
        let mut module = linear();
        for step in 0..steps {
            let gradients = gradients(&module, step);
            let (rest, mut parameters) = HostParameters::take(module, gradients);
            optimizer.step(&mut parameters, RATE, l2, 1.0);
            module = parameters.put_back(rest);
        }
        numbers(&module)
    }

    #[test]
    fn each_rule_gives_the_weights_of_burns() {
        let momentum = MomentumConfig::new().with_momentum(0.9).with_dampening(0.0);
        let rules: [(_, _, ModuleOptimizer); 5] = [
            (
                DenseOptimizer::Adam,
                0.0,
                AdamConfig::new().with_epsilon(1e-8).init(),
            ),
            (
                DenseOptimizer::Adamw,
                0.0,
                AdamWConfig::new()
                    .with_epsilon(1e-8)
                    .with_weight_decay(0.1)
                    .init(),
            ),
            (
                DenseOptimizer::Adagrad,
                0.0,
                AdaGradConfig::new().with_epsilon(1e-10).init(),
            ),
            (
                DenseOptimizer::Sgd,
                0.9,
                SgdConfig::new().with_momentum(Some(momentum)).init(),
            ),
            (DenseOptimizer::Sgd, 0.0, SgdConfig::new().init()),
        ];
        for (rule, momentum, mut burns) in rules {
            let mut module = linear();
            for step in 0..20 {
                let gradients = gradients(&module, step);
                module = burns.step(RATE, module, gradients);
            }
            let actual = after(HostOptimizer::new(rule, momentum, 0.1), 0.0, 20);
            let (before, expected) = (numbers(&linear()), numbers(&module));
            let moved = before.iter().zip(&expected);
            let moved = moved.fold(0.0_f32, |most, (b, e)| most.max((b - e).abs()));
            // A thousandth of the way: where a gradient is next to nothing, its last bits decide.
            for (i, (a, e)) in actual.iter().zip(&expected).enumerate() {
                assert!((a - e).abs() < 1e-3 * moved, "{rule:?} {i}: {a}, {e}");
            }
        }
    }

    /// Adam's first two steps by hand, for a gradient of `scale (g + l2 w)`, in f64.
    #[test]
    fn adam_has_pytorchs_epsilon_and_corrections() {
        // (path, weights, gradient) of two steps: w = 1, g = 3e-8 and then -1e-8.
        let parameter = |gradient: f32, weight: f32| HostParameter {
            path: "w".to_owned(),
            weights: TensorData::new(vec![weight], [1, 1]),
            gradient: TensorData::new(vec![gradient], [1, 1]),
            decays: true,
        };
        let mut optimizer = HostOptimizer::new(DenseOptimizer::Adam, 0.0, 0.0);
        let mut one = |gradient, weight| {
            let taken = vec![parameter(gradient, weight)];
            let mut parameters = HostParameters { taken };
            optimizer.step(&mut parameters, 0.5, 0.0, 1.0);
            parameters.taken[0].weights()[0]
        };
        // m̂ = 3e-8 and √v̂ = 3e-8: 1 - .5 · 3 / (3 + 1)
        let weight = one(3e-8, 1.0);
        assert!((weight - 0.625).abs() < 1e-6, "{weight}");
        // m̂ = (.27 - .1) / .19 e-8 = .894737e-8; v̂ = (.999 · 9 + 1) / 1.999 e-16, √v̂ = 2.235509e-8
        let weight = one(-1e-8, weight);
        let expected = 0.625 - 0.5 * 0.894_737 / 3.235_509;
        assert!((weight - expected).abs() < 1e-5, "{weight}, {expected}");
        // With L2 and a factor: g = .5 (2 + .1 · 10) = 1.5, whose first step is the rate.
        let mut optimizer = HostOptimizer::new(DenseOptimizer::Sgd, 0.0, 0.0);
        let taken = vec![parameter(2.0, 10.0)];
        let mut parameters = HostParameters { taken };
        optimizer.step(&mut parameters, 1.0, 0.1, 0.5);
        assert_eq!(parameters.taken[0].weights(), [8.5]);
        assert_eq!(parameters.squared_norm(2.0), (2.0 + 17.0_f64).powi(2));
    }

    #[test]
    fn weights_stay_where_they_lie_and_keep_their_gradients() {
        let mut module = linear();
        let mut optimizer = HostOptimizer::new(DenseOptimizer::Adam, 0.0, 0.0);
        let mut places = Vec::new();
        for step in 0..3 {
            let gradients = gradients(&module, step);
            let (rest, mut parameters) = HostParameters::take(module, gradients);
            assert_eq!(parameters.taken.len(), 2, "step {step}");
            places.push(parameters.taken[0].weights().as_ptr());
            optimizer.step(&mut parameters, RATE, 0.0, 1.0);
            module = parameters.put_back(rest);
        }
        assert_eq!(places, [places[0]; 3]);
        let mut paths: Vec<_> = optimizer.states.keys().collect();
        paths.sort_unstable();
        assert_eq!(paths, ["bias", "weight"]);
        assert!(optimizer.states.values().all(|state| state.steps == 3));
    }
}
