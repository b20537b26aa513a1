use cubecl::prelude::*;

/// The left field of a pair.
#[cube]
pub(super) fn left_field(pair: usize, #[comptime] num_fields: usize) -> usize {
    let mut left = 0;
    let mut after = comptime!(num_fields - 1).runtime();
    while left + 1 < after {
        let middle = (left + after) / 2;
        if first_pair(middle, num_fields) <= pair {
            left = middle;
        } else {
            after = middle;
        }
    }
    left
}

/// The right field of a pair whose left field is known.
#[cube]
pub(super) fn right_field(pair: usize, left: usize, #[comptime] num_fields: usize) -> usize {
    pair - first_pair(left, num_fields) + left + 1
}

/// The first pair of a left field.
#[cube]
pub(super) fn first_pair(left: usize, #[comptime] num_fields: usize) -> usize {
    left * (comptime!(2 * num_fields - 1) - left) / 2
}
