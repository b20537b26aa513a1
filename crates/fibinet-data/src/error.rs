use std::io;
use std::path::{Path, PathBuf};

use parquet::errors::ParquetError;

use crate::config::schema::SchemaError;
use crate::formats::reader::Position;

/// What can be wrong with data.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// A file could not be opened, read or written.
    #[error("{path}: {source}", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Rows could not be kept on the disk while the encoder was being fitted.
    #[error(
        "{directory}: the rows could not be kept there while the encoder was being fitted: {source}",
        directory = .directory.display()
    )]
    Spill {
        /// Where they were kept.
        directory: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file without rows.
    #[error("{path}: the file has no rows", path = .path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A column that the fields or the label need is not in the file.
    #[error("{path}: no column `{column}`{suggestion}; the file has: {found}", path = .path.display())]
    MissingColumn {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// `, did you mean …?` or nothing.
        suggestion: String,
        /// The columns there are.
        found: String,
    },
    /// A header that names a column twice.
    #[error(
        "{path}: the header names column `{column}` twice (or there is none: then `columns` names \
         them)", path = .path.display()
    )]
    DuplicateColumn {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
    },
    /// A row of the wrong width.
    #[error("{position}: {got} columns, expected {expected}")]
    Width {
        /// Where.
        position: Position,
        /// Columns of the header or of the schema.
        expected: usize,
        /// Columns of the row.
        got: usize,
    },
    /// A row of the wrong width and of several lines. It is no bad row that could be skipped: the rows
    /// that it took in would go unseen.
    #[error(
        "{position}: {got} columns of several lines, expected {expected}: is there a quote that is not \
         closed?"
    )]
    Quote {
        /// Where.
        position: Position,
        /// Columns of the header or of the schema.
        expected: usize,
        /// Columns of the row.
        got: usize,
    },
    /// A cell that is not UTF-8.
    #[error("{position}, column `{column}`: the cell is not UTF-8: `{got}`")]
    Utf8 {
        /// Where.
        position: Position,
        /// The column.
        column: String,
        /// The cell, with � for what is no text.
        got: String,
    },
    /// A label that is not a click or no click.
    #[error(
        "{position}, column `{column}`: a label must be 0 or 1, but is `{got}`; `positive` names \
         another cell that is a click"
    )]
    Label {
        /// Where.
        position: Position,
        /// The label column.
        column: String,
        /// The cell.
        got: String,
    },
    /// A cell of a numeric field that is no finite number.
    #[error("{position}, column `{column}`: a number was expected, but the cell is `{got}`")]
    Number {
        /// Where.
        position: Position,
        /// The column.
        column: String,
        /// The cell.
        got: String,
    },
    /// A cell that is not what its field says.
    #[error("{position}, column `{column}`: {rule}, but the cell is `{got}`")]
    Cell {
        /// Where.
        position: Position,
        /// The column.
        column: String,
        /// What it must be.
        rule: String,
        /// The cell.
        got: String,
    },
    /// A column of a Parquet file whose type has no cells.
    #[error("{path}: column `{column}` is {got}, which cannot be read", path = .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// Its type.
        got: String,
    },
    /// Every row of a file was left out.
    #[error("{path}: no row could be read; the first: {first}", path = .path.display())]
    AllBad {
        /// The file.
        path: PathBuf,
        /// What was wrong with the first one.
        first: String,
    },
    /// An encoder to go on from that has other fields.
    #[error("the fields are not those of the run to go on from: {difference}")]
    OtherFields {
        /// The first difference.
        difference: String,
    },
    /// A source that is not what it was when preparing began.
    #[error("a data file changed while it was being read; run again when it is written")]
    Changed,
    /// A split that no row went to.
    #[error("no rows in the {split} split: {reason}")]
    EmptySplit {
        /// The split.
        split: &'static str,
        /// How it came about.
        reason: &'static str,
    },
    /// An encoded file that does not have the form it should.
    #[error("{path}: {reason}", path = .path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A schema that no encoder can be built from.
    #[error(transparent)]
    Schema(#[from] SchemaError),
}

impl DataError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }

    pub(crate) fn spill(directory: &Path) -> impl FnOnce(io::Error) -> Self {
        let directory = directory.to_owned();
        move |source| Self::Spill { directory, source }
    }

    /// A failure of the system keeps its kind; everything else is a file that is not what it should
    /// be.
    pub(crate) fn parquet(path: &Path) -> impl FnOnce(ParquetError) -> Self {
        let path = path.to_owned();
        move |error| match error {
            ParquetError::External(source) => match source.downcast() {
                Ok(source) => Self::Io {
                    path,
                    source: *source,
                },
                Err(source) => Self::corrupt(&path, source),
            },
            other => Self::corrupt(&path, other),
        }
    }

    pub(crate) fn corrupt(path: &Path, reason: impl ToString) -> Self {
        Self::Corrupt {
            path: path.to_owned(),
            reason: reason.to_string(),
        }
    }

    /// Whether the fault is of one row, and the rows after it can still be read.
    pub fn is_bad_row(&self) -> bool {
        matches!(
            self,
            Self::Width { .. }
                | Self::Utf8 { .. }
                | Self::Label { .. }
                | Self::Number { .. }
                | Self::Cell { .. }
        )
    }

    /// Whether the fault is in what a person asked for (a config that names a column the file does
    /// not have) rather than in a file's content.
    pub fn is_config(&self) -> bool {
        matches!(
            self,
            Self::MissingColumn { .. }
                | Self::Unreadable { .. }
                | Self::OtherFields { .. }
                | Self::EmptySplit { .. }
                | Self::Schema(_)
        )
    }
}
