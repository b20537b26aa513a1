use std::io::{self, Write};

use anyhow::{Context, Result};
use clap::Args;

/// `--json`
#[derive(Debug, Args)]
pub(crate) struct JsonArgs {
    /// Print the result as one JSON object on stdout.
    #[arg(long)]
    json: bool,
}

impl JsonArgs {
    pub(crate) fn printer(&self) -> Printer {
        if self.json {
            Printer::Json
        } else {
            Printer::Text
        }
    }
}

/// The result of a subcommand, which a [`Printer`] renders.
pub(crate) trait Report {
    /// The result in lines to read, without a newline at the end.
    fn text(&self) -> String;

    /// The result as one object on one line.
    fn json(&self) -> serde_json::Result<String>;
}

/// Prints results to stdout in the form asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Printer {
    Text,
    Json,
}

impl Printer {
    pub(crate) fn print(self, report: &impl Report) -> Result<()> {
        let text = match self {
            Self::Text => report.text(),
            Self::Json => report.json()?,
        };
        print_bytes(format!("{text}\n").as_bytes())
    }
}

/// Writes to stdout. If its reader has gone away, the error is a broken pipe, which
/// [`failure::report`](crate::cli::failure::report) treats as success.
pub(crate) fn print_bytes(bytes: &[u8]) -> Result<()> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
    written.context("stdout")
}

/// A line on stderr. If nobody can read it, that is not a failure.
pub(crate) fn note(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
