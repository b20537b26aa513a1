//! The innermost loops, over lanes. Each is a struct for the reason given in [`rows`](super::super::rows).

use core::array;
use core::ops::Range;

use pulp::{Arch, Scalar, Simd, WithSimd};

use crate::kernels::flex::tasks::Run;

/// Lanes that a loop processes at a time.
pub(super) const LANES_AT_ONCE: usize = 64;

/// Reads the gradient of a run's pairs once: `to_left[i] += gradient[i, j] ⊙ right[j]` and
/// `to_right[j] += gradient[i, j] ⊙ left[i]`, for some of the `stride` lanes of each row. Lanes at the end
/// that do not fill a register are not fused, so they are rounded twice.
///
/// Cost: two fused operations per element of the gradient. For each, `right` and `to_right` are read and
/// `to_right` is written, in the cache.
pub(super) struct FoldLanes<'a> {
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

impl FoldLanes<'_> {
    /// Processes the lanes of `N` registers.
    #[inline(always)]
    fn registers<S: Simd, const N: usize>(&mut self, first_lane: usize, simd: S) {
        let (dim, run) = (self.dim, self.run);
        let at = |row: usize| row * self.stride + first_lane;
        for k in 0..dim {
            let left_at = at(run.left * dim + k);
            let left: [_; N] = registers::<S, N>(self.left, left_at);
            let mut sum: [_; N] = registers::<S, N>(self.to_left, left_at);
            for (pair, field) in run.rights.clone().enumerate() {
                let right_at = at(field * dim + k);
                let gradient: [_; N] =
                    registers::<S, N>(self.pairs, at(run.column + pair * dim + k));
                let right: [_; N] = registers::<S, N>(self.right, right_at);
                let to_right = registers_mut::<S, N>(self.to_right, right_at);
                for i in 0..N {
                    sum[i] = simd.mul_add_e_f32s(gradient[i], right[i], sum[i]);
                    to_right[i] = simd.mul_add_e_f32s(gradient[i], left[i], to_right[i]);
                }
            }
            *registers_mut::<S, N>(self.to_left, left_at) = sum;
        }
    }
}

impl WithSimd for FoldLanes<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        const MANY: usize = 4;
        let Range { mut start, end } = self.lanes;
        while end - start >= MANY * S::F32_LANES {
            self.registers::<S, MANY>(start, simd);
            start += MANY * S::F32_LANES;
        }
        while end - start >= S::F32_LANES {
            self.registers::<S, 1>(start, simd);
            start += S::F32_LANES;
        }
        for lane in start..end {
            self.registers::<Scalar, 1>(lane, Scalar);
        }
    }
}

/// The `N` registers that start with the number at `first`.
#[inline(always)]
fn registers<S: Simd, const N: usize>(numbers: &[f32], first: usize) -> [S::f32s; N] {
    let (registers, _) = S::as_simd_f32s(&numbers[first..first + N * S::F32_LANES]);
    array::from_fn(|i| registers[i])
}

#[inline(always)]
fn registers_mut<S: Simd, const N: usize>(numbers: &mut [f32], first: usize) -> &mut [S::f32s; N] {
    let (registers, _) = S::as_mut_simd_f32s(&mut numbers[first..first + N * S::F32_LANES]);
    registers.try_into().expect("as many registers")
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

/// Turns the gradient of pairs into those of their vectors, in place: the gradient of the right vectors
/// overwrites `crossed`, that of the left vectors overwrites the gradient of the pairs.
///
/// Cost: two multiplications per element, three numbers read and two written.
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

/// A copy of `[rows, columns]` as `[columns, rows]`.
pub(super) fn transposed(from: &[f32], columns: usize) -> Vec<f32> {
    let mut to = vec![0.0; from.len()];
    transpose(from, columns, &mut to);
    to
}

/// Copies `[rows, columns]` to `[columns, rows]`, in squares whose cache lines on both sides stay in the
/// cache.
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
    fn a_matrix_transposed_twice_is_itself() {
        let matrix: Vec<f32> = (0..17 * 35_u16).map(f32::from).collect();
        let once = transposed(&matrix, 35);
        assert_eq!(once[..3], [0.0, 35.0, 70.0]);
        assert_eq!(transposed(&once, 17), matrix);
    }
}
