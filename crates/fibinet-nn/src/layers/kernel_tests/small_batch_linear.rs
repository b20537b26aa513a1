use burn::module::Param;
use burn::nn::Linear;
use burn::tensor::{DType, Device, Tensor};

use super::{numbers, values};
use crate::kernels::small_batch_linear;
use crate::testing::assert_close;

/// Inputs that span several tasks, the last of which is not full, in numbers that four does not divide.
#[test]
fn a_small_batch_is_mapped_as_by_tensor_ops_inside_the_pool_and_outside() {
    let device = Device::flex();
    for batch in 1..=4 {
        let map = linear(403, 211, &device);
        let input: Tensor<2> = numbers([batch, 403], 3, &device);
        let mapped = || small_batch_linear(&input, &map).expect("the kernel runs on flex");
        let expected = input.clone().matmul(map.weight.val());
        let expected = values(expected + numbers::<1>([211], 2, &device).unsqueeze());
        assert_close(mapped(), &expected, 1e-5);
        for num_threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(num_threads);
            let pool = pool.build().expect("threads start");
            let inside = pool.install(|| values(mapped()));
            assert_eq!(inside, values(mapped()), "{num_threads} threads");
        }
    }
}

#[test]
fn the_kernel_declines_what_it_does_not_pay_for_or_apply_to() {
    let runs = |num_rows, num_outputs, device: &Device| {
        let input: Tensor<2> = numbers([num_rows, 400], 3, device);
        small_batch_linear(&input, &linear(400, num_outputs, device)).is_some()
    };
    let device = Device::flex();
    assert!(runs(4, 400, &device));
    assert!(!runs(0, 400, &device));
    assert!(!runs(5, 400, &device));
    assert!(!runs(1, 100, &device));
    assert!(!runs(1, 400, &device.clone().autodiff()));
    let input: Tensor<2> = numbers([1, 400], 3, &device);
    let mut map = linear(400, 400, &device);
    assert!(small_batch_linear(&input.clone().cast(DType::F16), &map).is_none());
    map.bias = None;
    assert!(small_batch_linear(&input, &map).is_none());
}

/// A linear map with a bias.
fn linear(d_input: usize, d_output: usize, device: &Device) -> Linear {
    Linear {
        weight: Param::from_tensor(numbers([d_input, d_output], 1, device)),
        bias: Some(Param::from_tensor(numbers([d_output], 2, device))),
    }
}
