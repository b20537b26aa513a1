use std::collections::HashSet;
use std::io::Write;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, Type as PhysicalType};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, FloatType};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::Type;

use crate::error::{DataError, DataErrorKind};

/// Number of rows per row group, all of which are held in memory.
const GROUP_ROWS: usize = 8192;

/// Writes a Parquet file with columns of text and then columns of numbers.
///
/// The columns are required, of the types `STRING` and `FLOAT`.
pub struct ParquetTable<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    path: PathBuf,
    names: Vec<String>,
    texts: Vec<Texts>,
    /// The cells of each column of numbers.
    numbers: Vec<Vec<f32>>,
    /// Rows that are not yet written.
    pending: usize,
    /// Number of rows appended.
    rows: u64,
}

/// The cells of a column, concatenated.
#[derive(Default)]
struct Texts {
    text: Vec<u8>,
    ends: Vec<usize>,
}

impl<W: Write + Send> ParquetTable<W> {
    /// Begins a file. Errors name it `path`.
    ///
    /// # Errors
    ///
    /// If two columns have the same name, or the file cannot be written.
    pub fn create(
        file: W,
        path: &Path,
        text_columns: &[String],
        number_columns: &[&str],
    ) -> Result<Self, DataError> {
        let mut seen: HashSet<&str> = number_columns.iter().copied().collect();
        if let Some(twice) = text_columns.iter().find(|name| !seen.insert(name)) {
            return Err(DataErrorKind::DuplicateColumn {
                path: path.to_owned(),
                column: twice.clone(),
            }
            .into());
        }
        // Every reader has Snappy.
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .build();
        let writer = schema(text_columns, number_columns)
            .and_then(|schema| SerializedFileWriter::new(file, schema, Arc::new(properties)))
            .map_err(DataError::parquet(path))?;
        Ok(Self {
            writer,
            path: path.to_owned(),
            names: text_columns.to_vec(),
            texts: text_columns.iter().map(|_| Texts::default()).collect(),
            numbers: vec![Vec::new(); number_columns.len()],
            pending: 0,
            rows: 0,
        })
    }

    /// Appends a row.
    ///
    /// # Errors
    ///
    /// If a text is not UTF-8, or the file cannot be written.
    ///
    /// # Panics
    ///
    /// If there is not one text per text column and one number per column of numbers.
    pub fn push(&mut self, texts: &[&[u8]], numbers: &[f32]) -> Result<(), DataError> {
        assert_eq!(
            texts.len(),
            self.texts.len(),
            "expected one text per text column"
        );
        assert_eq!(
            numbers.len(),
            self.numbers.len(),
            "expected one number per column of numbers"
        );
        self.rows += 1;
        for (name, text) in self.names.iter().zip(texts) {
            if std::str::from_utf8(text).is_err() {
                let row = self.rows;
                let reason = format!(
                    "row {row}, column `{name}`: text in Parquet must be UTF-8, but is `{}`",
                    text.escape_ascii()
                );
                return Err(DataError::corrupt(&self.path, reason));
            }
        }
        for (column, text) in self.texts.iter_mut().zip(texts) {
            column.text.extend_from_slice(text);
            column.ends.push(column.text.len());
        }
        for (column, number) in self.numbers.iter_mut().zip(numbers) {
            column.push(*number);
        }
        self.pending += 1;
        if self.pending == GROUP_ROWS {
            self.write_group()?;
        }
        Ok(())
    }

    /// Writes the remaining rows and the footer, and returns the file.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn finish(mut self) -> Result<W, DataError> {
        if self.pending > 0 {
            self.write_group()?;
        }
        self.writer
            .into_inner()
            .map_err(DataError::parquet(&self.path))
    }

    fn write_group(&mut self) -> Result<(), DataError> {
        let mut write = || {
            let mut group = self.writer.next_row_group()?;
            for column in &mut self.texts {
                write_column::<ByteArrayType>(&mut group, &column.take())?;
            }
            for column in &mut self.numbers {
                write_column::<FloatType>(&mut group, column)?;
                column.clear();
            }
            self.pending = 0;
            group.close().map(|_| ())
        };
        write().map_err(DataError::parquet(&self.path))
    }
}

impl Texts {
    /// Takes the cells, which share one allocation.
    fn take(&mut self) -> Vec<ByteArray> {
        let text = ByteArray::from(mem::take(&mut self.text));
        let mut start = 0;
        let cell = |end| {
            let start = mem::replace(&mut start, end);
            text.slice(start, end - start)
        };
        self.ends.drain(..).map(cell).collect()
    }
}

fn schema(text_columns: &[String], number_columns: &[&str]) -> Result<Arc<Type>, ParquetError> {
    let text = |name: &String| {
        Type::primitive_type_builder(name, PhysicalType::BYTE_ARRAY)
            .with_repetition(Repetition::REQUIRED)
            .with_logical_type(Some(LogicalType::String))
            .build()
            .map(Arc::new)
    };
    let number = |name: &&str| {
        Type::primitive_type_builder(name, PhysicalType::FLOAT)
            .with_repetition(Repetition::REQUIRED)
            .build()
            .map(Arc::new)
    };
    let texts = text_columns.iter().map(text);
    let columns = texts.chain(number_columns.iter().map(number));
    Type::group_type_builder("rows")
        .with_fields(columns.collect::<Result<_, _>>()?)
        .build()
        .map(Arc::new)
}

/// Writes the next column of a row group, whose values are required.
fn write_column<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, impl Write + Send>,
    values: &[T::T],
) -> Result<(), ParquetError> {
    let column = group.next_column()?;
    let mut column = column.expect("as many columns as the schema has");
    column.typed::<T>().write_batch(values, None, None)?;
    column.close()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    use crate::cell::Cell;
    use crate::formats::parquet_reader::ParquetReader;
    use crate::formats::reader::RowReader;

    #[test]
    fn rows_come_back_as_they_were_pushed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("scores.parquet");
        let rows = 2 * GROUP_ROWS + 3;
        let names = ["id".to_owned(), "city".to_owned()];
        let file = File::create(&path).unwrap();
        let mut table = ParquetTable::create(file, &path, &names, &["score", "spread"]).unwrap();
        for row in 0..rows {
            let id = format!("u{row}");
            let city = if row % 2 == 0 { "" } else { "Zürich" };
            table
                .push(
                    &[id.as_bytes(), city.as_bytes()],
                    &[row as f32 / 4.0, row as f32],
                )
                .unwrap();
        }
        table.finish().unwrap();

        let mut reader = ParquetReader::open(&path).unwrap();
        assert_eq!(reader.columns(), ["id", "city", "score", "spread"]);
        for row in 0..rows {
            assert!(reader.read_row().unwrap());
            let id = format!("u{row}");
            let city = if row % 2 == 0 { "" } else { "Zürich" };
            let expected = [
                Cell::Text(id.as_bytes()),
                Cell::Text(city.as_bytes()),
                Cell::from(row as f32 / 4.0),
                Cell::from(row as f32),
            ];
            assert!(reader.row().cells().eq(expected), "row {row}");
        }
        assert!(!reader.read_row().unwrap());
    }

    #[test]
    fn a_table_without_texts_or_without_rows_is_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("scores.parquet");
        let file = File::create(&path).unwrap();
        let table = ParquetTable::create(file, &path, &[], &["score"]).unwrap();
        table.finish().unwrap();
        let mut reader = ParquetReader::open(&path).unwrap();
        assert_eq!(reader.columns(), ["score"]);
        assert!(!reader.read_row().unwrap());
    }

    #[test]
    fn text_that_is_not_utf8_and_a_name_twice_are_refused() {
        let path = Path::new("scores.parquet");
        let id = "id".to_owned();
        let mut table =
            ParquetTable::create(Vec::new(), path, std::slice::from_ref(&id), &["score"]).unwrap();
        table.push(&[b"u1"], &[0.5]).unwrap();
        let error = table.push(&[b"u\xff"], &[0.5]).unwrap_err().to_string();
        assert_eq!(
            error,
            r"scores.parquet: row 2, column `id`: text in Parquet must be UTF-8, but is `u\xff`"
        );

        for names in [[id.clone(), id.clone()], [id, "score".to_owned()]] {
            let table = ParquetTable::create(Vec::new(), path, &names, &["score"]);
            assert!(matches!(
                table.as_ref().err().map(DataError::kind),
                Some(DataErrorKind::DuplicateColumn { .. })
            ));
        }
    }

    #[test]
    fn the_error_of_a_full_disk_has_the_path() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let path = Path::new("scores.parquet");
        let error = ParquetTable::create(Full, path, &[], &["score"])
            .and_then(ParquetTable::finish)
            .map(drop)
            .unwrap_err()
            .to_string();
        let expected = error.starts_with("scores.parquet: ") && error.contains("no storage space");
        assert!(expected, "{error}");
    }
}
