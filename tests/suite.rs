//! Tests across crates, in one binary.

#[cfg(feature = "cli")]
mod cli;
mod family;
mod golden;
mod learns;
mod scores;
