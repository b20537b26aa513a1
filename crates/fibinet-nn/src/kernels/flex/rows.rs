//! The innermost loops, over rows whose left vectors exist already. They are compiled for each SIMD
//! level, and for the usual widths `K` with `K` known (`KC`; 0 is any other): on AVX-512 that alone
//! is worth a factor of 2 at `K = 10`.

use core::ops::Range;

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
    pub fn len(self) -> usize {
        self.num_fields * self.embedding_dim
    }

    /// Columns of the pairs of one side, `P K`.
    pub fn num_columns(self) -> usize {
        num_pairs(self.num_fields) * self.embedding_dim
    }

    /// Columns of the pairs of one left field.
    pub fn width_of(self, left: usize) -> usize {
        (self.num_fields - 1 - left) * self.embedding_dim
    }

    /// The elements of a row that one left field meets.
    pub fn right_of(self, left: usize) -> Range<usize> {
        (left + 1) * self.embedding_dim..self.len()
    }

    /// The elements of a row of one field.
    pub fn of(self, field: usize) -> Range<usize> {
        field * self.embedding_dim..(field + 1) * self.embedding_dim
    }
}

/// Runs a loop for its `K`, at the SIMD level of this machine.
macro_rules! specialised {
    ($width:expr, $function:ident $arguments:tt) => {
        pulp::Arch::new().dispatch(|| match $width {
            4 => $function::<4> $arguments,
            8 => $function::<8> $arguments,
            10 => $function::<10> $arguments,
            16 => $function::<16> $arguments,
            32 => $function::<32> $arguments,
            64 => $function::<64> $arguments,
            _ => $function::<0> $arguments,
        })
    };
}

/// Writes the pairs of some left fields: `out[i, j] = left[i] ⊙ right[j]`.
pub(super) fn cross(
    shape: RowShape,
    fields: &Range<usize>,
    [left, right]: [&[f32]; 2],
    (out, strip): (&mut [f32], Strip),
) {
    specialised!(
        shape.embedding_dim,
        cross_rows(shape, fields, [left, right], (out, strip))
    );
}

#[inline(always)]
fn cross_rows<const KC: usize>(
    shape: RowShape,
    fields: &Range<usize>,
    [left, right]: [&[f32]; 2],
    (out, strip): (&mut [f32], Strip),
) {
    let width = if KC == 0 { shape.embedding_dim } else { KC };
    let rows = left
        .chunks_exact(shape.len())
        .zip(right.chunks_exact(shape.len()));
    for ((left, right), out) in rows.zip(out.chunks_exact_mut(strip.stride)) {
        let mut out = &mut out[strip.offset..];
        for i in fields.clone() {
            let (pairs, rest) = out.split_at_mut(shape.width_of(i));
            let left = &left[i * width..][..width];
            let right = right[shape.right_of(i)].chunks_exact(width);
            for (pair, right) in pairs.chunks_exact_mut(width).zip(right) {
                for ((pair, left), right) in pair.iter_mut().zip(left).zip(right) {
                    *pair = left * right;
                }
            }
            out = rest;
        }
    }
}

/// Reads the pairs' gradient of some left fields once: `to_left[i] = Σ_j gradient[i, j] ⊙ right[j]`
/// and `to_right[j] += gradient[i, j] ⊙ left[i]`.
pub(super) fn fold(
    shape: RowShape,
    fields: &Range<usize>,
    [left, right]: [&[f32]; 2],
    (gradient, strip): (&[f32], Strip),
    [to_left, to_right]: [&mut [f32]; 2],
) {
    specialised!(
        shape.embedding_dim,
        fold_rows(
            shape,
            fields,
            [left, right],
            (gradient, strip),
            [to_left, to_right]
        )
    );
}

#[inline(always)]
fn fold_rows<const KC: usize>(
    shape: RowShape,
    fields: &Range<usize>,
    [left, right]: [&[f32]; 2],
    (gradient, strip): (&[f32], Strip),
    [to_left, to_right]: [&mut [f32]; 2],
) {
    let width = if KC == 0 { shape.embedding_dim } else { KC };
    let len = shape.len();
    let inputs = left.chunks_exact(len).zip(right.chunks_exact(len));
    let outputs = to_left
        .chunks_exact_mut(len)
        .zip(to_right.chunks_exact_mut(len));
    let rows = inputs.zip(outputs).zip(gradient.chunks_exact(strip.stride));
    for (((left, right), (to_left, to_right)), gradient) in rows {
        let mut gradient = &gradient[strip.offset..];
        for i in fields.clone() {
            let (pairs, rest) = gradient.split_at(shape.width_of(i));
            let left = &left[i * width..][..width];
            let right = right[shape.right_of(i)].chunks_exact(width);
            let to_right = to_right[shape.right_of(i)].chunks_exact_mut(width);
            let terms = pairs.chunks_exact(width).zip(right.zip(to_right));
            let to_left = &mut to_left[i * width..][..width];
            if KC == 0 {
                to_left.fill(0.0);
                for (pair, (right, to_right)) in terms {
                    for k in 0..width {
                        to_left[k] += pair[k] * right[k];
                        to_right[k] += pair[k] * left[k];
                    }
                }
            } else {
                let mut sum = [0.0; KC]; // in registers
                for (pair, (right, to_right)) in terms {
                    for k in 0..KC {
                        sum[k] += pair[k] * right[k];
                        to_right[k] += pair[k] * left[k];
                    }
                }
                to_left.copy_from_slice(&sum);
            }
            gradient = rest;
        }
    }
}

/// Writes the pairs of some left fields whose left vectors were made pair by pair:
/// `out[i, j] = left[i, j] ⊙ right[j]`.
pub(super) fn cross_each(
    shape: RowShape,
    fields: &Range<usize>,
    (left, left_stride): (&[f32], usize),
    right: &[f32],
    (out, strip): (&mut [f32], Strip),
) {
    pulp::Arch::new().dispatch(|| {
        let rows = left
            .chunks_exact(left_stride)
            .zip(right.chunks_exact(shape.len()));
        for ((mut left, right), out) in rows.zip(out.chunks_exact_mut(strip.stride)) {
            let mut out = &mut out[strip.offset..];
            for i in fields.clone() {
                let (pairs, rest) = out.split_at_mut(shape.width_of(i));
                let (crossed, left_rest) = left.split_at(shape.width_of(i));
                let terms = crossed.iter().zip(&right[shape.right_of(i)]);
                for (pair, (left, right)) in pairs.iter_mut().zip(terms) {
                    *pair = left * right;
                }
                (out, left) = (rest, left_rest);
            }
        }
    });
}

/// As [`fold`], but the gradient of the left vectors takes their place: `to_right[j] +=
/// gradient[i, j] ⊙ left[i, j]`, then `left[i, j] = gradient[i, j] ⊙ right[j]`.
pub(super) fn fold_each(
    shape: RowShape,
    fields: &Range<usize>,
    (left, left_stride): (&mut [f32], usize),
    right: &[f32],
    (gradient, strip): (&[f32], Strip),
    to_right: &mut [f32],
) {
    pulp::Arch::new().dispatch(|| {
        let len = shape.len();
        let rights = right.chunks_exact(len).zip(to_right.chunks_exact_mut(len));
        let rows = rights.zip(gradient.chunks_exact(strip.stride));
        for (((right, to_right), gradient), left) in rows.zip(left.chunks_exact_mut(left_stride)) {
            let mut gradient = &gradient[strip.offset..];
            let mut left = left;
            for i in fields.clone() {
                let (pairs, rest) = gradient.split_at(shape.width_of(i));
                let (crossed, left_rest) = left.split_at_mut(shape.width_of(i));
                let right = &right[shape.right_of(i)];
                let to_right = &mut to_right[shape.right_of(i)];
                for ((left, pair), (right, to_right)) in crossed
                    .iter_mut()
                    .zip(pairs)
                    .zip(right.iter().zip(to_right))
                {
                    *to_right += pair * *left;
                    *left = pair * right;
                }
                (gradient, left) = (rest, left_rest);
            }
        }
    });
}
