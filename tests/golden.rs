//! Layers against the reference vectors of FuxiCTR and DeepCTR-Torch (`tests/golden/README.md`).
//!
//! Every case found is run; `FIBINET_GOLDEN` names another directory of vectors.

use std::collections::BTreeSet;
use std::path::PathBuf;

use burn::module::Param;
use burn::tensor::{Device, Tensor, TensorData};
use fibinet::nn::{Activation, Backend, BilinearInteractionConfig, BilinearKind, SenetConfig};
use safetensors::SafeTensors;

/// Absolute and relative tolerance of re-computation in f32.
const TOLERANCE: (f32, f32) = (1e-5, 1e-4);

fn directory() -> PathBuf {
    std::env::var_os("FIBINET_GOLDEN").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden"),
        PathBuf::from,
    )
}

fn read(file: &str) -> Vec<u8> {
    let path = directory().join(file);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn devices() -> Vec<(Backend, Device)> {
    let devices: Vec<_> = [Backend::Flex, Backend::NdArray]
        .into_iter()
        .filter_map(|backend| Some((backend, backend.device().ok()?.autodiff())))
        .collect();
    assert!(!devices.is_empty(), "no CPU backend is compiled in");
    devices
}

/// The distinct prefixes of names, up to the last dot.
fn cases(vectors: &SafeTensors<'_>) -> BTreeSet<String> {
    vectors
        .names()
        .into_iter()
        .filter_map(|name| Some(name.rsplit_once('.')?.0.to_owned()))
        .collect()
}

fn load(vectors: &SafeTensors<'_>, name: &str) -> TensorData {
    let view = vectors
        .tensor(name)
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    let values: Vec<f32> = view
        .data()
        .chunks_exact(4)
        .map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
        .collect();
    TensorData::new(values, view.shape().to_vec())
}

#[track_caller]
fn assert_golden<const D: usize>(actual: Tensor<D>, vectors: &SafeTensors<'_>, name: &str) {
    let expected = load(vectors, name);
    assert_eq!(
        actual.dims().as_slice(),
        expected.shape().as_slice(),
        "{name}"
    );
    let actual: Vec<f32> = actual.into_data().try_to_vec().expect("f32");
    let expected: Vec<f32> = expected.try_to_vec().expect("f32");
    let (absolute, relative) = TOLERANCE;
    for (i, (a, e)) in actual.iter().zip(&expected).enumerate() {
        let close = (a - e).abs() <= absolute + relative * e.abs();
        assert!(close, "{name}, element {i}: {a}, expected {e}");
    }
}

/// A weight in PyTorch's layout `[out, in]` as Burn's `[in, out]`.
fn transposed(vectors: &SafeTensors<'_>, name: &str, device: &Device) -> Param<Tensor<2>> {
    let weight = Tensor::<2>::from_data(load(vectors, name), device);
    Param::from_tensor(weight.transpose())
}

#[test]
fn golden_senet() {
    let bytes = read("senet.safetensors");
    let vectors = SafeTensors::deserialize(&bytes).expect("safetensors");
    let cases = cases(&vectors);
    assert!(!cases.is_empty(), "no case in {}", directory().display());
    for (backend, device) in devices() {
        for case in &cases {
            let name = |tensor: &str| format!("{case}.{tensor}");
            let activation = match case.split('.').nth(1) {
                Some("relu") => Activation::Relu,
                Some("sigmoid") => Activation::Sigmoid,
                other => panic!("{case}: activation {other:?}"),
            };
            let w1 = load(&vectors, &name("w1"));
            let (reduced, num_fields) = (w1.shape()[0], w1.shape()[1]);
            let ratio = num_fields as f64 / reduced as f64;
            let config = SenetConfig::new(num_fields)
                .with_reduction_ratio(ratio)
                .with_activation(activation);
            assert_eq!(config.reduced_size(), reduced, "{case}");
            let mut senet = config.init(&device);
            senet.reduce.weight = transposed(&vectors, &name("w1"), &device);
            senet.expand.weight = transposed(&vectors, &name("w2"), &device);
            let x = Tensor::<3>::from_data(load(&vectors, &name("x")), &device).require_grad();
            let gy = Tensor::<3>::from_data(load(&vectors, &name("gy")), &device);

            assert_golden(senet.excitation(x.clone()), &vectors, &name("a"));
            let y = senet.forward(x.clone());
            assert_golden(y.clone(), &vectors, &name("y"));
            let mut gradients = (y * gy).sum().backward();
            let mut gradient =
                |weight: Tensor<2>| weight.grad_remove(&mut gradients).expect("a gradient");
            let gw1 = gradient(senet.reduce.weight.val()).transpose();
            let gw2 = gradient(senet.expand.weight.val()).transpose();
            assert_golden(gw1, &vectors, &name("gw1"));
            assert_golden(gw2, &vectors, &name("gw2"));
            let gx = x.grad_remove(&mut gradients).expect("a gradient");
            assert_golden(gx, &vectors, &name("gx"));
        }
        println!("golden: {} SENET cases on {backend}", cases.len());
    }
}

#[test]
fn golden_bilinear() {
    let bytes = read("bilinear.safetensors");
    let vectors = SafeTensors::deserialize(&bytes).expect("safetensors");
    let cases = cases(&vectors);
    assert!(!cases.is_empty(), "no case in {}", directory().display());
    for (backend, device) in devices() {
        for case in &cases {
            let name = |tensor: &str| format!("{case}.{tensor}");
            let (peer, kind) = match case.split('.').collect::<Vec<_>>()[..] {
                [peer, "all", _] => (peer, BilinearKind::FieldAll),
                [peer, "each", _] => (peer, BilinearKind::FieldEach),
                [peer, "interaction", _] => (peer, BilinearKind::FieldInteraction),
                _ => panic!("{case}: no such type"),
            };
            let x = Tensor::<3>::from_data(load(&vectors, &name("x")), &device).require_grad();
            let gy = Tensor::<3>::from_data(load(&vectors, &name("gy")), &device);
            let [_, num_fields, embedding_dim] = x.dims();
            let config = BilinearInteractionConfig::new(num_fields, embedding_dim).with_kind(kind);
            let mut bilinear = config.init(&device);
            let weight = Tensor::<1>::from_data(load(&vectors, &name("w")).flattened(), &device)
                .reshape([config.num_matrices(), embedding_dim, embedding_dim]);
            // DeepCTR-Torch keeps `nn.Linear` weights, [out, in].
            let ours = |weight: Tensor<3>| match peer {
                "deepctr" => weight.swap_dims(1, 2),
                _ => weight,
            };
            bilinear.weight = Param::from_tensor(ours(weight));

            let y = bilinear.forward(x.clone());
            assert_golden(y.clone(), &vectors, &name("y"));
            let mut gradients = (y * gy).sum().backward();
            let gw = bilinear
                .weight
                .val()
                .grad_remove(&mut gradients)
                .expect("a gradient");
            let gw = ours(gw);
            match load(&vectors, &name("gw")).shape().len() {
                2 => assert_golden(gw.squeeze_dim::<2>(0), &vectors, &name("gw")),
                _ => assert_golden(gw, &vectors, &name("gw")),
            }
            let gx = x.grad_remove(&mut gradients).expect("a gradient");
            assert_golden(gx, &vectors, &name("gx"));
        }
        println!("golden: {} bilinear cases on {backend}", cases.len());
    }
}

trait Flattened {
    fn flattened(self) -> Self;
}

impl Flattened for TensorData {
    /// The same values with one dimension.
    fn flattened(self) -> Self {
        let values: Vec<f32> = self.try_to_vec().expect("f32");
        let len = values.len();
        Self::new(values, [len])
    }
}
