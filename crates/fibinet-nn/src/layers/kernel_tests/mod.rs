//! Kernels against their references in tensor operations.

mod dispatch;
mod forward_linear;
mod inner_products;
mod pairs;
mod shapes;
mod small_batch_linear;
mod table_rows;

use burn::module::Param;
use burn::tensor::{DType, Device, Tensor, TensorData};
use fibinet_testing::{NamedDevice, skipped, test_devices};

use crate::backend::has_kernels;
use crate::kernels::Side;
use crate::layers::combination::{Combination, CombinationConfig, Interaction};
use crate::pairs::BilinearKind;

/// The device, sizes and settings of one comparison.
#[derive(Debug, Clone)]
struct Case {
    /// With autodiff.
    device: Device,
    config: CombinationConfig,
    batch: usize,
    num_dense: usize,
    num_outputs: usize,
    /// The number of sides, 1 or 2.
    num_sides: usize,
    /// Makes every number its absolute value.
    absolute: bool,
}

impl Case {
    fn numbers<const D: usize>(&self, shape: [usize; D], seed: u64) -> Tensor<D> {
        let numbers = numbers(shape, seed, &self.device);
        if self.absolute {
            numbers.abs()
        } else {
            numbers
        }
    }
}

/// The output of a case and the gradient of each of its inputs, with their names.
type Results = Vec<(&'static str, Vec<f32>)>;

/// Numbers in [-1, 1) that depend on nothing but the seed (splitmix64).
fn numbers<const D: usize>(shape: [usize; D], seed: u64, device: &Device) -> Tensor<D> {
    let values = (0..shape.iter().product::<usize>() as u64).map(|i| {
        let mut z = (seed << 32 | i).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z >> 40) as f32 / (1 << 23) as f32 - 1.0
    });
    Tensor::from_data(TensorData::new(values.collect(), shape), device)
}

fn device() -> Device {
    Device::flex().autodiff()
}

/// The devices other than flex that have kernels, with autodiff: the software adapter of wgpu. A line says if there is
/// none.
fn gpus() -> Vec<Device> {
    let other = |(_, other): NamedDevice| {
        (other != device() && has_kernels(&other, DType::F32)).then_some(other)
    };
    let gpus: Vec<Device> = test_devices().into_iter().filter_map(other).collect();
    if gpus.is_empty() {
        skipped(
            "kernels on GPUs",
            "this build has no GPU backend, or this machine no software adapter",
        );
    }
    gpus
}

/// The devices that have no kernels, with autodiff: ndarray. A line says if there is none.
fn without_kernels() -> Vec<Device> {
    let others = test_devices().into_iter().map(|(_, device)| device);
    let others: Vec<Device> = others
        .filter(|device| !has_kernels(device, DType::F32))
        .collect();
    if others.is_empty() {
        skipped(
            "layers without kernels",
            "every backend of this build has kernels",
        );
    }
    others
}

/// What a kernel returned.
///
/// # Panics
///
/// If none ran.
fn ran<const D: usize>(kernel: Option<Tensor<D>>) -> Tensor<D> {
    kernel.expect("a kernel runs on the devices of these tests")
}

/// A combination whose matrices are the case's numbers.
fn combination(case: &Case) -> Combination {
    let mut combination = case.config.init(&case.device);
    let set = |interaction: &mut Interaction, seed| {
        if let Interaction::Bilinear(bilinear) = interaction {
            let weight = case.numbers(bilinear.weight.shape().dims(), seed);
            bilinear.weight = Param::from_tensor(weight.require_grad());
        }
    };
    set(&mut combination.raw, 1);
    if let Some(senet) = &mut combination.senet {
        set(senet, 2);
    }
    combination
}

/// Runs on a pool of threads of its own.
fn on_threads<R: Send>(num_threads: usize, run: impl FnOnce() -> R + Send) -> R {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(num_threads);
    pool.build().expect("threads start").install(run)
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().expect("f32")
}

/// Runs `forward(sides, dense, weight)` and its backward pass.
fn results(
    case: &Case,
    forward: impl Fn(&[Side], Option<Tensor<2>>, Tensor<2>) -> Tensor<2>,
) -> Results {
    let combination = combination(case);
    let CombinationConfig {
        num_fields,
        embedding_dim,
        ..
    } = case.config;
    let embeddings = |seed| {
        let shape = [case.batch, num_fields, embedding_dim];
        case.numbers(shape, seed).require_grad()
    };
    let (raw, reweighted) = (embeddings(3), embeddings(4));
    let dense =
        (case.num_dense > 0).then(|| case.numbers([case.batch, case.num_dense], 5).require_grad());
    let d_input = case.num_sides * case.config.d_output() / 2 + case.num_dense;
    let weight = case.numbers([d_input, case.num_outputs], 6).require_grad();

    let sides = combination.kernel_sides(raw.clone(), reweighted.clone());
    let sides = &sides.expect("no inner product")[..case.num_sides];
    let out = forward(sides, dense.clone(), weight.clone());
    let gradients = (out.clone() * case.numbers(out.dims(), 7)).sum().backward();
    let mut results = vec![("output", values(out))];
    let mut add = |name, gradient: Option<Vec<f32>>| {
        results.extend(gradient.map(|gradient| (name, gradient)));
    };
    add("raw", raw.grad(&gradients).map(values));
    add("reweighted", reweighted.grad(&gradients).map(values));
    add(
        "dense",
        dense.and_then(|dense| dense.grad(&gradients)).map(values),
    );
    add("weight", weight.grad(&gradients).map(values));
    let sides = core::iter::once(&combination.raw).chain(&combination.senet);
    for interaction in sides {
        if let Interaction::Bilinear(bilinear) = interaction {
            add(
                "matrices",
                bilinear.weight.val().grad(&gradients).map(values),
            );
        }
    }
    results
}

fn case(kind: BilinearKind, num_fields: usize, embedding_dim: usize, batch: usize) -> Case {
    Case {
        device: device(),
        config: CombinationConfig::new(num_fields, embedding_dim).with_bilinear_kind(kind),
        batch,
        num_dense: 0,
        num_outputs: 3,
        num_sides: 2,
        absolute: false,
    }
}

const KINDS: [BilinearKind; 3] = [
    BilinearKind::FieldAll,
    BilinearKind::FieldEach,
    BilinearKind::FieldInteraction,
];
