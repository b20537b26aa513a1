//! Embedding tables and linear weights, in memory or in a mapped file.

pub mod huge_pages;
pub(crate) mod mapped;
pub(crate) mod table_file;
pub(crate) mod table_rows;
pub(crate) mod table_slice;
pub(crate) mod view;
