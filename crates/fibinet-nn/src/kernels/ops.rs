//! The operations as backend extensions of Burn, and which tensors go to them.

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{
    Backend, Dispatch, DispatchDevice, ExtensionType, TensorMetadata, backend_extension,
};
use burn::tensor::{DType, Device, Int, Tensor};

#[cfg(feature = "cube")]
use super::specs;
use super::{LINEAR_TASK_WEIGHTS, SMALL_BATCH_ROWS, Side};
use crate::pairs::BilinearKind;

/// The matrices of one side, `[1 | F | F - 1 | P, K, K]`.
#[derive(ExtensionType, Debug, Clone)]
#[extension_type(fusion: cfg(feature = "cube"))]
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
#[extension_type(fusion: cfg(feature = "cube"))]
pub(crate) struct PairSide<B: Backend> {
    /// `[B, F, K]`
    pub embeddings: FloatTensor<B>,
    #[extension_type]
    pub matrices: Matrices<B>,
}

/// The sides in the order of the output.
#[derive(ExtensionType, Debug, Clone)]
#[extension_type(fusion: cfg(feature = "cube"))]
pub(crate) enum PairSides<B: Backend> {
    One {
        #[extension_type]
        only: PairSide<B>,
    },
    Two {
        #[extension_type]
        first: PairSide<B>,
        #[extension_type]
        second: PairSide<B>,
    },
}

impl<B: Backend> Matrices<B> {
    /// `None` is the Hadamard product.
    pub fn from_parts(parts: Option<(BilinearKind, FloatTensor<B>)>) -> Self {
        match parts {
            None => Self::None,
            Some((BilinearKind::FieldAll, tensor)) => Self::All(tensor),
            Some((BilinearKind::FieldEach, tensor)) => Self::Each(tensor),
            Some((BilinearKind::FieldInteraction, tensor)) => Self::Interaction(tensor),
        }
    }

    /// The inverse of [`from_parts`](Self::from_parts).
    pub fn into_parts(self) -> Option<(BilinearKind, FloatTensor<B>)> {
        match self {
            Self::None => None,
            Self::All(tensor) => Some((BilinearKind::FieldAll, tensor)),
            Self::Each(tensor) => Some((BilinearKind::FieldEach, tensor)),
            Self::Interaction(tensor) => Some((BilinearKind::FieldInteraction, tensor)),
        }
    }
}

impl<B: Backend> PairSides<B> {
    /// # Panics
    ///
    /// If there is no side. Sides after the second are ignored.
    #[cfg(feature = "autodiff")]
    pub fn from_sides(mut sides: impl Iterator<Item = PairSide<B>>) -> Self {
        match (sides.next(), sides.next()) {
            (Some(first), Some(second)) => Self::Two { first, second },
            (Some(only), None) => Self::One { only },
            (None, _) => unreachable!("there are one or two sides"),
        }
    }

    /// The sides in the order of the output.
    pub fn into_sides(self) -> Vec<PairSide<B>> {
        match self {
            Self::One { only } => vec![only],
            Self::Two { first, second } => vec![first, second],
        }
    }
}

/// The linear map that reads the pairs, and its other inputs. `S` is the number of sides.
#[derive(ExtensionType, Debug, Clone)]
#[extension_type(fusion: cfg(feature = "cube"))]
pub(crate) enum Reader<B: Backend> {
    /// `weight: [S P K, H]`
    Pairs { weight: FloatTensor<B> },
    /// `weight: [S P K + N, H]`, `dense: [B, N]`
    PairsAndDense {
        weight: FloatTensor<B>,
        dense: FloatTensor<B>,
    },
}

impl<B: Backend> Reader<B> {
    /// The gradients of the weight and of the raw numeric inputs, if there are any.
    #[cfg(feature = "autodiff")]
    pub fn from_parts(weight: FloatTensor<B>, dense: Option<FloatTensor<B>>) -> Self {
        match dense {
            None => Self::Pairs { weight },
            Some(dense) => Self::PairsAndDense { weight, dense },
        }
    }

    /// The inverse of [`from_parts`](Self::from_parts).
    pub fn into_parts(self) -> (FloatTensor<B>, Option<FloatTensor<B>>) {
        match self {
            Self::Pairs { weight } => (weight, None),
            Self::PairsAndDense { weight, dense } => (weight, Some(dense)),
        }
    }

    /// Checks that the map fits pairs of `num_columns` columns.
    ///
    /// # Panics
    ///
    /// If it does not.
    pub fn assert_fits(&self, batch: usize, num_columns: usize) {
        let (Self::Pairs { weight } | Self::PairsAndDense { weight, .. }) = self;
        let num_dense = match self {
            Self::Pairs { .. } => 0,
            Self::PairsAndDense { dense, .. } => {
                let [num_rows, num_dense] = dense.shape().dims();
                let rule = "expected raw numeric inputs for each batch row";
                assert_eq!(num_rows, batch, "{rule}");
                num_dense
            }
        };
        let [num_inputs, _] = weight.shape().dims();
        let rule = "expected a weight row for each input";
        assert_eq!(num_inputs, num_columns + num_dense, "{rule}");
    }
}

/// Implemented by each backend with kernels of pairs.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    Cube: cfg(feature = "cube"),
    Fusion: cfg(feature = "cube"),
    Autodiff: cfg(feature = "autodiff")
)]
pub(crate) trait PairOps: Backend {
    /// `p` or `[p; q]`, `[B, S P K]`.
    #[fusion(meta = PairSidesMetadata::pairs)]
    fn pairs(#[extension_type] sides: PairSides<Self>) -> FloatTensor<Self>;

    /// `[p; dense] W` or `[p; q; dense] W`, `[B, H]`.
    #[fusion(meta = PairSidesMetadata::mapped)]
    fn pairs_linear(
        #[extension_type] sides: PairSides<Self>,
        #[extension_type] reader: Reader<Self>,
    ) -> FloatTensor<Self>;

    /// `v_i · v_j` of `[B, F, K]`, `[B, P]`.
    #[fusion(meta = specs::inner_products)]
    fn inner_products(embeddings: FloatTensor<Self>) -> FloatTensor<Self>;
}

/// Implemented by each backend with a kernel that reads table rows.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    Cube: cfg(feature = "cube"),
    Fusion: cfg(feature = "cube"),
    Autodiff: cfg(feature = "autodiff")
)]
pub(crate) trait TableOps: Backend {
    /// The rows of `[V, K]` that are named, `[n, K]`.
    #[fusion(meta = specs::table_rows)]
    fn table_rows(table: FloatTensor<Self>, rows: IntTensor<Self>) -> FloatTensor<Self>;
}

/// Implemented by each backend with a kernel for [`small_batch_linear`], which has no backward pass.
#[backend_extension(Flex: cfg(feature = "flex"))]
pub(crate) trait LinearOps: Backend {
    /// `x W + b`, `[B, H]`.
    fn small_batch_linear(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
}

/// The backward passes of [`PairOps`], which take the gradient of the output. They return the gradients of the
/// inputs in the inputs' own form.
#[cfg(feature = "autodiff")]
#[backend_extension(
    Flex: cfg(feature = "flex"),
    Cube: cfg(feature = "cube"),
    Fusion: cfg(feature = "cube")
)]
pub(crate) trait PairGradients: PairOps {
    /// The backward pass of [`PairOps::pairs`].
    #[fusion(meta = |sides, _gradient| sides.clone())]
    fn pairs_backward(
        #[extension_type] sides: PairSides<Self>,
        gradient: FloatTensor<Self>,
    ) -> PairSides<Self>;

    /// The backward pass of [`PairOps::pairs_linear`].
    #[fusion(meta = |sides, reader, _gradient| (sides.clone(), reader.clone()))]
    fn pairs_linear_backward(
        #[extension_type] sides: PairSides<Self>,
        #[extension_type] reader: Reader<Self>,
        gradient: FloatTensor<Self>,
    ) -> (PairSides<Self>, Reader<Self>);

    /// The backward pass of [`PairOps::inner_products`].
    #[fusion(meta = |embeddings, _gradient| embeddings.clone())]
    fn inner_products_backward(
        embeddings: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
}

/// The backward pass of [`TableOps`].
#[cfg(feature = "autodiff")]
#[backend_extension(
    Flex: cfg(feature = "flex"),
    Cube: cfg(feature = "cube"),
    Fusion: cfg(feature = "cube")
)]
pub(crate) trait TableGradients: TableOps {
    /// The gradient of a table of `num_rows` rows.
    #[fusion(meta = specs::table_rows_backward)]
    fn table_rows_backward(
        num_rows: usize,
        rows: IntTensor<Self>,
        gradient: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
}

/// See [`super::has_kernels`].
pub(crate) fn has_kernels(device: &Device, dtype: DType) -> bool {
    let differentiable = !device.is_autodiff() || cfg!(feature = "autodiff");
    differentiable && (is_flex(device) || is_gpu(device)) && dtype == DType::F32
}

/// Whether a device is flex, if its kernels are compiled in.
#[cfg(feature = "flex")]
pub(crate) fn is_flex(device: &Device) -> bool {
    let device = device.clone().inner();
    matches!(device.as_dispatch(), DispatchDevice::Flex(_))
}

#[cfg(not(feature = "flex"))]
pub(crate) fn is_flex(_: &Device) -> bool {
    false
}

/// Whether a device is one of a GPU backend, if their kernels are compiled in.
#[cfg(feature = "cube")]
pub(crate) fn is_gpu(device: &Device) -> bool {
    let device = device.clone().inner();
    matches!(device.as_dispatch(), DispatchDevice::Cube(_))
}

#[cfg(not(feature = "cube"))]
pub(crate) fn is_gpu(_: &Device) -> bool {
    false
}

/// The primitive of a tensor, if kernels take it. They take no empty one.
fn primitive<const D: usize>(tensor: &Tensor<D>) -> Option<FloatTensor<Dispatch>> {
    let is_empty = tensor.dims().contains(&0);
    let takes = !is_empty && has_kernels(&tensor.device(), tensor.dtype());
    takes.then(|| tensor.clone().into_dispatch())
}

#[cfg(test)]
thread_local! {
    /// The number of kernels that this thread has run, forward passes only.
    pub(crate) static KERNELS_RUN: core::cell::Cell<usize> = const { core::cell::Cell::new(0) };
}

/// The tensor of a kernel's output. Tests count it.
fn output<const D: usize>(primitive: FloatTensor<Dispatch>) -> Tensor<D> {
    #[cfg(test)]
    KERNELS_RUN.set(KERNELS_RUN.get() + 1);
    Tensor::from_dispatch(primitive)
}

/// See [`super::pairs`]. `None` if no kernel applies.
pub(crate) fn pairs(sides: &[Side]) -> Option<Tensor<2>> {
    let sides = pair_sides(sides)?;
    Some(output(Dispatch::pairs(sides)))
}

/// See [`super::pairs_linear`]. `None` if no kernel applies.
pub(crate) fn pairs_linear(
    sides: &[Side],
    dense: Option<&Tensor<2>>,
    weight: &Tensor<2>,
) -> Option<Tensor<2>> {
    let sides = pair_sides(sides)?;
    let weight = primitive(weight)?;
    let reader = match dense {
        None => Reader::Pairs { weight },
        Some(dense) => Reader::PairsAndDense {
            weight,
            dense: primitive(dense)?,
        },
    };
    Some(output(Dispatch::pairs_linear(sides, reader)))
}

/// See [`super::inner_products`]. `None` if no kernel applies.
pub(crate) fn inner_products(embeddings: &Tensor<3>) -> Option<Tensor<2>> {
    let embeddings = primitive(embeddings)?;
    Some(output(Dispatch::inner_products(embeddings)))
}

/// See [`super::table_rows`]. `None` if no kernel applies.
pub(crate) fn table_rows(table: &Tensor<2>, rows: &Tensor<1, Int>) -> Option<Tensor<2>> {
    let table = primitive(table)?;
    matches!(rows.dtype(), DType::I32 | DType::I64).then_some(())?;
    let rows = rows.clone().into_dispatch();
    Some(output(Dispatch::table_rows(table, rows)))
}

/// See [`super::small_batch_linear`].
pub(crate) fn small_batch_linear(
    input: &Tensor<2>,
    weight: &Tensor<2>,
    bias: &Tensor<1>,
) -> Option<Tensor<2>> {
    let device = input.device();
    let applies = is_flex(&device) && !device.is_autodiff();
    if !applies || !small_batch_linear_pays(input.dims()[0], weight.dims()) {
        return None;
    }
    Some(output(Dispatch::small_batch_linear(
        primitive(input)?,
        primitive(weight)?,
        primitive(bias)?,
    )))
}

/// The primitives of one or two sides, if kernels take them.
fn pair_sides(sides: &[Side]) -> Option<PairSides<Dispatch>> {
    let side = |side: &Side| {
        let matrices = match &side.matrices {
            None => None,
            Some((kind, matrices)) => Some((*kind, primitive(matrices)?)),
        };
        Some(PairSide {
            embeddings: primitive(&side.embeddings)?,
            matrices: Matrices::from_parts(matrices),
        })
    };
    match sides {
        [only] => Some(PairSides::One { only: side(only)? }),
        [first, second] => Some(PairSides::Two {
            first: side(first)?,
            second: side(second)?,
        }),
        _ => None,
    }
}

/// Whether the kernel pays for `[B, n]` times `[n, H]`: the batch is small, and there are at least two tasks.
fn small_batch_linear_pays(num_rows: usize, [num_inputs, num_outputs]: [usize; 2]) -> bool {
    (1..=SMALL_BATCH_ROWS).contains(&num_rows)
        && num_inputs * num_outputs >= 2 * LINEAR_TASK_WEIGHTS
}
