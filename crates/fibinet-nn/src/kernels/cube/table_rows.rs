//! Table rows by their number, and their dense gradient.
//!
//! # Cost
//!
//! - Forward: each named row is read and written once.
//! - Backward: the rows' numbers are read back and sorted on the host, which tells each unit the rows that it sums, in
//!   their order. The gradient of the table is zeroed, and the touched rows are written once more.

use burn::backend::TensorMetadata;
#[cfg(feature = "autodiff")]
use burn::backend::ops::IntTensorOps;
use burn::tensor::DType;
#[cfg(feature = "autodiff")]
use burn::tensor::{Shape, TensorData};
#[cfg(feature = "autodiff")]
use burn_cubecl::CubeBackend;
#[cfg(feature = "autodiff")]
use burn_cubecl::ops::{into_data_sync, numeric::zeros_client};
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::launch::launch;
use super::operands::empty_beside;

/// `[n, K]` of a contiguous table `[V, K]`. The rows' numbers, i32 or i64, are not checked.
pub(super) fn forward(table: &CubeTensor, rows: &CubeTensor) -> CubeTensor {
    match rows.dtype {
        DType::I32 => read::<i32>(table, rows),
        _ => read::<i64>(table, rows),
    }
}

fn read<I: Int>(table: &CubeTensor, rows: &CubeTensor) -> CubeTensor {
    let ([_, width], [num_rows]) = (table.shape().dims(), rows.shape().dims());
    let out = empty_beside(table, [num_rows, width]);
    let num_units = num_rows * width;
    launch!(
        gather::<I>,
        num_units,
        [table, rows, &out],
        num_units,
        width,
    );
    out
}

/// `out[n] = table[rows[n]]`
#[cube(launch, address_type = "dynamic")]
fn gather<I: Int>(
    table: &[f32],
    rows: &[I],
    out: &mut [f32],
    num_units: usize,
    #[comptime] width: usize,
) {
    if ABSOLUTE_POS >= num_units {
        terminate!();
    }
    let row = usize::cast_from(rows[ABSOLUTE_POS / width]);
    out[ABSOLUTE_POS] = table[row * width + ABSOLUTE_POS % width];
}

/// The gradient of the table, `[V, K]`, given that of the rows, `[n, K]`, contiguous.
///
/// # Panics
///
/// If a row is out of range, or there are 2^31 rows or more.
#[cfg(feature = "autodiff")]
pub(super) fn backward(num_rows: usize, rows: CubeTensor, gradient: &CubeTensor) -> CubeTensor {
    let [_, width] = gradient.shape().dims();
    let shape = Shape::from([num_rows, width]);
    let (client, device) = (gradient.client.clone(), gradient.device.clone());
    let out = zeros_client(client, device, shape, DType::F32);
    let Segments {
        touched,
        ends,
        order,
    } = Segments::new(num_rows, rows);
    let num_units = touched.len() * width;
    if num_units == 0 {
        return out;
    }
    let [touched, ends, order] = [touched, ends, order].map(|numbers| {
        let shape = [numbers.len()];
        CubeBackend::int_from_data(TensorData::new(numbers, shape), &gradient.device)
    });
    launch!(
        add_segments,
        num_units,
        [gradient, &touched, &ends, &order, &out],
        num_units,
        width,
    );
    out
}

/// Which rows of a gradient each table row sums.
#[cfg(feature = "autodiff")]
struct Segments {
    /// The table rows that are named, ascending.
    touched: Vec<i32>,
    /// Where the segment of each ends in `order`.
    ends: Vec<i32>,
    /// The indices of the rows, sorted by table row, in their order within a segment.
    order: Vec<i32>,
}

#[cfg(feature = "autodiff")]
impl Segments {
    fn new(num_rows: usize, rows: CubeTensor) -> Self {
        let rows: Vec<i64> = into_data_sync(rows).iter().collect();
        let most = num_rows.max(rows.len());
        assert!(
            i32::try_from(most).is_ok(),
            "expected at most 2^31 - 1 rows, got {most}"
        );
        for row in &rows {
            let in_range = usize::try_from(*row).is_ok_and(|row| row < num_rows);
            assert!(
                in_range,
                "table row {row} is out of range of the {num_rows} rows"
            );
        }
        let mut order: Vec<i32> = (0..rows.len() as i32).collect();
        order.sort_by_key(|index| rows[*index as usize]);
        let row_of = |index: &i32| rows[*index as usize] as i32;
        let segments = order.chunk_by(|a, b| row_of(a) == row_of(b));
        let touched = segments.clone().map(|segment| row_of(&segment[0]));
        let ends = segments.scan(0, |end, segment| {
            *end += segment.len() as i32;
            Some(*end)
        });
        Self {
            touched: touched.collect(),
            ends: ends.collect(),
            order,
        }
    }
}

/// `out[touched[s]] = Σ gradient[order[n]]`, over the segment `s` of `order`.
#[cfg(feature = "autodiff")]
#[cube(launch, address_type = "dynamic")]
fn add_segments(
    gradient: &[f32],
    touched: &[i32],
    ends: &[i32],
    order: &[i32],
    out: &mut [f32],
    num_units: usize,
    #[comptime] width: usize,
) {
    if ABSOLUTE_POS >= num_units {
        terminate!();
    }
    let (segment, k) = (ABSOLUTE_POS / width, ABSOLUTE_POS % width);
    let mut start = 0;
    if segment > 0 {
        start = usize::cast_from(ends[segment - 1]);
    }
    let mut sum = 0.0;
    for index in start..usize::cast_from(ends[segment]) {
        sum += gradient[usize::cast_from(order[index]) * width + k];
    }
    out[usize::cast_from(touched[segment]) * width + k] = sum;
}
