//! Sizes beyond what an adapter takes at once. The tests of the layers compare the kernels with tensor operations.

use burn::backend::ops::{FloatTensorOps, IntTensorOps};
use burn::backend::{DispatchDevice, TensorMetadata};
use burn::tensor::TensorData;
use burn_cubecl::CubeBackend;
use burn_cubecl::ops::into_data_sync;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::CubeCount;

use super::linear::{self, DenseReader};
use super::operands::{DenseSide, cubes, dense_sides};
use super::table_rows;
use crate::kernels::ops::{Matrices, PairSide, PairSides, Reader};
use crate::pairs::num_pairs;

/// The software adapter, or `None` and a line that says so.
fn software_adapter() -> Option<cubecl::Device> {
    let mut devices = fibinet_testing::test_devices().into_iter();
    let (_, device) = devices.find(|(name, _)| *name == "wgpu")?;
    match device.inner().as_dispatch() {
        DispatchDevice::Cube(device) => Some(device.clone()),
        _ => unreachable!("wgpu is a backend of CubeCL"),
    }
}

/// Numbers in [-1, 1].
fn numbers<const D: usize>(shape: [usize; D], seed: f32, device: &cubecl::Device) -> CubeTensor {
    let numbers = (0..shape.iter().product()).map(|i: usize| (i as f32 + seed).sin());
    CubeBackend::float_from_data(TensorData::new(numbers.collect(), shape), device)
}

fn values(tensor: &CubeTensor) -> Vec<f32> {
    into_data_sync(tensor.clone()).try_to_vec().expect("f32")
}

#[track_caller]
fn assert_close(result: &CubeTensor, expected: &CubeTensor) {
    assert_eq!(result.shape(), expected.shape());
    for (value, expected) in values(result).into_iter().zip(values(expected)) {
        let error = (value - expected).abs();
        assert!(
            error <= 1e-5 * expected.abs().max(1.0),
            "{value}, expected {expected}"
        );
    }
}

const BATCH: usize = 6;
const NUM_DENSE: usize = 2;

/// Two sides, the first with matrices, and a linear map over their pairs and raw numeric inputs.
fn map_over_pairs(
    [num_fields, dim]: [usize; 2],
    device: &cubecl::Device,
) -> (Vec<DenseSide>, DenseReader) {
    let side = |seed, matrices| PairSide {
        embeddings: numbers([BATCH, num_fields, dim], seed, device),
        matrices,
    };
    let matrices = numbers([num_fields - 1, dim, dim], 3.0, device);
    let sides = dense_sides(PairSides::Two {
        first: side(1.0, Matrices::Each(matrices)),
        second: side(2.0, Matrices::None),
    });
    let num_inputs = 2 * num_pairs(num_fields) * dim + NUM_DENSE;
    let reader = Reader::PairsAndDense {
        weight: numbers([num_inputs, 5], 4.0, device),
        dense: numbers([BATCH, NUM_DENSE], 5.0, device),
    };
    let reader = DenseReader::new(reader, &sides);
    (sides, reader)
}

/// Half the rows start at 144 bytes in embeddings, which can be a view, and at 24 in raw numeric inputs, which cannot.
#[test]
fn the_map_behind_pairs_is_the_same_in_parts() {
    let Some(device) = software_adapter() else {
        return;
    };
    let (sides, reader) = map_over_pairs([3, 4], &device);
    let gradient = numbers([BATCH, 5], 6.0, &device);
    let results = |most_bytes| {
        let output = linear::forward(&sides, &reader, most_bytes);
        let gradients = linear::backward(&sides, &reader, &gradient, most_bytes);
        let (sides, reader) = gradients.into_parts();
        let (weight, dense) = reader.into_parts();
        let of_sides = sides.into_iter().flat_map(|side| {
            let embeddings = core::iter::once(side.embeddings);
            embeddings.chain(side.matrices)
        });
        let mut results = vec![output, weight];
        results.extend(dense);
        results.extend(of_sides);
        results
    };
    let whole = results(usize::MAX);
    assert_eq!(whole.len(), 6, "the second side has no matrices");
    let row_bytes = (2 * num_pairs(3) * 4 + NUM_DENSE) * size_of::<f32>();
    for (halves, whole) in results(3 * row_bytes).iter().zip(&whole) {
        assert_close(halves, whole);
    }
}

#[test]
fn more_cubes_than_one_dimension_holds_write_every_number() {
    let Some(device) = software_adapter() else {
        return;
    };
    let table = numbers([7, 10], 1.0, &device);
    let (_, dim) = cubes(&table, 1 << 22);
    let num_rows = (1 << 16) * dim.num_elems() as usize / 10 + 1;
    let (count, _) = cubes(&table, num_rows * 10);
    assert!(
        matches!(count, CubeCount::Static(_, y, z) if y * z > 1),
        "{count:?}"
    );
    let row = |index: usize| index * index % 7;
    let rows = (0..num_rows).map(|index| row(index) as i32).collect();
    let rows = CubeBackend::int_from_data(TensorData::new(rows, [num_rows]), &device);
    let read = values(&table_rows::forward(&table, &rows));
    let table = values(&table);
    for (index, read) in read.chunks(10).enumerate() {
        assert_eq!(read, &table[row(index) * 10..][..10], "row {index}");
    }
}
