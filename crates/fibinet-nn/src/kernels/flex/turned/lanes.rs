//! The innermost loops, over lanes, each a struct for the reason that [`rows`](super::super::rows) gives.

use core::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::tasks::Run;

/// Lanes that a loop holds in registers.
pub(super) const REGISTERS: usize = 64;

/// Reads the pairs' gradient of a run once: `to_left[i] += gradient[i, j] ⊙ right[j]` and
/// `to_right[j] += gradient[i, j] ⊙ left[i]`, for some lanes of rows of `stride`.
pub(super) struct Fold<'a> {
    pub(super) dim: usize,
    pub(super) run: &'a Run,
    pub(super) stride: usize,
    pub(super) lanes: Range<usize>,
    /// `[width, lanes]`
    pub(super) pairs: &'a [f32],
    pub(super) left: &'a [f32],
    pub(super) right: &'a [f32],
    pub(super) to_left: &'a mut [f32],
    pub(super) to_right: &'a mut [f32],
}

impl Fold<'_> {
    /// `N` is the number of lanes, or 0 for any.
    #[inline(always)]
    fn run_with<const N: usize>(self) {
        let Self { dim, run, .. } = self;
        let num_lanes = if N == 0 { self.lanes.len() } else { N };
        let at = |row: usize| {
            let start = row * self.stride + self.lanes.start;
            start..start + num_lanes
        };
        for k in 0..dim {
            let left = &self.left[at(run.left * dim + k)];
            let to_left = &mut self.to_left[at(run.left * dim + k)];
            let mut sum = [0.0; REGISTERS];
            sum[..num_lanes].copy_from_slice(to_left);
            for (pair, field) in run.rights.clone().enumerate() {
                let gradient = &self.pairs[at(run.column + pair * dim + k)];
                let right = &self.right[at(field * dim + k)];
                let to_right = &mut self.to_right[at(field * dim + k)];
                for lane in 0..num_lanes {
                    sum[lane] += gradient[lane] * right[lane];
                    to_right[lane] += gradient[lane] * left[lane];
                }
            }
            to_left.copy_from_slice(&sum[..num_lanes]);
        }
    }
}

impl WithSimd for Fold<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        match self.lanes.len() {
            REGISTERS => self.run_with::<REGISTERS>(),
            _ => self.run_with::<0>(),
        }
    }
}

/// `out = a ⊙ b`.
struct Product<'a> {
    a: &'a [f32],
    b: &'a [f32],
    out: &'a mut [f32],
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (out, (a, b)) in self.out.iter_mut().zip(self.a.iter().zip(self.b)) {
            *out = a * b;
        }
    }
}

pub(super) fn product(out: &mut [f32], a: &[f32], b: &[f32]) {
    Arch::new().dispatch(Product { a, b, out });
}

/// From the gradient of pairs what their right vectors get, in the place of the left ones, and the
/// gradient of those, in the place of the pairs'.
pub(super) struct PassOn<'a> {
    pub(super) gradient: &'a mut [f32],
    pub(super) crossed: &'a mut [f32],
    pub(super) right: &'a [f32],
}

impl WithSimd for PassOn<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let both = self.gradient.iter_mut().zip(self.crossed);
        for ((gradient, crossed), right) in both.zip(self.right) {
            *crossed *= *gradient;
            *gradient *= right;
        }
    }
}

/// `[rows, columns]` as `[columns, rows]`.
pub(super) fn transposed(from: &[f32], columns: usize) -> Vec<f32> {
    let mut to = vec![0.0; from.len()];
    transpose(from, columns, &mut to);
    to
}

/// Writes `[rows, columns]` as `[columns, rows]`, in squares whose lines of both stay in the cache.
pub(super) fn transpose(from: &[f32], columns: usize, to: &mut [f32]) {
    const SQUARE: usize = 16;
    let rows = from.len() / columns;
    for first_row in (0..rows).step_by(SQUARE) {
        let last_row = rows.min(first_row + SQUARE);
        for first in (0..columns).step_by(SQUARE) {
            for column in first..columns.min(first + SQUARE) {
                for row in first_row..last_row {
                    to[column * rows + row] = from[row * columns + column];
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_turned_twice_is_itself() {
        let matrix: Vec<f32> = (0..17 * 35_u16).map(f32::from).collect();
        let turned = transposed(&matrix, 35);
        assert_eq!(turned[..3], [0.0, 35.0, 70.0]);
        assert_eq!(transposed(&turned, 17), matrix);
    }
}
