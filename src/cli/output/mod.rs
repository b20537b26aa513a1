//! What a subcommand shows: its result on stdout, notes and progress on stderr.

mod cells;
mod lines;
mod printer;
mod progress;

pub(crate) use cells::{cell_table, surprise_line};
pub(crate) use lines::{in_members, metrics_line, shell_word, skipped_rows};
pub(crate) use printer::{JsonArgs, Printer, Report, note, print_bytes};
pub(crate) use progress::ProgressDisplay;
