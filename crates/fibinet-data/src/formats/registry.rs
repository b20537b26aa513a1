use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;

use crate::config::RowFormat;
use crate::error::DataError;
use crate::formats::compressed::{GZIP, ZSTD};
use crate::formats::delimited::{DelimitedReader, PLAIN_TEXT};
use crate::formats::foreign;
use crate::formats::input_format::{Contents, InputFormat, open};
use crate::formats::look_ahead::LookAhead;
use crate::formats::parquet_reader::PARQUET;
use crate::formats::reader::{Label, RowReader};

/// The formats that rows are read from. A file has the first one that recognizes it.
const FORMATS: &[InputFormat] = &[PARQUET, GZIP, ZSTD, PLAIN_TEXT];

/// Opens one file of rows.
///
/// # Errors
///
/// If the file cannot be opened, has no rows or has a malformed header.
pub(crate) fn open_file(
    path: &Path,
    format: &RowFormat,
    label: Label,
) -> Result<Box<dyn RowReader>, DataError> {
    open_contents(path, open(path)?, format, label)
}

/// Opens the rows of standard input, which is told by its first bytes as a file is.
///
/// # Errors
///
/// If it cannot be read, has no rows or has a malformed header.
pub fn open_standard_input(
    format: &RowFormat,
    label: Label,
) -> Result<Box<dyn RowReader>, DataError> {
    let path = Path::new("standard input");
    let file = standard_input().map_err(DataError::io(path))?;
    open_contents(path, BufReader::new(file), format, label)
}

#[cfg(unix)]
fn standard_input() -> io::Result<File> {
    use std::os::fd::AsFd;
    Ok(io::stdin().as_fd().try_clone_to_owned()?.into())
}

#[cfg(windows)]
fn standard_input() -> io::Result<File> {
    use std::os::windows::io::AsHandle;
    Ok(io::stdin().as_handle().try_clone_to_owned()?.into())
}

fn open_contents(
    path: &Path,
    mut file: BufReader<File>,
    format: &RowFormat,
    label: Label,
) -> Result<Box<dyn RowReader>, DataError> {
    let metadata = file.get_ref().metadata().map_err(DataError::io(path))?;
    let is_file = metadata.is_file();
    let mut is_compressed_pipe = false;
    let text = match identify(path, &mut file)? {
        Contents::Text(decode) => decode(file),
        // The text of a pipe may be written slowly, so no more of it is waited for than is needed.
        Contents::Compressed(decode) if !is_file => {
            is_compressed_pipe = true;
            decode(file)
        }
        Contents::Compressed(decode) => {
            decode(file).map(|text| Box::new(LookAhead::new(text)) as _)
        }
        Contents::Rows(_) if !is_file => {
            let reason = "Parquet cannot be read from a pipe: its columns are listed at its end";
            return Err(DataError::corrupt(path, reason));
        }
        Contents::Rows(open) => return open(path, file.into_inner(), format),
    };
    let text = checked(path, text.map_err(DataError::io(path))?)?;
    let reader = DelimitedReader::new(path, text, format, label)?;
    Ok(Box::new(if is_compressed_pipe {
        reader.of_compressed_pipe()
    } else {
        reader
    }))
}

/// The text itself, unless its beginning is not that of a text in UTF-8.
fn checked(path: &Path, mut text: Box<dyn Read + Send>) -> Result<Box<dyn Read + Send>, DataError> {
    let mut start = Vec::new();
    text.by_ref()
        .take(foreign::START as u64)
        .read_to_end(&mut start)
        .map_err(DataError::io(path))?;
    foreign::check(path, &start)?;
    Ok(Box::new(Cursor::new(start).chain(text)))
}

/// The delimited text of a file; `None` if its format is not text.
///
/// # Errors
///
/// If the file cannot be opened.
pub(crate) fn open_text(path: &Path) -> Result<Option<Box<dyn Read + Send>>, DataError> {
    let mut file = open(path)?;
    match identify(path, &mut file)? {
        Contents::Text(decode) | Contents::Compressed(decode) => {
            decode(file).map(Some).map_err(DataError::io(path))
        }
        Contents::Rows(_) => Ok(None),
    }
}

/// Where the reading of a file can begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// At any byte: text as it is.
    Byte,
    /// At any row: a table.
    Row,
    /// At its start: compressed text.
    Start,
}

/// Where the reading of a file can begin.
///
/// # Errors
///
/// If the file cannot be opened.
pub(crate) fn access(path: &Path) -> Result<Access, DataError> {
    let mut file = open(path)?;
    Ok(match identify(path, &mut file)? {
        Contents::Text(_) => Access::Byte,
        Contents::Rows(_) => Access::Row,
        Contents::Compressed(_) => Access::Start,
    })
}

fn identify(path: &Path, file: &mut BufReader<File>) -> Result<&'static Contents, DataError> {
    let start = file.fill_buf().map_err(DataError::io(path))?;
    let format = FORMATS.iter().find(|format| (format.recognizes)(start));
    Ok(&format.unwrap_or(&PLAIN_TEXT).contents)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_is_what_no_other_format_recognizes() {
        for start in [&b"y,a\n"[..], b"", b"PAR", b"\x1f"] {
            let recognized = FORMATS.iter().filter(|format| (format.recognizes)(start));
            assert_eq!(recognized.count(), 1, "{start:?}");
        }
        assert!((FORMATS[FORMATS.len() - 1].recognizes)(b""));
    }
}
