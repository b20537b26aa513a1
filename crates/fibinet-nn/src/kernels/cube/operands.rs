use core::ops::Range;

use burn::backend::TensorMetadata;
use burn::tensor::{DType, Shape};
use burn_cubecl::CubeBackend;
use burn_cubecl::kernel::{into_contiguous, slice};
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;
use cubecl::calculate_cube_count_elemwise;
use cubecl::prelude::{AddressType, CubeCount, CubeDim};

#[cfg(feature = "autodiff")]
use super::gradient::SideGradient;
use crate::kernels::GPU_PAIR_BYTES;
#[cfg(feature = "autodiff")]
use crate::kernels::ops::Matrices;
use crate::kernels::ops::{PairSide, PairSides};
use crate::kernels::row_shape::RowShape;
use crate::pairs::BilinearKind;

/// One side as contiguous tensors.
pub(super) struct DenseSide {
    /// `[B, F, K]`
    pub embeddings: CubeTensor,
    /// `[1 | F | F - 1 | P, K, K]`
    pub matrices: Option<(BilinearKind, CubeTensor)>,
    pub batch: usize,
    pub shape: RowShape,
}

/// Where the pairs of one side are in an array of several columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Columns {
    /// The number of columns of the whole array.
    pub stride: usize,
    /// The side's first column.
    pub offset: usize,
}

impl DenseSide {
    fn new(side: PairSide<CubeBackend>) -> Self {
        let matrices = side.matrices.into_parts();
        let (shape, batch) = sizes(&side.embeddings);
        Self {
            embeddings: into_contiguous(side.embeddings),
            matrices: matrices.map(|(kind, tensor)| (kind, into_contiguous(tensor))),
            batch,
            shape,
        }
    }

    /// The number of elements of the embeddings, `B F K`.
    pub fn len(&self) -> usize {
        self.batch * self.shape.len()
    }

    /// Some of its batch rows.
    pub fn rows(&self, rows: &Range<usize>) -> Self {
        Self {
            embeddings: rows_of(&self.embeddings, rows),
            matrices: self.matrices.clone(),
            batch: rows.len(),
            shape: self.shape,
        }
    }

    #[cfg(feature = "autodiff")]
    fn gradients(&self, gradient: SideGradient) -> PairSide<CubeBackend> {
        let kind = self.matrices.as_ref().map(|(kind, _)| *kind);
        PairSide {
            embeddings: gradient.embeddings,
            matrices: Matrices::from_parts(kind.zip(gradient.matrices)),
        }
    }
}

/// The sides in the order of their columns.
pub(super) fn dense_sides(sides: PairSides<CubeBackend>) -> Vec<DenseSide> {
    sides.into_sides().into_iter().map(DenseSide::new).collect()
}

/// The gradients of the sides in the sides' own form.
#[cfg(feature = "autodiff")]
pub(super) fn side_gradients(
    sides: &[DenseSide],
    gradients: impl IntoIterator<Item = SideGradient>,
) -> PairSides<CubeBackend> {
    let gradients = sides.iter().zip(gradients);
    PairSides::from_sides(gradients.map(|(side, gradient)| side.gradients(gradient)))
}

/// Some of the first dimension's rows, contiguous unless all of them are asked for.
pub(super) fn rows_of(tensor: &CubeTensor, rows: &Range<usize>) -> CubeTensor {
    if rows.len() == tensor.shape()[0] {
        return tensor.clone();
    }
    into_contiguous(slice(tensor.clone(), core::slice::from_ref(rows)))
}

/// The sizes of `[B, F, K]`: those of a batch row, and the number of rows.
pub(super) fn sizes(embeddings: &CubeTensor) -> (RowShape, usize) {
    let [batch, num_fields, embedding_dim] = embeddings.shape().dims();
    let shape = RowShape {
        num_fields,
        embedding_dim,
    };
    (shape, batch)
}

/// A contiguous f32 tensor on the device of another, its values still to be written.
pub(super) fn empty_beside<const D: usize>(other: &CubeTensor, shape: [usize; D]) -> CubeTensor {
    empty_device_contiguous_dtype(
        other.client.clone(),
        other.device.clone(),
        Shape::from(shape),
        DType::F32,
    )
}

/// [`empty_beside`] a tensor in its shape.
pub(super) fn empty_like(other: &CubeTensor) -> CubeTensor {
    let (client, device) = (other.client.clone(), other.device.clone());
    empty_device_contiguous_dtype(client, device, other.shape(), DType::F32)
}

/// The most bytes of an array of pairs on a tensor's device: those of one buffer, and at most [`GPU_PAIR_BYTES`].
pub(super) fn most_pair_bytes(tensor: &CubeTensor) -> usize {
    let buffer = tensor.client.properties().memory.max_page_size;
    usize::try_from(buffer).map_or(GPU_PAIR_BYTES, |buffer| buffer.min(GPU_PAIR_BYTES))
}

/// Cubes for at least `num_units` units. Their number is split over several dimensions if one dimension holds
/// fewer.
pub(super) fn cubes(tensor: &CubeTensor, num_units: usize) -> (CubeCount, CubeDim) {
    let dim = CubeDim::new(&tensor.client, num_units);
    let count = calculate_cube_count_elemwise(&tensor.client, num_units, dim);
    (count, dim)
}

/// The type that indexes all of some tensors.
pub(super) fn address_type<const N: usize>(tensors: [&CubeTensor; N]) -> AddressType {
    let types = tensors.map(CubeTensor::required_address_type);
    types.into_iter().max().unwrap_or_default()
}
