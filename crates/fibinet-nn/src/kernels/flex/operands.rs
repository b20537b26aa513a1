use burn::backend::flex::{FlexTensor, Layout};
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::{DType, Shape};

#[cfg(feature = "autodiff")]
use super::gradient::Gradients;
use super::linear_map::LinearMap;
use super::output::Output;
use super::row_shape::RowShape;
use super::side::PreparedSide;
use super::small_batch::SideSlices;
#[cfg(feature = "autodiff")]
use crate::kernels::ops::Matrices;
use crate::kernels::ops::{PairSide, PairSides, Reader};
use crate::pairs::BilinearKind;

pub(super) fn tensor<const D: usize>(values: Output, shape: [usize; D]) -> FlexTensor {
    let layout = Layout::contiguous(Shape::from(shape));
    FlexTensor::new(values.into(), layout, DType::F32)
}

#[cfg(feature = "autodiff")]
pub(super) fn shaped_like(other: &FlexTensor, values: Output) -> FlexTensor {
    let layout = Layout::contiguous(other.shape());
    FlexTensor::new(values.into(), layout, DType::F32)
}

/// The sizes of `[B, F, K]`: those of a batch row, and the number of rows.
pub(super) fn sizes(embeddings: &FlexTensor) -> (RowShape, usize) {
    let [batch, num_fields, embedding_dim] = embeddings.shape().dims();
    let shape = RowShape {
        num_fields,
        embedding_dim,
    };
    (shape, batch)
}

/// One side as contiguous tensors.
struct DenseSide {
    embeddings: FlexTensor,
    matrices: Option<(BilinearKind, FlexTensor)>,
}

/// All sides as contiguous tensors.
pub(super) struct DenseSides {
    sides: Vec<DenseSide>,
    pub batch: usize,
    pub shape: RowShape,
}

impl DenseSide {
    fn new(side: PairSide<Flex>) -> Self {
        let matrices = side.matrices.into_parts();
        Self {
            embeddings: side.embeddings.to_contiguous(),
            matrices: matrices.map(|(kind, tensor)| (kind, tensor.to_contiguous())),
        }
    }

    fn slices(&self) -> SideSlices<'_> {
        let matrices = self.matrices.as_ref().map(|(kind, m)| (*kind, m.storage()));
        (self.embeddings.storage(), matrices)
    }

    #[cfg(feature = "autodiff")]
    fn gradients(&self, gradients: Gradients) -> PairSide<Flex> {
        let matrices = self.matrices.as_ref().zip(gradients.matrices);
        let matrices =
            matrices.map(|((kind, matrices), values)| (*kind, shaped_like(matrices, values)));
        PairSide {
            embeddings: shaped_like(&self.embeddings, gradients.embeddings),
            matrices: Matrices::from_parts(matrices),
        }
    }
}

impl DenseSides {
    pub fn new(sides: PairSides<Flex>) -> Self {
        let sides = sides.into_sides().into_iter().map(DenseSide::new);
        let sides: Vec<_> = sides.collect();
        let (shape, batch) = sizes(&sides[0].embeddings);
        Self {
            sides,
            batch,
            shape,
        }
    }

    /// The number of pair columns of all sides, `S P K`.
    pub fn num_columns(&self) -> usize {
        self.sides.len() * self.shape.num_columns()
    }

    /// Whether a side is field_interaction.
    pub fn have_matrix_per_pair(&self) -> bool {
        let mut kinds = self.sides.iter().filter_map(|side| side.matrices.as_ref());
        kinds.any(|(kind, _)| *kind == BilinearKind::FieldInteraction)
    }

    pub fn slices(&self) -> Vec<SideSlices<'_>> {
        self.sides.iter().map(DenseSide::slices).collect()
    }

    pub fn prepared(&self) -> Vec<PreparedSide<'_>> {
        let sides = self.sides.iter().map(DenseSide::slices);
        sides
            .map(|(embeddings, matrices)| PreparedSide::new(self.shape, embeddings, matrices))
            .collect()
    }

    #[cfg(feature = "autodiff")]
    pub fn gradients(&self, gradients: Vec<Gradients>) -> PairSides<Flex> {
        let gradients = self.sides.iter().zip(gradients);
        PairSides::from_sides(gradients.map(|(side, gradients)| side.gradients(gradients)))
    }
}

/// A linear map and the raw numeric inputs that it reads, as contiguous tensors.
pub(super) struct DenseReader {
    pub weight: FlexTensor,
    pub dense: Option<FlexTensor>,
}

impl DenseReader {
    /// # Panics
    ///
    /// If the map does not fit the sides.
    pub fn new(reader: Reader<Flex>, sides: &DenseSides) -> Self {
        reader.assert_fits(sides.batch, sides.num_columns());
        let (weight, dense) = reader.into_parts();
        Self {
            weight: weight.to_contiguous(),
            dense: dense.map(|dense| dense.to_contiguous()),
        }
    }

    pub fn map(&self) -> LinearMap<'_> {
        let [_, num_outputs] = self.weight.shape().dims();
        LinearMap {
            weight: self.weight.storage(),
            num_outputs,
            dense: self.dense.as_ref().map(|dense| {
                let [_, num_dense] = dense.shape().dims();
                (dense.storage(), num_dense)
            }),
        }
    }

    #[cfg(feature = "autodiff")]
    pub fn gradients(&self, weight: Output, dense: Option<Output>) -> Reader<Flex> {
        let dense = self.dense.as_ref().zip(dense);
        let dense = dense.map(|(dense, values)| shaped_like(dense, values));
        Reader::from_parts(shaped_like(&self.weight, weight), dense)
    }
}
