use std::fs;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::config::RowFormat;
use crate::error::{DataError, DataErrorKind};
use crate::formats::delimited::DelimitedReader;
use crate::formats::input_format::open;
use crate::formats::parquet_reader::ParquetReader;
use crate::formats::parts::files;
use crate::formats::reader::{Label, RowReader};
use crate::formats::registry::{Access, access, open_file, open_text};

/// The number of places, spread evenly over a source, that are read.
const BLOCKS: u64 = 64;
/// The number of bytes of text that are read in each place.
const BLOCK_BYTES: u64 = 1 << 18;
/// The number of rows of a table that are read in each place.
const BLOCK_ROWS: usize = 1563;
/// Compressed text has to be read from its start. Of a source, at most this many bytes of such text are
/// decompressed, which takes about a minute.
const MOST_DECOMPRESSED: u64 = 16 << 30;
/// A source of plain text of at most this many bytes is read whole, and so is a compressed file of as much text. It takes
/// about two seconds.
pub(crate) const SHORT: u64 = 1 << 28;
/// The number of malformed rows that are told apart.
const TOLD: usize = 3;

/// What [`SpreadRows::read`] has read of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Coverage {
    /// The number of rows in the whole source, estimated from the part that was read.
    pub(crate) num_rows: u64,
    /// A compressed file whose end was not looked at, and about how many rows come before.
    pub(crate) beginning_of: Option<(PathBuf, u64)>,
    /// Why a file could not be read to its end, for the first such file.
    pub(crate) damage: Option<String>,
    /// The malformed rows among those that were read.
    pub(crate) malformed: MalformedSample,
}

/// Malformed rows among those that were read of a source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MalformedSample {
    /// The number of malformed rows. One over several lines is one row.
    pub rows: u64,
    /// What is wrong with the first of them.
    pub first: Vec<MalformedRow>,
    /// The number of rows that were read.
    pub of: u64,
    /// Whether these are not all rows of the source.
    pub is_part: bool,
}

/// What is wrong with a malformed row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MalformedRow {
    /// The message of its error.
    pub message: String,
    /// Whether its label is neither 0 nor 1.
    pub is_label: bool,
}

impl MalformedSample {
    fn add(&mut self, error: &DataError) {
        self.rows += 1;
        if self.first.len() < TOLD {
            self.first.push(MalformedRow {
                message: error.to_string(),
                is_label: matches!(error.kind(), DataErrorKind::Label { .. }),
            });
        }
    }
}

/// Reads rows from all over a source, at a cost that does not grow with its size: plain text up to 256 MiB whole and
/// 16 MiB of a longer one, or 100,000 rows of Parquet. Compressed files are decompressed, up to 16 GiB of text in all;
/// short ones are read whole, and pieces of 16 to 32 MiB of others. Malformed rows are counted and passed over, and a
/// file that cannot be read any further ends there.
pub(crate) struct SpreadRows<'a, F> {
    format: &'a RowFormat,
    /// The names of the columns.
    columns: &'a [String],
    /// Gets the reader of each row after the row was read, and tells what is wrong with the row.
    each: F,
    coverage: Coverage,
}

impl<'a, F: FnMut(&dyn RowReader) -> Result<(), DataError>> SpreadRows<'a, F> {
    /// Reads plain text up to `short` bytes whole.
    ///
    /// # Errors
    ///
    /// If a file cannot be opened.
    pub(crate) fn read(
        path: &Path,
        format: &'a RowFormat,
        columns: &'a [String],
        short: u64,
        each: F,
    ) -> Result<Coverage, DataError> {
        let mut spread = Self {
            format,
            columns,
            each,
            coverage: Coverage {
                num_rows: 0,
                beginning_of: None,
                damage: None,
                malformed: MalformedSample::default(),
            },
        };
        let (mut sizes, mut are_plain) = (Vec::new(), true);
        for file in files(path)? {
            let size = fs::metadata(&file).map_err(DataError::io(&file))?.len();
            are_plain = are_plain && matches!(access(&file)?, Access::Byte);
            sizes.push((file, size));
        }
        let total: u64 = sizes.iter().map(|(_, size)| size).sum();
        let is_small = total <= BLOCKS * BLOCK_BYTES || are_plain && total <= short;
        let (mut start, mut read) = (0, 0);
        for (file, size) in &sizes {
            let blocks = places(start + size, total) - places(start, total);
            start += size;
            if is_small || blocks > 0 {
                read += size;
                spread.file(file, *size, blocks.max(1), is_small)?;
            } else {
                spread.coverage.malformed.is_part = true;
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
                self.coverage.num_rows += self.whole(open_part(path, self.format)?);
            }
            Access::Byte => {
                let texts = (0..blocks).map(|block| {
                    let start = size / blocks * block;
                    Ok((start, text_at(path, start, size / blocks)?))
                });
                let (rows, bytes) = self.texts(path, texts)?;
                self.coverage.num_rows += (rows / bytes * size as f64) as u64;
            }
            Access::Row => {
                let blocks = blocks as usize;
                let (reader, num_rows) =
                    ParquetReader::open_spread(path, self.format, blocks, BLOCK_ROWS)?;
                let read = self.whole(Some(Box::new(reader)));
                self.coverage.num_rows += num_rows;
                self.coverage.malformed.is_part |= read < num_rows;
            }
            Access::Start => {
                let Some(text) = open_text(path)? else {
                    return Ok(());
                };
                let most = MOST_DECOMPRESSED / BLOCKS * blocks;
                let pieces = Pieces::read(text, blocks as usize, most);
                if !pieces.has_more && pieces.fault.is_none() && pieces.bytes <= SHORT {
                    self.coverage.num_rows += self.whole(open_part(path, self.format)?);
                    return Ok(());
                }
                let Pieces {
                    texts,
                    bytes,
                    has_more,
                    fault,
                    ..
                } = pieces;
                // Damage garbles the rows before it.
                let earlier = fault.as_ref().map(|_| self.coverage.malformed.clone());
                let (rows, read) = self.texts(path, texts.into_iter().map(Ok))?;
                self.restore(earlier);
                let num_rows = (rows / read * bytes as f64) as u64;
                self.coverage.num_rows += num_rows;
                self.note_damage(fault.map(DataError::io(path)));
                if has_more {
                    self.coverage.beginning_of = Some((path.to_owned(), num_rows));
                }
            }
        }
        Ok(())
    }

    /// Passes on the rows in parts of a text, each with where it begins; gives their number and that of their bytes.
    fn texts(
        &mut self,
        path: &Path,
        texts: impl Iterator<Item = Result<(u64, Vec<u8>), DataError>>,
    ) -> Result<(f64, f64), DataError> {
        let (mut rows, mut bytes) = (0, 0);
        self.coverage.malformed.is_part = true;
        for text in texts {
            let (start, text) = text?;
            let lines = complete_lines(text);
            bytes += lines.len();
            // A piece may begin or end within a quoted cell, which makes the rows around it malformed.
            let earlier =
                may_split_a_cell(&lines, self.format).then(|| self.coverage.malformed.clone());
            rows += self.rows(self.text_rows(path, start, lines)).0;
            self.restore(earlier);
        }
        Ok((rows as f64, bytes.max(1) as f64))
    }

    /// Passes on the rows of a file, and notes if it cannot be read to its end.
    fn whole(&mut self, reader: Option<Box<dyn RowReader>>) -> u64 {
        let (rows, error) = self.rows(reader);
        self.note_damage(error);
        rows
    }

    /// Forgets the malformed rows since then, which may be none of the file's.
    fn restore(&mut self, earlier: Option<MalformedSample>) {
        if let Some(earlier) = earlier {
            self.coverage.malformed = earlier;
        }
    }

    fn note_damage(&mut self, error: Option<DataError>) {
        let damage = &mut self.coverage.damage;
        *damage = damage.take().or(error.map(|error| error.to_string()));
    }

    /// Passes on rows; gives their number, with those that cannot be read, and why there are no more.
    fn rows(&mut self, reader: Option<Box<dyn RowReader>>) -> (u64, Option<DataError>) {
        let Some(mut reader) = reader else {
            return (0, None);
        };
        let mut rows = 0;
        loop {
            let read = match reader.read_row() {
                Ok(true) => (self.each)(reader.as_ref()),
                Ok(false) => return (rows, None),
                Err(error) if error.is_bad_row() => Err(error),
                Err(error) => return (rows, Some(error)),
            };
            rows += 1;
            let malformed = &mut self.coverage.malformed;
            malformed.of += 1;
            read.unwrap_or_else(|error| malformed.add(&error));
        }
    }

    /// The rows of lines from the middle of a file; `None` if there are none.
    fn text_rows(&self, path: &Path, start: u64, lines: Vec<u8>) -> Option<Box<dyn RowReader>> {
        let format = RowFormat {
            columns: Some(self.columns.to_vec()),
            ..self.format.clone()
        };
        let text = Box::new(Cursor::new(lines));
        let reader = DelimitedReader::new(path, text, &format, Label::Required).ok()?;
        Some(Box::new(reader.with_start(start)))
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

/// A part of a text.
fn text_at(path: &Path, start: u64, length: u64) -> Result<Vec<u8>, DataError> {
    let mut file = open(path)?;
    let mut text = Vec::new();
    file.seek(SeekFrom::Start(start))
        .and_then(|_| file.take(length.min(BLOCK_BYTES)).read_to_end(&mut text))
        .map_err(DataError::io(path))?;
    Ok(text)
}

/// The complete lines in a part of a text. The first line is not among them: at the start of the text it
/// may be the header, and elsewhere it begins before.
fn complete_lines(mut text: Vec<u8>) -> Vec<u8> {
    let is_end = |byte: &u8| matches!(byte, b'\n' | b'\r');
    let first = text.iter().position(is_end);
    text.truncate(text.iter().rposition(is_end).map_or(0, |last| last + 1));
    text.drain(..first.map_or(0, |first| first + 1));
    text
}

/// Whether cells of a text may span lines: a line has an odd number of quotes then.
fn may_split_a_cell(lines: &[u8], format: &RowFormat) -> bool {
    let Some(quote) = format.quote_byte() else {
        return false;
    };
    let mut lines = lines.split(|byte| *byte == b'\n');
    lines.any(|line| line.iter().filter(|byte| **byte == quote).count() % 2 == 1)
}

/// Pieces of a text of unknown length, evenly spread over it.
struct Pieces {
    /// Each with the byte that it begins at.
    texts: Vec<(u64, Vec<u8>)>,
    /// Each of this many pieces was kept.
    stride: usize,
    /// The length of the text that was read.
    bytes: u64,
    /// Whether there may be more text.
    has_more: bool,
    /// Why the text cannot be read any further.
    fault: Option<io::Error>,
}

impl Pieces {
    /// Reads at most `most` bytes of a text, and keeps at least `least` pieces and less than twice as many, or all
    /// of a short text.
    fn read(mut text: impl Read, least: usize, most: u64) -> Self {
        let mut pieces = Self {
            texts: Vec::new(),
            stride: 1,
            bytes: 0,
            has_more: true,
            fault: None,
        };
        let mut piece = Vec::new();
        for at in 0.. {
            if pieces.bytes >= most {
                break;
            }
            piece.clear();
            let read = text.by_ref().take(BLOCK_BYTES).read_to_end(&mut piece);
            if at % pieces.stride == 0 && !piece.is_empty() {
                pieces.keep((pieces.bytes, piece.clone()), least);
            }
            pieces.bytes += piece.len() as u64;
            pieces.fault = read.err();
            if pieces.fault.is_some() || (piece.len() as u64) < BLOCK_BYTES {
                pieces.has_more = false;
                break;
            }
        }
        pieces
    }

    fn keep(&mut self, piece: (u64, Vec<u8>), least: usize) {
        self.texts.push(piece);
        if self.texts.len() >= 2 * least.max(1) {
            let mut at = 0;
            self.texts.retain(|_| {
                at += 1;
                at % 2 == 1
            });
            self.stride *= 2;
        }
    }
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
        let short = BLOCKS * BLOCK_BYTES;
        let coverage = SpreadRows::read(path, &format, &columns, short, |reader| {
            numbers.extend(texts(reader.row())[1].parse::<u64>());
            Ok(())
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
        assert_eq!(coverage.damage, None);
        let malformed = coverage.malformed;
        assert_eq!(
            (malformed.rows, malformed.of, malformed.is_part),
            (1, 101, false)
        );
        let says = "part-07.csv:3: expected 3 cells, got 2";
        assert!(malformed.first[0].message.ends_with(says), "{malformed:?}");
    }

    #[test]
    fn malformed_rows_of_a_large_text_are_counted_in_its_sample() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log.csv");
        let rows = log(0..400_000);
        let rows = rows.lines().enumerate();
        let rows = rows.map(|(at, row)| {
            if at % 100 == 1 {
                format!("{row},x\n")
            } else {
                format!("{row}\n")
            }
        });
        fs::write(&path, rows.collect::<String>()).unwrap();
        let (_, Coverage { malformed, .. }) = read(&path);
        assert!(
            malformed.is_part && malformed.rows.abs_diff(malformed.of / 100) < 70,
            "{malformed:?}"
        );
        assert!(
            malformed.first[0]
                .message
                .contains("of its text: expected 3 cells, got 4"),
            "{malformed:?}"
        );
    }

    fn write_compressed(path: &Path, text: &str) {
        let file = fs::File::create(path).unwrap();
        let mut file = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
        file.write_all(text.as_bytes()).unwrap();
        file.finish().unwrap();
    }

    #[test]
    fn a_long_compressed_text_is_read_all_over_and_each_row_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log.csv.gz");
        write_compressed(&path, &log(0..3_000_000));
        let (numbers, coverage) = read(&path);
        assert!(
            (150_000..400_000).contains(&numbers.len()),
            "{}",
            numbers.len()
        );
        assert!(numbers.is_sorted_by(|a, b| a < b));
        assert!(numbers[0] < 10 && numbers[numbers.len() - 1] > 2_940_000);
        let mean = numbers.iter().sum::<u64>() / numbers.len() as u64;
        assert!(mean.abs_diff(1_500_000) < 50_000, "{mean}");
        assert!(
            coverage.num_rows.abs_diff(3_000_000) < 30_000,
            "{coverage:?}"
        );
        assert_eq!(coverage.beginning_of, None);
    }

    #[test]
    fn a_short_compressed_text_is_read_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log.csv.gz");
        write_compressed(&path, &log(0..400_000));
        let (numbers, coverage) = read(&path);
        assert_eq!(numbers, (0..400_000).collect::<Vec<_>>());
        assert_eq!((coverage.num_rows, coverage.beginning_of), (400_000, None));
    }

    #[test]
    fn a_damaged_text_ends_where_it_is_damaged() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log.csv.gz");
        // Of the longer text, pieces are read.
        for (rows, percent) in [(400_000, 50), (3_000_000, 95)] {
            write_compressed(&path, &log(0..rows));
            let whole = fs::read(&path).unwrap();
            fs::write(&path, &whole[..whole.len() * percent / 100]).unwrap();
            let (numbers, coverage) = read(&path);
            let share = numbers[numbers.len() - 1] as f64 / rows as f64;
            assert!((share - percent as f64 / 100.0).abs() < 0.03, "{share}");
            let expected = format!("{}: the compressed data is cut short", path.display());
            let damage = coverage.damage.unwrap();
            assert!(damage.starts_with(&expected), "{damage}");
        }
    }

    #[test]
    fn pieces_are_spread_over_a_text_of_any_length() {
        for (blocks, kept, stride) in [(1, 1, 1), (7, 7, 1), (8, 4, 2), (9, 5, 2), (100, 7, 16)] {
            let text = (0..blocks).flat_map(|block| vec![block as u8; BLOCK_BYTES as usize]);
            let text: Vec<u8> = text.collect();
            let pieces = Pieces::read(&text[..], 4, u64::MAX);
            let kept_ones = pieces.texts.iter();
            let firsts = kept_ones.map(|(start, text)| (*start, usize::from(text[0])));
            let expected = (0..kept).map(|piece| piece * stride);
            let expected = expected.map(|at| (at as u64 * BLOCK_BYTES, at));
            assert_eq!(
                firsts.collect::<Vec<_>>(),
                expected.collect::<Vec<_>>(),
                "{blocks}"
            );
            assert_eq!(
                (pieces.bytes, pieces.has_more),
                (blocks * BLOCK_BYTES, false)
            );
            let beginning = Pieces::read(&text[..], 4, BLOCK_BYTES);
            assert_eq!((beginning.bytes, beginning.has_more), (BLOCK_BYTES, true));
        }
    }

    #[test]
    fn a_large_table_is_read_all_over() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log.parquet");
        let names = ["y", "n"].map(str::to_owned);
        let file = fs::File::create(&path).unwrap();
        let mut table =
            crate::formats::ParquetTable::create(file, &path, &names, &["text"]).unwrap();
        for row in 0..300_000_u64 {
            table
                .push(&[b"0", row.to_string().as_bytes()], &[0.0])
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
        let (numbers, coverage) = read(&path);
        let wrong = numbers.iter().filter(|number| **number == 7).count();
        assert!(
            numbers.len() > 50_000 && wrong < 70,
            "{wrong} of {}",
            numbers.len()
        );
        assert_eq!((coverage.damage, coverage.malformed.rows), (None, 0));
    }
}
