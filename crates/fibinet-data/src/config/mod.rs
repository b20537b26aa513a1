//! The `[data]` section of a run file: as written, and validated.

mod builtin;
mod data;
mod delimiter;
mod quote;
pub(crate) mod row_format;
mod sources;
pub(crate) mod split;

pub use crate::schema_error::{FieldError, SchemaError, SplitError};
pub use builtin::BuiltinSchema;
pub use data::{DataConfig, DataSpec, OnBadRow};
pub use delimiter::Delimiter;
pub use quote::Quote;
pub use row_format::RowFormat;
pub use split::{SplitBy, SplitConfig};
