use std::error::Error;
use std::path::{Path, PathBuf};
use std::{fmt, io};

use fibinet_storage::StorageError;
use parquet::errors::ParquetError;

use crate::position::{Location, Position};
use crate::schema_error::SchemaError;

/// What is wrong with data, and where.
///
/// The message is complete: what a library below said is in it, and [`source`](std::error::Error::source)
/// does not say it again.
///
/// ```
/// use std::path::Path;
///
/// use fibinet_data::{DataErrorKind, ErrorClass};
/// use fibinet_data::encode::{KnownText, guess_delimiter};
///
/// let error = guess_delimiter(Path::new("missing.csv"), &KnownText::default()).unwrap_err();
/// assert!(matches!(error.kind(), DataErrorKind::Storage(_)));
/// assert_eq!(error.class(), ErrorClass::Failure);
/// ```
#[derive(Debug)]
pub struct DataError(Box<DataErrorKind>);

/// Whose fault an error is. A command turns it into its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// The caller asked for something that cannot be: a wrong argument or setting.
    Usage,
    /// A file, the data or the machine failed.
    Failure,
}

/// The kinds of [`DataError`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataErrorKind {
    /// A file or directory could not be opened, read or written.
    #[error(transparent)]
    Storage(StorageError),
    /// Rows could not be kept on disk while the encoder was being fitted.
    #[error(
        "{directory}: the rows could not be stored there while the encoder was fitted: {error}",
        directory = .directory.display()
    )]
    Spill {
        /// The directory they were to be kept in.
        directory: PathBuf,
        /// What the system said.
        error: io::Error,
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
        /// The columns of the file.
        found: String,
    },
    /// A header that names a column twice.
    #[error(
        "{path}: the header names column `{column}` twice; if the file has no header, name its \
         columns in `columns`", path = .path.display()
    )]
    DuplicateColumn {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
    },
    /// An address instead of a path.
    #[error(
        "{address}: only files of this machine are read; download it first, or mount it as a directory"
    )]
    Remote {
        /// The address.
        address: String,
    },
    /// A row with the wrong number of cells.
    #[error("{position}: expected {expected} cells, got {got}{remark}")]
    Width {
        /// The row.
        position: Position,
        /// Number of columns of the header or of the schema.
        expected: usize,
        /// Number of cells of the row.
        got: usize,
        /// What may be the reason, with a colon before it, or nothing.
        remark: &'static str,
    },
    /// A row that spans several lines and has the wrong number of cells.
    #[error(
        "{position}: a row over {lines} lines has {got} cells, expected {expected}: is a quote not closed?"
    )]
    Quote {
        /// The row.
        position: Position,
        /// Number of columns of the header or of the schema.
        expected: usize,
        /// Number of cells of the row.
        got: usize,
        /// Number of lines of the row.
        lines: u64,
    },
    /// A quote that is closed nowhere. It cannot be skipped like other malformed rows, unless it is on the last line and
    /// a row was read before: it swallows the rest of the file.
    #[error("{position}: a quote is not closed: the row that begins here takes the rest of the file, {lines} {}", if *lines == 1 { "line" } else { "lines" })]
    OpenQuote {
        /// The row.
        position: Position,
        /// Number of lines from there to the end of the file.
        lines: u64,
        /// Whether this is the header or, without one, the first row.
        is_first: bool,
    },
    /// A row that is too long to be one.
    #[error("{position}: a row is longer than 4 MiB{}", if *is_quoted { ": is a quote not closed?" } else { "" })]
    LongRow {
        /// The row.
        position: Position,
        /// Whether cells may be quoted.
        is_quoted: bool,
    },
    /// A cell that is not UTF-8.
    #[error(
        "{position}, column `{column}`: the cell is not UTF-8: `{got}`; if the file is Latin-1, convert \
         it: {conversion}", conversion = conversion("LATIN1")
    )]
    Utf8 {
        /// The row.
        position: Position,
        /// The column.
        column: String,
        /// The cell, with � in place of invalid bytes.
        got: String,
    },
    /// A label that is neither 0 nor 1.
    #[error("{position}, column `{column}`: a label must be 0 or 1, but is `{got}`{values}")]
    Label {
        /// The row.
        position: Position,
        /// The label's column.
        column: String,
        /// The cell.
        got: String,
        /// The values of the column, in words; empty if they were not counted.
        values: String,
        /// The value of the column that seems to mean a click.
        positive: Option<String>,
    },
    /// A cell of a numeric field that is not a finite number.
    #[error(
        "{position}, column `{column}`: expected a number, but the cell is `{got}`; if it means \"no \
         value\", list it in `missing`"
    )]
    Number {
        /// The row.
        position: Position,
        /// The column.
        column: String,
        /// The cell.
        got: String,
    },
    /// A cell that breaks a rule of its field.
    #[error("{position}, column `{column}`: {rule}, but the cell is `{got}`")]
    Cell {
        /// The row.
        position: Position,
        /// The column.
        column: String,
        /// The rule.
        rule: String,
        /// The cell.
        got: String,
    },
    /// A column whose type cannot be written as cells, such as a struct.
    #[error("{path}: column `{column}` is {got}, which cannot be read", path = .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// Its type.
        got: String,
    },
    /// Every row of a file was skipped.
    #[error("{path}: every row is malformed; the first: {first}", path = .path.display())]
    AllBad {
        /// The file.
        path: PathBuf,
        /// What was wrong with the first one.
        first: String,
    },
    /// An encoder to continue from that has other fields.
    #[error("the fields differ from those of the run to continue from: {difference}")]
    OtherFields {
        /// The first difference.
        difference: String,
    },
    /// A data file changed between the beginning of a preparation and its end.
    #[error("a data file changed while it was being read; run again once it is completely written")]
    Changed,
    /// A split without rows.
    #[error("no rows in the {split} split: {reason}")]
    EmptySplit {
        /// The split.
        split: &'static str,
        /// Why it is empty.
        reason: &'static str,
    },
    /// A file that is damaged, or whose contents break a rule of its format.
    #[error("{path}: {reason}", path = .path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Settings that no encoder can be built from.
    #[error(transparent)]
    Schema(SchemaError),
}

impl DataError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let error = StorageError::io(path);
        move |source| error(source).into()
    }

    pub(crate) fn spill(directory: &Path) -> impl FnOnce(io::Error) -> Self {
        let directory = directory.to_owned();
        move |error| DataErrorKind::Spill { directory, error }.into()
    }

    /// Keeps a failure of the system as it is. Everything else means that the file is damaged.
    pub(crate) fn parquet(path: &Path) -> impl FnOnce(ParquetError) -> Self {
        let path = path.to_owned();
        move |error| match error {
            ParquetError::External(source) => match source.downcast() {
                Ok(error) => Self::io(&path)(*error),
                Err(source) => Self::corrupt(&path, source),
            },
            other => Self::corrupt(&path, other),
        }
    }

    pub(crate) fn corrupt(path: &Path, reason: impl ToString) -> Self {
        DataErrorKind::Corrupt {
            path: path.to_owned(),
            reason: reason.to_string(),
        }
        .into()
    }

    pub(crate) fn into_kind(self) -> DataErrorKind {
        *self.0
    }

    /// What is wrong.
    pub fn kind(&self) -> &DataErrorKind {
        &self.0
    }

    /// The row that is wrong, if the error is about one row.
    pub fn position(&self) -> Option<&Position> {
        use DataErrorKind as K;
        match self.kind() {
            K::Width { position, .. }
            | K::Quote { position, .. }
            | K::OpenQuote { position, .. }
            | K::LongRow { position, .. }
            | K::Utf8 { position, .. }
            | K::Label { position, .. }
            | K::Number { position, .. }
            | K::Cell { position, .. } => Some(position),
            _ => None,
        }
    }

    /// The column that is wrong, if the error is about one column.
    pub fn column(&self) -> Option<&str> {
        use DataErrorKind as K;
        match self.kind() {
            K::MissingColumn { column, .. }
            | K::DuplicateColumn { column, .. }
            | K::Unreadable { column, .. }
            | K::Utf8 { column, .. }
            | K::Label { column, .. }
            | K::Number { column, .. }
            | K::Cell { column, .. } => Some(column),
            _ => None,
        }
    }

    /// Whether one row is malformed and the rows after it can still be read.
    pub fn is_bad_row(&self) -> bool {
        let takes_the_rest = match self.kind() {
            DataErrorKind::OpenQuote {
                lines, is_first, ..
            } => *lines > 1 || *is_first,
            DataErrorKind::LongRow { .. } => true,
            _ => false,
        };
        self.position().is_some() && !takes_the_rest
    }

    /// Whose fault it is: [`Usage`](ErrorClass::Usage) if a setting does not fit the data, such as a
    /// column that the file lacks.
    pub fn class(&self) -> ErrorClass {
        use DataErrorKind as K;
        match self.kind() {
            K::MissingColumn { .. }
            | K::Unreadable { .. }
            | K::Remote { .. }
            | K::OtherFields { .. }
            | K::EmptySplit { .. }
            | K::Schema(_) => ErrorClass::Usage,
            _ => ErrorClass::Failure,
        }
    }
}

impl fmt::Display for DataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)?;
        let location = self.position().map(|position| position.location);
        if matches!(location, Some(Location::OfPipe(_))) {
            write!(
                f,
                "; if the row is well-formed before it is compressed, the compressed input is damaged"
            )?;
        }
        Ok(())
    }
}

impl Error for DataError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

impl From<DataErrorKind> for DataError {
    fn from(kind: DataErrorKind) -> Self {
        Self(Box::new(kind))
    }
}

impl From<StorageError> for DataError {
    fn from(error: StorageError) -> Self {
        DataErrorKind::Storage(error).into()
    }
}

impl From<SchemaError> for DataError {
    fn from(error: SchemaError) -> Self {
        DataErrorKind::Schema(error).into()
    }
}

/// The command that converts a text to UTF-8.
pub(crate) fn conversion(encoding: &str) -> String {
    format!("iconv -f {encoding} -t UTF-8 OLD > NEW")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn an_error_of_a_row_tells_its_position_and_column() {
        let position = Position {
            path: Arc::new(PathBuf::from("log.csv")),
            location: Location::Line(7),
        };
        let error = DataError::from(DataErrorKind::Number {
            position: position.clone(),
            column: "age".to_owned(),
            got: "old".to_owned(),
        });
        assert_eq!(error.position(), Some(&position));
        assert_eq!(error.column(), Some("age"));
        assert!(error.is_bad_row());
        assert_eq!(
            error.to_string(),
            "log.csv:7, column `age`: expected a number, but the cell is `old`; if it means \"no value\", \
             list it in `missing`"
        );
    }

    #[test]
    fn an_open_quote_can_only_be_skipped_where_it_does_not_take_the_rest_of_the_file() {
        let position = || Position {
            path: Arc::new(PathBuf::from("log.csv")),
            location: Location::Line(7),
        };
        let open = |lines, is_first| DataErrorKind::OpenQuote {
            position: position(),
            lines,
            is_first,
        };
        let closed = DataErrorKind::Quote {
            position: position(),
            expected: 3,
            got: 2,
            lines: 4,
        };
        let long = DataErrorKind::LongRow {
            position: position(),
            is_quoted: true,
        };
        for (kind, is_bad_row) in [
            (open(1, false), true),
            (open(1, true), false),
            (open(2, false), false),
            (closed, true),
            (long, false),
        ] {
            let error = DataError::from(kind);
            assert_eq!(error.position(), Some(&position()));
            assert_eq!(error.is_bad_row(), is_bad_row, "{error}");
        }
    }

    #[test]
    fn the_message_of_the_system_is_said_once() {
        let error = DataError::io(Path::new("log.csv"))(io::ErrorKind::PermissionDenied.into());
        assert_eq!(error.to_string(), "log.csv: permission denied");
        assert!(error.source().is_none());
    }

    #[test]
    fn a_setting_that_does_not_fit_the_data_is_a_fault_of_usage() {
        let missing = DataError::from(DataErrorKind::MissingColumn {
            path: PathBuf::from("log.csv"),
            column: "b".to_owned(),
            suggestion: String::new(),
            found: "a".to_owned(),
        });
        assert_eq!(missing.class(), ErrorClass::Usage);
        assert_eq!(missing.column(), Some("b"));
        let damaged = DataError::corrupt(Path::new("log.csv"), "cut");
        assert_eq!(damaged.class(), ErrorClass::Failure);
        assert_eq!(damaged.position(), None);
    }

    #[test]
    fn a_result_of_nothing_is_a_pointer() {
        assert_eq!(size_of::<Result<(), DataError>>(), size_of::<usize>());
    }
}
