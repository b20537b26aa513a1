//! Every operation and kind on small and usual shapes.

use super::pairs::assert_kernels_match;
use super::{KINDS, case, inner_products, table_rows};
use crate::layers::combination::CombinationKind;

#[test]
fn pairs_and_the_map_behind_them_match_tensor_ops_in_every_shape() {
    for_each_shape(|[num_fields, dim, batch]| {
        for kind in KINDS {
            // One side with matrices, one by the plain product, and both.
            for (num_sides, combination) in [
                (1, CombinationKind::RawBilinear),
                (1, CombinationKind::SenetBilinear),
                (2, CombinationKind::RawBilinear),
            ] {
                let mut case = case(kind, num_fields, dim, batch);
                case.num_sides = num_sides;
                case.num_dense = 2;
                case.config = case.config.with_kind(combination);
                assert_kernels_match(&case);
            }
        }
    });
}

#[test]
fn inner_products_match_tensor_ops_in_every_shape() {
    for_each_shape(inner_products::assert_kernel_matches);
}

#[test]
fn table_rows_match_tensor_ops_in_every_shape() {
    for_each_shape(|[num_fields, dim, batch]| {
        let num_table_rows = 7 * num_fields;
        table_rows::assert_kernel_matches([num_table_rows, dim], batch * num_fields);
    });
}

fn for_each_shape(check: impl Fn([usize; 3])) {
    for num_fields in [2, 3, 39] {
        for dim in [1, 4, 10, 16] {
            for batch in [1, 5, 64] {
                check([num_fields, dim, batch]);
            }
        }
    }
}
