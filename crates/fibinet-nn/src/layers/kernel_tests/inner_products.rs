use burn::tensor::{Device, Int, Tensor};

use super::{device, gpus, numbers, on_threads, ran, values};
use crate::kernels::{self, ops, reference};
use crate::pairs::pair_indices;
use crate::testing::assert_close;

/// The products of `[B, F, K]`, and the embeddings' gradient from one of random numbers.
fn results(
    [num_fields, dim, batch]: [usize; 3],
    device: &Device,
    products: impl Fn(&Tensor<3>) -> Tensor<2>,
) -> [Tensor<2>; 2] {
    let embeddings = numbers::<3>([batch, num_fields, dim], 1, device).require_grad();
    let out = products(&embeddings);
    let gradients = (out.clone() * numbers(out.dims(), 2, device))
        .sum()
        .backward();
    let gradient = embeddings.grad(&gradients).expect("a gradient");
    [out, Tensor::from_inner(gradient.flatten(1, 2))]
}

fn by_kernel(embeddings: &Tensor<3>) -> Tensor<2> {
    ran(ops::inner_products(embeddings))
}

fn by_tensor_ops(embeddings: &Tensor<3>) -> Tensor<2> {
    reference::inner_products(embeddings.clone(), fields(embeddings))
}

fn as_layers_do(embeddings: &Tensor<3>) -> Tensor<2> {
    kernels::inner_products(embeddings.clone(), fields(embeddings))
}

/// The left and the right field of every pair.
fn fields(embeddings: &Tensor<3>) -> [Tensor<1, Int>; 2] {
    let [_, num_fields, _] = embeddings.dims();
    pair_indices(num_fields, &embeddings.device()).into()
}

/// The same where layers run tensor operations.
pub(super) fn assert_tensor_ops_match(shape: [usize; 3], on: &Device) {
    assert_matches(shape, on, as_layers_do);
}

pub(super) fn assert_kernel_matches(shape: [usize; 3], on: &Device) {
    assert_matches(shape, on, by_kernel);
}

/// Numbers are below 1, so that a sum of `n` products has an error of a few roundings of `n`.
fn assert_matches(shape: [usize; 3], on: &Device, products: fn(&Tensor<3>) -> Tensor<2>) {
    let reference = results(shape, &device(), by_tensor_ops);
    for (result, expected) in results(shape, on, products).into_iter().zip(reference) {
        assert_close(result, &values(expected), 1e-5);
    }
}

#[test]
fn dimensions_with_a_loop_of_their_own_work() {
    for dim in [4, 8, 10, 16, 20, 32, 40, 64] {
        for batch in [3, 9] {
            assert_kernel_matches([5, dim, batch], &device());
        }
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let run = || results([39, 10, 300], &device(), by_kernel).map(values);
    assert_eq!(on_threads(1, run), on_threads(3, run));
}

#[test]
fn a_second_run_on_a_gpu_changes_no_bit() {
    for device in gpus() {
        let run = || results([39, 10, 70], &device, by_kernel).map(values);
        assert_eq!(run(), run());
    }
}
