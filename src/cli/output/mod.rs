//! What a subcommand shows.

mod progress;

pub(crate) use progress::{Display, left_out_line, metrics_line};
