#[cfg(feature = "autodiff")]
use super::gradient::Gradients;
use super::rows::{RowShape, Strip};
use super::side::{Block, Side, blocks};

/// Columns of a block.
const COLUMNS: usize = 1024;

/// The pairs of both sides, `[B, 2 P K]`.
///
/// Cost: the output is written once, the embeddings are read once a block from the cache; `2 P K`
/// multiplications a row, and `2 P K²` more (multiply and add) for each side of field_interaction.
pub(super) fn forward(sides: &[Side; 2], shape: RowShape) -> Vec<f32> {
    let (stride, batch) = (2 * shape.num_columns(), sides[0].num_rows());
    let mut out = vec![0.0; batch * stride];
    let blocks = blocks(shape, COLUMNS);
    let mut crossed = crossed(sides, &blocks, batch);
    for block in &blocks {
        let offset = block.column;
        let strip = Strip { stride, offset };
        sides[block.side].form(block, 0..batch, &mut crossed, (&mut out, strip));
    }
    out
}

/// The sides' gradients from that of their pairs, `[B, 2 P K]`.
///
/// Cost: the gradient is read once; `4 P K` multiplications and additions a row, and `6 P K²` more
/// for each side of field_interaction, whose left vectors are made again.
#[cfg(feature = "autodiff")]
pub(super) fn backward(sides: &[Side; 2], shape: RowShape, gradient: &[f32]) -> [Gradients; 2] {
    let (stride, batch) = (2 * shape.num_columns(), sides[0].num_rows());
    let blocks = blocks(shape, COLUMNS);
    let mut crossed = crossed(sides, &blocks, batch);
    let mut to = sides.each_ref().map(Side::gradient);
    for block in &blocks {
        let offset = block.column;
        let strip = Strip { stride, offset };
        let (side, to) = (&sides[block.side], &mut to[block.side]);
        side.cross(block, &mut crossed);
        side.consume(block, &mut crossed, (gradient, strip), to);
    }
    let [first, second] = to;
    [sides[0].finish(first), sides[1].finish(second)]
}

/// Room for one block's left vectors, where a side has one a pair.
pub(super) fn crossed(sides: &[Side; 2], blocks: &[Block], num_rows: usize) -> Vec<f32> {
    let kept = blocks
        .iter()
        .filter(|block| sides[block.side].has_a_vector_a_pair());
    let width = kept.map(|block| block.width).max().unwrap_or(0);
    vec![0.0; num_rows * width]
}
