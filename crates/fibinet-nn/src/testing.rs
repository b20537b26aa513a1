//! Test helpers of the layers: those of `fibinet-testing`, with devices but not their names.

use burn::tensor::Device;
pub(crate) use fibinet_testing::{assert_tensor_close as assert_close, tensor, through_a_record};

/// The CPU devices of this build, with autodiff.
pub(crate) fn cpu_devices() -> Vec<Device> {
    unnamed(fibinet_testing::cpu_devices())
}

/// The CPU devices of this build and the software adapter of wgpu, with autodiff.
///
/// See [`fibinet_testing::test_devices`] for what wgpu costs.
pub(crate) fn test_devices() -> Vec<Device> {
    unnamed(fibinet_testing::test_devices())
}

fn unnamed(devices: Vec<fibinet_testing::NamedDevice>) -> Vec<Device> {
    devices.into_iter().map(|(_, device)| device).collect()
}
