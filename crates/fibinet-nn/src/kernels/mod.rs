//! Fused operations, one folder a backend.
//!
//! A kernel replaces a chain of tensor operations where the chain's arrays, not its arithmetic, cost
//! the time, or a product that the backend does on one thread. The chain stays, in the layer: it is what
//! every backend without a kernel runs, what autodiff and graph capture see there, and what the tests
//! compare the kernel with. So an entry point answers `None` where no kernel applies or pays, and the
//! layer goes on by itself.
//!
//! | kernel | instead of | backends |
//! |---|---|---|
//! | [`pairs`] | both sides' pairs and their concatenation | flex, f32 |
//! | [`pairs_linear`] | those and the linear map that reads them | flex, f32 |
//! | [`small_batch_linear`] | a linear map of one to four rows | flex, f32, without autodiff |

use burn::nn::Linear;
use burn::tensor::Tensor;

use crate::pairs::{BilinearKind, num_pairs};

#[cfg(all(feature = "flex", feature = "autodiff"))]
mod autodiff;
#[cfg(feature = "flex")]
mod flex;
#[cfg_attr(not(feature = "flex"), path = "no_ops.rs")]
mod ops;

/// Rows whose pairs exist at once in the backward pass.
const BACKWARD_ROWS: usize = 2048;

/// Rows whose pairs of a task are formed and multiplied together, by one thread.
const PANEL_ROWS: usize = 256;

/// Pair columns that are formed together, if one pair has no more: as deep as gemm's own blocks of the
/// products' inner dimension.
const TASK_COLUMNS: usize = 384;

/// Tasks of the backward pass whose columns exist at once, but for more than as many threads.
const BACKWARD_TASKS: usize = 4;

/// The most bytes of pairs, forward and backward, that exist at once where [`pairs_linear`] applies to
/// more rows than a few: with field_interaction each pair's left vector lies beside it.
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

/// One side of the pairs: what it crosses, and through which matrices.
#[derive(Debug, Clone)]
#[cfg_attr(
    not(feature = "flex"),
    expect(dead_code, reason = "no kernel reads it")
)]
pub(crate) struct Side {
    /// `[B, F, K]`
    pub embeddings: Tensor<3>,
    /// `[1 | F | F - 1 | P, K, K]`; none is the Hadamard product.
    pub matrices: Option<(BilinearKind, Tensor<3>)>,
}

/// The pairs of both sides, one after the other.
///
/// # Shapes
///
/// - sides: `F`, `K` and `B` the same in both
/// - output: `[B, 2 P K]`; none where no kernel applies
pub(crate) fn pairs(sides: &[Side; 2]) -> Option<Tensor<2>> {
    ops::pairs(sides)
}

/// `[p; q; dense] W`, the pairs of both sides and raw values through a linear map without a bias,
/// without an array of pairs.
///
/// # Shapes
///
/// - sides: as in [`pairs`]
/// - dense: `[B, N]`
/// - weight: `[2 P K + N, H]`
/// - output: `[B, H]`; none where no kernel applies
pub(crate) fn pairs_linear(
    sides: &[Side; 2],
    dense: Option<&Tensor<2>>,
    weight: &Tensor<2>,
) -> Option<Tensor<2>> {
    ops::pairs_linear(sides, dense, weight)
}

/// `x W + b` of a few rows, threads reading a part of the weight each.
///
/// # Shapes
///
/// - input: `[B, n]`
/// - output: `[B, H]`; none where no kernel applies, or where there are more rows than a few, too small a
///   weight or no bias
pub(crate) fn small_batch_linear(input: &Tensor<2>, map: &Linear) -> Option<Tensor<2>> {
    ops::small_batch_linear(input, &map.weight.val(), &map.bias.as_ref()?.val())
}

#[cfg(test)]
mod memory {
    use super::*;

    /// One thread more holds as much more, until that is every pair there is.
    #[test]
    fn pairs_at_once_are_those_of_the_threads() {
        let forward = |num_rows, num_threads| {
            bytes_at_once(BilinearKind::FieldAll, [num_rows, 39, 10], num_threads)[0]
        };
        assert_eq!(forward(257, 2), 2 * 256 * 384 * 4);
        assert_eq!(forward(2048, 16), 16 * 256 * 384 * 4);
        assert_eq!(forward(5, 8), 8 * 5 * 384 * 4);
        assert_eq!(forward(5, 99), 5 * 14_820 * 4);
    }
}
