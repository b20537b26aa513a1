use std::path::Path;

use fibinet_data::shards::Prefetch;

use crate::error::TrainError;

/// Batches that are read ahead.
const BATCHES: usize = 4;

/// Reads batches ahead of their use, on a thread of its own.
pub(super) fn read_ahead<T: Send + 'static>(
    source: impl Iterator<Item = T> + Send + 'static,
) -> Result<Prefetch<T>, TrainError> {
    Prefetch::new(source, BATCHES).map_err(TrainError::io(Path::new("a thread")))
}
