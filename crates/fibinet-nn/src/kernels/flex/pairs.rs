use rayon::prelude::*;

#[cfg(feature = "autodiff")]
use super::gradient::Gradients;
use super::row_shape::RowShape;
use super::rows::Strip;
use super::side::{CHUNK, PreparedSide};
use super::tasks::whole_fields;

/// Pair columns per task.
const COLUMNS: usize = 1024;

/// The pairs of both sides, `[B, 2 P K]`.
///
/// Cost: the output is written once, the embeddings are read from the cache. `2 P K` multiplications per
/// batch row, and `2 P K²` more operations for each side of field_interaction.
pub(super) fn forward(sides: &[PreparedSide; 2], shape: RowShape) -> Vec<f32> {
    let (stride, batch) = (2 * shape.num_columns(), sides[0].num_rows());
    let mut out = vec![0.0; batch * stride];
    let tasks = whole_fields(shape, COLUMNS);
    let width = tasks.iter().map(|task| task.width).max().unwrap_or(0);
    let chunks = out.par_chunks_mut(CHUNK * stride).enumerate();
    chunks.for_each_init(Vec::new, |crossed, (chunk, out)| {
        let rows = chunk * CHUNK..batch.min((chunk + 1) * CHUNK);
        if sides.iter().any(PreparedSide::has_left_vector_per_pair) {
            crossed.resize(rows.len() * width, 0.0);
        }
        for task in &tasks {
            let offset = task.column;
            let strip = Strip { stride, offset };
            sides[task.side].form(task, rows.clone(), crossed, (out, strip));
        }
    });
    out
}

/// The gradients of both sides, given the gradient of their pairs, `[B, 2 P K]`.
///
/// Cost: the gradient is read once. `4 P K` multiplications and additions per batch row, and `6 P K²` more
/// for each side of field_interaction, whose left vectors are computed again.
#[cfg(feature = "autodiff")]
pub(super) fn backward(
    sides: &[PreparedSide; 2],
    shape: RowShape,
    gradient: &[f32],
) -> [Gradients; 2] {
    let (stride, batch) = (2 * shape.num_columns(), sides[0].num_rows());
    let tasks = whole_fields(shape, COLUMNS);
    let per_pair = tasks
        .iter()
        .filter(|task| sides[task.side].has_left_vector_per_pair());
    let width = per_pair.map(|task| task.width).max().unwrap_or(0);
    let mut crossed = vec![0.0; batch * width];
    let mut to = sides.each_ref().map(PreparedSide::gradient);
    for task in &tasks {
        let offset = task.column;
        let strip = Strip { stride, offset };
        let (side, to) = (&sides[task.side], &mut to[task.side]);
        side.cross_all(task, &mut crossed);
        side.consume(task, &mut crossed, (gradient, strip), to);
    }
    let [first, second] = to;
    [sides[0].finish(first), sides[1].finish(second)]
}
