//! `forward_linear` against `forward` and the map, on every device.

use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use fibinet_testing::test_devices;

use super::{KINDS, numbers, values};
use crate::layers::combination::{CombinationConfig, CombinationKind};
use crate::layers::{BilinearInteractionConfig, PairProductConfig, PairProductKind};
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

/// Compares the two ways on every device. `pairs` gives `[B, num_columns]`.
fn assert_same(num_columns: usize, layer: impl Fn(&Device) -> (PairsOf, MappedOf)) {
    for (_, device) in test_devices() {
        let (pairs, mapped) = layer(&device);
        let apart = results(&device, num_columns, &|inputs| {
            let columns = vec![pairs(inputs.embeddings.clone()), inputs.dense.clone()];
            inputs.map.forward(Tensor::cat(columns, 1))
        });
        let fused = results(&device, num_columns, &*mapped);
        for (fused, apart) in fused.into_iter().zip(apart) {
            assert_close(fused, &values(apart), 1e-5);
        }
    }
}

/// The pairs of a layer as columns.
type PairsOf = Box<dyn Fn(Tensor<3>) -> Tensor<2>>;

/// A layer's `forward_linear`.
type MappedOf = Box<dyn Fn(&Inputs) -> Tensor<2>>;

const PAIRS: usize = FIELDS * (FIELDS - 1) / 2;

#[test]
fn bilinear_pairs_and_a_map_are_the_same_in_one() {
    for kind in KINDS {
        assert_same(PAIRS * DIM, |device| {
            let layer = BilinearInteractionConfig::new(FIELDS, DIM).with_kind(kind);
            let layer = layer.init(device);
            let alone = layer.clone();
            (
                Box::new(move |x| alone.forward(x).flatten(1, 2)),
                Box::new(move |inputs| {
                    let Inputs {
                        embeddings,
                        dense,
                        map,
                    } = inputs;
                    layer.forward_linear(embeddings.clone(), Some(dense.clone()), map)
                }),
            )
        });
    }
}

#[test]
fn products_and_a_map_are_the_same_in_one() {
    for kind in [PairProductKind::Hadamard, PairProductKind::Inner] {
        assert_same(PAIRS * kind.pair_dim(DIM), |device| {
            let layer = PairProductConfig::new(FIELDS).with_kind(kind).init(device);
            let alone = layer.clone();
            (
                Box::new(move |x| alone.forward(x).flatten(1, 2)),
                Box::new(move |inputs| {
                    let Inputs {
                        embeddings,
                        dense,
                        map,
                    } = inputs;
                    layer.forward_linear(embeddings.clone(), Some(dense.clone()), map)
                }),
            )
        });
    }
}

#[test]
fn a_combination_and_a_map_are_the_same_in_one() {
    for product in [PairProductKind::Hadamard, PairProductKind::Inner] {
        let config = CombinationConfig::new(FIELDS, DIM)
            .with_kind(CombinationKind::SenetBilinear)
            .with_product_kind(product);
        assert_same(config.d_output(), |device| {
            let layer = config.init(device);
            let alone = layer.clone();
            (
                Box::new(move |x: Tensor<3>| alone.forward(x.clone(), x * 2.0)),
                Box::new(move |inputs| {
                    let Inputs {
                        embeddings,
                        dense,
                        map,
                    } = inputs;
                    let (raw, other) = (embeddings.clone(), embeddings.clone() * 2.0);
                    layer.forward_linear(raw, other, Some(dense.clone()), map)
                }),
            )
        });
    }
}
