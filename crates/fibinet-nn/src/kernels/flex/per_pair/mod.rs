//! The innermost loops for field_interaction, whose pairs each have a left vector of their own, `v_i W_ij`.
//!
//! The left vectors of a tile, [`TILE_ROWS`] batch rows and up to [`TILE_COLUMNS`] columns, are computed into a small
//! buffer and used at once, backward also in the two products that read their gradient. `gemm` takes longer for
//! products of this size: it packs the operands, and what it writes is read again.

#[cfg(feature = "autodiff")]
mod fold;
#[cfg(test)]
mod tests;

use core::ops::Range;

use pulp::{Arch, Simd, WithSimd};

#[cfg(feature = "autodiff")]
pub(super) use self::fold::FoldPerPair;
use super::row_shape::RowShape;
use super::rows::Strip;
use super::tasks::Run;

/// Batch rows whose left vectors exist at once. With [`TILE_COLUMNS`] they take half a first-level cache.
const TILE_ROWS: usize = 16;

/// Columns of a run whose left vectors exist at once.
const TILE_COLUMNS: usize = 256;

/// The most batch rows whose sums are computed together: each register of a matrix is read once for all of them, and
/// their sums hide each other's latency.
const MOST_ROWS: usize = 8;

/// Zeros after the last of the [`side_by_side`](super::side::side_by_side) matrices. A row's last register may reach
/// past the row. What is computed of that is never used, so it may be NaN.
pub(super) const PADDING: usize = 32;

/// Numbers of a cache line.
const LINE: usize = 16;

/// Whether there are registers for twice as many sums as with AVX2, and a number can be broadcast from memory while
/// it is multiplied. AVX2 broadcasts to a register first, so there two registers of columns share each broadcast
/// number.
const fn has_many_registers<S: Simd>() -> bool {
    S::REGISTER_COUNT >= 32
}

/// Some pairs of some batch rows, and what computes their left vectors.
#[derive(Clone, Copy)]
pub(super) struct LeftVectors<'a> {
    pub shape: RowShape,
    pub runs: &'a [Run],
    /// The matrices of all pairs, as [`side_by_side`](super::side::side_by_side) lays them out.
    pub matrices: &'a [f32],
    /// `[rows, F, K]`
    pub rows: &'a [f32],
}

/// A row of left vectors in a tile. The elements after those of the columns are unspecified and may be NaN.
type TileRow = [f32; TILE_COLUMNS];

/// The left vectors of a tile. Its rows start where a cache line starts.
#[repr(align(64))]
struct Tile([TileRow; TILE_ROWS]);

/// Some columns of a run.
struct Columns {
    /// The left field.
    field: usize,
    /// Their elements in a row of the task's pairs.
    pairs: Range<usize>,
    /// The elements of their right vectors in a row of embeddings.
    rights: Range<usize>,
    /// The index of the first column in the matrices.
    first_weight: usize,
}

/// What left vectors are computed for.
trait UseLeft {
    /// The numbers read or written for a batch row, from the first column of the task on. Those of the columns are
    /// prefetched while the left vectors are computed.
    fn to_prefetch(&self, row: usize) -> &[f32];

    /// Uses the left vectors of some batch rows, which it may overwrite.
    fn use_left<S: Simd>(
        &mut self,
        simd: S,
        rows: Range<usize>,
        columns: &Columns,
        left: &mut [TileRow],
    );
}

/// Computes the left vectors tile by tile, and uses each tile at once.
///
/// Cost: `2 K` operations per number. A run's matrices are read once per group of batch rows, usually from the cache.
struct ForEachTile<'a, U> {
    left: LeftVectors<'a>,
    target: U,
}

impl<U: UseLeft> WithSimd for ForEachTile<'_, U> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { left, mut target } = self;
        let shape = left.shape;
        let num_rows = left.rows.len() / shape.len();
        let mut by_element = vec![0.0; MOST_ROWS * shape.embedding_dim];
        let mut tile = Tile([[0.0; TILE_COLUMNS]; TILE_ROWS]);
        for start in (0..num_rows).step_by(TILE_ROWS) {
            let rows = start..num_rows.min(start + TILE_ROWS);
            let vectors = &mut tile.0[..rows.len()];
            for run in left.runs {
                let rights = run.rights(shape).start;
                for first in (0..run.width(shape)).step_by(TILE_COLUMNS) {
                    let len = TILE_COLUMNS.min(run.width(shape) - first);
                    let columns = Columns {
                        field: run.left,
                        pairs: run.column + first..run.column + first + len,
                        rights: rights + first..rights + first + len,
                        first_weight: run.first_weight(shape) + first,
                    };
                    left.compute_rows(simd, start, &columns, &target, &mut by_element, vectors);
                    target.use_left(simd, rows.clone(), &columns, vectors);
                }
            }
        }
    }
}

impl<'a> LeftVectors<'a> {
    fn for_each_tile<U: UseLeft>(self, target: U) -> ForEachTile<'a, U> {
        ForEachTile { left: self, target }
    }

    /// Writes the left vectors of some batch rows to `left`.
    #[inline(always)]
    fn compute_rows<S: Simd>(
        self,
        simd: S,
        first_row: usize,
        columns: &Columns,
        target: &impl UseLeft,
        by_element: &mut [f32],
        left: &mut [TileRow],
    ) {
        let (eights, rest) = if has_many_registers::<S>() {
            left.as_chunks_mut::<MOST_ROWS>()
        } else {
            (&mut [][..], left)
        };
        let (fours, ones) = rest.as_chunks_mut::<4>();
        let mut row = first_row;
        for left in eights {
            self.compute::<S, MOST_ROWS, 1>(simd, row, columns, target, by_element, left);
            row += left.len();
        }
        for left in fours {
            self.compute::<S, 4, 2>(simd, row, columns, target, by_element, left);
            row += left.len();
        }
        for left in ones.as_chunks_mut::<1>().0 {
            self.compute::<S, 1, 1>(simd, row, columns, target, by_element, left);
            row += left.len();
        }
    }

    /// Writes the left vectors of `R` batch rows to `left`, `C` registers of columns at a time. `by_element` is a
    /// scratch buffer.
    #[inline(always)]
    fn compute<S: Simd, const R: usize, const C: usize>(
        self,
        simd: S,
        first_row: usize,
        columns: &Columns,
        target: &impl UseLeft,
        by_element: &mut [f32],
        left: &mut [TileRow; R],
    ) {
        const {
            let width = C * S::F32_LANES;
            assert!(width <= PADDING && TILE_COLUMNS.is_multiple_of(width));
        }
        let shape = self.shape;
        let mut vectors: [&[f32]; R] = [&[]; R];
        let mut to_prefetch: [&[f32]; R] = [&[]; R];
        for i in 0..R {
            let row = &self.rows[(first_row + i) * shape.len()..];
            vectors[i] = &row[shape.field_range(columns.field).start..][..shape.embedding_dim];
            to_prefetch[i] = target.to_prefetch(first_row + i);
        }
        // The vectors of the left field, `[K, R]`.
        let by_element = &mut by_element.as_chunks_mut::<R>().0[..shape.embedding_dim];
        for (k, of_element) in by_element.iter_mut().enumerate() {
            for (number, vector) in of_element.iter_mut().zip(vectors) {
                *number = vector[k];
            }
        }
        let row_stride = shape.width_of(columns.field);
        let weights = &self.matrices[columns.first_weight..];
        let width = C * S::F32_LANES;
        for column in (0..columns.pairs.len()).step_by(width) {
            for line in (column.next_multiple_of(LINE)..column + width).step_by(LINE) {
                for numbers in to_prefetch {
                    prefetch(numbers, columns.pairs.start + line);
                }
            }
            let mut sums = [[simd.splat_f32s(0.0); C]; R];
            for (k, numbers) in by_element.iter().enumerate() {
                let weights = &weights[k * row_stride + column..][..width];
                let (weights, _) = S::as_simd_f32s(weights);
                for i in 0..R {
                    let number = simd.splat_f32s(numbers[i]);
                    for c in 0..C {
                        sums[i][c] = simd.mul_add_e_f32s(number, weights[c], sums[i][c]);
                    }
                }
            }
            for (left, sums) in left.iter_mut().zip(sums) {
                let left = &mut left[column..][..width];
                S::as_mut_simd_f32s(left).0.copy_from_slice(&sums);
            }
        }
    }
}

/// Prefetches the cache line of a number. Without that, memory and arithmetic wait for each other: the pairs of 2,048
/// batch rows take 1.4 times as long, and their backward pass 1.2 times.
#[inline(always)]
fn prefetch(numbers: &[f32], at: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        #[expect(unsafe_code, reason = "there is no safe prefetch")]
        // SAFETY: every x86-64 processor has the instruction, which changes no value and ignores addresses that are not
        // mapped.
        unsafe {
            _mm_prefetch::<_MM_HINT_T0>(numbers.as_ptr().wrapping_add(at).cast());
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (numbers, at);
}

/// Writes pairs: `out[i, j] = (v_i W_ij) ⊙ v_j`.
///
/// Cost: that of the left vectors, and one multiplication per element, which is written once.
pub(super) struct CrossPerPair<'a> {
    pub left: LeftVectors<'a>,
    /// `[rows, strip]`
    pub out: &'a mut [f32],
    pub strip: Strip,
}

impl CrossPerPair<'_> {
    pub fn run(self) {
        Arch::new().dispatch(self.left.for_each_tile(self));
    }
}

impl UseLeft for CrossPerPair<'_> {
    #[inline(always)]
    fn to_prefetch(&self, row: usize) -> &[f32] {
        &self.out[row * self.strip.stride + self.strip.offset..]
    }

    #[inline(always)]
    fn use_left<S: Simd>(
        &mut self,
        _: S,
        rows: Range<usize>,
        columns: &Columns,
        left: &mut [TileRow],
    ) {
        for (row, left) in rows.zip(left) {
            let out = &mut self.out[row * self.strip.stride + self.strip.offset..];
            let right = &self.left.rows[row * self.left.shape.len()..];
            let terms = left.iter().zip(&right[columns.rights.clone()]);
            for (pair, (left, right)) in out[columns.pairs.clone()].iter_mut().zip(terms) {
                *pair = *left * right;
            }
        }
    }
}
