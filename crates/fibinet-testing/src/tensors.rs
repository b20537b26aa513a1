use burn::module::Module;
use burn::store::ModuleRecord;
use burn::tensor::{Device, Tensor, TensorData};

/// An absolute and a relative tolerance: `|a - e| <= absolute + relative |e|`.
pub type Tolerance = (f32, f32);

/// A tensor from a literal.
pub fn tensor<const D: usize>(data: impl Into<TensorData>, device: &Device) -> Tensor<D> {
    Tensor::from_data(data, device)
}

/// All elements of an `f32` tensor, row-major.
///
/// # Panics
///
/// If the elements are not `f32`.
pub fn to_vec<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().expect("f32 elements")
}

/// Asserts that all numbers are within the tolerance.
///
/// # Panics
///
/// If there are more or fewer numbers than expected, or one is outside the tolerance. `name` begins
/// the message.
#[track_caller]
pub fn assert_close(
    actual: &[f32],
    expected: &[f32],
    (absolute, relative): Tolerance,
    name: impl core::fmt::Display,
) {
    assert_eq!(
        actual.len(),
        expected.len(),
        "{name}: the number of elements differs"
    );
    for (i, (a, e)) in actual.iter().zip(expected).enumerate() {
        let close = (a - e).abs() <= absolute + relative * e.abs();
        assert!(close, "{name}: element {i} is {a}, expected {e}");
    }
}

/// Asserts that all elements of a tensor, row-major, are within `tolerance (1 + |e|)` of `e`.
///
/// # Panics
///
/// If there are more or fewer elements than expected, or one is outside the tolerance.
#[track_caller]
pub fn assert_tensor_close<const D: usize>(actual: Tensor<D>, expected: &[f32], tolerance: f32) {
    let name = format!("{:?}", actual.device());
    assert_close(&to_vec(actual), expected, (tolerance, tolerance), name);
}

/// Writes a module's record to bytes and reads it into another module of the same config.
///
/// # Panics
///
/// If the record cannot be written or read.
pub fn through_a_record<M: Module>(source: M, target: M) -> M {
    let bytes = source.into_record().into_bytes().expect("a record writes");
    target.load_record(ModuleRecord::from_bytes(bytes).expect("a record reads"))
}
