use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use crate::config::RowFormat;
use crate::error::DataError;
use crate::formats::reader::RowReader;
use crate::formats::remote::refuse_address;

const BUFFER: usize = 1 << 18;

/// A format that rows are read from.
pub(crate) struct InputFormat {
    /// Tells a file of this format by its first bytes, whatever its name.
    pub(crate) recognizes: fn(&[u8]) -> bool,
    pub(crate) contents: Contents,
}

/// The contents of a file, and how to open them.
pub(crate) enum Contents {
    /// Delimited text.
    Text(OpenText),
    /// Delimited text that is decompressed as it is read, from its start.
    Compressed(OpenText),
    /// Rows with named columns.
    Rows(OpenRows),
}

type OpenText = fn(BufReader<File>) -> io::Result<Box<dyn Read + Send>>;
type OpenRows = fn(&Path, File, &RowFormat) -> Result<Box<dyn RowReader>, DataError>;

/// Opens a file for reading.
///
/// # Errors
///
/// If it cannot be opened or is a directory.
pub(crate) fn open(path: &Path) -> Result<BufReader<File>, DataError> {
    refuse_address(path)?;
    let file = File::open(path).map_err(DataError::io(path))?;
    if file.metadata().map_err(DataError::io(path))?.is_dir() {
        return Err(DataError::io(path)(io::ErrorKind::IsADirectory.into()));
    }
    Ok(BufReader::with_capacity(BUFFER, file))
}
