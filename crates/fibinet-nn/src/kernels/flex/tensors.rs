#[cfg(feature = "autodiff")]
use burn::backend::TensorMetadata;
use burn::backend::flex::{FlexTensor, Layout};
use burn::tensor::{Bytes, DType, Shape};

pub(super) fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> FlexTensor {
    let layout = Layout::contiguous(Shape::from(shape));
    FlexTensor::new(Bytes::from_elems(values), layout, DType::F32)
}

#[cfg(feature = "autodiff")]
pub(super) fn shaped_like(other: &FlexTensor, values: Vec<f32>) -> FlexTensor {
    let layout = Layout::contiguous(other.shape());
    FlexTensor::new(Bytes::from_elems(values), layout, DType::F32)
}
