//! The encoder, its fit, and the guess of fields.

mod cells;
mod column_guess;
mod delimiter;
pub(crate) mod encoder;
mod field_cells;
mod field_names;
pub(crate) mod fit;
mod guess;
pub(crate) mod label_values;
mod leaks;
mod odd_cells;
mod odd_sample;
mod rows;
mod shown;
pub(crate) mod spill;
#[cfg(test)]
mod tests;
mod unread;
pub(crate) mod vocabulary;
mod widths;
mod written_cells;

pub use crate::fields::cell_counts::{CellCounts, Unusual};
pub use column_guess::{ColumnGuess, Remark};
pub use delimiter::{KnownText, TextGuess, guess_delimiter};
pub use encoder::Encoder;
pub use field_cells::{FieldCells, Surprise};
pub use guess::{Guess, Known, guess_fields};
pub use label_values::LabelValues;
pub use leaks::{
    Evidence, Having, Leak, Leaks, MalformedRow, MalformedSample, Treatment, exclude_leaks,
};
pub use rows::RowEncoder;
