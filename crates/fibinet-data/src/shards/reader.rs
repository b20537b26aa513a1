use std::fs::File;
use std::path::{Path, PathBuf};

use parquet::file::reader::{FileReader, SerializedFileReader};

use crate::error::DataError;
use crate::shards::batch::Batch;
use crate::shards::column::{Lists, Values, WrongIds, check_offsets};
use crate::shards::layout::{FieldShape, GROUP, ShardLayout, widths};

/// Encoded rows in Parquet files.
///
/// Written are, all required: a `FLOAT` column of labels, 0 or 1, under the label's name; a `UINT_64`
/// column [`GROUP`](Self::GROUP) where rows have groups; and one column a field under the field's name,
/// `UINT_32` for ids, a `LIST` of them (at least one) for fields of several, `FLOAT` for numbers.
///
/// Read are columns by their names, in any order and among others, of any of Parquet's integer types
/// (ids, groups), or of those, `FLOAT`, `DOUBLE` and `BOOLEAN` (labels, numbers), required or optional
/// without a null: what Spark, Polars or pandas make of such rows.
#[derive(Debug)]
pub struct Shards {
    layout: ShardLayout,
    files: Vec<PathBuf>,
    groups: Vec<RowGroup>,
    num_rows: usize,
}

#[derive(Debug, Clone, Copy)]
struct RowGroup {
    file: usize,
    index: usize,
    rows: usize,
}

impl Shards {
    /// The name of the groups' column.
    pub const GROUP: &str = GROUP;

    /// Opens files of encoded rows.
    ///
    /// # Errors
    ///
    /// Where a file cannot be read, or its columns are not the fields'.
    pub fn open(files: Vec<PathBuf>, layout: ShardLayout) -> Result<Self, DataError> {
        let mut shards = Self {
            layout,
            files,
            groups: Vec::new(),
            num_rows: 0,
        };
        for file in 0..shards.files.len() {
            let reader = shards.reader(file)?;
            shards.columns(file, &reader)?;
            for (index, group) in reader.metadata().row_groups().iter().enumerate() {
                let rows = usize::try_from(group.num_rows())
                    .map_err(|_| DataError::corrupt(&shards.files[file], "negative row count"))?;
                shards.groups.push(RowGroup { file, index, rows });
                shards.num_rows += rows;
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

    /// The row groups in pieces of about `rows` rows, each a fair sample of its file: where a file is
    /// larger, a piece is of every so manieth row group.
    pub(crate) fn pieces(&self, rows: usize) -> Vec<Vec<usize>> {
        let mut pieces = Vec::new();
        let mut start = 0;
        for groups in self.groups.chunk_by(|a, b| a.file == b.file) {
            let file_rows: usize = groups.iter().map(|group| group.rows).sum();
            let step = file_rows.div_ceil(rows.max(1)).clamp(1, groups.len());
            let end = start + groups.len();
            pieces.extend((start..start + step).map(|first| (first..end).step_by(step).collect()));
            start = end;
        }
        pieces
    }

    /// The number of row groups, the pieces that [`read_row_group`](Self::read_row_group) reads.
    pub fn num_row_groups(&self) -> usize {
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
    pub fn read_row_group(&self, group: usize, batch: &mut Batch) -> Result<(), DataError> {
        let RowGroup { file, index, rows } = self.groups[group];
        let path = &self.files[file];
        let reader = self.reader(file)?;
        let group = reader
            .get_row_group(index)
            .map_err(DataError::parquet(path))?;
        check_offsets(group.as_ref()).map_err(DataError::parquet(path))?;

        let columns = self.columns(file, &reader)?;
        let values = |column: usize| {
            Values::read(group.as_ref(), column, rows).map_err(DataError::parquet(path))
        };
        let labels = values(columns.label)?.into_floats();
        if let Some(label) = labels.iter().find(|label| **label != 0.0 && **label != 1.0) {
            let reason = format!(
                "column `{}`: a label must be 0 or 1, but is {label}",
                self.layout.label
            );
            return Err(DataError::corrupt(path, reason));
        }
        batch.labels.extend_from_slice(&labels);
        if let Some(column) = columns.group {
            let groups = values(column)?.into_integers();
            let groups = groups.map_err(|got| not_integers(path, Self::GROUP, got))?;
            batch
                .groups
                .extend(groups.into_iter().map(i64::cast_unsigned));
        }
        let [num_ids, num_numerics] = widths(&self.layout.fields);
        let mut list = 0;
        let (ids_start, numerics_start) = (batch.ids.len(), batch.numerics.len());
        batch.ids.resize(ids_start + rows * num_ids, 0);
        batch
            .numerics
            .resize(numerics_start + rows * num_numerics, 0.0);
        let (mut id_column, mut numeric_column) = (ids_start, numerics_start);
        for (field, &column) in self.layout.fields.iter().zip(&columns.fields) {
            let ids = |values: Values| {
                let limit = field.shape.num_ids().unwrap_or(0);
                values.into_ids(limit).map_err(|wrong| match wrong {
                    WrongIds::OutOfRange(id) => {
                        let reason =
                            format!("column `{}`: id {id} is not below {limit}", field.name);
                        DataError::corrupt(path, reason)
                    }
                    WrongIds::NoIntegers(got) => not_integers(path, &field.name, got),
                })
            };
            match field.shape {
                FieldShape::Ids { .. } => {
                    let lists = Lists::read(group.as_ref(), column, rows);
                    let lists = lists.map_err(DataError::parquet(path))?;
                    batch
                        .list_mut(list)
                        .extend(&ids(lists.values)?, &lists.ends);
                    list += 1;
                }
                FieldShape::Id { .. } => {
                    for (row, id) in ids(values(column)?)?.into_iter().enumerate() {
                        batch.ids[id_column + row * num_ids] = id;
                    }
                    id_column += 1;
                }
                FieldShape::Number => {
                    let numbers = values(column)?.into_floats();
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

    /// Where a file has its columns.
    fn columns(
        &self,
        file: usize,
        reader: &SerializedFileReader<File>,
    ) -> Result<ColumnPlaces, DataError> {
        let schema = reader.metadata().file_metadata().schema_descr();
        let ShardLayout {
            label,
            grouped,
            fields,
        } = &self.layout;
        let column = |name: &str, is_list: bool| {
            let found = schema.columns().iter().position(|column| {
                let parts = column.path().parts();
                parts.first().is_some_and(|part| part == name)
            });
            let wrong = |reason: &str| {
                let reason = format!("column `{name}`: {reason}");
                Err(DataError::corrupt(&self.files[file], reason))
            };
            let Some(index) = found else {
                let names = schema.root_schema().get_fields().iter();
                let names: Vec<_> = names.map(|field| field.name()).collect();
                return wrong(&format!("there is none; the file has {names:?}"));
            };
            let column = schema.column(index);
            match (is_list, column.max_rep_level()) {
                (true, 0) => wrong("a list was expected, but it has one value a row"),
                (false, 1..) => wrong("one value a row was expected, but it is a list"),
                (true, 2..) => wrong("a list was expected, but it is a list of lists"),
                _ if Values::readable(column.physical_type()) => Ok(index),
                _ => wrong(&format!("{:?} is no number", column.physical_type())),
            }
        };
        Ok(ColumnPlaces {
            label: column(label, false)?,
            group: match grouped {
                true => Some(column(Self::GROUP, false)?),
                false => None,
            },
            fields: fields
                .iter()
                .map(|field| {
                    let is_list = matches!(field.shape, FieldShape::Ids { .. });
                    column(&field.name, is_list)
                })
                .collect::<Result<_, _>>()?,
        })
    }
}

/// The leaf columns of a file.
struct ColumnPlaces {
    label: usize,
    group: Option<usize>,
    fields: Vec<usize>,
}

fn not_integers(path: &Path, column: &str, got: &str) -> DataError {
    let reason = format!("column `{column}`: integers were expected, but it has {got}");
    DataError::corrupt(path, reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::DataErrorKind;
    use crate::shards::test_rows::{layout, write};
    use crate::shards::writer::ROW_GROUP_ROWS;
    use std::fs;
    use std::sync::Arc;

    use parquet::data_type::{ByteArrayType, DataType, DoubleType, Int32Type, Int64Type};
    use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};

    #[test]
    fn rows_come_back_as_they_were_written() {
        let directory = tempfile::tempdir().unwrap();
        let rows = 2 * ROW_GROUP_ROWS + 5;
        let shards = write(directory.path(), rows, None);
        assert_eq!((shards.num_rows(), shards.num_row_groups()), (rows, 3));
        let mut batch = Batch::default();
        (0..3).for_each(|group| shards.read_row_group(group, &mut batch).unwrap());
        assert_eq!(batch.num_rows, rows);
        for row in 0..rows {
            let ids = [row as u32 % 70_000, row as u32 % 3];
            assert_eq!(batch.ids[2 * row..2 * row + 2], ids);
            let list: Vec<u32> = (0..=row as u32 % 3).map(|i| i + row as u32 % 5).collect();
            assert_eq!(batch.lists[0].row(row), list);
            assert_eq!(batch.numerics[row], row as f32 / 4.0);
            assert_eq!(batch.labels[row], (row % 2) as f32);
            assert_eq!(batch.groups[row], u64::MAX - row as u64);
        }
    }

    #[test]
    fn an_id_out_of_range_and_other_columns_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let shards = write(directory.path(), 3, Some(3));
        let error = shards
            .read_row_group(0, &mut Batch::default())
            .unwrap_err()
            .to_string();
        assert!(
            error.ends_with("column `b`: id 3 is not below 3"),
            "{error}"
        );

        let files = shards.files.clone();
        let open = |layout| Shards::open(files.clone(), layout).unwrap_err().to_string();
        let mut other = layout();
        other.fields[0].name = "c".to_owned();
        assert!(open(other).contains(
            r#"column `c`: there is none; the file has ["y", "__group", "a", "x", "tags", "b"]"#
        ));
        let mut other = layout();
        other.fields[2].shape = FieldShape::Id { num_ids: 9 };
        assert!(
            open(other).ends_with("column `tags`: one value a row was expected, but it is a list")
        );
        let mut other = layout();
        other.fields[1].shape = FieldShape::Id { num_ids: 9 };
        let shards = Shards::open(files.clone(), other).unwrap();
        let error = shards.read_row_group(0, &mut Batch::default()).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("column `x`: integers were expected, but it has floats"),
            "{error}"
        );

        fs::write(&files[0], b"PAR1 and no more").unwrap();
        let error = Shards::open(files, layout()).unwrap_err();
        assert!(
            matches!(error.kind(), DataErrorKind::Corrupt { .. }),
            "{error}"
        );
    }

    /// As Spark writes a table: optional columns of 64 bits, in another order, among others.
    #[test]
    fn what_others_write_is_read_by_name_and_type() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("part-00000.parquet");
        let schema = "message spark_schema {
            optional int64 b; optional binary note (STRING); optional double x; optional int32 y;
            optional group tags (LIST) { repeated group list { optional int64 element; } }
            optional int64 __group; optional int64 a;
        }";
        let write = |null: bool, b: i64| {
            let schema = parquet::schema::parser::parse_message_type(schema).unwrap();
            let file = File::create(&path).unwrap();
            let mut writer =
                SerializedFileWriter::new(file, Arc::new(schema), Arc::default()).unwrap();
            let mut group = writer.next_row_group().unwrap();
            fn column<T: DataType>(
                group: &mut SerializedRowGroupWriter<'_, File>,
                values: &[T::T],
                levels: &[i16],
                repetitions: Option<&[i16]>,
            ) {
                let mut column = group.next_column().unwrap().unwrap();
                let typed = column.typed::<T>();
                typed
                    .write_batch(values, Some(levels), repetitions)
                    .unwrap();
                column.close().unwrap();
            }
            let long = |group: &mut _, values: [i64; 2]| {
                column::<Int64Type>(group, &values, &[1, 1], None);
            };
            long(&mut group, [2, b]);
            column::<ByteArrayType>(&mut group, &["n".into()], &[0, 1], None);
            match null {
                true => column::<DoubleType>(&mut group, &[0.5], &[1, 0], None),
                false => column::<DoubleType>(&mut group, &[0.5, -2.0], &[1, 1], None),
            }
            column::<Int32Type>(&mut group, &[0, 1], &[1, 1], None);
            column::<Int64Type>(&mut group, &[4, 8, 1], &[3, 3, 3], Some(&[0, 1, 0]));
            long(&mut group, [-7, 7]);
            long(&mut group, [69_999, 0]);
            group.close().unwrap();
            writer.close().unwrap();
            let mut batch = Batch::default();
            let shards = Shards::open(vec![path.clone()], layout())?;
            shards.read_row_group(0, &mut batch).map(|()| batch)
        };
        let batch = write(false, 0).unwrap();
        assert_eq!(batch.ids, [69_999, 2, 0, 0]);
        assert_eq!(
            (batch.numerics, batch.labels),
            (vec![0.5, -2.0], vec![0.0, 1.0])
        );
        assert_eq!(batch.groups, [(-7_i64).cast_unsigned(), 7]);
        assert_eq!(
            (batch.lists[0].row(0), batch.lists[0].row(1)),
            (&[4, 8][..], &[1][..])
        );
        let message = |null, b| write(null, b).unwrap_err().to_string();
        assert!(
            message(true, 0).ends_with("column `x` has a null"),
            "{}",
            message(true, 0)
        );
        let wrong = message(false, -1);
        assert!(
            wrong.ends_with("column `b`: id -1 is not below 3"),
            "{wrong}"
        );
    }
}
