use burn::tensor::{DType, Device, Int, Tensor, TensorData};

use super::{device, gpus, numbers, on_threads, ran, values};
use crate::kernels::{self, ops};
use crate::testing::assert_close;

type Read = fn(&Tensor<2>, &Tensor<1, Int>) -> Tensor<2>;

/// `num_rows` rows of a table, some of them several times, and the table's gradient.
fn results(
    [num_table_rows, width]: [usize; 2],
    num_rows: usize,
    device: &Device,
    read: Read,
) -> [Tensor<2>; 2] {
    let table = numbers::<2>([num_table_rows, width], 1, device).require_grad();
    let rows = (0..num_rows).map(|row| (row * row * 7919 % num_table_rows) as i64);
    let rows = TensorData::new(rows.collect(), [num_rows]);
    let out = read(&table, &Tensor::from_data(rows, device));
    let gradients = (out.clone() * numbers(out.dims(), 2, device))
        .sum()
        .backward();
    let gradient = table.grad(&gradients).expect("a gradient");
    [out, Tensor::from_inner(gradient)]
}

fn by_kernel(table: &Tensor<2>, rows: &Tensor<1, Int>) -> Tensor<2> {
    ran(ops::table_rows(table, rows))
}

fn by_tensor_ops(table: &Tensor<2>, rows: &Tensor<1, Int>) -> Tensor<2> {
    table.clone().select(0, rows.clone())
}

fn as_layers_do(table: &Tensor<2>, rows: &Tensor<1, Int>) -> Tensor<2> {
    kernels::table_rows(table.clone(), rows.clone())
}

pub(super) fn assert_kernel_matches(table: [usize; 2], num_rows: usize, on: &Device) {
    assert_matches(table, num_rows, on, by_kernel);
}

/// The same where layers run tensor operations.
pub(super) fn assert_tensor_ops_match(table: [usize; 2], num_rows: usize, on: &Device) {
    assert_matches(table, num_rows, on, as_layers_do);
}

fn assert_matches(table: [usize; 2], num_rows: usize, on: &Device, read: Read) {
    let reference = results(table, num_rows, &device(), by_tensor_ops);
    for (result, expected) in results(table, num_rows, on, read)
        .into_iter()
        .zip(reference)
    {
        assert_close(result, &values(expected), 1e-5);
    }
}

/// The table is read in several blocks, the last of which is not full.
#[test]
fn a_large_table_is_read_whole_with_the_same_bits_on_any_number_of_threads() {
    let table = [3 * 4096 + 77, 3];
    assert_kernel_matches(table, 5000, &device());
    let run = || results(table, 5000, &device(), by_kernel).map(values);
    assert_eq!(on_threads(1, run), on_threads(3, run));
}

#[test]
fn a_second_run_on_a_gpu_changes_no_bit() {
    for device in gpus() {
        let run = || results([77, 10], 5000, &device, by_kernel).map(values);
        assert_eq!(run(), run());
    }
}

#[test]
fn rows_of_either_integer_type_are_read() {
    let table = numbers::<2>([5, 2], 1, &device());
    let rows = Tensor::<1, Int>::from_data([4, 0, 4], &device());
    let expected = values(table.clone().select(0, rows.clone()));
    for dtype in [DType::I32, DType::I64] {
        assert_close(by_kernel(&table, &rows.clone().cast(dtype)), &expected, 0.0);
    }
    assert!(ops::table_rows(&table, &rows.cast(DType::I16)).is_none());
}

#[test]
#[should_panic(expected = "out of range")]
fn a_row_beyond_the_table_panics() {
    by_kernel(
        &numbers([5, 2], 1, &device()),
        &Tensor::from_data([5], &device()),
    );
}
