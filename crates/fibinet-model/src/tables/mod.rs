//! Embedding tables and linear weights, in memory or in a mapped file.

pub mod huge_pages;
pub(crate) mod mapped;
pub(crate) mod table_file;
pub(crate) mod table_rows;
pub(crate) mod table_slice;
pub(crate) mod view;

pub use table_file::FinishedRows;
pub use table_rows::{TableRows, score};
pub use table_slice::{TableDtype, TableSlice};
pub use view::TableView;
