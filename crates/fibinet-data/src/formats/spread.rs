use std::fs;
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::config::RowFormat;
use crate::error::{DataError, DataErrorKind};
use crate::formats::delimited::DelimitedReader;
use crate::formats::input_format::open;
use crate::formats::parquet_reader::ParquetReader;
use crate::formats::parts::files;
use crate::formats::reader::{Label, RowReader};
use crate::formats::registry::{Access, access, open_file};

/// The number of places, spread evenly over a source, that are read.
const BLOCKS: u64 = 64;
/// The number of bytes of text that are read in each place. Sources of fewer bytes are read whole.
const BLOCK_BYTES: u64 = 1 << 18;
/// The number of rows of a table that are read in each place.
const BLOCK_ROWS: usize = 1563;
/// The number of rows of compressed text that are read for each place in it: it has to be read from its
/// start, and a place costs as much as these rows.
const COMPRESSED_ROWS: u64 = 1 << 14;

/// What [`SpreadRows::read`] has read of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Coverage {
    /// The number of rows in the whole source, estimated from the part that was read.
    pub(crate) num_rows: u64,
    /// The number of rows that were read of a compressed file whose later rows were not.
    pub(crate) beginning_of: Option<(PathBuf, u64)>,
}

/// Reads rows from all over a source, at a cost that does not grow with its size: about 16 MiB of plain
/// text, 100,000 rows of Parquet, or the first million rows of compressed text. Rows that cannot be read
/// are passed over, and a file that cannot be read any further ends there: this is a sample.
pub(crate) struct SpreadRows<'a, F> {
    format: &'a RowFormat,
    /// The names of the columns.
    columns: &'a [String],
    /// Gets the reader of each row after the row was read.
    each: F,
    coverage: Coverage,
}

impl<'a, F: FnMut(&dyn RowReader)> SpreadRows<'a, F> {
    /// # Errors
    ///
    /// If a file cannot be opened.
    pub(crate) fn read(
        path: &Path,
        format: &'a RowFormat,
        columns: &'a [String],
        each: F,
    ) -> Result<Coverage, DataError> {
        let mut spread = Self {
            format,
            columns,
            each,
            coverage: Coverage {
                num_rows: 0,
                beginning_of: None,
            },
        };
        let mut sizes = Vec::new();
        for file in files(path)? {
            let size = fs::metadata(&file).map_err(DataError::io(&file))?.len();
            sizes.push((file, size));
        }
        let total: u64 = sizes.iter().map(|(_, size)| size).sum();
        let is_small = total <= BLOCKS * BLOCK_BYTES;
        let (mut start, mut read) = (0, 0);
        for (file, size) in &sizes {
            let blocks = places(start + size, total) - places(start, total);
            start += size;
            if is_small || blocks > 0 {
                read += size;
                spread.file(file, *size, blocks.max(1), is_small)?;
            }
        }
        let share = read as f64 / total.max(1) as f64;
        let num_rows = spread.coverage.num_rows as f64 / share;
        spread.coverage.num_rows = num_rows as u64;
        Ok(spread.coverage)
    }

    /// Reads a file in this many places, or the whole of a small one.
    fn file(
        &mut self,
        path: &Path,
        size: u64,
        blocks: u64,
        is_small: bool,
    ) -> Result<(), DataError> {
        match access(path)? {
            Access::Byte if is_small => {
                let (rows, _) = self.rows(open_part(path, self.format)?, u64::MAX);
                self.coverage.num_rows += rows;
            }
            Access::Byte => {
                let (mut rows, mut bytes) = (0, 0);
                for block in 0..blocks {
                    let text = lines_at(path, size / blocks * block, size / blocks)?;
                    bytes += text.len() as u64;
                    rows += self.rows(self.text_rows(path, text), u64::MAX).0;
                }
                let per_byte = rows as f64 / bytes.max(1) as f64;
                self.coverage.num_rows += (per_byte * size as f64) as u64;
            }
            Access::Row => {
                let blocks = blocks as usize;
                let (reader, num_rows) = ParquetReader::open_spread(path, blocks, BLOCK_ROWS)?;
                self.rows(Some(Box::new(reader)), u64::MAX);
                self.coverage.num_rows += num_rows;
            }
            Access::Start => {
                let limit = blocks * COMPRESSED_ROWS;
                let (rows, has_more) = self.rows(open_part(path, self.format)?, limit);
                self.coverage.num_rows += rows;
                if has_more {
                    self.coverage.beginning_of = Some((path.to_owned(), rows));
                }
            }
        }
        Ok(())
    }

    /// Passes on at most `limit` rows; gives their number, and whether there may be more.
    fn rows(&mut self, reader: Option<Box<dyn RowReader>>, limit: u64) -> (u64, bool) {
        let Some(mut reader) = reader else {
            return (0, false);
        };
        let mut rows = 0;
        while rows < limit {
            match reader.read_row() {
                Ok(true) => (self.each)(reader.as_ref()),
                Ok(false) => return (rows, false),
                Err(error) if error.is_bad_row() => {}
                Err(_) => return (rows, false),
            }
            rows += 1;
        }
        (rows, true)
    }

    /// The rows of lines from the middle of a file; `None` if there are none.
    fn text_rows(&self, path: &Path, lines: Vec<u8>) -> Option<Box<dyn RowReader>> {
        let format = RowFormat {
            columns: Some(self.columns.to_vec()),
            ..self.format.clone()
        };
        let text = Box::new(Cursor::new(lines));
        let reader = DelimitedReader::new(path, text, &format, Label::Required).ok()?;
        Some(Box::new(reader))
    }
}

/// The number of places before this byte.
fn places(byte: u64, total: u64) -> u64 {
    (u128::from(byte) * u128::from(BLOCKS)).div_ceil(u128::from(total.max(1))) as u64
}

/// Opens a file of a directory; `None` if it is empty.
fn open_part(path: &Path, format: &RowFormat) -> Result<Option<Box<dyn RowReader>>, DataError> {
    match open_file(path, format, Label::Required) {
        Err(error) if matches!(error.kind(), DataErrorKind::Empty { .. }) => Ok(None),
        reader => reader.map(Some),
    }
}

/// The complete lines in a part of a file. The first line is not among them: at the start of the file it
/// may be the header, and elsewhere it begins before.
fn lines_at(path: &Path, start: u64, length: u64) -> Result<Vec<u8>, DataError> {
    let mut file = open(path)?;
    let mut text = Vec::new();
    file.seek(SeekFrom::Start(start))
        .and_then(|_| file.take(length.min(BLOCK_BYTES)).read_to_end(&mut text))
        .map_err(DataError::io(path))?;
    let is_end = |byte: &u8| matches!(byte, b'\n' | b'\r');
    let first = text.iter().position(is_end);
    text.truncate(text.iter().rposition(is_end).map_or(0, |last| last + 1));
    text.drain(..first.map_or(0, |first| first + 1));
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;
    use std::io::Write as _;

    use crate::formats::raw_row::texts;

    fn read(path: &Path) -> (Vec<u64>, Coverage) {
        let format = RowFormat::csv("y");
        let mut numbers = Vec::new();
        let columns = ["y", "n", "text"].map(str::to_owned);
        let coverage = SpreadRows::read(path, &format, &columns, |reader| {
            numbers.extend(texts(reader.row())[1].parse::<u64>());
        });
        (numbers, coverage.unwrap())
    }

    /// Rows of about 100 bytes.
    fn log(rows: std::ops::Range<u64>) -> String {
        let mut text = "y,n,text\n".to_owned();
        for row in rows {
            writeln!(text, "0,{row},{}", "x".repeat(90)).unwrap();
        }
        text
    }

    #[test]
    fn a_large_text_is_read_all_over_and_each_row_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log.csv");
        fs::write(&path, log(0..400_000)).unwrap();
        let (numbers, coverage) = read(&path);
        assert!(
            (100_000..200_000).contains(&numbers.len()),
            "{}",
            numbers.len()
        );
        assert!(numbers.is_sorted_by(|a, b| a < b));
        assert!(numbers[0] < 10 && numbers[numbers.len() - 1] > 390_000);
        let mean = numbers.iter().sum::<u64>() / numbers.len() as u64;
        assert!(mean.abs_diff(200_000) < 5_000, "{mean}");
        assert!(coverage.num_rows.abs_diff(400_000) < 4_000, "{coverage:?}");
        assert_eq!(coverage.beginning_of, None);
    }

    #[test]
    fn a_directory_of_large_files_is_read_all_over() {
        let directory = tempfile::tempdir().unwrap();
        for part in 0..3 {
            let path = directory.path().join(format!("part-{part}.csv"));
            fs::write(path, log(100_000 * part..100_000 * (part + 1))).unwrap();
        }
        let (numbers, coverage) = read(directory.path());
        for part in 0..3 {
            let rows = numbers.iter().filter(|row| **row / 100_000 == part).count();
            assert!(rows > 30_000, "{part}: {rows}");
        }
        assert!(coverage.num_rows.abs_diff(300_000) < 3_000, "{coverage:?}");
    }

    #[test]
    fn a_small_source_is_read_whole_but_for_malformed_rows() {
        let directory = tempfile::tempdir().unwrap();
        for part in 0..100 {
            let path = directory.path().join(format!("part-{part:02}.csv"));
            let malformed = if part == 7 { "0,1\n" } else { "" };
            fs::write(path, log(part..part + 1) + malformed).unwrap();
        }
        let (numbers, coverage) = read(directory.path());
        assert_eq!(numbers, (0..100).collect::<Vec<_>>());
        assert_eq!((coverage.num_rows, coverage.beginning_of), (101, None));
    }

    #[test]
    fn the_beginning_of_compressed_text_is_read_and_said_so() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log.csv.gz");
        let file = fs::File::create(&path).unwrap();
        let mut file = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
        let mut text = "y,n,text\n".to_owned();
        (0..1_100_000).for_each(|row| writeln!(text, "0,{row},").unwrap());
        file.write_all(text.as_bytes()).unwrap();
        file.finish().unwrap();
        let (numbers, coverage) = read(&path);
        assert_eq!(numbers.len(), 1 << 20);
        assert_eq!(coverage.beginning_of, Some((path, 1 << 20)));
    }

    #[test]
    fn a_large_table_is_read_all_over() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log.parquet");
        let names = ["y", "n"].map(str::to_owned);
        let file = fs::File::create(&path).unwrap();
        let mut table = crate::formats::ParquetTable::create(file, &path, &names, "text").unwrap();
        for row in 0..300_000_u64 {
            table
                .push(&[b"0", row.to_string().as_bytes()], 0.0)
                .unwrap();
        }
        table.finish().unwrap();
        let (numbers, coverage) = read(&path);
        assert_eq!(numbers.len(), 64 * BLOCK_ROWS);
        assert!(numbers.is_sorted_by(|a, b| a < b));
        assert!(numbers[numbers.len() - 1] > 290_000);
        assert_eq!(coverage.num_rows, 300_000);
    }

    #[test]
    fn rows_of_several_lines_are_whole_or_passed_over() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log.csv");
        let mut text = "y,n,text\n".to_owned();
        for row in 0..200_000 {
            writeln!(text, "0,{row},\"1,{row}{row}\n0,7,8\n{}\"", "x".repeat(90)).unwrap();
        }
        fs::write(&path, text).unwrap();
        let (numbers, _) = read(&path);
        let wrong = numbers.iter().filter(|number| **number == 7).count();
        assert!(
            numbers.len() > 50_000 && wrong < 70,
            "{wrong} of {}",
            numbers.len()
        );
    }
}
