//! Every operation and kind on small and usual shapes.

use fibinet_testing::tests_a_card;

use super::{Case, KINDS, case, device, gpus, inner_products, pairs, table_rows, without_kernels};
use crate::layers::combination::CombinationKind;

#[test]
fn pairs_and_the_map_behind_them_match_tensor_ops_in_every_shape() {
    for_each_shape(|shape| {
        for case in cases(shape) {
            pairs::assert_kernels_match(&case);
        }
    });
}

/// One side with matrices, one by the plain product, and both, of every kind.
fn cases([num_fields, dim, batch]: [usize; 3]) -> impl Iterator<Item = Case> {
    let sides = [
        (1, CombinationKind::RawBilinear),
        (1, CombinationKind::SenetBilinear),
        (2, CombinationKind::RawBilinear),
    ];
    KINDS.into_iter().flat_map(move |kind| {
        sides.map(|(num_sides, combination)| {
            let mut case = case(kind, num_fields, dim, batch);
            case.num_sides = num_sides;
            case.num_dense = 2;
            case.config = case.config.with_kind(combination);
            case
        })
    })
}

#[test]
fn inner_products_match_tensor_ops_in_every_shape() {
    for_each_shape(|shape| inner_products::assert_kernel_matches(shape, &device()));
}

#[test]
fn table_rows_match_tensor_ops_in_every_shape() {
    for_each_shape(|[num_fields, dim, batch]| {
        let num_table_rows = 7 * num_fields;
        table_rows::assert_kernel_matches([num_table_rows, dim], batch * num_fields, &device());
    });
}

#[test]
fn devices_without_kernels_match_flex_in_every_shape() {
    for device in without_kernels() {
        for_each_shape(|shape| {
            for case in cases(shape) {
                let device = device.clone();
                pairs::assert_tensor_ops_match(&Case { device, ..case });
            }
            inner_products::assert_tensor_ops_match(shape, &device);
            let [num_fields, dim, batch] = shape;
            let table = [7 * num_fields, dim];
            table_rows::assert_tensor_ops_match(table, batch * num_fields, &device);
        });
    }
}

fn for_each_shape(check: impl Fn([usize; 3])) {
    all_shapes().for_each(check);
}

fn all_shapes() -> impl Iterator<Item = [usize; 3]> {
    [2, 3, 39].into_iter().flat_map(|num_fields| {
        [1, 4, 10, 16].into_iter().flat_map(move |dim| {
            let batches = [1, 5, 64].into_iter();
            batches.map(move |batch| [num_fields, dim, batch])
        })
    })
}

/// All shapes on a card, and a few on a software adapter.
fn for_each_gpu_shape(check: impl Fn([usize; 3])) {
    if tests_a_card() {
        for_each_shape(check);
    } else {
        FEW_SHAPES.into_iter().for_each(check);
    }
}

/// Numbers of fields, embedding dimensions and batch rows. They are few because kernels are compiled for each number of
/// fields and dimensions. With 39 fields, dimension 10 and 64 batch rows the gradient of field_interaction's
/// matrices is summed by chunks of more than the least number of rows.
const FEW_SHAPES: [[usize; 3]; 8] = [
    [2, 1, 1],
    [2, 16, 64],
    [3, 4, 5],
    [3, 10, 64],
    [39, 1, 5],
    [39, 4, 64],
    [39, 10, 64],
    [39, 16, 1],
];

/// One side has matrices, the other is the plain product.
#[test]
fn pairs_match_on_gpus_too() {
    for device in gpus() {
        for_each_gpu_shape(|[num_fields, dim, batch]| {
            for kind in KINDS {
                let mut case = case(kind, num_fields, dim, batch);
                case.device = device.clone();
                case.num_dense = 2;
                case.config = case.config.with_kind(CombinationKind::RawBilinear);
                pairs::assert_kernels_match(&case);
            }
        });
    }
}

#[test]
fn a_single_side_matches_on_gpus_too() {
    for device in gpus() {
        for kind in KINDS {
            for combination in [CombinationKind::RawBilinear, CombinationKind::SenetBilinear] {
                let mut case = case(kind, 3, 10, 64);
                case.device = device.clone();
                case.num_sides = 1;
                case.config = case.config.with_kind(combination);
                pairs::assert_kernels_match(&case);
            }
        }
    }
}

#[test]
fn inner_products_match_on_gpus_too() {
    for device in gpus() {
        for_each_gpu_shape(|shape| inner_products::assert_kernel_matches(shape, &device));
    }
}

#[test]
fn table_rows_match_on_gpus_too() {
    for device in gpus() {
        for_each_gpu_shape(|[num_fields, dim, batch]| {
            let num_rows = batch * num_fields;
            table_rows::assert_kernel_matches([7 * num_fields, dim], num_rows, &device);
        });
    }
}
