//! The kernels of Burn's GPU backends (wgpu, Vulkan, Metal, CUDA) in CubeCL, for f32.
//!
//! Each output number is written by one unit, which sums in a fixed order. There are no atomics and no plane
//! operations, so the same input gives the same bits, and software adapters run the kernels too. Only the matrix
//! products behind the pairs are Burn's own. The numbers of fields and columns are constants of a compiled kernel, and
//! the number of batch rows is not.
//!
//! Kernels are launched with bounds checks.

mod crossed;
#[cfg(feature = "autodiff")]
mod gradient;
mod index;
mod inner;
mod launch;
mod linear;
#[cfg(feature = "autodiff")]
mod matrices;
mod operands;
mod pairs;
mod table_rows;
#[cfg(all(test, feature = "autodiff"))]
mod tests;

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn_cubecl::CubeBackend;
use burn_cubecl::kernel::into_contiguous;

#[cfg(feature = "autodiff")]
use self::gradient::SideGradient;
use self::linear::DenseReader;
#[cfg(feature = "autodiff")]
use self::operands::side_gradients;
use self::operands::{dense_sides, most_pair_bytes};
#[cfg(feature = "autodiff")]
use super::ops::{PairGradients, TableGradients};
use super::ops::{PairOps, PairSides, Reader, TableOps};

impl PairOps for CubeBackend {
    fn pairs(sides: PairSides<Self>) -> FloatTensor<Self> {
        pairs::forward(&dense_sides(sides))
    }

    fn pairs_linear(sides: PairSides<Self>, reader: Reader<Self>) -> FloatTensor<Self> {
        let sides = dense_sides(sides);
        let reader = DenseReader::new(reader, &sides);
        let most_bytes = most_pair_bytes(&sides[0].embeddings);
        linear::forward(&sides, &reader, most_bytes)
    }

    fn inner_products(embeddings: FloatTensor<Self>) -> FloatTensor<Self> {
        inner::forward(&into_contiguous(embeddings))
    }
}

#[cfg(feature = "autodiff")]
impl PairGradients for CubeBackend {
    fn pairs_backward(sides: PairSides<Self>, gradient: FloatTensor<Self>) -> PairSides<Self> {
        let (sides, to_pairs) = (dense_sides(sides), into_contiguous(gradient));
        let stride = sides.len() * sides[0].shape.num_columns();
        let gradients = pairs::columns(&sides, stride)
            .zip(&sides)
            .map(|(columns, side)| SideGradient::new(side, &to_pairs, columns));
        side_gradients(&sides, gradients)
    }

    fn pairs_linear_backward(
        sides: PairSides<Self>,
        reader: Reader<Self>,
        gradient: FloatTensor<Self>,
    ) -> (PairSides<Self>, Reader<Self>) {
        let sides = dense_sides(sides);
        let reader = DenseReader::new(reader, &sides);
        let most_bytes = most_pair_bytes(&sides[0].embeddings);
        let gradients = linear::backward(&sides, &reader, &gradient, most_bytes);
        let (gradients, reader) = gradients.into_parts();
        (side_gradients(&sides, gradients), reader)
    }

    fn inner_products_backward(
        embeddings: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        inner::backward(&into_contiguous(embeddings), &into_contiguous(gradient))
    }
}

impl TableOps for CubeBackend {
    fn table_rows(table: FloatTensor<Self>, rows: IntTensor<Self>) -> FloatTensor<Self> {
        table_rows::forward(&into_contiguous(table), &into_contiguous(rows))
    }
}

#[cfg(feature = "autodiff")]
impl TableGradients for CubeBackend {
    fn table_rows_backward(
        num_rows: usize,
        rows: IntTensor<Self>,
        gradient: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        table_rows::backward(num_rows, rows, &into_contiguous(gradient))
    }
}
