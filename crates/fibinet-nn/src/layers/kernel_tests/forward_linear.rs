//! `forward_linear` against `forward` and the map, on every device.

use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use fibinet_testing::test_devices;

use super::{KINDS, numbers, values};
use crate::layers::combination::{CombinationConfig, CombinationKind};
use crate::layers::{
    BilinearInteraction, BilinearInteractionConfig, PairProduct, PairProductConfig, PairProductKind,
};
use crate::testing::assert_close;

const ROWS: usize = 5;
const FIELDS: usize = 3;
const DIM: usize = 4;
const DENSE: usize = 2;

/// The embeddings, the raw numeric inputs and the map that reads both.
struct Inputs {
    embeddings: Tensor<3>,
    dense: Tensor<2>,
    map: Linear,
}

/// The output, and the gradients of the embeddings, the raw numeric inputs, the map's weight and its bias.
fn results(
    device: &Device,
    num_columns: usize,
    mapped: &dyn Fn(&Inputs) -> Tensor<2>,
) -> [Tensor<1>; 5] {
    let mut map = LinearConfig::new(num_columns + DENSE, 3).init(device);
    map.weight = map
        .weight
        .map(|weight| numbers(weight.dims(), 3, device).require_grad());
    map.bias = map
        .bias
        .map(|bias| bias.map(|bias| numbers(bias.dims(), 4, device).require_grad()));
    let inputs = Inputs {
        embeddings: numbers([ROWS, FIELDS, DIM], 1, device).require_grad(),
        dense: numbers([ROWS, DENSE], 2, device).require_grad(),
        map,
    };
    let out = mapped(&inputs);
    let gradients = (out.clone() * numbers(out.dims(), 5, device))
        .sum()
        .backward();
    let Inputs {
        embeddings,
        dense,
        map,
    } = inputs;
    let of_embeddings = embeddings.grad(&gradients).expect("a gradient");
    let of_dense = dense.grad(&gradients).expect("a gradient");
    let of_weight = map.weight.val().grad(&gradients).expect("a gradient");
    let of_bias = map
        .bias
        .expect("a bias")
        .val()
        .grad(&gradients)
        .expect("a gradient");
    [
        out.flatten(0, 1),
        Tensor::from_inner(of_embeddings.flatten(0, 2)),
        Tensor::from_inner(of_dense.flatten(0, 1)),
        Tensor::from_inner(of_weight.flatten(0, 1)),
        Tensor::from_inner(of_bias),
    ]
}

/// Compares the two ways on every device. `pairs` gives `[B, num_columns]`, and `mapped` is `forward_linear`.
fn assert_same<L>(
    num_columns: usize,
    layer: impl Fn(&Device) -> L,
    pairs: impl Fn(&L, Tensor<3>) -> Tensor<2>,
    mapped: impl Fn(&L, Tensor<3>, Option<Tensor<2>>, &Linear) -> Tensor<2>,
) {
    for (_, device) in test_devices() {
        let layer = layer(&device);
        let apart = results(&device, num_columns, &|inputs| {
            let columns = vec![
                pairs(&layer, inputs.embeddings.clone()),
                inputs.dense.clone(),
            ];
            inputs.map.forward(Tensor::cat(columns, 1))
        });
        let fused = results(&device, num_columns, &|inputs| {
            let dense = Some(inputs.dense.clone());
            mapped(&layer, inputs.embeddings.clone(), dense, &inputs.map)
        });
        for (fused, apart) in fused.into_iter().zip(apart) {
            assert_close(fused, &values(apart), 1e-5);
        }
    }
}

const PAIRS: usize = FIELDS * (FIELDS - 1) / 2;

#[test]
fn bilinear_pairs_and_a_map_are_the_same_in_one() {
    for kind in KINDS {
        let config = BilinearInteractionConfig::new(FIELDS, DIM).with_kind(kind);
        assert_same(
            PAIRS * DIM,
            |device| config.init(device),
            |layer, x| layer.forward(x).flatten(1, 2),
            BilinearInteraction::forward_linear,
        );
    }
}

#[test]
fn products_and_a_map_are_the_same_in_one() {
    for kind in [PairProductKind::Hadamard, PairProductKind::Inner] {
        let config = PairProductConfig::new(FIELDS).with_kind(kind);
        assert_same(
            PAIRS * kind.pair_dim(DIM),
            |device| config.init(device),
            |layer, x| layer.forward(x).flatten(1, 2),
            PairProduct::forward_linear,
        );
    }
}

#[test]
fn a_combination_and_a_map_are_the_same_in_one() {
    for product in [PairProductKind::Hadamard, PairProductKind::Inner] {
        let config = CombinationConfig::new(FIELDS, DIM)
            .with_kind(CombinationKind::SenetBilinear)
            .with_product_kind(product);
        assert_same(
            config.d_output(),
            |device| config.init(device),
            |layer, x| layer.forward(x.clone(), x * 2.0),
            |layer, x, dense, map| layer.forward_linear(x.clone(), x * 2.0, dense, map),
        );
    }
}
