use crate::mix::mix;

/// Independent streams of draws from one seed.
#[derive(Clone, Copy)]
pub(super) enum Stream {
    Rows,
    PilotRows,
    Spelling,
    Weight,
    Left,
    Right,
}

impl Stream {
    /// The seed of the stream's hashes for a field.
    pub(super) fn key(self, seed: u64, field: usize) -> u64 {
        mix(mix(seed, self as u64), field as u64)
    }
}

/// A uniform number in [0, 1), from the top 53 bits.
pub(super) fn uniform(hash: u64) -> f64 {
    (hash >> 11) as f64 / (1_u64 << 53) as f64
}

/// Whether a cell is empty, from the 11 bits that [`uniform`] leaves.
pub(super) fn is_empty(hash: u64, share: f64) -> bool {
    ((hash & 0x7ff) as f64) < share * 2048.0
}
