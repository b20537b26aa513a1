use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// Where a row is written.
///
/// Every row that is read has one, so it is cheap to make and to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The file.
    pub path: Arc<PathBuf>,
    /// The line or row in that file.
    pub location: Location,
}

/// A line, a row or a byte of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Location {
    /// The line of a text file that the row begins on, from 1.
    Line(u64),
    /// The number of the row, from 1, in a file without lines.
    Row(u64),
    /// The line of compressed text from a pipe, which is not looked at to its end before its rows are read.
    OfPipe(u64),
    /// A byte of the text of a file of which only parts were read. The row begins within the 256 KiB from there on.
    After(u64),
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match self.location {
            Location::Line(line) | Location::OfPipe(line) => write!(f, "{path}:{line}"),
            Location::Row(row) => write!(f, "{path}, row {row}"),
            Location::After(byte) => write!(f, "{path}, soon after byte {byte} of its text"),
        }
    }
}
