//! The innermost loops, over the batch rows of a chunk.
//!
//! Each loop is a struct of what it reads and writes: only a method that is always inlined is compiled
//! for the SIMD level it is dispatched to, and a closure is not.

#[cfg(not(target_arch = "x86_64"))]
use pulp::Arch;
#[cfg(target_arch = "x86_64")]
use pulp::{Scalar, x86::V3};
use pulp::{Simd, WithSimd};

use super::row_shape::RowShape;
use super::tasks::Run;

/// A strip of columns in rows of `stride` columns.
#[derive(Clone, Copy)]
pub(super) struct Strip {
    pub stride: usize,
    pub offset: usize,
}

/// A loop over vectors of `K` numbers. It is compiled separately for common values of `K`, so that a vector
/// is a few registers.
pub(super) trait VectorLoop: Sized {
    fn embedding_dim(&self) -> usize;

    /// Runs the loop. `KC` is `K` if `K` is a common value, otherwise 0.
    fn run_with<const KC: usize>(self);

    /// Runs the loop at the machine's SIMD level, but at most AVX2. AVX-512 registers are longer than most
    /// vectors: the compiler would gather vectors of ten numbers into them one number at a time, which
    /// takes ten times as long.
    fn run(self) {
        #[cfg(target_arch = "x86_64")]
        match V3::try_new() {
            Some(simd) => Simd::vectorize(simd, Levels(self)),
            None => Simd::vectorize(Scalar, Levels(self)),
        }
        #[cfg(not(target_arch = "x86_64"))]
        Arch::new().dispatch(Levels(self));
    }
}

/// A [`VectorLoop`] at a SIMD level.
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
            20 => self.0.run_with::<20>(),
            32 => self.0.run_with::<32>(),
            40 => self.0.run_with::<40>(),
            64 => self.0.run_with::<64>(),
            _ => self.0.run_with::<0>(),
        }
    }
}

/// Loads a vector into registers. A loop that reads and writes slices instead stays scalar, because the
/// compiler cannot tell that they do not overlap.
#[inline(always)]
pub(super) fn vector<const KC: usize>(numbers: &[f32]) -> [f32; KC] {
    let mut vector = [0.0; KC];
    vector.copy_from_slice(numbers);
    vector
}

/// Writes the pairs of some runs: `out[i, j] = left[i] ⊙ right[j]`.
///
/// Cost: one multiplication per element, which is written once. The vectors of a batch row, `2 F K`
/// numbers, stay in the first-level cache.
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

impl VectorLoop for Cross<'_> {
    #[inline(always)]
    fn embedding_dim(&self) -> usize {
        self.shape.embedding_dim
    }

    #[inline(always)]
    fn run_with<const KC: usize>(self) {
        let Self { shape, strip, .. } = self;
        let width = if KC == 0 { shape.embedding_dim } else { KC };
        let rows = self
            .left
            .chunks_exact(shape.len())
            .zip(self.right.chunks_exact(shape.len()));
        for ((left, right), out) in rows.zip(self.out.chunks_exact_mut(strip.stride)) {
            for run in self.runs {
                let pairs = &mut out[strip.offset + run.column..][..run.width(shape)];
                let left = &left[run.left * width..][..width];
                let right = right[run.rights(shape)].chunks_exact(width);
                let pairs = pairs.chunks_exact_mut(width).zip(right);
                if KC == 0 {
                    for (pair, right) in pairs {
                        for k in 0..width {
                            pair[k] = left[k] * right[k];
                        }
                    }
                } else {
                    let left: [f32; KC] = vector(left);
                    for (pair, right) in pairs {
                        let mut product: [f32; KC] = vector(right);
                        for k in 0..KC {
                            product[k] *= left[k];
                        }
                        pair.copy_from_slice(&product);
                    }
                }
            }
        }
    }
}

/// Copies vectors `[a, b, K]` to `[b, a, K]`.
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
