use std::path::PathBuf;

use clap::{Args, ValueEnum};
use fibinet::data::DataError;
use fibinet::data::config::{OnBadRow, RowFormat};
use fibinet::data::formats::{Label, RowReader, open_rows, open_standard_input};

use crate::cli::args::standard_stream::is_standard;

/// `--data`, `--on-bad-row` and `--missing`
#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    /// File or directory of rows, in the format of the training file; `-` for standard input.
    #[arg(long, value_name = "PATH")]
    pub(crate) data: PathBuf,
    /// What to do with malformed rows.
    #[arg(long, value_enum, value_name = "CHOICE", default_value_t = MalformedRows::Fail)]
    pub(crate) on_bad_row: MalformedRows,
    /// Cells that mean "no value" in these rows, besides those of the training log; separated by commas.
    #[arg(
        long,
        value_name = "VALUES",
        value_delimiter = ',',
        allow_hyphen_values = true
    )]
    pub(crate) missing: Vec<String>,
}

impl LogArgs {
    /// Opens the rows.
    pub(crate) fn open(
        &self,
        format: &RowFormat,
        label: Label,
    ) -> Result<Box<dyn RowReader>, DataError> {
        if is_standard(&self.data) {
            open_standard_input(format, label)
        } else {
            open_rows(&self.data, format, label)
        }
    }
}

/// The choices of `--on-bad-row`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MalformedRows {
    /// Stop with an error at the first malformed row.
    Fail,
    /// Drop them and count them.
    Skip,
}

impl From<MalformedRows> for OnBadRow {
    fn from(choice: MalformedRows) -> Self {
        match choice {
            MalformedRows::Fail => Self::Fail,
            MalformedRows::Skip => Self::Skip,
        }
    }
}
