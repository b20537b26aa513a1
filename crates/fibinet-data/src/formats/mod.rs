//! Raw rows: CSV and TSV, compressed or not, and Parquet.
//!
//! To add an input format, write a file here that has an `InputFormat`, declare it here, and list it in
//! `registry.rs`.
//!
//! # Parquet
//!
//! Integers, floats and booleans of a Parquet file are numbers, lists are [`List`]s, and other values are texts. As
//! text, each cell is what a CSV file of the rows would have.
//!
//! | in the file | the text of the cell |
//! |---|---|
//! | null, NaN | empty |
//! | bytes, strings, enums, JSON | as they are |
//! | booleans | `1`, `0` |
//! | integers, decimals | decimal digits; a decimal with all digits of its scale |
//! | floats | the shortest text that reads back as the same number, without an exponent: `39`, `0.5` |
//! | dates, times, timestamps | `2024-02-29`, `13:05:00`, `2024-02-29 13:05:00.25`, in UTC |
//! | UUIDs | `00112233-4455-6677-8899-aabbccddeeff` |
//! | lists of these | the elements, with `\|` between them; empty if there are none |
//!
//! A [`MultiCategorical`](crate::fields::MultiCategorical) field reads a list element by element, and not as this
//! text.
//!
//! `INT96` timestamps are read to the microsecond: their nanoseconds would overflow outside the years
//! 1677 to 2262. A date or timestamp that is 262,000 years away stays a number.
//!
//! A column has the name of its top-level field. Other columns (structs, maps, nested lists, times in an unknown
//! zone) have empty cells, and [`RowReader::unreadable`] tells why.

mod arrow_cells;
pub(crate) mod arrow_lists;
pub(crate) mod blocks;
mod compressed;
pub(crate) mod delimited;
pub(crate) mod foreign;
mod input_format;
mod long_delimiter;
mod look_ahead;
pub(crate) mod parquet_reader;
pub(crate) mod parquet_table;
pub(crate) mod parts;
pub(crate) mod raw_row;
pub(crate) mod reader;
pub(crate) mod registry;
mod remote;
pub(crate) mod spread;
mod time_zone;

pub use crate::cell::{Cell, List, Number};
pub use parquet_table::ParquetTable;
pub use parts::open_rows;
pub use raw_row::RawRow;
pub use reader::{Label, RowReader};
pub use registry::open_standard_input;
pub use remote::{address, refuse_address};
