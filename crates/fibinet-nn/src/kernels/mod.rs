//! Fused operations, one folder per backend.
//!
//! A kernel replaces a chain of tensor operations whose intermediate arrays, not its arithmetic, take
//! the time, or a product that the backend computes on one thread. The chain stays in the layer: it
//! runs on every backend without a kernel, autodiff and graph capture see it there, and the tests
//! compare the kernel with it. An entry point therefore returns `None` if no kernel applies or pays,
//! and the layer continues on its own.
//!
//! Kernels are imported by the layers and do not know them.
//!
//! | kernel | replaces | backends |
//! |---|---|---|
//! | [`pairs`] | the pairs of both sides and their concatenation | flex, f32 |
//! | [`pairs_linear`] | those and the linear map that reads them | flex, f32 |
//! | [`small_batch_linear`] | a linear map of one to four batch rows | flex, f32, without autodiff |

use burn::nn::Linear;
use burn::tensor::Tensor;

use crate::pairs::{BilinearKind, num_pairs};

#[cfg(all(feature = "flex", feature = "autodiff"))]
mod autodiff;
#[cfg(feature = "flex")]
mod flex;
#[cfg_attr(not(feature = "flex"), path = "no_ops.rs")]
mod ops;

/// Batch rows whose pairs exist at once in the backward pass.
const BACKWARD_ROWS: usize = 2048;

/// Batch rows whose pairs one thread forms and multiplies together in a task.
const PANEL_ROWS: usize = 256;

/// Pair columns formed together, unless a single pair has more. It is the depth of gemm's own blocks
/// along the inner dimension of a product.
const TASK_COLUMNS: usize = 384;

/// The most batch rows for which the kernels of small batches pay: `cargo bench --bench scoring` measures it
/// at F = 39, K = 10, H = 400.
#[cfg(feature = "flex")]
const SMALL_BATCH_ROWS: usize = 4;

/// Weights per task of a linear map of a small batch. The pool's threads that are awake already take one
/// without delay.
#[cfg(feature = "flex")]
const LINEAR_TASK_WEIGHTS: usize = 1 << 15;

/// Backward tasks kept in flight at once, raised to a multiple of the number of threads.
const BACKWARD_TASKS: usize = 4;

/// The most bytes of pairs that exist at once in [`pairs_linear`], forward and backward, if the batch
/// is not small. With field_interaction each pair also stores its left vector.
pub(crate) fn bytes_at_once(
    kind: BilinearKind,
    [num_rows, num_fields, embedding_dim]: [usize; 3],
    num_threads: usize,
) -> [usize; 2] {
    let columns = 2 * num_pairs(num_fields) * embedding_dim;
    let arrays = match kind {
        BilinearKind::FieldInteraction => 2,
        BilinearKind::FieldAll | BilinearKind::FieldEach => 1,
    };
    let num_threads = num_threads.max(1);
    let width = columns.min(TASK_COLUMNS.max(embedding_dim));
    let forward = (num_threads * width * num_rows.min(PANEL_ROWS)).min(columns * num_rows);
    let num_tasks = BACKWARD_TASKS.next_multiple_of(num_threads);
    let backward = columns.min(num_tasks * width) * num_rows.min(BACKWARD_ROWS);
    [forward, backward].map(|numbers| arrays * numbers * size_of::<f32>())
}

/// One side of the pairs: the vectors it crosses, and the matrices it crosses them through.
#[derive(Debug, Clone)]
#[cfg_attr(
    not(feature = "flex"),
    expect(dead_code, reason = "no kernel reads it")
)]
pub(crate) struct Side {
    /// `[B, F, K]`
    pub embeddings: Tensor<3>,
    /// `[1 | F | F - 1 | P, K, K]`. `None` is the Hadamard product.
    pub matrices: Option<(BilinearKind, Tensor<3>)>,
}

/// The pairs of both sides, the second side's after the first's.
///
/// # Shapes
///
/// - sides: the same `B`, `F` and `K` in both
/// - output: `[B, 2 P K]`, `None` if no kernel applies
pub(crate) fn pairs(sides: &[Side; 2]) -> Option<Tensor<2>> {
    ops::pairs(sides)
}

/// `[p; q; dense] W`: a linear map without a bias over the pairs of both sides and raw numeric
/// inputs, computed without an array of pairs.
///
/// # Shapes
///
/// - sides: as in [`pairs`]
/// - dense: `[B, N]`
/// - weight: `[2 P K + N, H]`
/// - output: `[B, H]`, `None` if no kernel applies
pub(crate) fn pairs_linear(
    sides: &[Side; 2],
    dense: Option<&Tensor<2>>,
    weight: &Tensor<2>,
) -> Option<Tensor<2>> {
    ops::pairs_linear(sides, dense, weight)
}

/// `x W + b` of a small batch, each thread reading a part of the weight.
///
/// # Shapes
///
/// - input: `[B, n]`
/// - output: `[B, H]`, `None` if no kernel applies, the batch is not small, the weight is too small, or
///   there is no bias
pub(crate) fn small_batch_linear(input: &Tensor<2>, map: &Linear) -> Option<Tensor<2>> {
    ops::small_batch_linear(input, &map.weight.val(), &map.bias.as_ref()?.val())
}

#[cfg(test)]
mod memory {
    use super::*;

    #[test]
    fn each_thread_adds_its_share_of_pairs_until_all_exist_at_once() {
        let forward = |num_rows, num_threads| {
            bytes_at_once(BilinearKind::FieldAll, [num_rows, 39, 10], num_threads)[0]
        };
        assert_eq!(forward(257, 2), 2 * 256 * 384 * 4);
        assert_eq!(forward(2048, 16), 16 * 256 * 384 * 4);
        assert_eq!(forward(5, 8), 8 * 5 * 384 * 4);
        assert_eq!(forward(5, 99), 5 * 14_820 * 4);
    }
}
