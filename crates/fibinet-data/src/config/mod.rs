//! The `[data]` section of a run file: as written, and validated.

pub(crate) mod schema;
