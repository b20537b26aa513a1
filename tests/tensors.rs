//! Devices to test on, and numbers to compare.

use burn::tensor::{Device, Tensor};
use fibinet::nn::Backend;

/// The CPU devices compiled in, with autodiff.
pub(crate) fn cpu_devices() -> Vec<(Backend, Device)> {
    let devices: Vec<_> = [Backend::Flex, Backend::NdArray]
        .into_iter()
        .filter_map(|backend| Some((backend, backend.device().ok()?.autodiff())))
        .collect();
    assert!(!devices.is_empty(), "no CPU backend is compiled in");
    devices
}

pub(crate) fn to_vec<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().expect("f32")
}

/// `|a - e| <= absolute + relative * |e|` for every number.
#[track_caller]
pub(crate) fn assert_close(
    actual: &[f32],
    expected: &[f32],
    (absolute, relative): (f32, f32),
    name: &str,
) {
    assert_eq!(actual.len(), expected.len(), "{name}");
    for (i, (a, e)) in actual.iter().zip(expected).enumerate() {
        let close = (a - e).abs() <= absolute + relative * e.abs();
        assert!(close, "{name}, element {i}: {a}, expected {e}");
    }
}
