//! The innermost loops, over the rows of a chunk. Each is a struct of what it reads and writes, since
//! only a method that is always inlined is compiled for the SIMD level it is dispatched to; a closure
//! is not.

use core::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::tasks::Run;
use crate::pairs::num_pairs;

/// A strip of columns in rows of `stride` columns.
#[derive(Clone, Copy)]
pub(super) struct Strip {
    pub stride: usize,
    pub offset: usize,
}

/// The sizes of a row.
#[derive(Clone, Copy)]
pub(super) struct RowShape {
    pub num_fields: usize,
    pub embedding_dim: usize,
}

impl RowShape {
    /// Elements of a row of embeddings, `F K`.
    #[inline(always)]
    pub fn len(self) -> usize {
        self.num_fields * self.embedding_dim
    }

    /// Columns of the pairs of one side, `P K`.
    #[inline(always)]
    pub fn num_columns(self) -> usize {
        num_pairs(self.num_fields) * self.embedding_dim
    }

    /// Columns of the pairs of one left field.
    #[inline(always)]
    pub fn width_of(self, left: usize) -> usize {
        (self.num_fields - 1 - left) * self.embedding_dim
    }

    /// The elements of a row that one left field meets.
    #[inline(always)]
    pub fn right_of(self, left: usize) -> Range<usize> {
        (left + 1) * self.embedding_dim..self.len()
    }

    /// The elements of a row of one field.
    #[inline(always)]
    pub fn of(self, field: usize) -> Range<usize> {
        field * self.embedding_dim..(field + 1) * self.embedding_dim
    }
}

/// A loop over vectors of `K` numbers, compiled for the usual `K` with `K` known, so that a vector is
/// a few registers.
pub(super) trait VectorLoop: Sized {
    fn embedding_dim(&self) -> usize;

    /// `KC` is `K`, or 0 for any.
    fn run_with<const KC: usize>(self);

    /// The loop, at the SIMD level of the machine.
    fn run(self) {
        Arch::new().dispatch(Levels(self));
    }
}

/// Compiles a [`VectorLoop`] for each SIMD level.
struct Levels<L>(L);

impl<L: VectorLoop> WithSimd for Levels<L> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        match self.0.embedding_dim() {
            4 => self.0.run_with::<4>(),
            8 => self.0.run_with::<8>(),
            10 => self.0.run_with::<10>(),
            16 => self.0.run_with::<16>(),
            32 => self.0.run_with::<32>(),
            64 => self.0.run_with::<64>(),
            _ => self.0.run_with::<0>(),
        }
    }
}

/// A vector in registers. A loop over slices of `K` numbers that also writes some stays scalar, since
/// the compiler cannot tell that they do not overlap.
#[inline(always)]
pub(super) fn vector<const KC: usize>(numbers: &[f32]) -> [f32; KC] {
    let mut vector = [0.0; KC];
    vector.copy_from_slice(numbers);
    vector
}

/// Writes the pairs of some runs: `out[i, j] = left[i] ⊙ right[j]`.
pub(super) struct Cross<'a> {
    pub shape: RowShape,
    pub runs: &'a [Run],
    /// `[rows, F, K]`
    pub left: &'a [f32],
    /// `[rows, F, K]`
    pub right: &'a [f32],
    /// `[rows, strip]`
    pub out: &'a mut [f32],
    pub strip: Strip,
}

impl Cross<'_> {
    pub fn run(self) {
        Arch::new().dispatch(self);
    }
}

impl WithSimd for Cross<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { shape, strip, .. } = self;
        let rows = self
            .left
            .chunks_exact(shape.len())
            .zip(self.right.chunks_exact(shape.len()));
        for ((left, right), out) in rows.zip(self.out.chunks_exact_mut(strip.stride)) {
            for run in self.runs {
                let pairs = &mut out[strip.offset + run.column..][..run.width(shape)];
                let left = &left[shape.of(run.left).start..];
                scale(
                    simd,
                    shape.embedding_dim,
                    left,
                    &right[run.rights(shape)],
                    pairs,
                );
            }
        }
    }
}

/// `out[j] = left ⊙ right[j]`, vectors of `width` numbers that follow one another; `left` is the first
/// of some.
///
/// A register is stored whole though a vector ends inside it: what spills into the next vectors they
/// overwrite, the last registers of all vectors being written before the first. (On Zen 4 parts of
/// registers are stored at a quarter of the speed; and left to the compiler, vectors of ten numbers are
/// gathered number by number for AVX-512, at a third of that.)
#[inline(always)]
fn scale<S: Simd>(simd: S, width: usize, left: &[f32], right: &[f32], out: &mut [f32]) {
    let len = out.len();
    for first in (0..width).step_by(S::F32_LANES).rev() {
        let part = &left[first..width.min(first + S::F32_LANES)];
        let factor = match left.get(first..first + S::F32_LANES) {
            Some(register) => S::as_simd_f32s(register).0[0],
            None => simd.partial_load_f32s(part),
        };
        // Vectors before this one have room for a register.
        let whole = (len + width).saturating_sub(first + S::F32_LANES) / width;
        let starts = (0..len / width).map(|vector| vector * width + first);
        for at in starts.clone().take(whole) {
            let register = at..at + S::F32_LANES;
            let (right, _) = S::as_simd_f32s(&right[register.clone()]);
            let (out, _) = S::as_mut_simd_f32s(&mut out[register]);
            out[0] = simd.mul_f32s(factor, right[0]);
        }
        for at in starts.skip(whole) {
            let numbers = at..at + part.len();
            let terms = part.iter().zip(&right[numbers.clone()]);
            for (out, (left, right)) in out[numbers].iter_mut().zip(terms) {
                *out = left * right;
            }
        }
    }
}

/// Swaps the first two dimensions of vectors, `[a, b, K]` to `[b, a, K]`.
pub(super) struct Swap<'a> {
    pub sizes: [usize; 2],
    pub embedding_dim: usize,
    pub from: &'a [f32],
    pub to: &'a mut [f32],
}

impl VectorLoop for Swap<'_> {
    #[inline(always)]
    fn embedding_dim(&self) -> usize {
        self.embedding_dim
    }

    #[inline(always)]
    fn run_with<const KC: usize>(self) {
        let width = if KC == 0 { self.embedding_dim } else { KC };
        let [a, b] = self.sizes;
        for (i, to) in self.to.chunks_exact_mut(a * width).enumerate().take(b) {
            let from = self.from[i * width..].chunks(b * width);
            for (to, from) in to.chunks_exact_mut(width).zip(from) {
                to.copy_from_slice(&from[..width]);
            }
        }
    }
}

/// Writes the pairs of some runs whose left vectors were made pair by pair:
/// `out[i, j] = left[i, j] ⊙ right[j]`.
pub(super) struct CrossEach<'a> {
    pub shape: RowShape,
    pub runs: &'a [Run],
    /// `[rows, width]`
    pub left: &'a [f32],
    pub width: usize,
    /// `[rows, F, K]`
    pub right: &'a [f32],
    /// `[rows, strip]`
    pub out: &'a mut [f32],
    pub strip: Strip,
}

impl CrossEach<'_> {
    pub fn run(self) {
        Arch::new().dispatch(self);
    }
}

impl WithSimd for CrossEach<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { shape, strip, .. } = self;
        let lefts = self.left.chunks_exact(self.width);
        let rows = lefts.zip(self.right.chunks_exact(shape.len()));
        for ((left, right), out) in rows.zip(self.out.chunks_exact_mut(strip.stride)) {
            for run in self.runs {
                let of_run = run.column..run.column + run.width(shape);
                let pairs = &mut out[strip.offset..][of_run.clone()];
                let terms = left[of_run].iter().zip(&right[run.rights(shape)]);
                for (pair, (left, right)) in pairs.iter_mut().zip(terms) {
                    *pair = left * right;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Scale<'a>(usize, &'a [f32], &'a [f32], &'a mut [f32]);

    impl WithSimd for Scale<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            scale(simd, self.0, self.1, self.2, self.3);
        }
    }

    /// On every SIMD level that the machine has.
    fn scaled_everywhere(width: usize, left: &[f32], right: &[f32]) -> Vec<Vec<f32>> {
        let room = || vec![f32::NAN; right.len()];
        let mut scaled = vec![room(), room()];
        Simd::vectorize(pulp::Scalar, Scale(width, left, right, &mut scaled[0]));
        Arch::new().dispatch(Scale(width, left, right, &mut scaled[1]));
        #[cfg(target_arch = "x86_64")]
        if let Some(simd) = pulp::x86::V3::try_new() {
            let mut out = room();
            Simd::vectorize(simd, Scale(width, left, right, &mut out));
            scaled.push(out);
        }
        scaled
    }

    #[test]
    fn vectors_of_any_width_are_scaled() {
        for (width, num_vectors) in (1..=70_u16).flat_map(|width| [1, 2, 3, 17].map(|n| (width, n)))
        {
            let right: Vec<f32> = (1..=num_vectors * width).map(f32::from).collect();
            let width = usize::from(width);
            // Nothing follows the left vector, or other vectors do.
            for left in [&right[..width], &right[..]] {
                let factors = left[..width].iter().cycle();
                let expected: Vec<f32> = right.iter().zip(factors).map(|(a, b)| a * b).collect();
                for scaled in scaled_everywhere(width, left, &right) {
                    assert_eq!(scaled, expected, "{num_vectors} vectors of {width}");
                }
            }
        }
    }
}
