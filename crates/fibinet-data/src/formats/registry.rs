use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use crate::config::RowFormat;
use crate::error::DataError;
use crate::formats::compressed::{GZIP, ZSTD};
use crate::formats::delimited::{DelimitedReader, PLAIN_TEXT};
use crate::formats::input_format::{Contents, InputFormat, open};
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
    let (contents, file) = identify(path)?;
    match contents {
        Contents::Text(decode) => {
            let text = decode(file).map_err(DataError::io(path))?;
            Ok(Box::new(DelimitedReader::new(path, text, format, label)?))
        }
        Contents::Rows(open) => open(path, file.into_inner()),
    }
}

/// The delimited text of a file; `None` if its format is not text.
///
/// # Errors
///
/// If the file cannot be opened.
pub(crate) fn open_text(path: &Path) -> Result<Option<Box<dyn Read + Send>>, DataError> {
    let (contents, file) = identify(path)?;
    match contents {
        Contents::Text(decode) => decode(file).map(Some).map_err(DataError::io(path)),
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
    let start = file.fill_buf().map_err(DataError::io(path))?;
    let format = FORMATS.iter().position(|format| (format.recognizes)(start));
    let plain_text = FORMATS.len() - 1;
    let format = format.unwrap_or(plain_text);
    Ok(match FORMATS[format].contents {
        Contents::Rows(_) => Access::Row,
        Contents::Text(_) if format == plain_text => Access::Byte,
        Contents::Text(_) => Access::Start,
    })
}

fn identify(path: &Path) -> Result<(&'static Contents, BufReader<File>), DataError> {
    let mut file = open(path)?;
    let start = file.fill_buf().map_err(DataError::io(path))?;
    let format = FORMATS.iter().find(|format| (format.recognizes)(start));
    Ok((&format.unwrap_or(&PLAIN_TEXT).contents, file))
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
