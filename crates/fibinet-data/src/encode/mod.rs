//! The encoder, its fit, and the guess of fields.

mod cells;
pub(crate) mod encoder;
pub(crate) mod fit;
mod guess;
mod odd_cells;
mod rows;
pub(crate) mod spill;
#[cfg(test)]
mod tests;
mod vocabulary;

pub use encoder::Encoder;
pub use guess::{ColumnGuess, Guess, Known, guess_delimiter, guess_fields};
pub use rows::RowEncoder;
pub use vocabulary::Vocabulary;
