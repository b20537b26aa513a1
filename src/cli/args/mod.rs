//! Flags that subcommands share.

mod bad_row;
pub(crate) mod device;

pub(crate) use bad_row::BadRow;
