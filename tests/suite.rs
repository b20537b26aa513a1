//! Tests across crates, in one binary.

#[cfg(feature = "cli")]
mod cli;
mod golden;
mod learns;
mod scores;
mod tensors;
