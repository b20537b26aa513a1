//! From raw files to an encoder and shards.

pub(crate) mod run;
pub(crate) mod split;
