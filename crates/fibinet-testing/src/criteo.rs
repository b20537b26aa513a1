//! What the benches share: the shape of models of Criteo, their batches, and medians of times.

use std::time::{Duration, Instant};

use fibinet_data::mix_seed;
use fibinet_model::inputs::RowInputs;

/// Fields, `F`.
pub const FIELDS: usize = 39;
/// The embedding dimension, `K`.
pub const EMBEDDING_DIM: usize = 10;
/// Units of the hidden layers of the DNN.
pub const HIDDEN: [usize; 3] = [400; 3];
/// The input width of the DNN: the pairs of both sides.
pub const COLUMNS: usize = FIELDS * (FIELDS - 1) * EMBEDDING_DIM;
/// Batch rows of a training step.
pub const BATCH: usize = 2048;
/// Table rows per field, a million in all.
pub const FIELD_ROWS: usize = 25_641;

/// The widths of the DNN's input, hidden layers and output.
pub fn dnn_widths() -> Vec<usize> {
    let mut widths = vec![COLUMNS];
    widths.extend(HIDDEN);
    widths.push(1);
    widths
}

/// A labelled batch with ids below `field_rows`.
pub fn batch(seed: u64, num_rows: usize, field_rows: usize) -> RowInputs {
    let draw = |i: usize| mix_seed(seed, i as u64) as usize;
    RowInputs {
        ids: (0..num_rows * FIELDS)
            .map(|i| (draw(i) % field_rows) as u32)
            .collect(),
        labels: (0..num_rows).map(|i| (draw(i) % 2) as f32).collect(),
        num_rows,
        ..RowInputs::default()
    }
}

/// The times of `runs` runs, after one that is not measured.
pub fn times(runs: usize, mut run: impl FnMut(usize)) -> Vec<Duration> {
    run(0);
    (1..=runs)
        .map(|i| {
            let start = Instant::now();
            run(i);
            start.elapsed()
        })
        .collect()
}

/// The median of times, which are sorted by the call.
pub fn middle(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// The median of [`times`].
pub fn median(runs: usize, run: impl FnMut(usize)) -> Duration {
    middle(&mut times(runs, run))
}
