use std::fs;
use std::path::{Path, PathBuf};

use crate::config::RowFormat;
use crate::error::{DataError, DataErrorKind};
use crate::formats::raw_row::RawRow;
use crate::formats::reader::{Label, RowReader};
use crate::formats::registry::open_file;
use crate::formats::remote::refuse_address;
use crate::position::Position;

/// Opens rows: a file, or a directory whose files hold the parts of one table.
///
/// A file is text, as it is or compressed by gzip or Zstandard, or Parquet, which its first bytes tell. The
/// files of a directory follow each other by name. `format` says how text is written. If it names the columns
/// and `label` is optional, a file may lack the label's column, as Criteo's test files do: its rows are
/// then one cell narrower.
///
/// # Errors
///
/// If a file cannot be opened, has no rows or has a malformed header.
pub fn open_rows(
    path: &Path,
    format: &RowFormat,
    label: Label,
) -> Result<Box<dyn RowReader>, DataError> {
    if path.is_dir() {
        return Ok(Box::new(PartsReader::open(files(path)?, format, label)?));
    }
    open_file(path, format, label)
}

/// The files of a source of rows: itself, or those of a directory in the byte order of their names, as Spark,
/// Polars and DuckDB write a table in parts. Empty files are skipped, and files whose names begin with `_`
/// or `.`, such as Spark's `_SUCCESS` and checksums.
///
/// # Errors
///
/// If the directory cannot be read or has no such file.
pub(crate) fn files(path: &Path) -> Result<Vec<PathBuf>, DataError> {
    refuse_address(path)?;
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(DataError::io(path))? {
        let entry = entry.map_err(DataError::io(path))?;
        let file = entry.path();
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b"_")
            || entry.file_name().as_encoded_bytes().starts_with(b".");
        let metadata = fs::metadata(&file).map_err(DataError::io(&file))?;
        // A directory among them is kept, so that opening it fails.
        if !hidden && (metadata.len() > 0 || metadata.is_dir()) {
            files.push(file);
        }
    }
    if files.is_empty() {
        return Err(DataErrorKind::Empty {
            path: path.to_owned(),
        }
        .into());
    }
    files.sort_unstable();
    Ok(files)
}

/// Reads the rows of several files with the same columns, one file after the other.
pub(crate) struct PartsReader {
    files: std::vec::IntoIter<PathBuf>,
    format: RowFormat,
    label: Label,
    columns: Vec<String>,
    /// Why columns of the first file have no cells. The other files must agree.
    unreadable: Vec<Option<String>>,
    part: Box<dyn RowReader>,
}

impl PartsReader {
    /// Opens the first file.
    ///
    /// # Errors
    ///
    /// As [`open_file`].
    ///
    /// # Panics
    ///
    /// If there is no file.
    fn open(files: Vec<PathBuf>, format: &RowFormat, label: Label) -> Result<Self, DataError> {
        let mut files = files.into_iter();
        let part = loop {
            let path = files.next().expect("a file");
            match open_file(&path, format, label) {
                Err(error) if is_empty(&error) && files.len() > 0 => {}
                part => break part?,
            }
        };
        Ok(Self {
            files,
            format: format.clone(),
            label,
            columns: part.columns().to_vec(),
            unreadable: unreadable(part.as_ref()),
            part,
        })
    }
}

impl RowReader for PartsReader {
    fn columns(&self) -> &[String] {
        &self.columns
    }

    fn read_row(&mut self) -> Result<bool, DataError> {
        while !self.part.read_row()? {
            let Some(path) = self.files.next() else {
                return Ok(false);
            };
            let part = match open_file(&path, &self.format, self.label) {
                // An empty part may be compressed.
                Err(error) if is_empty(&error) => continue,
                part => part?,
            };
            if part.columns() != self.columns || unreadable(part.as_ref()) != self.unreadable {
                let reason = format!(
                    "expected the columns {:?} of the first file of its directory, but it has {:?}, \
                     or their types differ",
                    self.columns,
                    part.columns()
                );
                return Err(DataError::corrupt(&path, reason));
            }
            self.part = part;
        }
        Ok(true)
    }

    fn row(&self) -> RawRow<'_> {
        self.part.row()
    }

    fn position(&self) -> Position {
        self.part.position()
    }

    fn unreadable(&self, column: usize) -> Option<&str> {
        self.unreadable[column].as_deref()
    }
}

fn is_empty(error: &DataError) -> bool {
    matches!(error.kind(), DataErrorKind::Empty { .. })
}

fn unreadable(reader: &dyn RowReader) -> Vec<Option<String>> {
    let columns = 0..reader.columns().len();
    columns
        .map(|column| reader.unreadable(column).map(str::to_owned))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::raw_row::texts;

    fn rows(directory: &Path) -> Result<Vec<String>, DataError> {
        let mut reader = open_rows(directory, &RowFormat::csv("y"), Label::Required)?;
        let mut rows = Vec::new();
        while reader.read_row()? {
            rows.push(texts(reader.row()).join(" "));
        }
        Ok(rows)
    }

    #[test]
    fn a_directory_is_the_rows_of_its_files_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
        let message = || rows(directory.path()).unwrap_err().to_string();
        write("_SUCCESS", "");
        write(".part-1.csv.crc", "crc");
        assert!(message().ends_with("the file has no rows"), "{}", message());
        write("part-2.csv", "y,a\n0,c\n");
        write("part-1.csv", "y,a\n1,a\n0,b\n");
        write("part-0.csv", "");
        let nothing = zstd::encode_all(&b""[..], 1).unwrap();
        fs::write(directory.path().join("part-1a.csv.zst"), nothing).unwrap();
        assert_eq!(rows(directory.path()).unwrap(), ["1 a", "0 b", "0 c"]);

        write("part-3.csv", "y,a\n1\n");
        let wrong = message();
        assert!(
            wrong.ends_with("part-3.csv:2: expected 2 cells, got 1"),
            "{wrong}"
        );
        write("part-3.csv", "a,y\n1,1\n");
        let wrong = message();
        assert!(
            wrong.contains(r#"part-3.csv: expected the columns ["y", "a"]"#),
            "{wrong}"
        );
        fs::remove_file(directory.path().join("part-3.csv")).unwrap();
        fs::create_dir(directory.path().join("part-4")).unwrap();
        assert!(message().contains("part-4"), "{}", message());
    }
}
