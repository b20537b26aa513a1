//! The pairs and the linear map that reads them, without an array of pairs.
//!
//! Pair columns come in blocks of whole left fields: a block is formed, multiplied into the output
//! and forgotten. Backward ([`turned`](super::turned)) it is formed again, multiplied into its rows of
//! the weight's gradient, and the gradient of it is consumed where it lies. So the weight is read once
//! a pass, and backward it and its gradient once for 2,048 rows. (Blocks of rows instead would read
//! the weight again for each.)
//!
//! # Cost
//!
//! - arithmetic: one product of `[B, 2 P K]` and `[2 P K, H]` forward and two backward, `4 B P K H`
//!   operations each, which is nearly all; and per side and row `P K` multiplications forward, `5 P K`
//!   operations backward, `2 P K²` and `6 P K²` more for field_interaction;
//! - bytes: inputs, weight, output and their gradients once; a block of pairs is written and read in
//!   the cache. At F = 39, K = 10 and 2,048 rows the array it saves is 121 MB, and as much for its
//!   gradient;
//! - memory, at any `B` and `F`: forward one block, 6 MB; backward four tasks (or one a thread) of
//!   3 MB; twice that for field_interaction. Besides it the left vectors of field_all and field_each,
//!   as many as embeddings, and backward, of 2,048 rows, up to four arrays of each side's embeddings
//!   and the output's gradient once more.
//!
//! Against the array of pairs ([`pairs`](super::pairs)) and flex's own products, field_each at F = 39,
//! K = 10, H = 400 (`cargo bench --bench layers -- field_each 5 B`, two cores of a Zen 4) the array takes
//!
//! | B | forward | with backward |
//! |---|---|---|
//! | 256 | 1.18 times as long | 1.93 |
//! | 2,048 | 1.33 | 1.34 |
//!
//! so the head never writes pairs out.

#[cfg(feature = "autodiff")]
use super::few::FewSide;
#[cfg(feature = "autodiff")]
use super::gradient::Gradients;
use super::matrix::{Matrix, MatrixMut, Write};
use super::pairs::crossed;
use super::rows::{RowShape, Strip};
use super::side::{Side, blocks};
#[cfg(feature = "autodiff")]
use super::turned;
use crate::kernels::{BLOCK_COLUMNS, ROWS};

/// The linear map that reads the pairs.
#[derive(Clone, Copy)]
pub(super) struct LinearMap<'a> {
    /// `[2 P K + N, H]`
    pub weight: &'a [f32],
    /// `H`
    pub num_outputs: usize,
    /// `[B, N]`, and `N`
    pub dense: Option<(&'a [f32], usize)>,
}

/// What [`backward`] finds.
#[cfg(feature = "autodiff")]
pub(super) struct LinearGradients {
    pub sides: [Gradients; 2],
    pub weight: Vec<f32>,
    pub dense: Option<Vec<f32>>,
}

/// `[p; q; dense] W`, `[B, H]`, a block of pair columns at a time.
pub(super) fn forward(sides: &[Side; 2], shape: RowShape, map: LinearMap) -> Vec<f32> {
    let (batch, num_outputs) = (sides[0].num_rows(), map.num_outputs);
    let blocks = blocks(shape, BLOCK_COLUMNS);
    let width = blocks.iter().map(|block| block.width).max().unwrap_or(0);
    let num_rows = batch.min(ROWS);
    let mut crossed = crossed(sides, &blocks, num_rows);
    let mut pairs = vec![0.0; num_rows * width];
    let mut out = vec![0.0; batch * num_outputs];
    for block in &blocks {
        let weight = &map.weight[block.column * num_outputs..];
        let weight = Matrix::new(weight, [block.width, num_outputs], num_outputs);
        let (stride, offset) = (block.width, 0);
        for start in (0..batch).step_by(ROWS) {
            let rows = start..batch.min(start + ROWS);
            let size = [rows.len(), block.width];
            let pairs = &mut pairs[..size[0] * size[1]];
            let strip = Strip { stride, offset };
            sides[block.side].form(block, rows, &mut crossed, (pairs, strip));
            let out = &mut out[start * num_outputs..];
            MatrixMut::new(out, [size[0], num_outputs], num_outputs).product(
                Matrix::new(pairs, size, stride),
                weight,
                Write::Add,
            );
        }
    }
    if let Some((dense, num_dense)) = map.dense {
        let weight = &map.weight[2 * shape.num_columns() * num_outputs..];
        MatrixMut::new(&mut out, [batch, num_outputs], num_outputs).product(
            Matrix::new(dense, [batch, num_dense], num_dense),
            Matrix::new(weight, [num_dense, num_outputs], num_outputs),
            Write::Add,
        );
    }
    out
}

/// The gradients from that of the output, `[B, H]`.
#[cfg(feature = "autodiff")]
pub(super) fn backward(
    sides: [FewSide; 2],
    shape: RowShape,
    map: LinearMap,
    gradient: &[f32],
) -> LinearGradients {
    let (batch, num_outputs) = (sides[0].0.len() / shape.len(), map.num_outputs);
    let mut to_weight = vec![0.0; map.weight.len()];
    let weight = (map.weight, num_outputs);
    let sides = turned::backward(sides, shape, weight, gradient, &mut to_weight);
    let gradient = Matrix::new(gradient, [batch, num_outputs], num_outputs);
    let dense = map.dense.map(|(dense, num_dense)| {
        let tail = 2 * shape.num_columns() * num_outputs;
        let size = [num_dense, num_outputs];
        let weight = Matrix::new(&map.weight[tail..], size, num_outputs);
        let values = Matrix::new(dense, [batch, num_dense], num_dense);
        MatrixMut::new(&mut to_weight[tail..], size, num_outputs).product(
            values.transposed(),
            gradient,
            Write::Over,
        );
        let mut to_dense = vec![0.0; dense.len()];
        MatrixMut::new(&mut to_dense, [batch, num_dense], num_dense).product(
            gradient,
            weight.transposed(),
            Write::Over,
        );
        to_dense
    });
    LinearGradients {
        sides,
        weight: to_weight,
        dense,
    }
}
