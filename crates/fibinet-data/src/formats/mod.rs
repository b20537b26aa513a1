//! Raw rows: CSV and TSV, compressed or not, and Parquet.
//!
//! To add an input format, write a file here that has an
//! [`InputFormat`](input_format::InputFormat), declare it here, and list it in [`registry`].

mod arrow_cells;
pub(crate) mod blocks;
mod compressed;
pub(crate) mod delimited;
mod input_format;
pub(crate) mod parquet_reader;
pub(crate) mod parquet_table;
pub(crate) mod parts;
pub(crate) mod raw_row;
pub(crate) mod reader;
pub(crate) mod registry;
