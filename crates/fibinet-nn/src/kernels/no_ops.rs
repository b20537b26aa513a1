//! The entry points in a build without kernels.

use burn::tensor::{DType, Device, Int, Tensor};

use super::Side;

pub(crate) fn has_kernels(_: &Device, _: DType) -> bool {
    false
}

pub(crate) fn is_flex(_: &Device) -> bool {
    false
}

pub(crate) fn is_gpu(_: &Device) -> bool {
    false
}

pub(crate) fn pairs(_: &[Side]) -> Option<Tensor<2>> {
    None
}

pub(crate) fn pairs_linear(_: &[Side], _: Option<&Tensor<2>>, _: &Tensor<2>) -> Option<Tensor<2>> {
    None
}

pub(crate) fn inner_products(_: &Tensor<3>) -> Option<Tensor<2>> {
    None
}

pub(crate) fn table_rows(_: &Tensor<2>, _: &Tensor<1, Int>) -> Option<Tensor<2>> {
    None
}

pub(crate) fn small_batch_linear(_: &Tensor<2>, _: &Tensor<2>, _: &Tensor<1>) -> Option<Tensor<2>> {
    None
}
