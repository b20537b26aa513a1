use std::collections::HashMap;

use rayon::iter::Either;
use rayon::prelude::*;

use crate::optim::head::parameters::{HostParameter, HostParameters};
use crate::optim::rules::{Step, UpdateDense};

/// Numbers that one task updates.
const CHUNK: usize = 1 << 14;

/// The optimizer of dense parameters whose device is the host: one threaded pass over gradient, state and
/// weights that includes L2 and the factor of the global norm, where Burn's optimizer walks every array a
/// dozen times on one thread.
///
/// Adam reads four numbers per weight and writes three, 28 bytes. Adagrad and momentum move 20 bytes, SGD
/// without momentum 12. A bound on the norm reads the gradient once more, and the weights too if there is
/// L2. Weights are moved out of their tensors and back. They are copied only if something else holds them.
#[derive(Debug)]
pub(crate) struct HostOptimizer {
    rule: Box<dyn UpdateDense>,
    /// Keyed by the parameters' paths, which, unlike Burn's ids, are the same in the next process.
    states: HashMap<String, State>,
}

/// The state of a parameter.
#[derive(Debug)]
struct State {
    steps: u32,
    arrays: [Vec<f32>; 2],
}

impl HostOptimizer {
    pub(crate) fn new(rule: Box<dyn UpdateDense>) -> Self {
        Self {
            rule,
            states: HashMap::new(),
        }
    }

    /// One step: moves the parameters by `scale (g + l2 w)`, with L2 on those of rank 2 or more.
    ///
    /// # Panics
    ///
    /// If a parameter has another shape than in the step before, or is not f32.
    pub(crate) fn step(
        &mut self,
        parameters: &mut HostParameters,
        learning_rate: f64,
        l2: f64,
        scale: f64,
    ) {
        for parameter in &mut parameters.taken {
            let lens = self.rule.state_lens(parameter.gradient().len());
            if !self.states.contains_key(&parameter.path) {
                let state = State {
                    steps: 0,
                    arrays: lens.map(|len| vec![0.0; len]),
                };
                self.states.insert(parameter.path.clone(), state);
            }
            let state = self.states.get_mut(&parameter.path);
            let state = state.expect("it was just inserted");
            let kept = state.arrays.each_ref().map(Vec::len);
            assert_eq!(
                kept, lens,
                "expected the state of {} to keep its size",
                parameter.path
            );
            state.steps += 1;
            let step = Step {
                number: state.steps,
                learning_rate,
                scale,
            };
            let l2 = if parameter.decays { l2 } else { 0.0 };
            update(&*self.rule, step, l2, parameter, &mut state.arrays);
        }
    }
}

/// Updates a parameter, chunks of it on several threads.
fn update(
    rule: &dyn UpdateDense,
    step: Step,
    l2: f64,
    parameter: &mut HostParameter,
    [first, second]: &mut [Vec<f32>; 2],
) {
    let (weights, gradient) = parameter.slices();
    let count = weights.len().div_ceil(CHUNK);
    let state = chunks(first, count).zip(chunks(second, count));
    weights
        .par_chunks_mut(CHUNK)
        .zip(gradient.par_chunks(CHUNK))
        .zip(state)
        .for_each(|((weights, gradient), (first, second))| {
            rule.update(step, l2, weights, gradient, [first, second]);
        });
}

/// The chunks of a state array, or `count` empty ones if the rule does not keep it.
fn chunks(state: &mut [f32], count: usize) -> impl IndexedParallelIterator<Item = &mut [f32]> {
    if state.is_empty() {
        Either::Right((0..count).into_par_iter().map(|_| Default::default()))
    } else {
        Either::Left(state.par_chunks_mut(CHUNK))
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use crate::optim::head::rule::{DenseOptimizer, DenseSettings};
    use crate::optim::head::testing::{gradients, linear};
    use burn::nn::Linear;
    use burn::optim::momentum::MomentumConfig;
    use burn::optim::{AdaGradConfig, AdamConfig, AdamWConfig, ModuleOptimizer, SgdConfig};
    use burn::tensor::TensorData;

    const RATE: f64 = 0.01;

    fn host_optimizer(rule: DenseOptimizer, momentum: f64) -> HostOptimizer {
        HostOptimizer::new(rule.rule(DenseSettings {
            momentum,
            weight_decay: 0.1,
        }))
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
            let actual = after(host_optimizer(rule, momentum), 0.0, 20);
            let (before, expected) = (numbers(&linear()), numbers(&module));
            let moved = before.iter().zip(&expected);
            let moved = moved.fold(0.0_f32, |most, (b, e)| most.max((b - e).abs()));
            // A thousandth of the way: if a gradient is almost zero, its last bits decide.
            for (i, (a, e)) in actual.iter().zip(&expected).enumerate() {
                assert!((a - e).abs() < 1e-3 * moved, "{rule:?} {i}: {a}, {e}");
            }
        }
    }

    /// Adam's first two steps worked by hand.
    #[test]
    fn adam_has_pytorchs_epsilon_and_corrections() {
        // w = 1, and g = 3e-8 in the first step and -1e-8 in the second.
        let parameter = |gradient: f32, weight: f32| HostParameter {
            path: "w".to_owned(),
            weights: TensorData::new(vec![weight], [1, 1]),
            gradient: TensorData::new(vec![gradient], [1, 1]),
            decays: true,
        };
        let mut optimizer = host_optimizer(DenseOptimizer::Adam, 0.0);
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
        // SGD with L2 and a factor: g = .5 (2 + .1 · 10) = 1.5
        let mut optimizer = host_optimizer(DenseOptimizer::Sgd, 0.0);
        let taken = vec![parameter(2.0, 10.0)];
        let mut parameters = HostParameters { taken };
        optimizer.step(&mut parameters, 1.0, 0.1, 0.5);
        assert_eq!(parameters.taken[0].weights(), [8.5]);
        assert_eq!(parameters.squared_norm(2.0), (2.0 + 17.0_f64).powi(2));
    }

    #[test]
    fn weights_stay_at_their_address_and_states_are_kept_by_path() {
        let mut module = linear();
        let mut optimizer = host_optimizer(DenseOptimizer::Adam, 0.0);
        let mut addresses = Vec::new();
        for step in 0..3 {
            let gradients = gradients(&module, step);
            let (rest, mut parameters) = HostParameters::take(module, gradients);
            assert_eq!(parameters.taken.len(), 2, "step {step}");
            addresses.push(parameters.taken[0].weights().as_ptr());
            optimizer.step(&mut parameters, RATE, 0.0, 1.0);
            module = parameters.put_back(rest);
        }
        assert_eq!(addresses, [addresses[0]; 3]);
        let mut paths: Vec<_> = optimizer.states.keys().collect();
        paths.sort_unstable();
        assert_eq!(paths, ["bias", "weight"]);
        assert!(optimizer.states.values().all(|state| state.steps == 3));
    }
}
