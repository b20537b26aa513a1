use burn::module::{Module, ModuleMapper, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Tensor, TensorData};

use crate::optim::norm::squared_norm_with_l2;

/// The parameters of a module that have a gradient, taken out of the module into host memory.
#[derive(Debug, Default)]
pub(crate) struct HostParameters {
    pub(crate) taken: Vec<HostParameter>,
}

#[derive(Debug)]
pub(crate) struct HostParameter {
    pub(crate) path: String,
    pub(crate) weights: TensorData,
    pub(crate) gradient: TensorData,
    /// Whether L2 applies to it: its rank is 2 or more, as the rank of weights is, not of biases and norms.
    pub(crate) decays: bool,
}

impl HostParameter {
    pub(crate) fn gradient(&self) -> &[f32] {
        self.gradient.as_slice().expect("gradients are f32")
    }

    pub(crate) fn weights(&self) -> &[f32] {
        self.weights.as_slice().expect("weights are f32")
    }

    pub(crate) fn slices(&mut self) -> (&mut [f32], &[f32]) {
        let weights = self.weights.as_mut_slice().expect("weights are f32");
        let gradient: &[f32] = self.gradient.as_slice().expect("gradients are f32");
        assert_eq!(
            weights.len(),
            gradient.len(),
            "expected one gradient per weight of {}",
            self.path
        );
        (weights, gradient)
    }
}

impl HostParameters {
    /// Takes the parameters that have a gradient out of a module. [`put_back`](Self::put_back) makes the
    /// module whole again.
    ///
    /// # Panics
    ///
    /// If two parameters have the same path, and would share a state. That happens in a `Module` written by
    /// hand that does not call `enter_module`.
    pub(crate) fn take<M: Module>(module: M, gradients: GradientsParams) -> (M, Self) {
        let mut take = Take {
            gradients,
            path: Vec::new(),
            taken: Vec::new(),
        };
        let module = module.map(&mut take);
        (module, Self { taken: take.taken })
    }

    /// The sum of the squares of all gradients, L2 included, in f64.
    pub(crate) fn squared_norm(&self, l2: f64) -> f64 {
        let squares = self.taken.iter().map(|parameter| {
            let l2 = if parameter.decays { l2 as f32 } else { 0.0 };
            squared_norm_with_l2(parameter.gradient(), parameter.weights(), l2)
        });
        squares.sum()
    }

    /// The module with its parameters put back.
    ///
    /// # Panics
    ///
    /// If the module no longer has one of them.
    pub(crate) fn put_back<M: Module>(self, module: M) -> M {
        let mut put = PutBack {
            path: Vec::new(),
            taken: self.taken.into_iter().peekable(),
        };
        let module = module.map(&mut put);
        if let Some(left) = put.taken.next() {
            panic!("the module no longer has a parameter {}", left.path);
        }
        module
    }
}

struct Take {
    gradients: GradientsParams,
    path: Vec<String>,
    taken: Vec<HostParameter>,
}

impl ModuleMapper for Take {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(gradient) = self.gradients.remove::<D>(param.id) else {
            return param;
        };
        let path = self.path.join(".");
        let is_new = self.taken.iter().all(|parameter| parameter.path != path);
        assert!(
            is_new,
            "two parameters of the module have the path `{path}`"
        );
        let (id, tensor, mapper) = param.consume();
        let device = tensor.device();
        let weights = tensor.inner();
        let nothing = TensorData::new(Vec::<f32>::new(), [0; D]);
        let empty = Tensor::from_data(nothing, &device);
        self.taken.push(HostParameter {
            path,
            weights: weights.into_data(),
            gradient: gradient.into_data(),
            decays: D >= 2,
        });
        Param::from_mapped_value(id, empty, mapper)
    }
}

struct PutBack {
    path: Vec<String>,
    taken: std::iter::Peekable<std::vec::IntoIter<HostParameter>>,
}

impl ModuleMapper for PutBack {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        // Every walk visits a module's parameters in the same order.
        let path = self.path.join(".");
        let Some(parameter) = self.taken.next_if(|parameter| parameter.path == path) else {
            return param;
        };
        let (id, empty, mapper) = param.consume();
        let device = empty.device().inner();
        let weights = Tensor::from_data(parameter.weights, &device);
        let weights = Tensor::from_inner(weights).require_grad();
        Param::from_mapped_value(id, weights, mapper)
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use crate::optim::head::testing::{device, gradients, linear};

    #[test]
    #[should_panic(expected = "the module no longer has a parameter bias")]
    fn a_module_that_lost_a_parameter_is_refused() {
        let module = linear();
        let gradients = gradients(&module, 0);
        let (mut rest, parameters) = HostParameters::take(module, gradients);
        rest.bias = None;
        parameters.put_back(rest);
    }

    #[test]
    #[should_panic(expected = "two parameters of the module have the path `weight`")]
    fn two_parameters_of_one_path_are_refused() {
        let [first, second] = [linear(), linear()];
        let input = Tensor::<2>::ones([4, 150], &device());
        let output = first.forward(input.clone()) * second.forward(input);
        let mut all = output.mean().backward();
        let mut of_both = GradientsParams::from_module(&mut all, &first);
        let of_second = second
            .weight
            .val()
            .grad_remove(&mut all)
            .expect("its gradient");
        of_both.register(second.weight.id, of_second);
        // As a module does that is written by hand and does not call `enter_module`.
        let mut take = Take {
            gradients: of_both,
            path: vec!["weight".to_owned()],
            taken: Vec::new(),
        };
        take.map_float(first.weight);
        take.map_float(second.weight);
    }
}
