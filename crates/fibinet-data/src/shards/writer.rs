use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::mem;
use std::path::{Path, PathBuf};

use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaDataWriter;
use rayon::prelude::*;

use crate::error::DataError;
use crate::mix::mix;
use crate::shards::batch::Batch;
use crate::shards::columns::Columns;
use crate::shards::layout::ShardLayout;
use crate::shards::packed::{pack_columns, unpack_columns};
use crate::shards::reader::Shards;
use crate::shards::row_group::{WrittenGroup, encode_columns, footer};

/// Number of rows that make a row group.
pub(crate) const ROW_GROUP_ROWS: usize = 8192;
/// Number of rows that wait for their row groups in memory, in all files together (up to 512 files).
const BUFFERED_ROWS: usize = 1 << 15;
/// Number of row groups per file if rows are not scattered. Reading one row group reads the whole footer.
const FILE_GROUPS: usize = 32;
/// The first bytes of a Parquet file.
const MAGIC: &[u8] = b"PAR1";
/// Seed of the draws that scatter rows, apart from other draws by row number.
const SCATTER: u64 = 0x5343_4154_5445_5231;

/// Writes [`Shards`] and scatters the rows over a number of files.
///
/// Rows that do not make a row group yet wait: 32,768 of all files together in memory, more of them packed at
/// the end of their files, after the row groups. Therefore the files are not Parquet before
/// [`finish`](Self::finish). Of each column chunk 32 bytes are kept for the footer.
///
/// Peak memory of the whole `fibinet prepare` on rows of `fibinet synth --vocabulary 20000`, against a writer
/// that held all waiting rows in memory and let the parquet crate keep the footers:
///
/// | rows | rows wait in files | all in memory |
/// |---|---|---|
/// | 1 million | 28.5 MiB | 31.6 MiB |
/// | 4 million | 33.9 MiB | 57.8 MiB |
/// | 4 million, over 192 files | 34.5 MiB | 266.3 MiB |
/// | 16 million | 36.1 MiB | 163.0 MiB |
pub struct ShardWriter {
    directory: PathBuf,
    prefix: String,
    layout: ShardLayout,
    finished: Vec<PathBuf>,
    files: Vec<OpenFile>,
    /// Number of row groups that complete a file.
    file_groups: usize,
    /// Number of rows per file that wait in memory. More than that wait in the file.
    buffered_rows: usize,
    num_rows: u64,
    /// Whether a file lacks rows that it was given.
    failed: bool,
}

/// A file of row groups, followed by rows that wait for the next one.
struct OpenFile {
    path: PathBuf,
    /// `None` before the first rows.
    file: Option<File>,
    /// The offset in the file at which the row groups end.
    end: u64,
    groups: Vec<WrittenGroup>,
    /// Number of rows that wait in the file, packed.
    num_waiting: usize,
    /// The rows that came after those.
    buffer: Columns,
}

impl ShardWriter {
    /// Creates the directory, for files `{prefix}-00000.parquet` and so on. A hash of its number sends a row to
    /// one of `num_files` files, so that each file is a fair sample of all rows. If `num_files` is 1, rows stay
    /// in order, in files of about 262,144 rows.
    ///
    /// # Errors
    ///
    /// If the directory cannot be created.
    ///
    /// # Panics
    ///
    /// If `num_files` is 0.
    pub fn create(
        directory: &Path,
        prefix: &str,
        layout: ShardLayout,
        num_files: usize,
    ) -> Result<Self, DataError> {
        assert!(num_files > 0, "expected at least one file");
        fs::create_dir_all(directory).map_err(DataError::io(directory))?;
        let mut writer = Self {
            directory: directory.to_owned(),
            prefix: prefix.to_owned(),
            layout,
            finished: Vec::new(),
            files: Vec::new(),
            file_groups: match num_files {
                1 => FILE_GROUPS,
                _ => usize::MAX,
            },
            buffered_rows: (BUFFERED_ROWS / num_files).clamp(64, ROW_GROUP_ROWS),
            num_rows: 0,
            failed: false,
        };
        writer.files = (0..num_files).map(|i| writer.file(i)).collect();
        Ok(writer)
    }

    fn file(&self, number: usize) -> OpenFile {
        let name = format!("{}-{number:05}.parquet", self.prefix);
        OpenFile {
            path: self.directory.join(name),
            file: None,
            end: MAGIC.len() as u64,
            groups: Vec::new(),
            num_waiting: 0,
            buffer: Columns::new(&self.layout.fields),
        }
    }

    /// Appends a row of a batch.
    ///
    /// # Panics
    ///
    /// If the batch has no such row, or the row has no label.
    pub fn add(&mut self, rows: &Batch, row: usize) {
        assert!(
            row < rows.num_rows && row < rows.labels.len(),
            "the batch has no labelled row {row}"
        );
        let file = self.next_file();
        self.files[file].buffer.push_row(rows, row);
    }

    /// Appends some rows of columns, in the order given.
    pub(crate) fn add_columns(&mut self, columns: &Columns, rows: &[u32]) {
        let mut by_file = vec![Vec::new(); self.files.len()];
        rows.iter()
            .for_each(|row| by_file[self.next_file()].push(*row));
        self.files
            .par_iter_mut()
            .zip(by_file)
            .for_each(|(file, rows)| file.buffer.extend(columns, &rows));
    }

    /// The file that the next row goes to.
    fn next_file(&mut self) -> usize {
        let file = mix(SCATTER, self.num_rows) % self.files.len() as u64;
        self.num_rows += 1;
        file as usize
    }

    /// Writes the row groups that are complete, and moves rows out of memory if too many wait there. Call it
    /// every few thousand rows: rows appended between two calls stay in memory, and may all become one row
    /// group.
    ///
    /// # Errors
    ///
    /// If a file cannot be written.
    ///
    /// # Panics
    ///
    /// After an error, because rows are lost.
    pub fn write_full_row_groups(&mut self) -> Result<(), DataError> {
        assert!(!self.failed, "an earlier call failed");
        let written = self.write_full_files();
        self.failed = written.is_err();
        written
    }

    fn write_full_files(&mut self) -> Result<(), DataError> {
        self.write_row_groups(ROW_GROUP_ROWS)?;
        if self.files[0].groups.len() >= self.file_groups {
            let next = self.file(self.finished.len() + 1);
            let full = mem::replace(&mut self.files[0], next);
            self.finished.extend(full.finish(&self.layout)?);
        }
        self.files
            .par_iter_mut()
            .filter(|file| file.buffer.num_rows() >= self.buffered_rows)
            .try_for_each(|file| file.set_buffer_aside().map_err(DataError::io(&file.path)))
    }

    fn write_row_groups(&mut self, least_rows: usize) -> Result<(), DataError> {
        let layout = &self.layout;
        self.files
            .par_iter_mut()
            .filter(|file| file.num_waiting + file.buffer.num_rows() >= least_rows)
            .try_for_each(|file| {
                let written = file.write_row_group(layout);
                written.map_err(DataError::parquet(&file.path))
            })
    }

    /// Writes the remaining rows and the footers, and opens the files.
    ///
    /// # Errors
    ///
    /// If a file cannot be written or read.
    ///
    /// # Panics
    ///
    /// After an error of [`write_full_row_groups`](Self::write_full_row_groups).
    pub fn finish(mut self) -> Result<Shards, DataError> {
        assert!(!self.failed, "an earlier call failed");
        self.write_row_groups(1)?;
        let mut paths = self.finished;
        for file in self.files {
            paths.extend(file.finish(&self.layout)?);
        }
        let shards = Shards::open(paths, self.layout)?;
        assert_eq!(
            shards.num_rows() as u64,
            self.num_rows,
            "expected to read back as many rows as were written"
        );
        Ok(shards)
    }
}

impl OpenFile {
    /// The file, its cursor at its end.
    fn file(&mut self) -> io::Result<&mut File> {
        let file = match self.file.take() {
            Some(file) => file,
            None => {
                let mut options = File::options();
                options.read(true).write(true).create(true).truncate(true);
                let mut file = options.open(&self.path)?;
                file.write_all(MAGIC)?;
                file
            }
        };
        Ok(self.file.insert(file))
    }

    /// Moves the rows in memory to those that wait in the file.
    fn set_buffer_aside(&mut self) -> io::Result<()> {
        let mut bytes = Vec::new();
        pack_columns(&self.buffer, &mut bytes);
        self.file()?.write_all(&bytes)?;
        self.num_waiting += self.buffer.num_rows();
        self.buffer.clear();
        Ok(())
    }

    /// Removes the rows that wait from the end of the file.
    fn take_waiting(&mut self, num_fields: usize) -> io::Result<Columns> {
        self.num_waiting = 0;
        let end = self.end;
        let file = self.file()?;
        file.seek(SeekFrom::Start(end))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        file.set_len(end)?;
        file.seek(SeekFrom::Start(end))?;
        let mut bytes = bytes.as_slice();
        let mut rows = unpack_columns(&mut bytes, num_fields)?;
        while !bytes.is_empty() {
            rows.append(&unpack_columns(&mut bytes, num_fields)?);
        }
        Ok(rows)
    }

    fn write_row_group(&mut self, layout: &ShardLayout) -> Result<(), ParquetError> {
        let num_rows = self.num_waiting + self.buffer.num_rows();
        let encoded = match self.num_waiting {
            0 => encode_columns(layout, &self.buffer)?,
            _ => {
                let mut rows = self.take_waiting(layout.fields.len())?;
                rows.append(&self.buffer);
                encode_columns(layout, &rows)?
            }
        };
        self.buffer.clear();
        let start = self.end;
        let mut chunks = Vec::with_capacity(encoded.len());
        for (bytes, chunk) in encoded {
            self.file()?.write_all(&bytes)?;
            self.end += bytes.len() as u64;
            chunks.push(chunk);
        }
        self.groups.push(WrittenGroup {
            start: start as i64,
            num_rows: num_rows as i64,
            chunks: chunks.into_boxed_slice(),
        });
        Ok(())
    }

    /// Writes the footer and returns the path; `None` if there are no rows.
    fn finish(self, layout: &ShardLayout) -> Result<Option<PathBuf>, DataError> {
        let (path, Some(file)) = (self.path, self.file) else {
            return Ok(None);
        };
        let write = || {
            let footer = footer(layout, &self.groups)?;
            let mut file = BufWriter::new(file);
            ParquetMetaDataWriter::new(&mut file, &footer).finish()?;
            Ok(file.flush()?)
        };
        write().map_err(DataError::parquet(&path))?;
        Ok(Some(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shards::test_rows::{layout, write, write_to};
    use parquet::file::reader::{FileReader, SerializedFileReader};

    #[test]
    fn rows_that_wait_in_the_file_come_out_as_those_that_wait_in_memory() {
        let written = [ROW_GROUP_ROWS, 1000, 1].map(|buffered_rows| {
            let directory = tempfile::tempdir().unwrap();
            let mut writer = ShardWriter::create(directory.path(), "train", layout(), 2).unwrap();
            writer.buffered_rows = buffered_rows;
            let shards = write_to(writer, 2 * ROW_GROUP_ROWS + 2500, None);
            assert_eq!(shards.num_row_groups(), 4);
            let read = |path| fs::read(path).unwrap();
            shards.files().iter().map(read).collect::<Vec<_>>()
        });
        assert_eq!(written[0], written[1]);
        assert_eq!(written[0], written[2]);
    }

    #[test]
    fn a_file_is_followed_by_another_one_in_the_order_of_rows() {
        let directory = tempfile::tempdir().unwrap();
        let mut writer = ShardWriter::create(directory.path(), "valid", layout(), 1).unwrap();
        writer.file_groups = 2;
        let rows = 4 * ROW_GROUP_ROWS + 1;
        let shards = write_to(writer, rows, None);
        assert_eq!(shards.num_rows(), rows);
        let names = ["valid-00000", "valid-00001", "valid-00002"];
        let paths = names.map(|name| directory.path().join(name).with_extension("parquet"));
        assert_eq!(shards.files(), paths);
        let mut batch = Batch::default();
        (0..5).for_each(|group| shards.read_row_group(group, &mut batch).unwrap());
        let in_order: Vec<f32> = (0..rows).map(|row| row as f32 / 4.0).collect();
        assert_eq!(batch.numerics, in_order);
    }

    #[test]
    fn chunks_are_where_the_footer_says() {
        let directory = tempfile::tempdir().unwrap();
        let shards = write(directory.path(), 2 * ROW_GROUP_ROWS + 5, None);
        let path = &shards.files()[0];
        let bytes = fs::read(path).unwrap();
        let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
        let metadata = reader.metadata();
        let mut end = MAGIC.len() as u64;
        for group in metadata.row_groups() {
            for column in group.columns() {
                let (start, len) = column.byte_range();
                assert_eq!(start, end);
                end += len;
            }
        }
        let footer_len = u32::from_le_bytes(bytes[bytes.len() - 8..][..4].try_into().unwrap());
        assert_eq!(end as usize + footer_len as usize + 8, bytes.len());
        assert_eq!(
            metadata.file_metadata().num_rows(),
            shards.num_rows() as i64
        );
        // `a` has a dictionary, `tags` more values than rows.
        let columns = metadata.row_group(2).columns();
        assert!(columns[2].dictionary_page_offset().is_some());
        assert_eq!((columns[0].num_values(), columns[4].num_values()), (5, 11));
    }
}
