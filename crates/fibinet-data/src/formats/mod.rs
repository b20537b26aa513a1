//! Raw rows: CSV, TSV, compressed or not, and Parquet.

pub(crate) mod blocks;
pub(crate) mod bytes;
pub(crate) mod parquet_rows;
pub(crate) mod parquet_text;
pub(crate) mod parquet_value;
pub(crate) mod parts;
pub(crate) mod reader;
