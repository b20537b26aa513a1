//! The linear map over pairs and raw numeric inputs, which are written side by side into the map's input.
//!
//! The input of many batch rows is made in parts, range by range of rows, none larger than a given number of bytes:
//! what one buffer of the adapter holds, and no more memory than a product needs to be fast.
//!
//! # Cost
//!
//! That of the pairs, and one matrix product forward. Backward the input is written again instead of being kept since
//! the forward pass, and there are two products; the pairs' gradient is read where the product wrote it. With several
//! ranges each one also reads and writes the sums of the gradients so far, and the output is copied once.

use core::ops::Range;

use burn::backend::TensorMetadata;
use burn::backend::ops::FloatTensorOps;
use burn_cubecl::CubeBackend;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::kernel::matmul::{MatmulStrategy, matmul};
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

#[cfg(feature = "autodiff")]
use super::gradient::{SideGradient, add_to};
use super::index::start_of;
use super::launch::launch;
#[cfg(feature = "autodiff")]
use super::operands::empty_like;
use super::operands::{Columns, DenseSide, empty_beside, rows_of};
use super::pairs;
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
        reader.assert_fits(sides[0].batch, num_pair_columns(sides));
        let (weight, dense) = reader.into_parts();
        Self {
            weight,
            dense: dense.map(into_contiguous),
        }
    }

    fn num_inputs(&self) -> usize {
        let [num_inputs, _] = self.weight.shape().dims();
        num_inputs
    }

    /// The map with the raw numeric inputs of some batch rows.
    fn rows(&self, rows: &Range<usize>) -> Self {
        Self {
            weight: self.weight.clone(),
            dense: self.dense.as_ref().map(|dense| rows_of(dense, rows)),
        }
    }
}

/// The gradients of the inputs of the map and of the pairs, which are written range by range of batch rows.
#[cfg(feature = "autodiff")]
pub(super) struct Gradients {
    sides: Vec<SideGradient>,
    /// The sum so far; `None` before the first range.
    weight: Option<CubeTensor>,
    dense: Option<CubeTensor>,
}

#[cfg(feature = "autodiff")]
impl Gradients {
    fn unwritten(sides: &[DenseSide], reader: &DenseReader) -> Self {
        Self {
            sides: sides.iter().map(SideGradient::unwritten).collect(),
            weight: None,
            dense: reader.dense.as_ref().map(empty_like),
        }
    }

    /// Writes the gradients of some batch rows, and adds them to the sums over rows.
    fn write_rows(
        &mut self,
        sides: &[DenseSide],
        reader: &DenseReader,
        gradient: &CubeTensor,
        rows: &Range<usize>,
    ) {
        let (sides, reader) = (sides_of(sides, rows), reader.rows(rows));
        let gradient = rows_of(gradient, rows);
        let swapped = CubeBackend::float_swap_dims(input(&sides, &reader), 0, 1);
        add_to(&mut self.weight, product(swapped, gradient.clone()));
        let swapped = CubeBackend::float_swap_dims(reader.weight, 0, 1);
        let to_input = into_contiguous(product(gradient, swapped));
        let [batch, stride] = to_input.shape().dims();
        let columns = pairs::columns(&sides, stride);
        for (to, (columns, side)) in self.sides.iter_mut().zip(columns.zip(&sides)) {
            to.write_rows(side, &to_input, columns, rows.start);
        }
        if let Some(dense) = &self.dense {
            let offset = num_pair_columns(&sides);
            let width = stride - offset;
            let from = (&to_input, Columns { stride, offset });
            copy_columns(from, (dense, whole(width)), [batch, width], rows.start);
        }
    }

    /// The gradients of the map and of the raw numeric inputs in the reader's form.
    pub fn into_parts(self) -> (Vec<SideGradient>, Reader<CubeBackend>) {
        let weight = self.weight.expect("at least one range of batch rows");
        (self.sides, Reader::from_parts(weight, self.dense))
    }
}

/// `[B, H]`, from inputs of the map of at most `most_bytes` each, or of one batch row.
pub(super) fn forward(sides: &[DenseSide], reader: &DenseReader, most_bytes: usize) -> CubeTensor {
    let ranges = ranges(sides[0].batch, reader.num_inputs(), most_bytes);
    let outputs = ranges.map(|rows| {
        let reader = reader.rows(&rows);
        product(input(&sides_of(sides, &rows), &reader), reader.weight)
    });
    let mut outputs: Vec<_> = outputs.collect();
    if outputs.len() == 1 {
        return outputs.swap_remove(0);
    }
    CubeBackend::float_cat(outputs, 0)
}

/// The gradients of the sides, of the weight and of the raw numeric inputs, given that of the output, `[B, H]`. The
/// arrays of pairs are as large as in [`forward`].
#[cfg(feature = "autodiff")]
pub(super) fn backward(
    sides: &[DenseSide],
    reader: &DenseReader,
    gradient: &CubeTensor,
    most_bytes: usize,
) -> Gradients {
    let mut gradients = Gradients::unwritten(sides, reader);
    for rows in ranges(sides[0].batch, reader.num_inputs(), most_bytes) {
        gradients.write_rows(sides, reader, gradient, &rows);
    }
    gradients
}

/// Ranges of batch rows, as even as possible, whose inputs of `num_inputs` numbers per row take at most `most_bytes`.
/// There is at least one range, and a range has at least one row unless there is none.
fn ranges(
    batch: usize,
    num_inputs: usize,
    most_bytes: usize,
) -> impl Iterator<Item = Range<usize>> {
    let most = (most_bytes / (num_inputs * size_of::<f32>()).max(1)).max(1);
    let rows = batch.div_ceil(batch.div_ceil(most).max(1)).max(1);
    let starts = (0..batch.max(1)).step_by(rows);
    starts.map(move |start| start..batch.min(start + rows))
}

fn sides_of(sides: &[DenseSide], rows: &Range<usize>) -> Vec<DenseSide> {
    sides.iter().map(|side| side.rows(rows)).collect()
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
        copy_columns((dense, whole(width)), to, [batch, width], 0);
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

/// Copies columns of one array, `[rows, width]`, to columns of another, from its row `first_row` on.
fn copy_columns(
    (from, from_columns): (&CubeTensor, Columns),
    (to, to_columns): (&CubeTensor, Columns),
    [num_rows, width]: [usize; 2],
    first_row: usize,
) {
    let num_units = num_rows * width;
    launch!(
        copy,
        num_units,
        [from, to],
        num_units,
        first_row,
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
    first_row: usize,
    #[comptime] width: usize,
    #[comptime] from_columns: Columns,
    #[comptime] to_columns: Columns,
) {
    if ABSOLUTE_POS >= num_units {
        terminate!();
    }
    let (row, column) = (ABSOLUTE_POS / width, ABSOLUTE_POS % width);
    let to_row = first_row + row;
    to[start_of(to_row, to_columns) + column] = from[start_of(row, from_columns) + column];
}

#[cfg(test)]
mod tests {
    use super::ranges;

    #[test]
    fn ranges_are_even_and_cover_the_batch() {
        let lengths = |batch, most_bytes| -> Vec<usize> {
            let mut end = 0;
            let ranges = ranges(batch, 10, most_bytes).map(|rows| {
                assert_eq!(rows.start, end);
                end = rows.end;
                rows.len()
            });
            let lengths = ranges.collect();
            assert_eq!(end, batch);
            lengths
        };
        assert_eq!(lengths(100, usize::MAX), [100]);
        assert_eq!(lengths(100, 100 * 40), [100]);
        assert_eq!(lengths(100, 100 * 40 - 1), [50, 50]);
        assert_eq!(lengths(5, 3 * 40), [3, 2]);
        assert_eq!(lengths(3, 39), [1, 1, 1]);
        assert_eq!(lengths(0, 40), [0]);
    }
}
