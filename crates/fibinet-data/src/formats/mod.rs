//! Raw rows: CSV and TSV, compressed or not, and Parquet.
//!
//! To add an input format, write a file here that has an `InputFormat`, declare it here, and list it in
//! `registry.rs`.

pub(crate) mod blocks;
mod compressed;
pub(crate) mod delimited;
pub(crate) mod foreign;
mod input_format;
mod long_delimiter;
mod parquet_cells;
pub(crate) mod parquet_reader;
pub(crate) mod parquet_table;
pub(crate) mod parts;
pub(crate) mod reader;
pub(crate) mod registry;
mod remote;

pub use parquet_reader::ParquetReader;
pub use parquet_table::ParquetTable;
pub use parts::open_rows;
pub use reader::{Label, RowReader};
pub use registry::open_standard_input;
pub use remote::refuse_address;
