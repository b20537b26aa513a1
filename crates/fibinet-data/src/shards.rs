use std::fs::{self, File};
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::{ConvertedType, Repetition, Type as PhysicalType};
use parquet::data_type::{DataType, FloatType, Int32Type};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{SchemaDescriptor, Type};

use crate::batch::{Batch, IdLists};
use crate::encoder::FieldLayout;
use crate::error::DataError;
use crate::split::mix;

/// Rows a row group at most.
const GROUP_ROWS: usize = 8192;
/// Rows that wait for their row groups, over all files.
const BUFFERED_ROWS: usize = 1 << 20;
/// Keeps the scattering apart from other draws of the row's number.
const SCATTER: u64 = 0x5343_4154_5445_5231;

/// Encoded rows in Parquet files.
///
/// One column a field under the field's name, required: `UINT_32` for ids, a `LIST` of them (its
/// elements required, at least one) for fields of several, `FLOAT` for numbers, and a `FLOAT` column of
/// labels, 0 or 1, under the label's name. Anything that writes Parquet can write them.
#[derive(Debug)]
pub struct Shards {
    label: String,
    fields: Vec<FieldLayout>,
    files: Vec<PathBuf>,
    groups: Vec<Group>,
    num_rows: usize,
}

#[derive(Debug, Clone, Copy)]
struct Group {
    file: usize,
    index: usize,
}

/// Writes [`Shards`], scattering the rows over a number of files.
pub struct ShardWriter {
    label: String,
    fields: Vec<FieldLayout>,
    files: Vec<OpenFile>,
    /// The file of the row that is being added.
    at: usize,
    group_rows: usize,
    num_rows: u64,
}

struct OpenFile {
    path: PathBuf,
    /// None before its first row group.
    writer: Option<SerializedFileWriter<File>>,
    buffer: Batch,
}

impl ShardWriter {
    /// Files `{prefix}-00000.parquet` and on in a directory, which is made. A row goes to a file
    /// by a hash of its number, so that each file is a fair sample of all rows.
    ///
    /// # Errors
    ///
    /// Where the directory cannot be made.
    ///
    /// # Panics
    ///
    /// If `num_files` is 0.
    pub fn create(
        directory: &Path,
        prefix: &str,
        label: &str,
        fields: Vec<FieldLayout>,
        num_files: usize,
    ) -> Result<Self, DataError> {
        assert!(num_files > 0, "rows go to a file");
        fs::create_dir_all(directory).map_err(DataError::io(directory))?;
        let file = |i| OpenFile {
            path: directory.join(format!("{prefix}-{i:05}.parquet")),
            writer: None,
            buffer: Batch::default(),
        };
        Ok(Self {
            label: label.to_owned(),
            fields,
            files: (0..num_files).map(file).collect(),
            at: 0,
            group_rows: (BUFFERED_ROWS / num_files).clamp(1024, GROUP_ROWS),
            num_rows: 0,
        })
    }

    /// Where the next row goes; call [`row_added`](Self::row_added) after adding one.
    pub fn buffer(&mut self) -> &mut Batch {
        self.at = (mix(SCATTER, self.num_rows) % self.files.len() as u64) as usize;
        &mut self.files[self.at].buffer
    }

    /// Writes the buffered rows of its file out when they make a row group.
    ///
    /// # Errors
    ///
    /// Where the file cannot be written.
    pub fn row_added(&mut self) -> Result<(), DataError> {
        self.num_rows += 1;
        let file = &mut self.files[self.at];
        if file.buffer.num_rows >= self.group_rows {
            file.write_group(&self.label, &self.fields)?;
        }
        Ok(())
    }

    /// Writes what is left and reads the files' footers back.
    ///
    /// # Errors
    ///
    /// Where a file cannot be written or read.
    pub fn finish(self) -> Result<Shards, DataError> {
        let mut paths = Vec::new();
        for mut file in self.files {
            if file.buffer.num_rows > 0 {
                file.write_group(&self.label, &self.fields)?;
            }
            if let Some(writer) = file.writer {
                writer.close().map_err(DataError::parquet(&file.path))?;
                paths.push(file.path);
            }
        }
        let shards = Shards::open(paths, self.label, self.fields)?;
        assert_eq!(
            shards.num_rows as u64, self.num_rows,
            "rows written and read"
        );
        Ok(shards)
    }
}

impl OpenFile {
    fn write_group(&mut self, label: &str, fields: &[FieldLayout]) -> Result<(), DataError> {
        let path = &self.path;
        let writer = match &mut self.writer {
            Some(writer) => writer,
            None => {
                let file = File::create(path).map_err(DataError::io(path))?;
                let properties = WriterProperties::builder()
                    .set_statistics_enabled(EnabledStatistics::None)
                    .build();
                let schema = schema(label, fields);
                let writer = SerializedFileWriter::new(file, schema, Arc::new(properties))
                    .map_err(DataError::parquet(path))?;
                self.writer.insert(writer)
            }
        };
        let mut group = writer.next_row_group().map_err(DataError::parquet(path))?;
        write_columns(&mut group, fields, &self.buffer).map_err(DataError::parquet(path))?;
        group.close().map_err(DataError::parquet(path))?;
        self.buffer.clear();
        Ok(())
    }
}

impl Shards {
    /// Opens files of encoded rows.
    ///
    /// # Errors
    ///
    /// Where a file cannot be read, or its columns are not the fields'.
    pub fn open(
        files: Vec<PathBuf>,
        label: String,
        fields: Vec<FieldLayout>,
    ) -> Result<Self, DataError> {
        let mut shards = Self {
            label,
            fields,
            files,
            groups: Vec::new(),
            num_rows: 0,
        };
        for file in 0..shards.files.len() {
            let reader = shards.reader(file)?;
            shards.check_columns(file, &reader)?;
            for (index, group) in reader.metadata().row_groups().iter().enumerate() {
                shards.groups.push(Group { file, index });
                shards.num_rows += usize::try_from(group.num_rows())
                    .map_err(|_| DataError::corrupt(&shards.files[file], "negative row count"))?;
            }
        }
        Ok(shards)
    }

    /// The number of rows.
    pub fn num_rows(&self) -> usize {
        self.num_rows
    }

    /// The files.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// The row groups of each file.
    pub(crate) fn groups_by_file(&self) -> Vec<Range<usize>> {
        let mut start = 0;
        let files = self.groups.chunk_by(|a, b| a.file == b.file);
        files
            .map(|groups| {
                start += groups.len();
                start - groups.len()..start
            })
            .collect()
    }

    /// The number of row groups, the pieces that [`read_group`](Self::read_group) reads.
    pub fn num_groups(&self) -> usize {
        self.groups.len()
    }

    /// Appends a row group's rows to a batch.
    ///
    /// # Errors
    ///
    /// Where the file cannot be read, or an id is not below its field's number of ids.
    ///
    /// # Panics
    ///
    /// If there is no such group.
    pub fn read_group(&self, group: usize, batch: &mut Batch) -> Result<(), DataError> {
        let Group { file, index } = self.groups[group];
        let path = &self.files[file];
        let reader = self.reader(file)?;
        let group = reader
            .get_row_group(index)
            .map_err(DataError::parquet(path))?;
        let rows = group.metadata().num_rows() as usize;

        let labels =
            read_column::<FloatType>(group.as_ref(), 0, rows).map_err(DataError::parquet(path))?;
        if let Some(label) = labels.iter().find(|label| **label != 0.0 && **label != 1.0) {
            let reason = format!(
                "column `{}`: a label must be 0 or 1, but is {label}",
                self.label
            );
            return Err(DataError::corrupt(path, reason));
        }
        batch.labels.extend_from_slice(&labels);
        let [num_ids, num_numerics] = widths(&self.fields);
        let mut list = 0;
        let (ids_start, numerics_start) = (batch.ids.len(), batch.numerics.len());
        batch.ids.resize(ids_start + rows * num_ids, 0);
        batch
            .numerics
            .resize(numerics_start + rows * num_numerics, 0.0);
        let (mut id_column, mut numeric_column) = (ids_start, numerics_start);
        for (i, field) in self.fields.iter().enumerate() {
            let column = i + 1;
            match field.num_ids {
                Some(limit) if field.pooling.is_some() => {
                    read_lists(group.as_ref(), column, rows, batch.list_mut(list))
                        .map_err(DataError::parquet(path))?;
                    let first = batch.lists[list]
                        .ids
                        .iter()
                        .find(|id| **id as usize >= limit);
                    if let Some(id) = first {
                        return Err(out_of_range(path, field, *id, limit));
                    }
                    list += 1;
                }
                Some(limit) => {
                    let ids = read_column::<Int32Type>(group.as_ref(), column, rows)
                        .map_err(DataError::parquet(path))?;
                    for (row, id) in ids.into_iter().map(i32::cast_unsigned).enumerate() {
                        if id as usize >= limit {
                            return Err(out_of_range(path, field, id, limit));
                        }
                        batch.ids[id_column + row * num_ids] = id;
                    }
                    id_column += 1;
                }
                None => {
                    let numbers = read_column::<FloatType>(group.as_ref(), column, rows)
                        .map_err(DataError::parquet(path))?;
                    if let Some(number) = numbers.iter().find(|number| !number.is_finite()) {
                        let reason = format!("column `{}`: {number} is no number", field.name);
                        return Err(DataError::corrupt(path, reason));
                    }
                    for (row, number) in numbers.into_iter().enumerate() {
                        batch.numerics[numeric_column + row * num_numerics] = number;
                    }
                    numeric_column += 1;
                }
            }
        }
        batch.num_rows += rows;
        Ok(())
    }

    fn reader(&self, file: usize) -> Result<SerializedFileReader<File>, DataError> {
        let path = &self.files[file];
        let file = File::open(path).map_err(DataError::io(path))?;
        SerializedFileReader::new(file).map_err(DataError::parquet(path))
    }

    fn check_columns(
        &self,
        file: usize,
        reader: &SerializedFileReader<File>,
    ) -> Result<(), DataError> {
        let found = reader.metadata().file_metadata().schema_descr();
        let expected = SchemaDescriptor::new(schema(&self.label, &self.fields));
        let same = found.num_columns() == expected.num_columns()
            && found
                .columns()
                .iter()
                .zip(expected.columns())
                .all(|(found, expected)| {
                    found.path().parts().first() == expected.path().parts().first()
                        && found.physical_type() == expected.physical_type()
                        && found.max_def_level() == expected.max_def_level()
                        && found.max_rep_level() == expected.max_rep_level()
                });
        if same {
            return Ok(());
        }
        let names = |schema: &SchemaDescriptor| -> Vec<String> {
            let fields = schema.root_schema().get_fields().iter();
            fields.map(|field| field.name().to_owned()).collect()
        };
        let (found, expected) = (names(found), names(&expected));
        Err(DataError::corrupt(
            &self.files[file],
            format!("required columns {expected:?} were expected, but the file has {found:?}"),
        ))
    }
}

/// How many fields have one id a row, and how many have a number.
fn widths(fields: &[FieldLayout]) -> [usize; 2] {
    let count = |is: fn(&FieldLayout) -> bool| fields.iter().filter(|field| is(field)).count();
    [
        count(|field| field.num_ids.is_some() && field.pooling.is_none()),
        count(|field| field.num_ids.is_none()),
    ]
}

fn out_of_range(path: &Path, field: &FieldLayout, id: u32, limit: usize) -> DataError {
    let reason = format!("column `{}`: id {id} is not below {limit}", field.name);
    DataError::corrupt(path, reason)
}

fn schema(label: &str, fields: &[FieldLayout]) -> Arc<Type> {
    let column = |name: &str, is_id: bool| {
        let (physical, converted) = match is_id {
            true => (PhysicalType::INT32, ConvertedType::UINT_32),
            false => (PhysicalType::FLOAT, ConvertedType::NONE),
        };
        let built = Type::primitive_type_builder(name, physical)
            .with_repetition(Repetition::REQUIRED)
            .with_converted_type(converted)
            .build();
        Arc::new(built.expect("a required number is a proper column"))
    };
    let group = |name: &str, repetition, converted, field| {
        let built = Type::group_type_builder(name)
            .with_repetition(repetition)
            .with_converted_type(converted)
            .with_fields(vec![field])
            .build();
        Arc::new(built.expect("one field makes a group"))
    };
    let of_field = |field: &FieldLayout| {
        if field.pooling.is_none() {
            return column(&field.name, field.num_ids.is_some());
        }
        let element = column("element", true);
        let list = group("list", Repetition::REPEATED, ConvertedType::NONE, element);
        group(&field.name, Repetition::REQUIRED, ConvertedType::LIST, list)
    };
    let columns = std::iter::once(column(label, false))
        .chain(fields.iter().map(of_field))
        .collect();
    let root = Type::group_type_builder("rows")
        .with_fields(columns)
        .build();
    Arc::new(root.expect("columns make a group"))
}

fn write_columns(
    group: &mut SerializedRowGroupWriter<'_, File>,
    fields: &[FieldLayout],
    batch: &Batch,
) -> Result<(), ParquetError> {
    let [num_ids, num_numerics] = widths(fields);
    write_column::<FloatType>(group, &batch.labels)?;
    let (mut id_column, mut numeric_column, mut lists) = (0, 0, batch.lists.iter());
    for field in fields {
        if field.pooling.is_some() {
            write_lists(group, lists.next().expect("a list a field of several ids"))?;
        } else if field.num_ids.is_some() {
            let ids = batch.ids.iter().skip(id_column).step_by(num_ids);
            let ids: Vec<i32> = ids.map(|id| id.cast_signed()).collect();
            write_column::<Int32Type>(group, &ids)?;
            id_column += 1;
        } else {
            let numbers = batch.numerics.iter().skip(numeric_column);
            let numbers: Vec<f32> = numbers.step_by(num_numerics).copied().collect();
            write_column::<FloatType>(group, &numbers)?;
            numeric_column += 1;
        }
    }
    Ok(())
}

fn write_lists(
    group: &mut SerializedRowGroupWriter<'_, File>,
    lists: &IdLists,
) -> Result<(), ParquetError> {
    let ids: Vec<i32> = lists.ids.iter().map(|id| id.cast_signed()).collect();
    // No list is empty: every id is defined, and a row's first one begins it.
    let mut repetitions = vec![1; ids.len()];
    for row in 0..lists.ends.len() {
        repetitions[lists.range(row).start] = 0;
    }
    let column = group.next_column()?;
    let mut column = column.expect("as many columns as the schema has");
    column
        .typed::<Int32Type>()
        .write_batch(&ids, Some(&vec![1; ids.len()]), Some(&repetitions))?;
    column.close()
}

fn read_lists(
    group: &dyn RowGroupReader,
    column: usize,
    rows: usize,
    lists: &mut IdLists,
) -> Result<(), ParquetError> {
    let reader = group.get_column_reader(column)?;
    let mut reader = parquet::column::reader::get_typed_column_reader::<Int32Type>(reader);
    let (mut ids, mut definitions, mut repetitions) = (Vec::new(), Vec::new(), Vec::new());
    let mut read = 0;
    while read < rows {
        let (records, _, _) = reader.read_records(
            rows - read,
            Some(&mut definitions),
            Some(&mut repetitions),
            &mut ids,
        )?;
        if records == 0 {
            let reason = format!("column {column} ends after {read} of {rows} rows");
            return Err(ParquetError::EOF(reason));
        }
        read += records;
    }
    if definitions.contains(&0) {
        let reason = format!("column {column} has an empty list");
        return Err(ParquetError::General(reason));
    }
    for (id, repetition) in ids.into_iter().zip(repetitions) {
        if repetition == 0 && !lists.ids.is_empty() && lists.ends.last() != Some(&lists.ids.len()) {
            lists.ends.push(lists.ids.len());
        }
        lists.ids.push(i32::cast_unsigned(id));
    }
    lists.ends.push(lists.ids.len());
    Ok(())
}

/// Writes the next column of a row group: required numbers or bytes.
pub(crate) fn write_column<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, impl Write + Send>,
    values: &[T::T],
) -> Result<(), ParquetError> {
    let column = group.next_column()?;
    let mut column = column.expect("as many columns as the schema has");
    column.typed::<T>().write_batch(values, None, None)?;
    column.close()
}

fn read_column<T: DataType>(
    group: &dyn RowGroupReader,
    column: usize,
    rows: usize,
) -> Result<Vec<T::T>, ParquetError> {
    let reader = group.get_column_reader(column)?;
    let mut reader = parquet::column::reader::get_typed_column_reader::<T>(reader);
    let mut values = Vec::with_capacity(rows);
    while values.len() < rows {
        let (records, _, _) = reader.read_records(rows - values.len(), None, None, &mut values)?;
        if records == 0 {
            return Err(ParquetError::EOF(format!(
                "column {column} ends after {} of {rows} rows",
                values.len()
            )));
        }
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Pooling;

    fn fields() -> Vec<FieldLayout> {
        let pooled = Some(Pooling::Mean);
        [
            ("a", Some(70_000), None),
            ("x", None, None),
            ("tags", Some(9), pooled),
            ("b", Some(3), None),
        ]
        .map(|(name, num_ids, pooling)| FieldLayout {
            name: name.to_owned(),
            num_ids,
            pooling,
        })
        .to_vec()
    }

    fn write(directory: &Path, rows: usize, wrong_id: Option<u32>) -> Shards {
        let mut writer = ShardWriter::create(directory, "train", "y", fields(), 1).unwrap();
        for row in 0..rows {
            let batch = writer.buffer();
            batch
                .ids
                .extend([row as u32 % 70_000, wrong_id.unwrap_or(row as u32 % 3)]);
            let lists = batch.list_mut(0);
            lists
                .ids
                .extend((0..=row as u32 % 3).map(|i| i + row as u32 % 5));
            lists.ends.push(lists.ids.len());
            batch.numerics.push(row as f32 / 4.0);
            batch.labels.push((row % 2) as f32);
            batch.num_rows += 1;
            writer.row_added().unwrap();
        }
        writer.finish().unwrap()
    }

    #[test]
    fn rows_come_back_as_they_were_written() {
        let directory = tempfile::tempdir().unwrap();
        let rows = 2 * GROUP_ROWS + 5;
        let shards = write(directory.path(), rows, None);
        assert_eq!((shards.num_rows(), shards.num_groups()), (rows, 3));
        let mut batch = Batch::default();
        (0..3).for_each(|group| shards.read_group(group, &mut batch).unwrap());
        assert_eq!(batch.num_rows, rows);
        for row in 0..rows {
            let ids = [row as u32 % 70_000, row as u32 % 3];
            assert_eq!(batch.ids[2 * row..2 * row + 2], ids);
            let list: Vec<u32> = (0..=row as u32 % 3).map(|i| i + row as u32 % 5).collect();
            assert_eq!(batch.lists[0].row(row), list);
            assert_eq!(batch.numerics[row], row as f32 / 4.0);
            assert_eq!(batch.labels[row], (row % 2) as f32);
        }
    }

    #[test]
    fn an_id_out_of_range_and_other_columns_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let shards = write(directory.path(), 3, Some(3));
        let error = shards
            .read_group(0, &mut Batch::default())
            .unwrap_err()
            .to_string();
        assert!(
            error.ends_with("column `b`: id 3 is not below 3"),
            "{error}"
        );

        let files = shards.files.clone();
        let mut other = fields();
        other.swap(0, 1);
        let error = Shards::open(files.clone(), "y".to_owned(), other)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(r#"["y", "x", "a", "tags", "b"] were expected"#),
            "{error}"
        );

        fs::write(&files[0], b"PAR1 and no more").unwrap();
        let error = Shards::open(files, "y".to_owned(), fields()).unwrap_err();
        assert!(matches!(error, DataError::Corrupt { .. }), "{error}");
    }
}
