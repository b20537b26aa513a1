//! What a subcommand shows: its result on stdout, notes and progress on stderr.

mod lines;
mod printer;
mod progress;

pub(crate) use lines::{metrics_line, skipped_rows};
pub(crate) use printer::{JsonArgs, Printer, Report, note, print_bytes};
pub(crate) use progress::ProgressDisplay;
