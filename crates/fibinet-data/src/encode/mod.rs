//! The encoder, its fit, and encoded rows.

pub(crate) mod encoder;
pub(crate) mod fit;
pub(crate) mod guess;
pub(crate) mod spill;
pub(crate) mod token_table;
pub(crate) mod vocabulary;
