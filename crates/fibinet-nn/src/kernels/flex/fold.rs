//! The innermost loop of the backward pass with a left vector per field, written like those of [`rows`](super::rows).

use super::row_shape::RowShape;
use super::rows::{Strip, VectorLoop, vector};
use super::tasks::Run;

/// Reads the gradient of some runs' pairs once. Each run is a whole left field:
/// `to_left[i] = Σ_j gradient[i, j] ⊙ right[j]` and `to_right[j] += gradient[i, j] ⊙ left[i]`.
///
/// Cost: four operations per element of the gradient. The vectors of a batch row and their gradients,
/// `4 F K` numbers, stay in the first-level cache.
pub(super) struct Fold<'a> {
    pub shape: RowShape,
    pub runs: &'a [Run],
    /// `[rows, F, K]`
    pub left: &'a [f32],
    /// `[rows, F, K]`
    pub right: &'a [f32],
    /// `[rows, strip]`
    pub gradient: &'a [f32],
    pub strip: Strip,
    /// `[rows, F, K]`
    pub to_left: &'a mut [f32],
    /// `[rows, F, K]`
    pub to_right: &'a mut [f32],
}

impl VectorLoop for Fold<'_> {
    #[inline(always)]
    fn embedding_dim(&self) -> usize {
        self.shape.embedding_dim
    }

    #[inline(always)]
    fn run_with<const KC: usize>(self) {
        let Self { shape, strip, .. } = self;
        let width = if KC == 0 { shape.embedding_dim } else { KC };
        let len = shape.len();
        let inputs = self
            .left
            .chunks_exact(len)
            .zip(self.right.chunks_exact(len));
        let to_left = self.to_left.chunks_exact_mut(len);
        let outputs = to_left.zip(self.to_right.chunks_exact_mut(len));
        let rows = inputs
            .zip(outputs)
            .zip(self.gradient.chunks_exact(strip.stride));
        for (((left, right), (to_left, to_right)), gradient) in rows {
            for run in self.runs {
                let pairs = &gradient[strip.offset + run.column..][..run.width(shape)];
                let left = &left[run.left * width..][..width];
                let right = right[run.rights(shape)].chunks_exact(width);
                let to_right = to_right[run.rights(shape)].chunks_exact_mut(width);
                let terms = pairs.chunks_exact(width).zip(right.zip(to_right));
                let to_left = &mut to_left[run.left * width..][..width];
                if KC == 0 {
                    to_left.fill(0.0);
                    for (pair, (right, to_right)) in terms {
                        for k in 0..width {
                            to_left[k] += pair[k] * right[k];
                            to_right[k] += pair[k] * left[k];
                        }
                    }
                } else {
                    let left: [f32; KC] = vector(left);
                    let mut sum = [0.0; KC];
                    for (pair, (right, to_right)) in terms {
                        let (pair, right): ([f32; KC], [f32; KC]) = (vector(pair), vector(right));
                        let mut to: [f32; KC] = vector(to_right);
                        for k in 0..KC {
                            sum[k] += pair[k] * right[k];
                            to[k] += pair[k] * left[k];
                        }
                        to_right.copy_from_slice(&to);
                    }
                    to_left.copy_from_slice(&sum);
                }
            }
        }
    }
}
