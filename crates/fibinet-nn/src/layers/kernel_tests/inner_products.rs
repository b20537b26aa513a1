use burn::tensor::Tensor;

use super::{device, numbers, on_threads, values};
use crate::kernels::{ops, reference};
use crate::pairs::pair_indices;
use crate::testing::assert_close;

/// The products of `[B, F, K]`, and the embeddings' gradient from one of random numbers.
fn results(
    [num_fields, dim, batch]: [usize; 3],
    products: impl Fn(&Tensor<3>) -> Tensor<2>,
) -> [Tensor<2>; 2] {
    let embeddings = numbers::<3>([batch, num_fields, dim], 1, &device()).require_grad();
    let out = products(&embeddings);
    let gradients = (out.clone() * numbers(out.dims(), 2, &device()))
        .sum()
        .backward();
    let gradient = embeddings.grad(&gradients).expect("a gradient");
    [out, Tensor::from_inner(gradient.flatten(1, 2))]
}

fn by_kernel(embeddings: &Tensor<3>) -> Tensor<2> {
    ops::inner_products(embeddings).expect("the kernel runs on flex")
}

/// Numbers are below 1, so that a sum of `n` products has an error of a few roundings of `n`.
pub(super) fn assert_kernel_matches(shape: [usize; 3]) {
    let by_tensor_ops = |embeddings: &Tensor<3>| {
        let (left, right) = pair_indices(shape[0], &device());
        reference::inner_products(embeddings.clone(), [left, right])
    };
    let reference = results(shape, by_tensor_ops);
    for (result, expected) in results(shape, by_kernel).into_iter().zip(reference) {
        assert_close(result, &values(expected), 1e-5);
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let run = || results([39, 10, 300], by_kernel).map(values);
    assert_eq!(on_threads(1, run), on_threads(3, run));
}
