//! Tables and weights in [huge pages](fibinet_nn::memory). What they gain:
//!
//! - Rows of tables: a step of exact Adam at 10 and 30 million rows (`cargo bench --bench training --
//!   vocabulary --steps 9`, Zen 4) takes 1.02 and 1.02 to 1.04 times as long as at 100,000 rows. With small
//!   pages it took 1.04 and 1.12 times as long.
//! - The first matrix of a DNN, 24 MB: scoring one row takes .34 ms instead of .39 (medians of a copy of
//!   `benches/scoring.rs` with two scorers of each kind in turn).

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Tensor, TensorData};
use fibinet_nn::memory::HUGE_PAGE;
pub use fibinet_nn::memory::zeroed;

/// Moves the large weights of a module on flex into huge pages.
pub(crate) fn move_weights<M: Module>(module: M) -> M {
    module.map(&mut MoveWeights)
}

struct MoveWeights;

impl ModuleMapper for MoveWeights {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        // From this size on there is a whole page in them, wherever they begin.
        if param.shape().num_elements() * size_of::<f32>() < 2 * HUGE_PAGE {
            return param;
        }
        param.map(|weights| {
            let (shape, device) = (weights.shape(), weights.device());
            let numbers = weights.into_data();
            let numbers = numbers.as_slice::<f32>().expect("weights are f32");
            let mut moved = zeroed(numbers.len());
            moved.copy_from_slice(numbers);
            Tensor::from_data(TensorData::new(moved, shape), &device)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "flex")]
    #[test]
    fn moved_weights_are_as_before() {
        use burn::nn::LinearConfig;
        use burn::tensor::Device;

        let layer = LinearConfig::new(1100, 1024).init(&Device::flex());
        let (weight, bias) = (
            layer.weight.val().into_data(),
            layer.bias.as_ref().map(Param::val),
        );
        let address = |weight: &TensorData| weight.as_slice::<f32>().unwrap().as_ptr();
        let moved = move_weights(layer);
        let moved_weight = moved.weight.val().into_data();
        assert_ne!(address(&moved_weight), address(&weight));
        assert_eq!(moved_weight, weight);
        let bias = bias.unwrap().into_data();
        let moved_bias = moved.bias.unwrap().val().into_data();
        assert_eq!(moved_bias, bias);
    }
}
