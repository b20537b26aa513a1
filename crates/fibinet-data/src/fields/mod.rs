//! Field kinds: how the cells of a column become ids or numbers.
//!
//! A kind is one file. It holds the kind's settings, what a fit learns, how a cell becomes an id or a
//! number, and when `init` proposes the kind. Fitting, files and single rows all go through the same
//! functions of that file. To add a kind, write its file, declare it in `fields/mod.rs` and list it in
//! `fields/registry.rs`.
//!
//! A kind builds on one of three families, which drive it over blocks and rows:
//! - `token`: a cell has tokens, which get ids by their counts ([`Categorical`], [`MultiCategorical`],
//!   [`Log2`]);
//! - `number`: a cell is a number, whose distribution is learnt ([`Quantile`], [`Smoothed`],
//!   [`Value`]);
//! - `fixed`: the id follows from the cell alone ([`Hashed`], [`Id`], [`Timestamp`]).

mod bins;
mod bucket_lists;
mod buckets;
pub(crate) mod cell_counts;
pub(crate) mod cells;
pub(crate) mod column_counter;
mod counted_texts;
mod fixed;
mod hashed_fit;
mod iso_time;
pub(crate) mod kind;
mod list;
mod log2_rank;
pub(crate) mod look;
mod number;
mod number_format;
mod number_range;
mod quoted;
mod registry;
mod scientific;
mod single_integer;
mod spec;
pub(crate) mod time_format;
pub(crate) mod token;
mod token_rules;
pub(crate) mod token_table;
pub(crate) mod token_text;

mod categorical;
mod cumulative;
mod hashed;
mod id;
mod log2;
mod multi_categorical;
mod quantile;
mod smoothed;
pub(crate) mod time_order;
mod timestamp;
mod value;

pub use categorical::Categorical;
pub use cumulative::Cumulative;
pub use hashed::Hashed;
pub use id::Id;
pub use log2::Log2;
#[cfg(test)]
pub(crate) use log2_rank::write_token as log2_token;
pub use multi_categorical::MultiCategorical;
pub use number_format::NumberFormat;
pub use quantile::Quantile;
pub use registry::FieldEncoding;
pub use smoothed::Smoothed;
pub use spec::FieldSpec;
pub use timestamp::{TimePart, Timestamp};
pub use value::{Scaling, Value};
