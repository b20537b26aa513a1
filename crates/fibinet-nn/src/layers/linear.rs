use burn::module::Initializer;
use burn::nn::Linear;
use burn::tensor::Device;

/// A linear map with a drawn weight and a bias of zeros.
///
/// Burn's own config draws the bias like the weight, whereas FuxiCTR and DeepCTR start biases at zero.
pub(crate) fn linear(
    d_input: usize,
    d_output: usize,
    bias: bool,
    initializer: &Initializer,
    device: &Device,
) -> Linear {
    Linear {
        weight: initializer.init_with([d_input, d_output], Some(d_input), Some(d_output), device),
        bias: bias.then(|| Initializer::Zeros.init([d_output], device)),
    }
}
