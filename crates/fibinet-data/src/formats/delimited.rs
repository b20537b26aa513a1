use std::collections::HashSet;
use std::io::{self, Read};
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use csv::ByteRecord;

use crate::config::{Delimiter, RowFormat};
use crate::error::{DataError, DataErrorKind, conversion};
use crate::formats::input_format::{Contents, InputFormat};
use crate::formats::long_delimiter::{self, OneByteDelimiter, restore};
use crate::formats::raw_row::RawRow;
use crate::formats::reader::{Label, RowReader};
use crate::position::{Location, Position};

/// Text that is not compressed: every file that no other format recognizes.
pub(crate) const PLAIN_TEXT: InputFormat = InputFormat {
    recognizes: |_| true,
    contents: Contents::Text(|file| Ok(Box::new(file))),
};

const BUFFER: usize = 1 << 18;
/// Greatest length of a row in bytes, read-ahead included: a quote that is not closed would otherwise
/// take the rest of the file for one cell.
const MAX_ROW: u64 = 1 << 22;

/// What makes up the row behind the last one, in which a quote that is not closed ends, if neither is a delimiter.
const END: [u8; 2] = [0x1e, 0x1d];
/// The number of these bytes.
const END_LEN: usize = 8;

/// Text whose reading fails when a row gets too long.
struct Bounded {
    text: Box<dyn Read + Send>,
    delivered: u64,
    allowed: Arc<AtomicU64>,
    /// A copy of the bytes delivered last, which the CSV reader works on.
    chunk: Vec<u8>,
    /// What is delivered behind the text.
    end: Vec<u8>,
}

/// That a row is too long.
#[derive(Debug, thiserror::Error)]
#[error("a row is too long")]
struct TooLong;

impl Bounded {
    /// The byte at this offset, if it was among those delivered last.
    fn byte(&self, offset: u64) -> Option<u8> {
        let start = self.delivered - self.chunk.len() as u64;
        let index = usize::try_from(offset.checked_sub(start)?).ok()?;
        self.chunk.get(index).copied()
    }
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.delivered > self.allowed.load(Ordering::Relaxed) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, TooLong));
        }
        let mut read = self.text.read(buffer)?;
        if read == 0 {
            read = self.end.len().min(buffer.len());
            let end: Vec<u8> = self.end.drain(..read).collect();
            buffer[..read].copy_from_slice(&end);
        }
        if read > 0 {
            self.delivered += read as u64;
            self.chunk.clear();
            self.chunk.extend_from_slice(&buffer[..read]);
        }
        Ok(read)
    }
}

/// Counts lines, which end with `\n`, `\r\n` or `\r`.
///
/// The CSV reader counts each `\n` and reports the count at the start of a row: before blank lines,
/// and before the `\n` of a `\r\n` that ended the row before.
#[derive(Debug, Default)]
struct Lines {
    /// The line that the last row begins on.
    start: u64,
    /// The CSV reader's count after the last row.
    counted: u64,
    /// Lines that ended with `\r` alone.
    returns: u64,
    /// Whether the last row ended with `\r`.
    after_return: bool,
}

impl Lines {
    /// Counts the lines of the row that was read last.
    fn count(&mut self, reader: &csv::Reader<Bounded>, row: &ByteRecord) {
        let end = reader.position();
        let last = end.byte().checked_sub(1);
        let last = last.and_then(|offset| reader.get_ref().byte(offset));
        let own = u64::from(last == Some(b'\n'));
        let passed = end.line() - self.counted.max(1) - own;
        let within = match passed {
            0 => 0,
            _ => row.as_slice().iter().filter(|byte| **byte == b'\n').count() as u64,
        };
        if self.after_return && passed == within {
            self.returns += 1;
        }
        self.start = end.line() - own - within + self.returns;
        self.counted = end.line();
        self.after_return = last == Some(b'\r');
    }

    /// The line below the last row, unless it is blank.
    fn next(&self) -> u64 {
        self.counted.max(1) + self.returns + u64::from(self.after_return)
    }
}

/// Reads the rows of CSV, TSV and other delimited text.
pub struct DelimitedReader {
    reader: csv::Reader<Bounded>,
    columns: Vec<String>,
    path: Arc<PathBuf>,
    lines: Lines,
    /// Where the text begins in its file, if that is not at its start.
    part_of_file: Option<u64>,
    /// Whether the text is that of a compressed pipe.
    is_compressed_pipe: bool,
    /// Number of bytes that may be read before the next row is complete.
    allowed: Arc<AtomicU64>,
    /// The delimiter, if it has several characters.
    long_delimiter: Option<Delimiter>,
    /// The row behind the last one; empty if quotes are ordinary characters.
    end: Vec<u8>,
    /// The row that was read last.
    row: ByteRecord,
    /// Whether that is the first row, which was read ahead to learn the width.
    is_ahead: bool,
    /// Whether the next row is the one below the header.
    is_below_header: bool,
}

impl DelimitedReader {
    /// Reads the header, or the first row if `format` names the columns. Errors name `path`.
    ///
    /// # Errors
    ///
    /// If the text cannot be read, has no rows or has a malformed header.
    pub fn new(
        path: &Path,
        text: Box<dyn Read + Send>,
        format: &RowFormat,
        label: Label,
    ) -> Result<Self, DataError> {
        let allowed = Arc::new(AtomicU64::new(MAX_ROW));
        let long_delimiter = Some(&format.delimiter).filter(|long| long.byte().is_none());
        let end = end(format);
        let mut rows = Self {
            reader: csv_reader(text, format, Arc::clone(&allowed), &end),
            columns: Vec::new(),
            path: Arc::new(path.to_owned()),
            lines: Lines::default(),
            part_of_file: None,
            is_compressed_pipe: false,
            allowed,
            long_delimiter: long_delimiter.cloned(),
            end,
            row: ByteRecord::new(),
            is_ahead: format.columns.is_some(),
            is_below_header: format.columns.is_none(),
        };
        if !rows.advance()? {
            return Err(DataErrorKind::Empty {
                path: path.to_owned(),
            }
            .into());
        }
        rows.columns = match &format.columns {
            Some(names) => {
                let lacks_label = label == Label::Optional && rows.row.len() + 1 == names.len();
                let present = |name: &&String| !(lacks_label && **name == format.label);
                names.iter().filter(present).cloned().collect()
            }
            None => header(path, &rows.row)?,
        };
        Ok(rows)
    }

    /// Takes the text as a part of the file that begins at a byte of the file's text.
    pub(crate) fn with_start(mut self, byte: u64) -> Self {
        self.part_of_file = Some(byte);
        self
    }

    /// Takes the text as that of a compressed pipe.
    pub(crate) fn of_compressed_pipe(mut self) -> Self {
        self.is_compressed_pipe = true;
        self
    }

    /// Reads the next row, as wide as it is; false at the end.
    fn advance(&mut self) -> Result<bool, DataError> {
        let allowed = self.reader.position().byte() + MAX_ROW;
        self.allowed.store(allowed, Ordering::Relaxed);
        let read = self.reader.read_byte_record(&mut self.row);
        if !read.map_err(|error| self.csv_error(error))? {
            return Ok(false);
        }
        if !self.end.is_empty() && self.row.as_slice() == &self.end[1..] {
            return Ok(false);
        }
        self.lines.count(&self.reader, &self.row);
        self.check_quote()?;
        if let Some(delimiter) = &self.long_delimiter {
            restore(&mut self.row, delimiter);
        }
        Ok(true)
    }

    /// Refuses a row whose last cell goes on to what is behind the text.
    fn check_quote(&self) -> Result<(), DataError> {
        let rest = self.row.as_slice().strip_suffix(&*self.end);
        let Some(rest) = rest.filter(|_| !self.end.is_empty()) else {
            return Ok(());
        };
        let rest = rest.strip_suffix(b"\n").unwrap_or(rest);
        let rest = rest.strip_suffix(b"\r").unwrap_or(rest);
        Err(DataErrorKind::OpenQuote {
            position: self.position(),
            lines: num_lines(rest),
            // The columns are known once that row has been read.
            is_first: self.columns.is_empty(),
        }
        .into())
    }

    /// Refuses a row that does not have one cell per column.
    fn check_width(&self, is_below_header: bool) -> Result<(), DataError> {
        let (expected, got) = (self.columns.len(), self.row.len());
        if got == expected {
            return Ok(());
        }
        let position = self.position();
        let lines = num_lines(self.row.as_slice());
        let kind = if lines > 1 {
            DataErrorKind::Quote {
                position,
                expected,
                got,
                lines,
            }
        } else {
            DataErrorKind::Width {
                position,
                expected,
                got,
                remark: remark(&self.row, expected, is_below_header),
            }
        };
        Err(kind.into())
    }

    fn position_of(&self, line: u64) -> Position {
        Position {
            path: Arc::clone(&self.path),
            location: match self.part_of_file {
                Some(byte) => Location::After(byte),
                None if self.is_compressed_pipe => Location::OfPipe(line),
                None => Location::Line(line),
            },
        }
    }

    /// The error of a row that cannot be read.
    fn csv_error(&self, error: csv::Error) -> DataError {
        match error.into_kind() {
            csv::ErrorKind::Io(source)
                if source.get_ref().is_some_and(|error| error.is::<TooLong>()) =>
            {
                DataErrorKind::LongRow {
                    position: self.position_of(self.lines.next()),
                    is_quoted: !self.end.is_empty(),
                }
                .into()
            }
            csv::ErrorKind::Io(source) => DataError::io(&self.path)(source),
            other => DataError::corrupt(&self.path, format!("{other:?}")),
        }
    }

    /// Refuses cells that are not UTF-8: each would silently become a token of its own.
    fn check_utf8(&self) -> Result<(), DataError> {
        if self.row.as_slice().is_ascii() {
            return Ok(());
        }
        let mut cells = self.row.iter();
        match cells.position(|cell| std::str::from_utf8(cell).is_err()) {
            None => Ok(()),
            Some(column) => Err(DataErrorKind::Utf8 {
                position: self.position(),
                column: self.columns[column].clone(),
                got: String::from_utf8_lossy(&self.row[column]).into_owned(),
            }
            .into()),
        }
    }
}

/// The number of lines of a row. They end with `\n`, `\r\n` or `\r`.
fn num_lines(row: &[u8]) -> u64 {
    let is_end =
        |at: &usize| row[*at] == b'\n' || row[*at] == b'\r' && row.get(at + 1) != Some(&b'\n');
    1 + (0..row.len()).filter(is_end).count() as u64
}

impl RowReader for DelimitedReader {
    fn columns(&self) -> &[String] {
        &self.columns
    }

    fn read_row(&mut self) -> Result<bool, DataError> {
        let is_below_header = mem::take(&mut self.is_below_header);
        if !mem::take(&mut self.is_ahead) && !self.advance()? {
            return Ok(false);
        }
        self.check_width(is_below_header)?;
        self.check_utf8()?;
        Ok(true)
    }

    fn row(&self) -> RawRow<'_> {
        RawRow::from(&self.row)
    }

    fn position(&self) -> Position {
        self.position_of(self.lines.start)
    }
}

/// What may be the reason that a row has the wrong number of cells.
fn remark(row: &ByteRecord, expected: usize, is_below_header: bool) -> &'static str {
    let one_more = row.len() == expected + 1;
    if one_more && row.iter().next_back() == Some(b"") {
        ": the line ends with a delimiter; if every line does, name the empty column after it in the \
         header or in `columns`"
    } else if one_more && is_below_header {
        ": if its first cell is the row's name, as R's write.table writes it, the header needs a name for \
         that column"
    } else {
        ""
    }
}

/// A line end and the row behind the last one; nothing if quotes are ordinary characters.
fn end(format: &RowFormat) -> Vec<u8> {
    let mut bytes = END.into_iter();
    let byte = bytes.find(|byte| format.delimiter.byte() != Some(*byte));
    let byte = byte.filter(|_| format.quote_byte().is_some());
    byte.map_or_else(Vec::new, |byte| {
        std::iter::once(b'\n')
            .chain(std::iter::repeat_n(byte, END_LEN))
            .collect()
    })
}

/// Splits text into rows of any width. Behind the text is `end`.
fn csv_reader(
    text: Box<dyn Read + Send>,
    format: &RowFormat,
    allowed: Arc<AtomicU64>,
    end: &[u8],
) -> csv::Reader<Bounded> {
    let (text, delimiter): (Box<dyn Read + Send>, _) = match format.delimiter.byte() {
        Some(byte) => (text, byte),
        None => {
            let text = OneByteDelimiter::new(text, format.delimiter.clone());
            (Box::new(text), long_delimiter::DELIMITER)
        }
    };
    let quote = format.quote_byte();
    csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .quoting(quote.is_some())
        .quote(quote.unwrap_or(b'"'))
        .has_headers(false)
        .flexible(true)
        .buffer_capacity(BUFFER)
        .from_reader(Bounded {
            text,
            delivered: 0,
            allowed,
            chunk: Vec::new(),
            end: end.to_vec(),
        })
}

fn header(path: &Path, record: &ByteRecord) -> Result<Vec<String>, DataError> {
    let mut seen = HashSet::new();
    let mut columns = Vec::with_capacity(record.len());
    for name in record {
        let name = std::str::from_utf8(name)
            .map_err(|_| DataError::corrupt(path, not_utf8()))?
            .to_owned();
        if !seen.insert(name.clone()) {
            return Err(DataErrorKind::DuplicateColumn {
                path: path.to_owned(),
                column: name,
            }
            .into());
        }
        columns.push(name);
    }
    Ok(columns)
}

fn not_utf8() -> String {
    let conversion = conversion("LATIN1");
    format!("the header is not UTF-8; if the file is Latin-1, convert it: {conversion}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    use crate::config::Quote;
    use crate::formats::parts::open_rows;
    use crate::formats::raw_row::texts;

    fn format(columns: Option<&[&str]>, delimiter: &str) -> RowFormat {
        RowFormat {
            delimiter: Delimiter::new(delimiter).unwrap(),
            columns: columns.map(|names| names.iter().map(|name| (*name).to_owned()).collect()),
            ..RowFormat::csv("y")
        }
    }

    fn rows(text: &[u8], format: &RowFormat) -> Result<(Vec<String>, Vec<Vec<String>>), String> {
        let directory = tempfile::tempdir().unwrap();
        read(directory.path(), text, format).map_err(|error| error.to_string())
    }

    fn read(
        directory: &Path,
        text: &[u8],
        format: &RowFormat,
    ) -> Result<(Vec<String>, Vec<Vec<String>>), DataError> {
        let path = directory.join("rows.csv");
        fs::write(&path, text).unwrap();
        let mut reader = open_rows(&path, format, Label::Optional)?;
        let mut rows = Vec::new();
        while reader.read_row()? {
            rows.push(texts(reader.row()));
        }
        Ok((reader.columns().to_vec(), rows))
    }

    #[test]
    fn a_header_names_the_columns_past_a_byte_order_mark() {
        let (columns, rows) = rows(
            b"\xef\xbb\xbfy,a\r\n1,\"x,z\"\r\n0,\r\n",
            &format(None, ","),
        )
        .unwrap();
        assert_eq!(columns, ["y", "a"]);
        assert_eq!(rows, [["1", "x,z"], ["0", ""]]);
    }

    #[test]
    fn named_columns_take_the_first_line_as_a_row_and_may_lack_the_label() {
        let format = format(Some(&["y", "a", "b"]), "\t");
        let (columns, with_label) = rows(b"1\t\"p\t\n", &format).unwrap();
        assert_eq!(columns, ["y", "a", "b"]);
        assert_eq!(with_label, [["1", "\"p", ""]]);
        let (columns, without) = rows(b"p\tq\nr\ts\n", &format).unwrap();
        assert_eq!(columns, ["a", "b"]);
        assert_eq!(without, [["p", "q"], ["r", "s"]]);
    }

    #[test]
    fn cells_are_parted_by_several_characters_and_quoted_as_the_format_says() {
        let quote = |quote: &str| Some(Quote::try_from(quote.to_owned()).unwrap());
        let double = RowFormat {
            quote: quote("'"),
            ..format(None, "::")
        };
        let text = "\u{feff}y::a::'b::c'\n1::x:y::\n\n0::'::''z\n'::\"\n1::2\n".as_bytes();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rows.csv");
        fs::write(&path, text).unwrap();
        let mut reader = open_rows(&path, &double, Label::Optional).unwrap();
        assert_eq!(reader.columns(), ["y", "a", "b::c"]);
        for expected in [["1", "x:y", ""], ["0", "::'z\n", "\""]] {
            assert!(reader.read_row().unwrap());
            assert_eq!(texts(reader.row()), expected);
        }
        let error = reader.read_row().unwrap_err().to_string();
        assert!(
            error.ends_with("rows.csv:6: expected 3 cells, got 2"),
            "{error}"
        );

        let tsv = |quote| RowFormat {
            quote,
            ..format(None, "\t")
        };
        let text = b"y\ta\n1\t\"x\"\n";
        assert_eq!(rows(text, &tsv(None)).unwrap().1, [["1", "\"x\""]]);
        assert_eq!(rows(text, &tsv(quote("\""))).unwrap().1, [["1", "x"]]);
        let csv = RowFormat {
            quote: quote(""),
            ..format(None, ",")
        };
        assert_eq!(rows(b"y,a\n1,\"x\n", &csv).unwrap().1, [["1", "\"x"]]);
    }

    #[test]
    fn lines_are_counted_past_blank_ones_and_cells_of_several() {
        let line = |text: &[u8]| {
            let directory = tempfile::tempdir().unwrap();
            let error = read(directory.path(), text, &format(None, ",")).unwrap_err();
            error.position().unwrap().location
        };
        for (text, expected) in [
            ("y,a\n1,x\n\n\n0,z,\n", 5),
            ("\n\ny,a\n1,x\n0,z,\n", 5),
            ("y,a\n1,\"x\nx\"\n0,z,\n", 4),
            ("y,a\n1,x\n0,z,", 3),
            ("y,a\r\n1,x\r\n0,z,\r\n", 3),
            ("y,a\r\n1,x\r\n\r\n0,z,", 4),
            ("y,a\r\n\r\n1,\"x\r\nx\"\r\n0,z,\r\n", 5),
            ("y,a\r1,x\r0,z,\r", 3),
            ("\u{feff}y,a\n1,x\n0,z,\n", 3),
        ] {
            assert_eq!(line(text.as_bytes()), Location::Line(expected), "{text:?}");
            // The row is past the first chunk that the reader fills.
            let rows = BUFFER / 4 + 1;
            let ends = ["\r\n", "\n", "\r"];
            let end = ends.into_iter().find(|end| text.contains(end)).unwrap();
            let (header, rest) = text.split_at(text.find("1,").unwrap());
            let long = [header, &format!("1,x{end}").repeat(rows), rest].concat();
            let expected = Location::Line(expected + rows as u64);
            assert_eq!(line(long.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn a_quote_that_takes_the_rest_of_the_file_is_told_with_its_line() {
        for delimiter in [",", "::", "\u{1e}"] {
            let format = RowFormat {
                quote: Some(Quote::DOUBLE),
                ..format(None, delimiter)
            };
            let read = |text: &str| rows(text.replace(',', delimiter).as_bytes(), &format);
            for (text, lines) in [
                ("y,a\n1,x\n0,\"z", 1),
                ("y,a\n1,x\n0,\"z\n", 1),
                ("y,a\n1,x\n0,\"z\n1,x\n", 2),
                ("y,a\r\n1,x\r\n0,\"z\r\n1,x\r\n", 2),
                ("y,a\r\n1,x\r\n0,\"z\r\n", 1),
                ("y,a\r1,x\r0,\"z\r1,x\r1,x\r", 3),
                ("y,a\r1,x\r0,\"z\r1,x", 2),
                ("y,a\r1,x\r0,\"z\r", 1),
                ("y,a\n1,x\n0,\"z\n1,\"\"x\n1,x", 3),
            ] {
                let error = read(text).unwrap_err();
                let lines = if lines == 1 {
                    "1 line"
                } else {
                    &format!("{lines} lines")
                };
                let says = format!(
                    "rows.csv:3: a quote is not closed: the row that begins here takes the rest of the file, {lines}"
                );
                assert!(error.ends_with(&says), "{text:?}: {error}");
            }
            for text in ["y,a\n0,\"z\n\"", "y,a\n0,\"z\n\"\n\n", "y,a\r0,\"z\n\"\r"] {
                assert_eq!(read(text).unwrap().1, [["0", "z\n"]], "{text:?}");
            }
        }
    }

    #[test]
    fn a_quote_that_is_closed_in_a_later_line_makes_one_row_of_its_lines() {
        for end in ["\n", "\r\n", "\r"] {
            let read = |text: &str| rows(text.replace('\n', end).as_bytes(), &format(None, ","));
            let (_, accepted) = read("y,a\n0,\"z\n1,\"x\n").unwrap();
            assert_eq!(accepted, [["0", &format!("z{end}1,x")]]);
            let error = read("y,a\n1,x\n0,\"z\n1,x\n1,\"x,z\n1,x\n").unwrap_err();
            let says =
                "rows.csv:3: a row over 3 lines has 3 cells, expected 2: is a quote not closed?";
            assert!(error.ends_with(says), "{end:?}: {error}");
        }
    }

    #[test]
    fn a_first_row_whose_quote_is_not_closed_cannot_be_skipped() {
        let directory = tempfile::tempdir().unwrap();
        for columns in [None, Some(&["y", "a"][..])] {
            let error = read(directory.path(), b"1,\"x\n", &format(columns, ",")).unwrap_err();
            assert!(
                matches!(
                    error.kind(),
                    DataErrorKind::OpenQuote {
                        lines: 1,
                        is_first: true,
                        ..
                    }
                ),
                "{error}"
            );
            assert!(!error.is_bad_row(), "{error}");
        }
        let later = read(directory.path(), b"y,a\n1,\"x\n", &format(None, ",")).unwrap_err();
        assert!(later.is_bad_row(), "{later}");
    }

    #[test]
    fn a_long_row_asks_about_a_quote_only_where_cells_may_be_quoted() {
        let text = [b"y,a\n0,".as_slice(), &vec![b'x'; 6 << 20]].concat();
        let unquoted = RowFormat {
            quote: Some(Quote::try_from(String::new()).unwrap()),
            ..format(None, ",")
        };
        let error = rows(&text, &unquoted).unwrap_err();
        assert!(error.ends_with("a row is longer than 4 MiB"), "{error}");
        let error = rows(&text, &format(None, ",")).unwrap_err();
        assert!(error.ends_with("4 MiB: is a quote not closed?"), "{error}");
    }

    #[test]
    fn errors_tell_the_line() {
        let message = |text: &[u8]| rows(text, &format(None, ",")).unwrap_err();
        let latin1 = message(b"y,a\n1,caf\xc3\xa9\n0,caf\xe9\n");
        assert!(
            latin1.contains("rows.csv:3, column `a`: the cell is not UTF-8"),
            "{latin1}"
        );
        let wrong = message(b"y,a\n1,x\n\n0,z,\n");
        assert!(
            wrong.ends_with(
                "rows.csv:4: expected 2 cells, got 3: the line ends with a delimiter; if every line does, \
                 name the empty column after it in the header or in `columns`"
            ),
            "{wrong}"
        );
        let wide = message(b"y,a\n1,x\n\n0,z,w\n");
        assert!(
            wide.ends_with("rows.csv:4: expected 2 cells, got 3"),
            "{wide}"
        );
        let row_names = message(b"y,a\n1,0,x\n");
        assert!(row_names.contains("the header needs a name"), "{row_names}");
        assert!(message(b"").ends_with("the file has no rows"));
        let open = message(b"y,a\n1,x\n0,\"z\n1,x\n1,x\n1,\"u,v\"\n");
        assert!(
            open.contains("rows.csv:3: a row over 4 lines has 3 cells, expected 2"),
            "{open}"
        );
        let long = message(&[b"y,a\n0,\"", vec![b'x'; 6 << 20].as_slice()].concat());
        assert!(
            long.contains("rows.csv:2: a row is longer than 4 MiB"),
            "{long}"
        );
        assert!(message(b"y,a,y\n1,2,3\n").contains("the header names column `y` twice"));
    }
}
