//! What a log may be: its fields, its format, its faults.

mod damaged;
mod delimiters;
pub(crate) mod fields;
pub(crate) mod formats;
mod frequent_values;
mod malformed;
mod nearly_read;
mod no_value;
mod numbers;
mod single_lists;
mod spellings;
mod stored;
mod stored_times;
mod unread_rows;
mod unusual_cells;
mod value_rows;
mod values;
mod zones;
