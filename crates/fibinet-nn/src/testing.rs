//! What the layers' tests share: the devices of this build, tensors from literals, comparison.

use burn::module::Module;
use burn::store::ModuleRecord;
use burn::tensor::{Device, Tensor, TensorData};

use crate::Backend;

/// The CPU devices compiled in, with autodiff. (A GPU compiles every shape of every kernel first:
/// `examples/compose.rs` is what runs there.)
pub(crate) fn cpu_devices() -> Vec<Device> {
    let devices: Vec<_> = [Backend::Flex, Backend::NdArray]
        .into_iter()
        .filter_map(|backend| backend.device().ok())
        .map(Device::autodiff)
        .collect();
    assert!(
        !devices.is_empty(),
        "tests need a CPU backend: --features flex or ndarray"
    );
    devices
}

pub(crate) fn tensor<const D: usize>(data: impl Into<TensorData>, device: &Device) -> Tensor<D> {
    Tensor::from_data(data, device)
}

/// Compares all elements, row-major: `|a - e| <= tolerance * (1 + |e|)`.
#[track_caller]
pub(crate) fn assert_close<const D: usize>(actual: Tensor<D>, expected: &[f32], tolerance: f32) {
    let actual: Vec<f32> = actual.into_data().try_to_vec().expect("f32");
    assert_eq!(actual.len(), expected.len(), "number of elements");
    for (i, (a, e)) in actual.iter().zip(expected).enumerate() {
        assert!(
            (a - e).abs() <= tolerance * (1.0 + e.abs()),
            "element {i}: {a}, expected {e}\n{actual:?}\n{expected:?}"
        );
    }
}

/// Writes a module's record to bytes and reads it into another module of the same config.
pub(crate) fn through_a_record<M: Module>(source: M, target: M) -> M {
    let bytes = source.into_record().into_bytes().expect("writes");
    target.load_record(ModuleRecord::from_bytes(bytes).expect("reads"))
}
