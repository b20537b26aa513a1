//! The innermost loops for field_interaction, whose pairs each have a left vector of their own, `v_i W_ij`.
//!
//! The left vectors of a few batch rows and up to [`COLUMNS`] columns are computed into a small buffer and used at once.
//! A product that is `K` deep takes `gemm` longer: it packs its operands and writes the vectors to be read again.

use core::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::row_shape::RowShape;
use super::rows::Strip;
use super::tasks::Run;

/// Batch rows whose left vectors exist at once. With [`COLUMNS`] they take half a first-level cache.
const BLOCK_ROWS: usize = 16;

/// Columns of a run whose left vectors exist at once.
const COLUMNS: usize = 256;

/// The most batch rows whose sums are computed together: each register of a matrix is read once for all of them, and their
/// sums hide each other's latency.
const GROUP: usize = 8;

/// Zeros after the last of the [`side_by_side`](super::side::side_by_side) matrices. A row's last register may reach past
/// the row. What is computed of that is never used, so it may be NaN.
pub(super) const PADDING: usize = 32;

/// Numbers of a cache line.
const LINE: usize = 16;

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

/// Some columns of a run.
struct Columns {
    /// The columns in a row of the task's pairs.
    pairs: Range<usize>,
    /// The numbers of their right vectors in a row of embeddings.
    rights: Range<usize>,
}

/// Columns of a left field's pairs, from some batch row on.
struct Part<'a> {
    field: usize,
    first_row: usize,
    /// The matrices from the first of the columns on.
    weights: &'a [f32],
    columns: &'a Columns,
}

/// What left vectors are computed for.
trait UseLeft {
    /// The number read or written for a batch row and a column of the task. Its cache line is prefetched while the left
    /// vectors are computed.
    fn to_prefetch(&self, row: usize, column: usize) -> &f32;

    /// Uses the left vectors of a batch row. Numbers may follow that do not count.
    fn use_left(&mut self, row: usize, columns: &Columns, left: &[f32]);
}

impl LeftVectors<'_> {
    /// Computes the left vectors block by block.
    ///
    /// Cost: `2 K` operations per number. A run's matrices are read once per group of batch rows, usually from the
    /// cache.
    #[inline(always)]
    fn for_each_block<S: Simd>(self, simd: S, mut target: impl UseLeft) {
        let shape = self.shape;
        let num_rows = self.rows.len() / shape.len();
        // A group has eight sums: with AVX-512 of eight rows in one register each, otherwise of four rows in two each,
        // because there a number is copied to a register before it is multiplied.
        let group = if S::F32_LANES == 16 { GROUP } else { GROUP / 2 };
        let mut by_element = vec![0.0; GROUP * shape.embedding_dim];
        let mut left = [0.0; BLOCK_ROWS * COLUMNS];
        for start in (0..num_rows).step_by(BLOCK_ROWS) {
            let rows = start..num_rows.min(start + BLOCK_ROWS);
            for run in self.runs {
                let weights = &self.matrices[run.first_weight(shape)..];
                let (width, rights) = (run.width(shape), run.rights(shape));
                for first in (0..width).step_by(COLUMNS) {
                    let len = COLUMNS.min(width - first);
                    let columns = Columns {
                        pairs: run.column + first..run.column + first + len,
                        rights: rights.start + first..rights.start + first + len,
                    };
                    let mut part = Part {
                        field: run.left,
                        first_row: rows.start,
                        weights: &weights[first..],
                        columns: &columns,
                    };
                    let mut out = &mut left[..];
                    while part.first_row < rows.end {
                        let is_group = rows.end - part.first_row >= group;
                        let num_rows = if is_group { group } else { 1 };
                        let (of_part, rest) = out.split_at_mut(num_rows * COLUMNS);
                        let buffers = (&mut by_element[..], of_part);
                        match (is_group, group) {
                            (true, 8) => self.compute::<S, 8, 1>(simd, &part, &target, buffers),
                            (true, _) => self.compute::<S, 4, 2>(simd, &part, &target, buffers),
                            (false, _) => self.compute::<S, 1, 1>(simd, &part, &target, buffers),
                        }
                        part.first_row += num_rows;
                        out = rest;
                    }
                    for (row, left) in rows.clone().zip(left.chunks_exact(COLUMNS)) {
                        target.use_left(row, &columns, left);
                    }
                }
            }
        }
    }

    /// Writes the left vectors of `R` batch rows, `[R, COLUMNS]`, to the second buffer, `C` registers of columns at a time.
    #[inline(always)]
    fn compute<S: Simd, const R: usize, const C: usize>(
        self,
        simd: S,
        part: &Part,
        target: &impl UseLeft,
        (by_element, out): (&mut [f32], &mut [f32]),
    ) {
        const {
            let width = C * S::F32_LANES;
            assert!(width <= PADDING && COLUMNS.is_multiple_of(width));
        }
        let (shape, first_row) = (self.shape, part.first_row);
        // The vectors of the left field, `[K, R]`.
        let by_element = &mut by_element.as_chunks_mut::<R>().0[..shape.embedding_dim];
        for i in 0..R {
            let row = &self.rows[(first_row + i) * shape.len()..];
            let vector = &row[shape.field_range(part.field)];
            for (of_element, x) in by_element.iter_mut().zip(vector) {
                of_element[i] = *x;
            }
        }
        let row_stride = shape.width_of(part.field);
        for column in (0..part.columns.pairs.len()).step_by(C * S::F32_LANES) {
            if column.is_multiple_of(LINE) {
                for row in first_row..first_row + R {
                    prefetch(target.to_prefetch(row, part.columns.pairs.start + column));
                }
            }
            let mut sums = [[simd.splat_f32s(0.0); C]; R];
            for (k, numbers) in by_element.iter().enumerate() {
                let weights = &part.weights[k * row_stride + column..][..C * S::F32_LANES];
                let (weights, _) = S::as_simd_f32s(weights);
                for i in 0..R {
                    let number = simd.splat_f32s(numbers[i]);
                    for c in 0..C {
                        sums[i][c] = simd.mul_add_e_f32s(number, weights[c], sums[i][c]);
                    }
                }
            }
            for (i, sums) in sums.into_iter().enumerate() {
                let out = &mut out[i * COLUMNS + column..][..C * S::F32_LANES];
                S::as_mut_simd_f32s(out).0.copy_from_slice(&sums);
            }
        }
    }
}

/// Prefetches the cache line of a number. Without that, memory and arithmetic wait for each other: the pairs of 2,048
/// batch rows take 1.4 times as long, and their backward pass 1.2 times.
#[inline(always)]
fn prefetch(number: &f32) {
    #[cfg(target_arch = "x86_64")]
    {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        #[expect(unsafe_code, reason = "there is no safe prefetch")]
        // SAFETY: the pointer is that of a reference, a prefetch changes no value, and each of these processors has it.
        unsafe {
            _mm_prefetch::<_MM_HINT_T0>(core::ptr::from_ref(number).cast());
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = number;
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
        Arch::new().dispatch(self);
    }
}

impl WithSimd for CrossPerPair<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let left = self.left;
        left.for_each_block(simd, self);
    }
}

impl UseLeft for CrossPerPair<'_> {
    #[inline(always)]
    fn to_prefetch(&self, row: usize, column: usize) -> &f32 {
        &self.out[row * self.strip.stride + self.strip.offset + column]
    }

    #[inline(always)]
    fn use_left(&mut self, row: usize, columns: &Columns, left: &[f32]) {
        let out = &mut self.out[row * self.strip.stride + self.strip.offset..];
        let right = &self.left.rows[row * self.left.shape.len()..];
        let terms = left.iter().zip(&right[columns.rights.clone()]);
        for (pair, (left, right)) in out[columns.pairs.clone()].iter_mut().zip(terms) {
            *pair = left * right;
        }
    }
}

/// Reads the gradient of pairs once: `to_right[j] += gradient[i, j] ⊙ (v_i W_ij)`, and the gradient of the left vectors
/// `to_left[i, j] = gradient[i, j] ⊙ v_j`.
///
/// Cost: that of the left vectors, and three operations per element. The gradient is read once, `to_left` is written
/// once.
#[cfg(feature = "autodiff")]
pub(super) struct FoldPerPair<'a> {
    pub left: LeftVectors<'a>,
    /// `[rows, strip]`
    pub gradient: &'a [f32],
    pub strip: Strip,
    /// `[rows, width]`
    pub to_left: &'a mut [f32],
    pub width: usize,
    /// `[rows, F, K]`
    pub to_right: &'a mut [f32],
}

#[cfg(feature = "autodiff")]
impl FoldPerPair<'_> {
    pub fn run(self) {
        Arch::new().dispatch(self);
    }
}

#[cfg(feature = "autodiff")]
impl WithSimd for FoldPerPair<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let left = self.left;
        left.for_each_block(simd, self);
    }
}

#[cfg(feature = "autodiff")]
impl UseLeft for FoldPerPair<'_> {
    #[inline(always)]
    fn to_prefetch(&self, row: usize, column: usize) -> &f32 {
        &self.gradient[row * self.strip.stride + self.strip.offset + column]
    }

    #[inline(always)]
    fn use_left(&mut self, row: usize, columns: &Columns, left: &[f32]) {
        let Columns { pairs, rights } = columns;
        let of_row = row * self.left.shape.len();
        let gradient = &self.gradient[row * self.strip.stride + self.strip.offset..][pairs.clone()];
        let right = &self.left.rows[of_row..][rights.clone()];
        let to_left = &mut self.to_left[row * self.width..][pairs.clone()];
        let to_right = &mut self.to_right[of_row..][rights.clone()];
        let inputs = gradient.iter().zip(left).zip(right);
        let outputs = to_left.iter_mut().zip(to_right);
        for (((gradient, left), right), (to_left, to_right)) in inputs.zip(outputs) {
            *to_right += gradient * left;
            *to_left = gradient * right;
        }
    }
}

#[cfg(test)]
mod tests {
    use pulp::Scalar;
    #[cfg(target_arch = "x86_64")]
    use pulp::x86::V3;

    use super::*;
    use crate::kernels::flex::side::side_by_side;

    const FIELDS: usize = 4;
    /// Two blocks and a group of either size, and one row more.
    const NUM_ROWS: usize = 2 * BLOCK_ROWS + GROUP + 1;

    /// The first run starts in the middle of its left field.
    fn runs(dim: usize) -> [Run; 2] {
        [(0, 2..4, 0), (1, 2..3, 2 * dim)].map(|(left, rights, column)| Run {
            left,
            rights,
            column,
        })
    }

    /// The number, left field and right field of each pair of the runs.
    const PAIRS: [[usize; 3]; 3] = [[1, 0, 2], [2, 0, 3], [3, 1, 2]];

    /// Whole and small, so that sums are exact in any order.
    fn numbers(len: usize, seed: usize) -> Vec<f32> {
        let number = |i| ((i * 7 + seed) % 11) as f32 - 5.0;
        (0..len).map(number).collect()
    }

    /// Embeddings, and matrices of all six pairs.
    struct Inputs {
        shape: RowShape,
        rows: Vec<f32>,
        matrices: Vec<f32>,
    }

    impl Inputs {
        fn new(dim: usize) -> Self {
            let shape = RowShape {
                num_fields: FIELDS,
                embedding_dim: dim,
            };
            Self {
                shape,
                rows: numbers(NUM_ROWS * shape.len(), 1),
                matrices: numbers(6 * dim * dim, 2),
            }
        }

        /// The place of a field's vector.
        fn start(&self, row: usize, field: usize) -> usize {
            row * self.shape.len() + field * self.shape.embedding_dim
        }

        /// `v_i W_ij` of a pair in a batch row.
        fn left_vector(&self, row: usize, pair: usize, left: usize) -> Vec<f32> {
            let dim = self.shape.embedding_dim;
            let vector = &self.rows[self.start(row, left)..][..dim];
            let matrix = &self.matrices[pair * dim * dim..];
            let number = |c| (0..dim).map(|k| vector[k] * matrix[k * dim + c]).sum();
            (0..dim).map(number).collect()
        }
    }

    fn assert_right_at<S: Simd>(simd: S, dim: usize) {
        let inputs = Inputs::new(dim);
        let by_field = side_by_side(inputs.shape, &inputs.matrices);
        let (runs, width, stride) = (runs(dim), 3 * dim, 3 * dim + 1);
        let left = LeftVectors {
            shape: inputs.shape,
            runs: &runs,
            matrices: &by_field,
            rows: &inputs.rows,
        };
        let strip = Strip { stride, offset: 1 };
        let mut out = vec![f32::NAN; NUM_ROWS * stride];
        simd.vectorize(CrossPerPair {
            left,
            out: &mut out,
            strip,
        });
        for row in 0..NUM_ROWS {
            let out = &out[row * stride..][..stride];
            assert!(out[0].is_nan(), "a column of another task");
            for (pairs, [pair, field, right]) in out[1..].chunks_exact(dim).zip(PAIRS) {
                let crossed = inputs.left_vector(row, pair, field);
                let rights = &inputs.rows[inputs.start(row, right)..];
                for c in 0..dim {
                    assert_eq!(pairs[c], crossed[c] * rights[c], "{row} {pair} {c}");
                }
            }
        }
        #[cfg(feature = "autodiff")]
        {
            let gradient = numbers(NUM_ROWS * stride, 3);
            let mut to_left = vec![f32::NAN; NUM_ROWS * width];
            let mut to_right = vec![1.0; inputs.rows.len()];
            simd.vectorize(FoldPerPair {
                left,
                gradient: &gradient,
                strip,
                to_left: &mut to_left,
                width,
                to_right: &mut to_right,
            });
            let mut expected_right = vec![1.0; inputs.rows.len()];
            for row in 0..NUM_ROWS {
                for (n, [pair, field, right]) in PAIRS.into_iter().enumerate() {
                    let crossed = inputs.left_vector(row, pair, field);
                    for c in 0..dim {
                        let of_pair = gradient[row * stride + 1 + n * dim + c];
                        let at = inputs.start(row, right) + c;
                        let to_left = to_left[row * width + n * dim + c];
                        assert_eq!(to_left, of_pair * inputs.rows[at], "{row} {pair} {c}");
                        expected_right[at] += of_pair * crossed[c];
                    }
                }
            }
            assert_eq!(to_right, expected_right);
        }
    }

    /// The columns of two vectors of 130 numbers are not computed at once.
    #[test]
    fn every_simd_level_computes_the_same() {
        struct Widest(usize);
        impl WithSimd for Widest {
            type Output = ();
            fn with_simd<S: Simd>(self, simd: S) {
                assert_right_at(simd, self.0);
            }
        }
        for dim in [3, 130] {
            assert_right_at(Scalar, dim);
            #[cfg(target_arch = "x86_64")]
            if let Some(simd) = V3::try_new() {
                assert_right_at(simd, dim);
            }
            Arch::new().dispatch(Widest(dim));
        }
    }

    /// The last register of the pair (0, 1) reaches into the matrix of (0, 2).
    #[test]
    fn a_nan_stays_in_its_pair() {
        let mut inputs = Inputs::new(3);
        inputs.matrices[9..18].fill(f32::NAN);
        let by_field = side_by_side(inputs.shape, &inputs.matrices);
        let runs = [Run {
            left: 0,
            rights: 1..2,
            column: 0,
        }];
        let left = LeftVectors {
            shape: inputs.shape,
            runs: &runs,
            matrices: &by_field,
            rows: &inputs.rows,
        };
        let mut out = vec![f32::NAN; NUM_ROWS * 3];
        let strip = Strip {
            stride: 3,
            offset: 0,
        };
        let cross = CrossPerPair {
            left,
            out: &mut out,
            strip,
        };
        cross.run();
        assert!(out.iter().all(|number| number.is_finite()));
    }
}
