//! Kernels: operations whose time goes into intermediate arrays, not into arithmetic, written once for each backend.
//!
//! A pair product at F = 39, K = 10 makes 61 MB of pairs from 3 MB of embeddings for 2,048 batch rows. Composed
//! from tensor operations it makes three to five such arrays each way, mostly on one thread. On flex a kernel reads
//! its inputs once and writes its outputs once, on all threads.
//!
//! Layers call the functions of this module and nothing below it. Each function runs a kernel where one applies and
//! pays ([`has_kernels`], `ops.rs`), and otherwise its [`reference`], which is the same operation in plain tensor
//! operations: every backend, autodiff and graph capture run it, and the tests compare the kernels with it. Kernels
//! are imported by layers and do not know them.
//!
//! In shapes, `B` is the number of batch rows, `F` of fields, `K` of numbers in a field's vector, `P = F (F - 1) /
//! 2` of pairs (`crate::pairs`), `S` of sides, `N` of raw numeric inputs, `H` of a map's outputs and `V` of table
//! rows.
//!
//! | operation | layers | on flex, forward and backward, f32 | on GPUs, forward and backward, f32 | other backends, other types |
//! |---|---|---|---|---|
//! | [`pairs`] of one side or two | `BilinearInteraction`, `PairProduct` (Hadamard), `Combination` | `flex::pairs`; forward of up to four batch rows of field_interaction `flex::small_batch` | `cube::pairs`, `cube::gradient` | reference |
//! | [`pairs_linear`], the same and the linear map behind it | `forward_linear` of these, `FiBiNet` | `flex::linear` and `flex::batch_innermost`; forward of up to four batch rows `flex::small_batch` | `cube::linear`, with arrays of pairs of up to 256 MiB | reference |
//! | [`inner_products`] | `PairProduct` (inner) | `flex::inner` | `cube::inner` | reference |
//! | [`table_rows`] | `FeatureEmbedding`, `LinearLogit` | `flex::table_rows` | `cube::table_rows` | `Tensor::select` |
//! | [`small_batch_linear`] | `Dnn`, up to four batch rows | `flex::small_batch_linear`, without autodiff | the layer's own map | the layer's own map |
//!
//! # To add an operation
//!
//! Say, `pair_distances`: `‖v_i - v_j‖²` of every pair of fields, from `[B, F, K]` to `[B, P]`. Pairs are in the
//! order (0, 1), (0, 2), …, (F - 2, F - 1) of `crate::pairs::pair_indices`. [`inner_products`] is its twin, and
//! every step has an example there: search the crate for `inner_products` and `InnerProducts`. Its kernels are in
//! `flex/inner.rs` and `cube/inner.rs`, its tests in `layers/kernel_tests/inner_products.rs`. An operation with
//! outputs `[B, P K]` has their structure too. Only what it does per number is in `rows::Cross` and `fold::Fold` on
//! flex and in `cube/pairs.rs` and `plain` of `cube/gradient.rs`: the runs, tasks, strips and columns around that
//! serve two sides and the map behind them. A build has an `impl` of each trait for each of its backends, so steps
//! 3 and 4 compile only together with 5 (with flex) and 6 (with a GPU). Everything that only the backward pass
//! needs, `use` lines included, is marked `#[cfg(feature = "autodiff")]`.
//!
//! 1. **Entry point**, here, with its shapes: `pair_distances(embeddings: Tensor<3>, fields: [Tensor<1, Int>; 2])
//!    -> Tensor<2>`. It is `ops::pair_distances(&embeddings).unwrap_or_else(||
//!    reference::pair_distances(embeddings, fields))`. `fields` are the left and the right field of every pair,
//!    which the layer holds, and only the reference reads them. Without the layer that calls it, its docs and its
//!    tests, the entry point is dead code: they belong to the same change.
//! 2. **Reference**, in `reference.rs`: the operation in tensor operations. If the entry point calls this alone,
//!    everything works on every backend. Where an operation branches, kernels do as its tensor operations, backward
//!    too: Burn's `sign` is 0 for 0 and NaN, Rust's `signum` 1 and NaN. Burn multiplies by that 0, which differs
//!    from leaving a term out if the other factor is infinite.
//! 3. **Operation**, in `ops.rs`: a method of `PairOps`, with `FloatTensor<Self>` for each tensor, and a function
//!    that returns `None` unless `primitive` takes every float input. `primitive` takes only f32 tensors without a
//!    dimension of 0, on backends with kernels. Layers have at least two fields. So a kernel sees no empty input.
//!    `PairOps` is a *backend extension* of Burn: the macro `backend_extension` writes the `impl`s for `Dispatch`,
//!    which finds a tensor's backend, and for `Fusion`; those for `Autodiff`, `Flex` and `CubeBackend` are steps 4
//!    to 6. The function calls `Dispatch::pair_distances` on primitives and wraps the result by `output`. Tensors
//!    that belong together are a struct or an enum that derives `ExtensionType`, as `PairSide` does. Burn's GPU
//!    backends run operations later, together with their neighbours (*fusion*), but need the output's shape and
//!    type when one is called: `#[fusion(meta = …)]` names a function of `specs.rs` from a reference to each
//!    argument, `&TensorSpec` for a tensor, to the output's `TensorSpec`. `no_ops.rs` takes the place of `ops.rs`
//!    in builds with neither flex nor a GPU, and gets a function that returns `None`.
//! 4. **Backward pass**: a method `pair_distances_backward` of `PairGradients` (`trait PairGradients: PairOps`,
//!    which `Autodiff` does not implement) in `ops.rs`, from the inputs that it needs and the output's gradient to
//!    the inputs' gradients. The gradients have the inputs' shapes, so `meta` is a closure over all arguments that
//!    returns clones of the inputs' specs: `|embeddings, _gradient| embeddings.clone()`. In `autodiff.rs` an empty
//!    struct `PairDistances` is the node of Burn's graph. Its `impl Backward<B, N>`, for a `B: PairGradients`, has
//!    the inputs as its `N` parents, and as its `State` what the backward pass reads. It consumes the output's
//!    gradient and registers one (`register`) for each parent that is tracked. The `impl PairOps for Autodiff<B,
//!    C>` takes inputs apart into primitives and nodes, gives the nodes to `prepare` in the order of the parents,
//!    and the state to `finish`.
//! 5. **Kernel on flex**, in a file of `flex`, declared in its `mod.rs`: plain functions from `&[f32]` to `Output`,
//!    forward and backward. `flex/mod.rs` implements both traits for `Flex` by calling these with the `storage()`
//!    of `to_contiguous()` tensors and wrapping the result by `tensor`, a gradient by `shaped_like`. `sizes` gives
//!    the sizes of a batch row and the number of rows (all three in `flex/operands.rs`): a `RowShape { num_fields,
//!    embedding_dim }`, whose `len()` is `F K` and whose `num_columns()` is `P K`; `num_pairs(num_fields)` is `P`.
//!    Split the batch into chunks of `CHUNK` rows (`flex/side.rs`) with rayon, one slice of the output each. The
//!    innermost loop is a struct of what it reads and writes that implements `VectorLoop` (`flex/rows.rs`):
//!    `embedding_dim` and `run_with::<KC>`. Both, and every function that the loop over `k` calls, are
//!    `#[inline(always)]`, and the loop is not inside a closure. The method `run` starts it: `KC` is `K` for common
//!    values of `K`, and 0 for all others. Where `KC` is not 0, copy vectors into `[f32; KC]` by `vector` and back
//!    by `copy_from_slice`: a loop that reads and writes slices stays scalar. So does one that adds up over `k`
//!    into one number, because the compiler never reorders a sum of floats. It keeps several fields in a register
//!    instead and implements pulp's `WithSimd`, run by `Arch::new().dispatch`, with a test at every SIMD level
//!    beside it (`Products` in `flex/inner.rs`). Outputs are made by `Output::new` (`flex/output.rs`), whose
//!    numbers are NaN in tests: a kernel that adds to them sets each row to zero first. `Output::zeros` is for
//!    outputs that several tasks add to.
//! 6. **Kernel on GPUs**, in a file of `cube`, declared in its `mod.rs`, for wgpu, Vulkan, Metal and CUDA at once:
//!    a `#[cube(launch, address_type = "dynamic")]` function over `&[f32]` and `&mut [f32]`, and one that runs it
//!    by `launch!(kernel, num_units, [&input, &out], num_units, shape)`. The kernel's parameters are the tensors
//!    and then the arguments after them, in their order. The first `num_units` sizes the grid. The grid may be
//!    larger than that, so the kernel takes `num_units` as an argument too and begins with `if ABSOLUTE_POS >=
//!    num_units { terminate!(); }`. A unit is one number of the output, at `ABSOLUTE_POS`. (In `cube/pairs.rs` it
//!    is one column of several batch rows, so that it looks up the pair's fields once. The number of units is then
//!    rounded up, and a unit ends if its first row is not below `batch`.) `out` is from `empty_beside(&input,
//!    shape)`, or `empty_like(&input)` for a gradient. Sizes of a batch row (`RowShape`, from `sizes` of
//!    `cube/operands.rs`) are `#[comptime]`, and what is computed from them is `comptime!(…)`; what depends on the
//!    batch is a `usize`. `cube/index.rs` has `place(index, shape)`, a struct of `row`, `field` and `k` of an index
//!    in `[B, F, K]`, `fields(pair, num_fields)`, one of the `left` and the `right` field of a pair, and
//!    `pair_of(left, right, num_fields)`, where the left field is the smaller one. There are no atomics and no
//!    plane operations: a unit sums in a fixed order, and a sum over the batch is made of sums per chunk
//!    (`cube/matrices.rs`). A branch on a number is CubeCL's `select(condition, then, or_else)`, or `let mut` and
//!    `if`. `cube/mod.rs` implements both traits for `CubeBackend` on `into_contiguous` tensors. A method without a
//!    kernel may call that backend's own tensor operations.
//! 7. **Tests**, in a file of `layers/kernel_tests`, declared in its `mod.rs`, which has their `numbers`, `values`
//!    and devices. `assert_kernel_matches(shape, device)` compares values and gradients of
//!    `ran(ops::pair_distances(…))` with those of the reference on flex. `ran` panics if no kernel ran. If an
//!    operation branches, it does the same with numbers at the branch, say `(numbers(…) * 2.0).round()` before
//!    `require_grad`, of which many are equal. `shapes.rs` calls it for every shape on flex and for a few on GPUs,
//!    and `assert_tensor_ops_match`, the same for the entry point, on devices without kernels. Three more tests in
//!    the operation's own file assert that every `K` with a `VectorLoop` of its own works, and the same bits on any
//!    number of threads (`on_threads`) and in a second run on a GPU (`gpus`). So sums over the batch have a fixed
//!    order: chunk by chunk, whatever thread computed the chunk. Empty inputs and other types are in `dispatch.rs`,
//!    and so is the test that counts that layers run their kernels, which gets the new layer. The table above gets
//!    a row, the README's list of layers with kernels the layer, `benches/layers.rs` too (`Bench::layer`), and
//!    `benches/instructions` its kernels, whose counts `run.py --record` records.
//!
//! A backend of another kind is another `impl` of the operation beside these two, one more name in the
//! `backend_extension` list of its traits, a function beside `is_flex` and `is_gpu` for `ops::has_kernels`, and its
//! feature in the `cfg`s of this file. Autodiff and layers stay as they are.

use burn::nn::Linear;
use burn::tensor::{DType, Device, Int, Tensor};

use crate::pairs::{BilinearKind, num_pairs};

#[cfg(all(any(feature = "flex", feature = "cube"), feature = "autodiff"))]
mod autodiff;
#[cfg(feature = "cube")]
mod cube;
#[cfg(feature = "flex")]
mod flex;
#[cfg_attr(not(any(feature = "flex", feature = "cube")), path = "no_ops.rs")]
pub(crate) mod ops;
pub(crate) mod reference;
#[cfg(any(feature = "flex", feature = "cube"))]
mod row_shape;
#[cfg(feature = "cube")]
mod specs;

/// Batch rows whose pairs exist at once in the backward pass.
const BACKWARD_ROWS: usize = 2048;

/// Batch rows whose pairs one thread forms and multiplies together in a task.
const PANEL_ROWS: usize = 256;

/// Pair columns formed together, unless a single pair has more. It is the depth of gemm's own blocks
/// along the inner dimension of a product.
const TASK_COLUMNS: usize = 384;

/// The most batch rows for which the kernels of small batches pay: `cargo bench --bench scoring` measures it
/// at F = 39, K = 10, H = 400.
#[cfg(any(feature = "flex", feature = "cube"))]
const SMALL_BATCH_ROWS: usize = 4;

/// Weights per task of a linear map of a small batch. The pool's threads that are awake already take one
/// without delay.
#[cfg(any(feature = "flex", feature = "cube"))]
const LINEAR_TASK_WEIGHTS: usize = 1 << 15;

/// Backward tasks kept in flight at once, raised to a multiple of the number of threads.
const BACKWARD_TASKS: usize = 4;

/// The most bytes of an array of pairs that [`pairs_linear`] makes on a GPU. It is far more than keeps one busy in the
/// products that read it.
pub(crate) const GPU_PAIR_BYTES: usize = 256 << 20;

/// The most bytes of pairs that exist at once in [`pairs_linear`] on flex, forward and backward, if the batch
/// is not small. With field_interaction the backward pass also stores each pair's left vector.
pub(crate) fn bytes_at_once(
    kind: BilinearKind,
    [num_rows, num_fields, embedding_dim]: [usize; 3],
    num_threads: usize,
) -> [usize; 2] {
    let columns = 2 * num_pairs(num_fields) * embedding_dim;
    let backward_arrays = match kind {
        BilinearKind::FieldInteraction => 2,
        BilinearKind::FieldAll | BilinearKind::FieldEach => 1,
    };
    let num_threads = num_threads.max(1);
    let width = columns.min(TASK_COLUMNS.max(embedding_dim));
    let forward = (num_threads * width * num_rows.min(PANEL_ROWS)).min(columns * num_rows);
    let num_tasks = BACKWARD_TASKS.next_multiple_of(num_threads);
    let backward = columns.min(num_tasks * width) * num_rows.min(BACKWARD_ROWS);
    [forward, backward_arrays * backward].map(|numbers| numbers * size_of::<f32>())
}

/// The most bytes of pairs that exist at once in [`pairs_linear`] on a device, forward and backward, given those as one
/// array and those on flex.
pub(crate) fn bytes_on(device: &Device, array: usize, on_flex: [usize; 2]) -> [usize; 2] {
    if ops::is_flex(device) {
        return on_flex;
    }
    let at_once = if ops::is_gpu(device) {
        array.min(GPU_PAIR_BYTES)
    } else {
        array
    };
    [at_once, at_once.saturating_mul(2)]
}

/// One side of the pairs: the vectors it crosses, and the matrices it crosses them through.
#[derive(Debug, Clone)]
pub(crate) struct Side {
    /// `[B, F, K]`
    pub embeddings: Tensor<3>,
    /// `[1 | F | F - 1 | P, K, K]`. `None` is the Hadamard product.
    pub matrices: Option<(BilinearKind, Tensor<3>)>,
    /// The left and the right field of every pair, `[P]` each.
    pub fields: [Tensor<1, Int>; 2],
}

/// Whether layers run kernels on a device for numbers of a type.
///
/// Without autodiff in this crate (the feature `autodiff`) kernels have no backward pass, and take no tensors with
/// autodiff.
pub fn has_kernels(device: &Device, dtype: DType) -> bool {
    ops::has_kernels(device, dtype)
}

/// The pairs of one side, or of two, the second side's after the first's.
///
/// # Shapes
///
/// - sides: one or two (`S`), with the same `B`, `F` and `K`
/// - output: `[B, S P K]`
pub(crate) fn pairs(sides: &[Side]) -> Tensor<2> {
    ops::pairs(sides).unwrap_or_else(|| reference::pairs(sides))
}

/// `[p; dense] W + b` or `[p; q; dense] W + b`: a linear map over the pairs of one or two sides and raw numeric
/// inputs. On flex the kernel computes it without an array of pairs, and on a GPU no array of pairs is larger than a
/// buffer of the adapter.
///
/// # Shapes
///
/// - sides: as in [`pairs`]
/// - dense: `[B, N]`
/// - the map's weight: `[S P K + N, H]`
/// - output: `[B, H]`
pub(crate) fn pairs_linear(sides: &[Side], dense: Option<&Tensor<2>>, map: &Linear) -> Tensor<2> {
    let Some(mapped) = ops::pairs_linear(sides, dense, &map.weight.val()) else {
        return reference::pairs_linear(sides, dense, map);
    };
    match &map.bias {
        Some(bias) => mapped + bias.val().unsqueeze(),
        None => mapped,
    }
}

/// The inner product of every pair.
///
/// # Shapes
///
/// - embeddings: `[B, F, K]`
/// - fields: the left and the right field of every pair, `[P]` each
/// - output: `[B, P]`
pub(crate) fn inner_products(embeddings: Tensor<3>, fields: [Tensor<1, Int>; 2]) -> Tensor<2> {
    ops::inner_products(&embeddings)
        .unwrap_or_else(|| reference::inner_products(embeddings, fields))
}

/// The rows of a table that are named. Its gradient is dense.
///
/// # Shapes
///
/// - table: `[V, K]`
/// - rows: `[n]`, below `V`
/// - output: `[n, K]`
pub(crate) fn table_rows(table: Tensor<2>, rows: Tensor<1, Int>) -> Tensor<2> {
    ops::table_rows(&table, &rows).unwrap_or_else(|| table.select(0, rows))
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

    #[test]
    fn field_interaction_keeps_left_vectors_in_the_backward_pass_only() {
        let [forward, backward] = [0, 1].map(|pass| {
            [BilinearKind::FieldEach, BilinearKind::FieldInteraction]
                .map(|kind| bytes_at_once(kind, [2048, 39, 10], 2)[pass])
        });
        assert_eq!(forward[0], forward[1]);
        assert_eq!(2 * backward[0], backward[1]);
    }
}
