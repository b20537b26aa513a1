//! The backward pass of the pairs of field_interaction.

use core::ops::Range;

use pulp::{Arch, Simd};

use super::{Columns, LeftVectors, TILE_COLUMNS, TILE_ROWS, TileRow, UseLeft, has_many_registers};
use crate::kernels::flex::rows::Strip;

/// Reads the gradient `g` of pairs once. With `d_ij = g_ij ⊙ v_j`, the gradient of the left vectors, it adds
/// `g_ij ⊙ (v_i W_ij)` to the gradient of `v_j`, `d_ij W_ijᵀ` to that of `v_i`, and `v_iᵀ d_ij` to that of `W_ij`.
///
/// Cost: that of the left vectors, and `4 K + 3` operations per element of the gradient. The left vectors and their
/// gradient stay in the first-level cache. The gradient of the matrices is read and written once per tile, usually in
/// the second-level cache.
pub(in super::super) struct FoldPerPair<'a> {
    pub left: LeftVectors<'a>,
    /// `[rows, strip]`
    pub gradient: &'a [f32],
    pub strip: Strip,
    /// `[rows, F, K]`
    pub to_rows: &'a mut [f32],
    /// Laid out as [`side_by_side`](super::super::side::side_by_side) does.
    pub to_matrices: &'a mut [f32],
}

impl FoldPerPair<'_> {
    pub fn run(self) {
        Arch::new().dispatch(self.left.for_each_tile(self));
    }
}

impl UseLeft for FoldPerPair<'_> {
    #[inline(always)]
    fn to_prefetch(&self, row: usize) -> &[f32] {
        &self.gradient[row * self.strip.stride + self.strip.offset..]
    }

    #[inline(always)]
    fn use_left<S: Simd>(
        &mut self,
        simd: S,
        rows: Range<usize>,
        columns: &Columns,
        left: &mut [TileRow],
    ) {
        for (row, left) in rows.clone().zip(left.iter_mut()) {
            self.fold(simd, row, columns, left);
        }
        let (first_row, to_left) = (rows.start, left);
        let dim = self.left.shape.embedding_dim;
        // Fives leave no remainder of `K` = 10, 20 and 40.
        let group = if dim.is_multiple_of(5) { 5 } else { 4 };
        let mut k = 0;
        while k < dim {
            k += match group.min(dim - k) {
                5 => self.add_products::<S, 5>(simd, k, first_row, columns, to_left),
                4 => self.add_products::<S, 4>(simd, k, first_row, columns, to_left),
                2 | 3 => self.add_products::<S, 2>(simd, k, first_row, columns, to_left),
                _ => self.add_products::<S, 1>(simd, k, first_row, columns, to_left),
            };
        }
    }
}

impl FoldPerPair<'_> {
    /// Adds to the gradient of a batch row's right vectors, and overwrites its left vectors by their gradient. Zeros
    /// follow up to the end of the last register.
    #[inline(always)]
    fn fold<S: Simd>(&mut self, simd: S, row: usize, columns: &Columns, left: &mut TileRow) {
        let Columns { pairs, rights, .. } = columns;
        let of_row = row * self.left.shape.len();
        let gradient = &self.gradient[row * self.strip.stride + self.strip.offset..][pairs.clone()];
        let right = &self.left.rows[of_row..][rights.clone()];
        let to_right = &mut self.to_rows[of_row..][rights.clone()];
        let left = &mut left[..pairs.len().next_multiple_of(S::F32_LANES)];
        let (gradient, gradient_tail) = S::as_simd_f32s(gradient);
        let (right, right_tail) = S::as_simd_f32s(right);
        let (to_right, to_right_tail) = S::as_mut_simd_f32s(to_right);
        let (left, _) = S::as_mut_simd_f32s(left);
        let (left, last) = left.split_at_mut(gradient.len());
        let inputs = gradient.iter().zip(right);
        let outputs = to_right.iter_mut().zip(left);
        for ((gradient, right), (to_right, left)) in inputs.zip(outputs) {
            *to_right = simd.mul_add_e_f32s(*gradient, *left, *to_right);
            *left = simd.mul_f32s(*gradient, *right);
        }
        if let Some(left) = last.first_mut() {
            let gradient = simd.partial_load_f32s(gradient_tail);
            let right = simd.partial_load_f32s(right_tail);
            let to_right = simd.partial_load_f32s(to_right_tail);
            let to_right = simd.mul_add_e_f32s(gradient, *left, to_right);
            simd.partial_store_f32s(to_right_tail, to_right);
            *left = simd.mul_f32s(gradient, right);
        }
    }

    /// Adds to the gradients of `G` elements of the left field's vectors and of `G` rows of the matrices, from `k` on.
    /// Returns `G`.
    #[inline(always)]
    fn add_products<S: Simd, const G: usize>(
        &mut self,
        simd: S,
        k: usize,
        first_row: usize,
        columns: &Columns,
        to_left: &[TileRow],
    ) -> usize {
        let (fours, rest) = if has_many_registers::<S>() {
            to_left.as_chunks::<4>()
        } else {
            (&[][..], to_left)
        };
        let (twos, ones) = rest.as_chunks::<2>();
        let mut row = first_row;
        for to_left in fours {
            self.add_to_left_vectors::<S, 4, G>(simd, k, row, columns, to_left);
            row += 4;
        }
        for to_left in twos {
            self.add_to_left_vectors::<S, 2, G>(simd, k, row, columns, to_left);
            row += 2;
        }
        for to_left in ones.as_chunks::<1>().0 {
            self.add_to_left_vectors::<S, 1, G>(simd, k, row, columns, to_left);
        }
        if has_many_registers::<S>() {
            self.add_to_matrices::<S, G, 1>(simd, k, first_row, columns, to_left);
        } else {
            self.add_to_matrices::<S, G, 2>(simd, k, first_row, columns, to_left);
        }
        G
    }

    /// Adds to the gradient of `G` elements of the left field's vector in `R` batch rows.
    #[inline(always)]
    fn add_to_left_vectors<S: Simd, const R: usize, const G: usize>(
        &mut self,
        simd: S,
        k: usize,
        first_row: usize,
        columns: &Columns,
        to_left: &[TileRow; R],
    ) {
        let shape = self.left.shape;
        let row_stride = shape.width_of(columns.field);
        let weights = &self.left.matrices[columns.first_weight + k * row_stride..];
        let len = columns.pairs.len();
        let (count, has_partial) = (len / S::F32_LANES, !len.is_multiple_of(S::F32_LANES));
        // Slices of `count` whole registers, so that the loop checks no bounds.
        let mut weight_rows: [&[S::f32s]; G] = [&[]; G];
        let mut to_left_rows: [&[S::f32s]; R] = [&[]; R];
        let mut sums = [[simd.splat_f32s(0.0); G]; R];
        // The last, partial register comes first: it is loaded by a function call, around which live sums are spilled.
        let mut last_weights = [simd.splat_f32s(0.0); G];
        for i in 0..G {
            let row = &weights[i * row_stride..][..len];
            let (registers, partial) = S::as_simd_f32s(row);
            weight_rows[i] = &registers[..count];
            if has_partial {
                last_weights[i] = simd.partial_load_f32s(partial);
            }
        }
        for i in 0..R {
            let (registers, _) = S::as_simd_f32s(&to_left[i]);
            to_left_rows[i] = &registers[..count];
            if has_partial {
                for g in 0..G {
                    sums[i][g] = simd.mul_f32s(registers[count], last_weights[g]);
                }
            }
        }
        for at in 0..count {
            for i in 0..R {
                for g in 0..G {
                    let (to_left, weights) = (to_left_rows[i][at], weight_rows[g][at]);
                    sums[i][g] = simd.mul_add_e_f32s(to_left, weights, sums[i][g]);
                }
            }
        }
        for (i, sums) in sums.into_iter().enumerate() {
            let to_row = &mut self.to_rows[(first_row + i) * shape.len()..];
            let to = &mut to_row[shape.field_range(columns.field)][k..k + G];
            for (to, sum) in to.iter_mut().zip(sums) {
                *to += simd.reduce_sum_f32s(sum);
            }
        }
    }

    /// Adds to the gradient of `G` rows of the matrices, `C` registers of columns at a time.
    #[inline(always)]
    fn add_to_matrices<S: Simd, const G: usize, const C: usize>(
        &mut self,
        simd: S,
        k: usize,
        first_row: usize,
        columns: &Columns,
        to_left: &[TileRow],
    ) {
        let shape = self.left.shape;
        let mut vectors = [[0.0; G]; TILE_ROWS];
        for (i, vector) in vectors.iter_mut().enumerate().take(to_left.len()) {
            let row = &self.left.rows[(first_row + i) * shape.len()..];
            vector.copy_from_slice(&row[shape.field_range(columns.field)][k..k + G]);
        }
        let row_stride = shape.width_of(columns.field);
        let to_matrices = &mut self.to_matrices[columns.first_weight + k * row_stride..];
        let len = columns.pairs.len();
        for column in (0..len).step_by(C * S::F32_LANES) {
            // Checked here, and not once per row.
            assert!(column + C * S::F32_LANES <= TILE_COLUMNS);
            let mut sums = [[simd.splat_f32s(0.0); C]; G];
            for (i, sums) in sums.iter_mut().enumerate() {
                let row = &to_matrices[i * row_stride..][..len];
                for (c, sum) in sums.iter_mut().enumerate() {
                    *sum = load(simd, &row[register_of::<S>(column, c, len)]);
                }
            }
            for (vector, to_left) in vectors.iter().zip(to_left) {
                let (to_left, _) = S::as_simd_f32s(&to_left[column..][..C * S::F32_LANES]);
                for (sums, number) in sums.iter_mut().zip(vector) {
                    let number = simd.splat_f32s(*number);
                    for c in 0..C {
                        sums[c] = simd.mul_add_e_f32s(number, to_left[c], sums[c]);
                    }
                }
            }
            for (i, sums) in sums.into_iter().enumerate() {
                let row = &mut to_matrices[i * row_stride..][..len];
                for (c, sum) in sums.into_iter().enumerate() {
                    store(simd, &mut row[register_of::<S>(column, c, len)], sum);
                }
            }
        }
    }
}

/// The columns of the `c`th register from `column` on. Where the columns end, a register is partial or empty.
#[inline(always)]
fn register_of<S: Simd>(column: usize, c: usize, len: usize) -> Range<usize> {
    let start = len.min(column + c * S::F32_LANES);
    start..len.min(start + S::F32_LANES)
}

/// At most a register of numbers, and zeros.
#[inline(always)]
fn load<S: Simd>(simd: S, numbers: &[f32]) -> S::f32s {
    match S::as_simd_f32s(numbers) {
        ([register, ..], _) => *register,
        _ => simd.partial_load_f32s(numbers),
    }
}

/// Writes at most a register of numbers.
#[inline(always)]
fn store<S: Simd>(simd: S, numbers: &mut [f32], values: S::f32s) {
    match S::as_mut_simd_f32s(numbers) {
        ([register, ..], _) => *register = values,
        (_, numbers) => simd.partial_store_f32s(numbers, values),
    }
}
