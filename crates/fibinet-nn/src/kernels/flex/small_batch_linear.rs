//! A linear map of the one to four batch rows of a scoring request.
//!
//! As in [`small_batch`](super::small_batch), each thread reads a part of the weight, once for all batch
//! rows. Flex's product reads it on one thread.
//!
//! # Cost
//!
//! - Bytes: the weight once, .64 MB for `[400, 400]`.
//! - Arithmetic: two operations per weight and batch row.
//! - Memory: one output array per task.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Flex, TensorMetadata};
use rayon::prelude::*;

use super::operands::tensor;
use super::output::Output;
use super::output::add_in_order;
use super::small_batch::add_products;
use crate::kernels::LINEAR_TASK_WEIGHTS;
use crate::kernels::ops::LinearOps;

impl LinearOps for Flex {
    fn small_batch_linear(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let [batch, num_inputs] = input.shape().dims();
        let [input, weight, bias] = [input, weight, bias].map(|tensor| tensor.to_contiguous());
        let bias = bias.storage();
        assert_eq!(
            weight.shape().dims(),
            [num_inputs, bias.len()],
            "expected the weight's shape to fit its input and bias"
        );
        let out = forward(input.storage(), weight.storage(), bias, batch);
        tensor(out, [batch, bias.len()])
    }
}

/// `x W + b`, `[B, H]`.
///
/// Each task has its own outputs, which are added in the order of the tasks. Sizes alone decide what a
/// task reads, so the sums do not depend on the number of threads.
fn forward(input: &[f32], weight: &[f32], bias: &[f32], batch: usize) -> Output {
    let (num_inputs, num_outputs) = (input.len() / batch, bias.len());
    let inputs_a_task = num_inputs.div_ceil(weight.len() / LINEAR_TASK_WEIGHTS);
    let part = |task: usize| {
        let inputs = task * inputs_a_task..num_inputs.min((task + 1) * inputs_a_task);
        let weight = &weight[inputs.start * num_outputs..];
        let rows = input.chunks_exact(num_inputs);
        let inputs: Vec<f32> = rows.flat_map(|row| &row[inputs.clone()]).copied().collect();
        let mut out = vec![0.0; batch * num_outputs];
        add_products(&inputs, weight, &mut out, batch);
        out
    };
    let tasks = 0..num_inputs.div_ceil(inputs_a_task);
    // For a caller outside the pool, the pool's threads are asleep, and waking one takes longer than the
    // tasks.
    let parts: Vec<Vec<f32>> = match rayon::current_thread_index() {
        Some(_) => tasks.into_par_iter().map(part).collect(),
        None => tasks.map(part).collect(),
    };
    let mut out = Output::new(batch * num_outputs);
    for row in out.chunks_exact_mut(num_outputs) {
        row.copy_from_slice(bias);
    }
    add_in_order(&mut out, parts.iter().map(Vec::as_slice));
    out
}
