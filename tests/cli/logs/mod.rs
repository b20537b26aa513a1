//! What a log may be: its fields, its format, its faults.

mod damaged;
mod delimiters;
pub(crate) mod fields;
pub(crate) mod formats;
mod frequent_values;
mod malformed;
mod no_value;
mod numbers;
mod single_lists;
mod spellings;
mod stored;
mod stored_times;
mod unusual_cells;
mod value_rows;
mod values;
mod zones;
