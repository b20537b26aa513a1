//! Raw rows: CSV and TSV, compressed or not, and Parquet.
//!
//! To add an input format, write a file here that has an `InputFormat`, declare it here, and list it in
//! `registry.rs`.

mod arrow_cells;
pub(crate) mod arrow_lists;
pub(crate) mod blocks;
mod compressed;
pub(crate) mod delimited;
pub(crate) mod foreign;
mod input_format;
mod long_delimiter;
pub(crate) mod parquet_reader;
pub(crate) mod parquet_table;
pub(crate) mod parts;
pub(crate) mod raw_row;
pub(crate) mod reader;
pub(crate) mod registry;
mod remote;
pub(crate) mod spread;

pub use crate::cell::{Cell, Number};
pub use arrow_lists::List;
pub use parquet_reader::ParquetReader;
pub use parquet_table::ParquetTable;
pub use parts::open_rows;
pub use raw_row::RawRow;
pub use reader::{Label, RowReader};
pub use registry::open_standard_input;
pub use remote::refuse_address;
