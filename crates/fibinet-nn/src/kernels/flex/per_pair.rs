//! The innermost loops of pairs that have a left vector each, `v_i W_ij` (field_interaction).
//!
//! The left vectors of a few batch rows and one left field are computed together, into the first-level cache, and used
//! at once. Their product is only `K` deep: `gemm` spends more time on its blocks than on the sums.

use core::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::row_shape::{RowShape, matrices_of};
use super::rows::Strip;
use super::tasks::Run;

/// Batch rows whose left vectors exist at once.
const BLOCK: usize = 16;

/// Batch rows whose sums are computed together: each register of a matrix is read once for all of them, and their sums
/// hide each other's latency.
const ROWS: usize = 8;

/// Numbers that follow [`side_by_side`](super::side::side_by_side) matrices, so that whole registers can be read up to
/// the last column.
pub(super) const PADDING: usize = 16;

/// Numbers of a cache line.
const LINE: usize = 16;

/// Some pairs of some batch rows, and what computes their left vectors.
#[derive(Clone, Copy)]
pub(super) struct LeftVectors<'a> {
    pub shape: RowShape,
    pub runs: &'a [Run],
    /// Those of all pairs, as [`side_by_side`](super::side::side_by_side) lays them out.
    pub matrices: &'a [f32],
    /// `[rows, F, K]`
    pub rows: &'a [f32],
}

/// The left vectors of a run for some batch rows.
struct Crossed<'a> {
    run: &'a Run,
    first_row: usize,
    /// `[rows, stride]`, of which the run's columns count.
    numbers: &'a [f32],
    stride: usize,
}

impl Crossed<'_> {
    /// The run's columns in a row of the task's pairs.
    fn columns(&self, shape: RowShape) -> Range<usize> {
        self.run.column..self.run.column + self.run.width(shape)
    }

    fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.numbers.chunks_exact(self.stride)
    }
}

/// What left vectors are computed for.
trait UseCrossed {
    /// The number that belongs to a column of the task's pairs. Its cache line is fetched while the column's left
    /// vectors are computed: memory and arithmetic would otherwise wait for each other.
    fn needed(&self, row: usize, column: usize) -> &f32;

    fn use_crossed(&mut self, crossed: Crossed);
}

impl LeftVectors<'_> {
    /// Computes the left vectors block by block and run by run, and passes them on.
    ///
    /// Cost: `2 K` operations per number. The matrices are read once per [`BLOCK`] batch rows.
    #[inline(always)]
    fn each<S: Simd>(self, simd: S, mut target: impl UseCrossed) {
        let num_rows = self.rows.len() / self.shape.len();
        let widest = self.runs.iter().map(|run| run.width(self.shape)).max();
        let stride = widest.unwrap_or(0).next_multiple_of(S::F32_LANES);
        let mut lefts = vec![0.0; ROWS * self.shape.embedding_dim];
        let mut crossed = vec![0.0; BLOCK * stride];
        for first_row in (0..num_rows).step_by(BLOCK) {
            let rows = BLOCK.min(num_rows - first_row);
            let in_groups = rows / ROWS * ROWS;
            for run in self.runs {
                let (of_groups, of_rest) =
                    crossed[..rows * stride].split_at_mut(in_groups * stride);
                let groups = of_groups.chunks_exact_mut(ROWS * stride);
                for (row, out) in (first_row..).step_by(ROWS).zip(groups) {
                    self.of_rows::<S, ROWS>(simd, (run, row), &target, &mut lefts, out);
                }
                for (row, out) in (first_row + in_groups..).zip(of_rest.chunks_exact_mut(stride)) {
                    self.of_rows::<S, 1>(simd, (run, row), &target, &mut lefts, out);
                }
                target.use_crossed(Crossed {
                    run,
                    first_row,
                    numbers: &crossed[..rows * stride],
                    stride,
                });
            }
        }
    }

    /// Writes the left vectors of a run for `R` batch rows to `out`, `[R, stride]`.
    #[inline(always)]
    fn of_rows<S: Simd, const R: usize>(
        self,
        simd: S,
        (run, first_row): (&Run, usize),
        target: &impl UseCrossed,
        lefts: &mut [f32],
        out: &mut [f32],
    ) {
        let (shape, stride) = (self.shape, out.len() / R);
        // The vectors of the left field by element, `[K, R]`.
        let lefts = &mut lefts.as_chunks_mut::<R>().0[..shape.embedding_dim];
        let rows = self.rows.chunks_exact(shape.len()).skip(first_row);
        for (i, row) in rows.take(R).enumerate() {
            for (left, x) in lefts.iter_mut().zip(&row[shape.field_range(run.left)]) {
                left[i] = *x;
            }
        }
        let before = run.rights(shape).start - shape.fields_after(run.left).start;
        let matrices = &self.matrices[matrices_of(shape, run.left).start + before..];
        let of_k = shape.width_of(run.left);
        for column in (0..run.width(shape)).step_by(S::F32_LANES) {
            if column % LINE == 0 {
                for row in first_row..first_row + R {
                    fetch(target.needed(row, run.column + column));
                }
            }
            let mut sums = [simd.splat_f32s(0.0); R];
            for (k, left) in lefts.iter().enumerate() {
                let weights = &matrices[k * of_k + column..][..S::F32_LANES];
                let weights = S::as_simd_f32s(weights).0[0];
                for i in 0..R {
                    sums[i] = simd.mul_add_e_f32s(simd.splat_f32s(left[i]), weights, sums[i]);
                }
            }
            for (i, sum) in sums.into_iter().enumerate() {
                let out = &mut out[i * stride + column..][..S::F32_LANES];
                S::as_mut_simd_f32s(out).0[0] = sum;
            }
        }
    }
}

/// Asks for the cache line of a number, without waiting for it.
#[inline(always)]
fn fetch(number: &f32) {
    #[cfg(target_arch = "x86_64")]
    {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        #[expect(unsafe_code, reason = "there is no safe prefetch")]
        // SAFETY: the pointer is that of a reference, and a prefetch changes nothing.
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
        left.each(simd, self);
    }
}

impl UseCrossed for CrossPerPair<'_> {
    #[inline(always)]
    fn needed(&self, row: usize, column: usize) -> &f32 {
        &self.out[row * self.strip.stride + self.strip.offset + column]
    }

    #[inline(always)]
    fn use_crossed(&mut self, crossed: Crossed) {
        let Self { left, strip, .. } = self;
        let (columns, rights) = (crossed.columns(left.shape), crossed.run.rights(left.shape));
        let out = self.out.chunks_exact_mut(strip.stride);
        let rows = out.zip(left.rows.chunks_exact(left.shape.len()));
        let rows = rows.skip(crossed.first_row).zip(crossed.rows());
        for ((out, right), lefts) in rows {
            let pairs = &mut out[strip.offset..][columns.clone()];
            let terms = lefts.iter().zip(&right[rights.clone()]);
            for (pair, (left, right)) in pairs.iter_mut().zip(terms) {
                *pair = left * right;
            }
        }
    }
}

/// Reads the gradient of pairs once: `to_right[j] += gradient[i, j] ⊙ (v_i W_ij)` and `to_left[i, j] = gradient[i, j] ⊙
/// v_j`, the gradient of `v_i W_ij`.
///
/// Cost: that of the left vectors, and three operations per element of the gradient, which is read once, as `to_left` is
/// written once.
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
        left.each(simd, self);
    }
}

#[cfg(feature = "autodiff")]
impl UseCrossed for FoldPerPair<'_> {
    #[inline(always)]
    fn needed(&self, row: usize, column: usize) -> &f32 {
        &self.gradient[row * self.strip.stride + self.strip.offset + column]
    }

    #[inline(always)]
    fn use_crossed(&mut self, crossed: Crossed) {
        let Self { left, strip, .. } = self;
        let (columns, rights) = (crossed.columns(left.shape), crossed.run.rights(left.shape));
        let inputs = self.gradient.chunks_exact(strip.stride);
        let inputs = inputs.zip(left.rows.chunks_exact(left.shape.len()));
        let outputs = self.to_left.chunks_exact_mut(self.width);
        let outputs = outputs.zip(self.to_right.chunks_exact_mut(left.shape.len()));
        let rows = inputs.zip(outputs).skip(crossed.first_row);
        for (((gradient, right), (to_left, to_right)), lefts) in rows.zip(crossed.rows()) {
            let gradient = &gradient[strip.offset..][columns.clone()];
            let inputs = gradient.iter().zip(lefts).zip(&right[rights.clone()]);
            let to_left = &mut to_left[columns.clone()];
            let outputs = to_left.iter_mut().zip(&mut to_right[rights.clone()]);
            for (((gradient, left), right), (to_left, to_right)) in inputs.zip(outputs) {
                *to_right += gradient * left;
                *to_left = gradient * right;
            }
        }
    }
}
