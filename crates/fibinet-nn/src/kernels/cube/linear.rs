//! The linear map over pairs and raw numeric inputs, which are written side by side into the map's input.
//!
//! # Cost
//!
//! That of the pairs, and one matrix product forward. Backward the input is written again instead of being kept since
//! the forward pass, and there are two products; the pairs' gradient is read where the product wrote it.

use burn::backend::TensorMetadata;
#[cfg(feature = "autodiff")]
use burn::backend::ops::FloatTensorOps;
use burn_cubecl::CubeBackend;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::kernel::matmul::{MatmulStrategy, matmul};
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

#[cfg(feature = "autodiff")]
use super::gradient;
use super::operands::{Columns, DenseSide, address_type, cubes, empty_beside};
use super::pairs;
#[cfg(feature = "autodiff")]
use crate::kernels::ops::PairSides;
use crate::kernels::ops::Reader;

/// A linear map and the raw numeric inputs that it reads.
pub(super) struct DenseReader {
    /// `[S P K + N, H]`
    weight: CubeTensor,
    /// `[B, N]`, contiguous
    dense: Option<CubeTensor>,
}

impl DenseReader {
    /// # Panics
    ///
    /// If the map does not fit the sides.
    pub fn new(reader: Reader<CubeBackend>, sides: &[DenseSide]) -> Self {
        let (weight, dense) = match reader {
            Reader::Pairs { weight } => (weight, None),
            Reader::PairsAndDense { weight, dense } => (weight, Some(into_contiguous(dense))),
        };
        let reader = Self { weight, dense };
        let num_dense = reader.dense.as_ref().map_or(0, |dense| {
            let [num_rows, num_dense] = dense.shape().dims();
            assert_eq!(
                num_rows, sides[0].batch,
                "expected raw numeric inputs for each batch row"
            );
            num_dense
        });
        let [num_inputs, _] = reader.weight.shape().dims();
        assert_eq!(
            num_inputs,
            num_pair_columns(sides) + num_dense,
            "expected a weight row for each input"
        );
        reader
    }
}

/// `[B, H]`
pub(super) fn forward(sides: &[DenseSide], reader: DenseReader) -> CubeTensor {
    product(input(sides, &reader), reader.weight)
}

/// The gradients of the sides, of the weight and of the raw numeric inputs, given that of the output, `[B, H]`.
#[cfg(feature = "autodiff")]
pub(super) fn backward(
    sides: &[DenseSide],
    reader: DenseReader,
    gradient: CubeTensor,
) -> (PairSides<CubeBackend>, Reader<CubeBackend>) {
    let swapped = CubeBackend::float_swap_dims(input(sides, &reader), 0, 1);
    let weight = product(swapped, gradient.clone());
    let swapped = CubeBackend::float_swap_dims(reader.weight, 0, 1);
    let to_input = into_contiguous(product(gradient, swapped));
    let [batch, stride] = to_input.shape().dims();
    let offset = num_pair_columns(sides);
    let gradients = pairs::columns(sides, stride)
        .zip(sides)
        .map(|(columns, side)| gradient::backward(side, &to_input, columns));
    let gradients = PairSides::from_sides(gradients);
    let reader = match reader.dense {
        None => Reader::Pairs { weight },
        Some(_) => {
            let width = stride - offset;
            let dense = empty_beside(&to_input, [batch, width]);
            let from = (&to_input, Columns { stride, offset });
            copy_columns(from, (&dense, whole(width)), [batch, width]);
            Reader::PairsAndDense { weight, dense }
        }
    };
    (gradients, reader)
}

/// The input of the map, `[B, S P K + N]`.
fn input(sides: &[DenseSide], reader: &DenseReader) -> CubeTensor {
    let [stride, _] = reader.weight.shape().dims();
    let batch = sides[0].batch;
    let out = empty_beside(&sides[0].embeddings, [batch, stride]);
    for (columns, side) in pairs::columns(sides, stride).zip(sides) {
        pairs::write(side, &out, columns);
    }
    if let Some(dense) = &reader.dense {
        let offset = num_pair_columns(sides);
        let width = stride - offset;
        let to = (&out, Columns { stride, offset });
        copy_columns((dense, whole(width)), to, [batch, width]);
    }
    out
}

fn num_pair_columns(sides: &[DenseSide]) -> usize {
    sides.len() * sides[0].shape.num_columns()
}

/// All columns of an array of that many.
fn whole(width: usize) -> Columns {
    Columns {
        stride: width,
        offset: 0,
    }
}

fn product(left: CubeTensor, right: CubeTensor) -> CubeTensor {
    let dtype = left.dtype;
    matmul(left, right, None, MatmulStrategy::default(), dtype)
        .expect("a product of two f32 matrices whose shapes fit")
}

/// Copies columns of one array to columns of another, `[rows, width]`.
fn copy_columns(
    (from, from_columns): (&CubeTensor, Columns),
    (to, to_columns): (&CubeTensor, Columns),
    [num_rows, width]: [usize; 2],
) {
    let num_units = num_rows * width;
    let (count, dim) = cubes(to, num_units);
    copy::launch(
        &to.client,
        count,
        dim,
        address_type([from, to]),
        from.clone().into_buffer_arg(),
        to.clone().into_buffer_arg(),
        num_units,
        width,
        from_columns,
        to_columns,
    );
}

#[cube(launch, address_type = "dynamic")]
fn copy(
    from: &[f32],
    to: &mut [f32],
    num_units: usize,
    #[comptime] width: usize,
    #[comptime] from_columns: Columns,
    #[comptime] to_columns: Columns,
) {
    if ABSOLUTE_POS >= num_units {
        terminate!();
    }
    let (row, column) = (ABSOLUTE_POS / width, ABSOLUTE_POS % width);
    let from_index = row * comptime!(from_columns.stride) + comptime!(from_columns.offset) + column;
    let to_index = row * comptime!(to_columns.stride) + comptime!(to_columns.offset) + column;
    to[to_index] = from[from_index];
}
