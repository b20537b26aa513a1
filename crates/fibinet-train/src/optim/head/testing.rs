//! A layer and its gradients, for tests.

use burn::module::Param;
use burn::nn::{Linear, LinearConfig};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};

pub(super) fn device() -> Device {
    Device::flex().autodiff()
}

/// A layer with more numbers than a chunk has.
pub(super) fn linear() -> Linear {
    let weights = (0..150 * 120).map(|i| (i % 23) as f32 / 50.0 - 0.2);
    let bias = (0..120).map(|i| i as f32 / 100.0);
    let data = |numbers: Vec<f32>, shape: Vec<usize>| TensorData::new(numbers, shape);
    let mut linear = LinearConfig::new(150, 120).init(&device());
    linear.weight = Param::from_data(data(weights.collect(), vec![150, 120]), &device());
    linear.bias = Some(Param::from_data(data(bias.collect(), vec![120]), &device()));
    linear
}

pub(super) fn gradients(linear: &Linear, step: usize) -> GradientsParams {
    let input: Vec<f32> = (0..4 * 150)
        .map(|i| ((i * 7 + step * 3) % 11) as f32 / 10.0 - 0.4)
        .collect();
    let input = Tensor::<2>::from_data(TensorData::new(input, [4, 150]), &device());
    let output = linear.forward(input);
    let loss = (output.clone() * output).mean();
    GradientsParams::from_grads(loss.backward(), linear)
}
