//! Which inputs the kernels of pairs take, and which they leave to tensor operations.

use burn::tensor::{DType, Device, Tensor};
use fibinet_testing::test_devices;

use super::{numbers, values};
use crate::backend::has_kernels;
use crate::kernels::{inner_products, ops};
use crate::layers::combination::{CombinationConfig, CombinationKind};
use crate::layers::pair_product::PairProductKind;
use crate::pairs::pair_indices;

#[test]
fn an_inner_side_and_other_dtypes_are_left_to_tensor_ops() {
    let device = Device::flex();
    let raw: Tensor<3> = numbers([5, 4, 3], 1, &device);
    let config = CombinationConfig::new(4, 3).with_kind(CombinationKind::SenetBilinear);
    let inner = config
        .with_product_kind(PairProductKind::Inner)
        .init(&device);
    assert!(inner.kernel_sides(raw.clone(), raw.clone()).is_none());
    let sides = CombinationConfig::new(4, 3)
        .init(&device)
        .kernel_sides(raw.clone(), raw.clone());
    let sides = sides.expect("no inner product");
    assert!(ops::pairs(&sides).is_some());
    let halved = sides.map(|mut side| {
        side.embeddings = side.embeddings.cast(DType::F16);
        side
    });
    assert!(ops::pairs(&halved).is_none());
}

/// Their results are zeros, or empty.
#[test]
fn empty_inputs_are_left_to_tensor_ops() {
    let device = Device::flex();
    let products = |shape| {
        let embeddings = Tensor::<3>::ones(shape, &device);
        inner_products(embeddings, pair_indices(3, &device).into())
    };
    assert_eq!(values(products([2, 3, 0])), [0.0; 6]);
    assert_eq!(products([0, 3, 4]).dims(), [0, 3]);
}

#[test]
fn a_device_says_whether_layers_run_kernels_on_it() {
    let device = Device::flex();
    assert!(has_kernels(&device, DType::F32));
    assert!(has_kernels(&device.clone().autodiff(), DType::F32));
    assert!(!has_kernels(&device, DType::F16));
    for (name, device) in test_devices() {
        let expected = match name {
            "flex" | "wgpu" => true,
            "ndarray" => false,
            other => panic!("no expectation of {other}"),
        };
        assert_eq!(has_kernels(&device, DType::F32), expected, "{name}");
        assert!(!has_kernels(&device, DType::F16));
    }
}
