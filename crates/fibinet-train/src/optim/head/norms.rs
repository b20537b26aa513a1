use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

/// Adds the L2 gradient `l2 · W` to the gradient of every weight of rank 2 or more, as DeepCTR does, which
/// excludes biases and norms. Returns the sum of the squares of all gradients, in f64.
///
/// The last dimension is summed on the device and the rest on the host in order, because the sum of a whole
/// large tensor would depend on the number of threads.
pub(crate) fn regularize<M: Module>(module: &M, gradients: &mut GradientsParams, l2: f64) -> f64 {
    struct Regularize<'a> {
        gradients: &'a mut GradientsParams,
        l2: f64,
        squares: f64,
    }
    impl ModuleVisitor for Regularize<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let Some(mut gradient) = self.gradients.remove::<D>(param.id) else {
                return;
            };
            if D >= 2 && self.l2 != 0.0 {
                gradient = gradient + param.val().inner().mul_scalar(self.l2);
            }
            self.squares += squared_norm(gradient.clone());
            self.gradients.register(param.id, gradient);
        }
    }
    let mut visitor = Regularize {
        gradients,
        l2,
        squares: 0.0,
    };
    module.visit(&mut visitor);
    visitor.squares
}

/// Multiplies every gradient of a module by a factor.
pub(crate) fn scale<M: Module>(module: &M, gradients: &mut GradientsParams, factor: f64) {
    struct Scale<'a> {
        gradients: &'a mut GradientsParams,
        factor: f64,
    }
    impl ModuleVisitor for Scale<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(gradient) = self.gradients.remove::<D>(param.id) {
                let scaled = gradient.mul_scalar(self.factor);
                self.gradients.register(param.id, scaled);
            }
        }
    }
    module.visit(&mut Scale { gradients, factor });
}

/// Scales the gradients of a whole module so that their global 2-norm is at most `max_norm`, as PyTorch's
/// `clip_grad_norm_` does. Returns the norm before. (Burn's own clipping bounds each parameter separately.)
pub fn clip_by_global_norm<M: Module>(
    module: &M,
    gradients: &mut GradientsParams,
    max_norm: f64,
) -> f64 {
    let norm = regularize(module, gradients, 0.0).sqrt();
    let factor = clip_factor(norm, max_norm);
    if factor < 1.0 {
        scale(module, gradients, factor);
    }
    norm
}

/// The factor that bounds gradients whose global norm is `norm`. As in PyTorch, 1e-6 is added to the norm.
pub(crate) fn clip_factor(norm: f64, max_norm: f64) -> f64 {
    (max_norm / (norm + 1e-6)).min(1.0)
}

fn squared_norm<const D: usize>(tensor: Tensor<D>) -> f64 {
    let width = tensor.dims()[D - 1];
    let rows = tensor.reshape([-1, width as i32]);
    let squares = (rows.clone() * rows).sum_dim(1).into_data();
    let squares: Vec<f32> = squares.try_to_vec().expect("gradients are f32");
    squares.into_iter().map(f64::from).sum()
}
