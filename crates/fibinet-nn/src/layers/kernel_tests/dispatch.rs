//! Which inputs the kernels of pairs take, and which they leave to tensor operations.

use burn::nn::LinearConfig;
use burn::tensor::{DType, Device, Int, Tensor};
use fibinet_testing::test_devices;

use super::{KINDS, numbers, values};
use crate::backend::has_kernels;
use crate::inputs::FieldIds;
use crate::kernels::{inner_products, ops};
use crate::layers::{
    BilinearInteractionConfig, CombinationConfig, CombinationKind, FeatureEmbeddingConfig,
    LinearLogitConfig, PairProductConfig, PairProductKind,
};
use crate::pairs::{num_pairs, pair_indices};

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

#[test]
fn layers_of_pairs_and_tables_run_their_kernels_where_there_are_any() {
    const FIELDS: usize = 3;
    const DIM: usize = 4;
    for (name, device) in test_devices() {
        let expected = usize::from(has_kernels(&device, DType::F32));
        let assert_runs = |layer: &str, forward: &dyn Fn()| {
            let before = ops::KERNELS_RUN.get();
            forward();
            assert_eq!(
                ops::KERNELS_RUN.get() - before,
                expected,
                "{layer} on {name}"
            );
        };
        let x: Tensor<3> = numbers([5, FIELDS, DIM], 1, &device);
        let linear = |inputs| LinearConfig::new(inputs, 2).init(&device);
        let map = linear(num_pairs(FIELDS) * DIM);
        for kind in KINDS {
            let config = BilinearInteractionConfig::new(FIELDS, DIM).with_kind(kind);
            let layer = config.init(&device);
            assert_runs("BilinearInteraction", &|| drop(layer.forward(x.clone())));
            let with_map = || drop(layer.forward_linear(x.clone(), None, &map));
            assert_runs("BilinearInteraction with a map", &with_map);
        }
        for kind in [PairProductKind::Hadamard, PairProductKind::Inner] {
            let config = PairProductConfig::new(FIELDS).with_kind(kind);
            let layer = config.init(&device);
            assert_runs("PairProduct", &|| drop(layer.forward(x.clone())));
        }
        let layer = PairProductConfig::new(FIELDS).init(&device);
        let with_map = || drop(layer.forward_linear(x.clone(), None, &map));
        assert_runs("PairProduct with a map", &with_map);
        let config = CombinationConfig::new(FIELDS, DIM);
        let layer = config.init(&device);
        let both = || drop(layer.forward(x.clone(), x.clone()));
        assert_runs("Combination", &both);
        let map = linear(config.d_output());
        let with_map = || drop(layer.forward_linear(x.clone(), x.clone(), None, &map));
        assert_runs("Combination with a map", &with_map);
        let ids = || FieldIds::new(Tensor::<2, Int>::zeros([5, FIELDS], &device));
        let layer = FeatureEmbeddingConfig::new(vec![7; FIELDS], DIM).init(&device);
        assert_runs("FeatureEmbedding", &|| drop(layer.forward(ids())));
        let layer = LinearLogitConfig::new(vec![7; FIELDS]).init(&device);
        assert_runs("LinearLogit", &|| drop(layer.forward(ids())));
    }
}
