use crate::error::{DataError, DataErrorKind};
use crate::formats::raw_row::RawRow;
use crate::position::Position;
use crate::schema_error::nearest;

/// Reads raw rows one after the other.
pub trait RowReader: Send {
    /// The names of the columns, in the order of the cells.
    fn columns(&self) -> &[String];

    /// Reads the next row; false at the end.
    ///
    /// # Errors
    ///
    /// If the source cannot be read, or the row does not have one cell per column.
    fn read_row(&mut self) -> Result<bool, DataError>;

    /// The row that was read last.
    ///
    /// # Panics
    ///
    /// The cells may panic if no row was read.
    fn row(&self) -> RawRow<'_>;

    /// Where the row that was read last is written.
    fn position(&self) -> Position;

    /// Why a column has no cells; `None` if it has.
    fn unreadable(&self, column: usize) -> Option<&str> {
        let _ = column;
        None
    }
}

/// Whether rows need a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    /// They do: to train and to evaluate.
    Required,
    /// They may lack it: to score.
    Optional,
}

/// The index of a column.
///
/// # Errors
///
/// If there is no such column (the message names the nearest one), or it cannot be read.
pub(crate) fn column_index(reader: &dyn RowReader, name: &str) -> Result<usize, DataError> {
    let columns = reader.columns();
    let path = || reader.position().path.to_path_buf();
    let index = columns
        .iter()
        .position(|column| column == name)
        .ok_or_else(|| DataErrorKind::MissingColumn {
            path: path(),
            column: name.to_owned(),
            suggestion: match columns {
                [_] => String::new(),
                columns => nearest(name, columns.iter().map(String::as_str)),
            },
            found: match columns {
                [only] => format!("one column, `{only}`: is `delimiter` right?"),
                columns => columns.join(", "),
            },
        })?;
    match reader.unreadable(index) {
        None => Ok(index),
        Some(got) => Err(DataErrorKind::Unreadable {
            path: path(),
            column: name.to_owned(),
            got: got.to_owned(),
        }
        .into()),
    }
}
