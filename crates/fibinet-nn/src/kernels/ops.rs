use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, DispatchDevice, ExtensionType, backend_extension};
use burn::tensor::{DType, Tensor};

use super::{LINEAR_TASK_WEIGHTS, SMALL_BATCH_ROWS, Side};
use crate::pairs::BilinearKind;

/// The matrices of one side, `[1 | F | F - 1 | P, K, K]`.
#[derive(ExtensionType, Debug, Clone)]
pub(crate) enum Matrices<B: Backend> {
    /// The Hadamard product.
    None,
    /// One matrix.
    All(FloatTensor<B>),
    /// `F` or `F - 1` matrices.
    Each(FloatTensor<B>),
    /// `P` matrices.
    Interaction(FloatTensor<B>),
}

/// One side of the pairs.
#[derive(ExtensionType, Debug, Clone)]
pub(crate) struct PairSide<B: Backend> {
    /// `[B, F, K]`
    pub embeddings: FloatTensor<B>,
    #[extension_type]
    pub matrices: Matrices<B>,
}

/// Both sides, in the order of the output.
#[derive(ExtensionType, Debug, Clone)]
pub(crate) struct PairSides<B: Backend> {
    #[extension_type]
    pub first: PairSide<B>,
    #[extension_type]
    pub second: PairSide<B>,
}

/// The linear map that reads the pairs, and its other inputs.
#[derive(ExtensionType, Debug, Clone)]
pub(crate) enum Reader<B: Backend> {
    /// `weight: [2 P K, H]`
    Pairs { weight: FloatTensor<B> },
    /// `weight: [2 P K + N, H]`, `dense: [B, N]`
    PairsAndDense {
        weight: FloatTensor<B>,
        dense: FloatTensor<B>,
    },
}

/// Implemented by each backend with kernels for [`pairs`] and [`pairs_linear`].
#[backend_extension(Flex, Autodiff: cfg(feature = "autodiff"))]
pub(crate) trait PairOps: Backend {
    /// `[p; q]`, `[B, 2 P K]`.
    fn pairs(#[extension_type] sides: PairSides<Self>) -> FloatTensor<Self>;

    /// `[p; q; dense] W`, `[B, H]`.
    fn pairs_linear(
        #[extension_type] sides: PairSides<Self>,
        #[extension_type] reader: Reader<Self>,
    ) -> FloatTensor<Self>;
}

/// Implemented by each backend with a kernel for [`small_batch_linear`], which has no backward pass.
#[backend_extension(Flex)]
pub(crate) trait LinearOps: Backend {
    /// `x W + b`, `[B, H]`.
    fn small_batch_linear(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
}

/// The gradients of one side.
#[cfg(feature = "autodiff")]
pub(crate) struct SideGradients<B: Backend> {
    pub embeddings: FloatTensor<B>,
    pub matrices: Option<FloatTensor<B>>,
}

/// The gradients of a linear map that reads pairs.
#[cfg(feature = "autodiff")]
pub(crate) struct ReaderGradients<B: Backend> {
    pub weight: FloatTensor<B>,
    pub dense: Option<FloatTensor<B>>,
}

/// The backward passes of [`PairOps`], which take the gradient of the output.
#[cfg(feature = "autodiff")]
pub(crate) trait PairGradients: PairOps {
    /// The backward pass of [`PairOps::pairs`].
    fn pairs_backward(
        sides: PairSides<Self>,
        gradient: FloatTensor<Self>,
    ) -> [SideGradients<Self>; 2];

    /// The backward pass of [`PairOps::pairs_linear`].
    fn pairs_linear_backward(
        sides: PairSides<Self>,
        reader: Reader<Self>,
        gradient: FloatTensor<Self>,
    ) -> ([SideGradients<Self>; 2], ReaderGradients<Self>);
}

/// See [`super::pairs`].
pub(super) fn pairs(sides: &[Side; 2]) -> Option<Tensor<2>> {
    let num_rows = sides[0].embeddings.dims()[0];
    let copies_matrices = sides.iter().any(|side| {
        let kind = side.matrices.as_ref().map(|(kind, _)| *kind);
        kind == Some(BilinearKind::FieldInteraction) && !side.embeddings.device().is_autodiff()
    });
    if copies_matrices && num_rows < INTERACTION_ROWS {
        return None;
    }
    let sides = on_kernel_backend(sides)?;
    Some(Tensor::from_dispatch(Dispatch::pairs(sides)))
}

/// The least number of batch rows for which the kernel beats tensor operations on the pairs of
/// field_interaction alone: it first copies the matrices into another layout.
const INTERACTION_ROWS: usize = 4;

/// See [`super::pairs_linear`].
pub(super) fn pairs_linear(
    sides: &[Side; 2],
    dense: Option<&Tensor<2>>,
    weight: &Tensor<2>,
) -> Option<Tensor<2>> {
    let sides = on_kernel_backend(sides)?;
    if weight.dtype() != DType::F32 || dense.is_some_and(|dense| dense.dtype() != DType::F32) {
        return None;
    }
    let weight = weight.clone().into_dispatch();
    let reader = match dense {
        None => Reader::Pairs { weight },
        Some(dense) => Reader::PairsAndDense {
            weight,
            dense: dense.clone().into_dispatch(),
        },
    };
    Some(Tensor::from_dispatch(Dispatch::pairs_linear(sides, reader)))
}

/// See [`super::small_batch_linear`].
pub(super) fn small_batch_linear(
    input: &Tensor<2>,
    weight: &Tensor<2>,
    bias: &Tensor<1>,
) -> Option<Tensor<2>> {
    let is_flex = matches!(input.device().as_dispatch(), DispatchDevice::Flex(_));
    let dtypes = [input.dtype(), weight.dtype(), bias.dtype()];
    let applies = is_flex
        && dtypes == [DType::F32; 3]
        && small_batch_linear_pays(input.dims()[0], weight.dims());
    applies.then(|| {
        Tensor::from_dispatch(Dispatch::small_batch_linear(
            input.clone().into_dispatch(),
            weight.clone().into_dispatch(),
            bias.clone().into_dispatch(),
        ))
    })
}

/// The primitives of both sides, if they are f32 tensors on flex.
///
/// With autodiff on in Burn but not in this crate, kernels have no backward pass, so tensors with
/// autodiff are refused then.
fn on_kernel_backend(sides: &[Side; 2]) -> Option<PairSides<Dispatch>> {
    let [first, second] = sides.each_ref().map(|side| {
        let device = side.embeddings.device();
        let is_autodiff = device.is_autodiff();
        let differentiable = !is_autodiff || cfg!(feature = "autodiff");
        let is_flex = matches!(device.inner().as_dispatch(), DispatchDevice::Flex(_));
        (differentiable && is_flex && side.embeddings.dtype() == DType::F32).then_some(())?;
        let embeddings = side.embeddings.clone().into_dispatch();
        let matrices = match &side.matrices {
            None => Matrices::None,
            Some((kind, matrices)) => {
                (matrices.dtype() == DType::F32).then_some(())?;
                let matrices = matrices.clone().into_dispatch();
                match kind {
                    BilinearKind::FieldAll => Matrices::All(matrices),
                    BilinearKind::FieldEach => Matrices::Each(matrices),
                    BilinearKind::FieldInteraction => Matrices::Interaction(matrices),
                }
            }
        };
        Some(PairSide {
            embeddings,
            matrices,
        })
    });
    Some(PairSides {
        first: first?,
        second: second?,
    })
}

/// Whether the kernel pays for `[B, n]` times `[n, H]`: the batch is small, and there are at least two tasks.
fn small_batch_linear_pays(num_rows: usize, [num_inputs, num_outputs]: [usize; 2]) -> bool {
    (1..=SMALL_BATCH_ROWS).contains(&num_rows)
        && num_inputs * num_outputs >= 2 * LINEAR_TASK_WEIGHTS
}
