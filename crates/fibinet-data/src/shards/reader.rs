use std::fs::File;
use std::path::{Path, PathBuf};

use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};
use parquet::schema::types::SchemaDescriptor;
use rayon::prelude::*;

use crate::error::DataError;
use crate::shards::batch::Batch;
use crate::shards::column::{Lists, Values, WrongIds, check_offsets};
use crate::shards::layout::{FieldLayout, FieldShape, GROUP, ShardLayout, widths};

/// Encoded rows in Parquet files.
///
/// [`ShardWriter`](crate::shards::ShardWriter) writes these columns, all of them required:
///
/// | column | type |
/// |---|---|
/// | the label, under its own name | `FLOAT`, 0 or 1 |
/// | [`GROUP`](Self::GROUP), if rows have groups | `UINT_64` |
/// | a field of numbers, under its name | `FLOAT` |
/// | a field of one id | `UINT_32` |
/// | a field of several ids | `LIST` of at least one `UINT_32` |
///
/// What Spark, Polars or pandas make of such rows can be read too: columns are found by name, in any order
/// and among others. Ids and groups may have any of Parquet's integer types, labels and numbers also `FLOAT`,
/// `DOUBLE` and `BOOLEAN`. Columns may be optional if they have no null.
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
    /// The name of the column of groups.
    pub const GROUP: &str = GROUP;

    /// Opens files of encoded rows.
    ///
    /// # Errors
    ///
    /// If a file cannot be read or lacks a column of the layout.
    pub fn open(files: Vec<PathBuf>, layout: ShardLayout) -> Result<Self, DataError> {
        let mut shards = Self {
            layout,
            files,
            groups: Vec::new(),
            num_rows: 0,
        };
        for (file, path) in shards.files.iter().enumerate() {
            let reader = open(path)?;
            LeafColumns::find(&shards.layout, schema(&reader), path)?;
            for (index, group) in reader.metadata().row_groups().iter().enumerate() {
                let rows = usize::try_from(group.num_rows())
                    .map_err(|_| DataError::corrupt(path, "negative row count"))?;
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

    /// The number of clicks. Reads nothing but the labels.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, or a label is neither 0 nor 1.
    pub fn num_clicks(&self) -> Result<usize, DataError> {
        let files = self.groups.chunk_by(|a, b| a.file == b.file);
        let files: Vec<&[RowGroup]> = files.collect();
        let clicks = files.into_par_iter().map(|groups| self.clicks_of(groups));
        clicks.sum()
    }

    /// The number of clicks in row groups of one file.
    fn clicks_of(&self, groups: &[RowGroup]) -> Result<usize, DataError> {
        let mut clicks = 0;
        let Some(first) = groups.first() else {
            return Ok(clicks);
        };
        let path = &self.files[first.file];
        let reader = open(path)?;
        let columns = LeafColumns::find(&self.layout, schema(&reader), path)?;
        for &RowGroup { index, rows, .. } in groups {
            let group = OpenGroup::open(&reader, index, rows, path)?;
            let labels = group.labels(columns.label, &self.layout.label)?;
            clicks += labels.iter().filter(|label| **label > 0.5).count();
        }
        Ok(clicks)
    }

    /// The files.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// The row groups in pieces of about `rows` rows. Each piece is a fair sample of its file: the pieces of a
    /// larger file take every n-th of its row groups.
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

    /// The number of row groups, which [`read_row_group`](Self::read_row_group) reads.
    pub fn num_row_groups(&self) -> usize {
        self.groups.len()
    }

    /// Appends the rows of a row group to a batch.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or an id is not below its field's number of ids.
    ///
    /// # Panics
    ///
    /// If there is no such group.
    pub fn read_row_group(&self, group: usize, batch: &mut Batch) -> Result<(), DataError> {
        let RowGroup { file, index, rows } = self.groups[group];
        let path = &self.files[file];
        let reader = open(path)?;
        let columns = LeafColumns::find(&self.layout, schema(&reader), path)?;
        let group = OpenGroup::open(&reader, index, rows, path)?;

        let labels = group.labels(columns.label, &self.layout.label)?;
        batch.labels.extend_from_slice(&labels);
        if let Some(column) = columns.group {
            batch.groups.extend(group.groups(column)?);
        }
        group.read_fields(&self.layout.fields, &columns.fields, batch)?;
        batch.num_rows += rows;
        Ok(())
    }
}

fn open(path: &Path) -> Result<SerializedFileReader<File>, DataError> {
    let file = File::open(path).map_err(DataError::io(path))?;
    SerializedFileReader::new(file).map_err(DataError::parquet(path))
}

fn schema(reader: &SerializedFileReader<File>) -> &SchemaDescriptor {
    reader.metadata().file_metadata().schema_descr()
}

/// The indices of the leaf columns of a file that a layout asks for.
struct LeafColumns {
    label: usize,
    group: Option<usize>,
    fields: Vec<usize>,
}

impl LeafColumns {
    /// # Errors
    ///
    /// If a column is missing or has the wrong type.
    fn find(
        layout: &ShardLayout,
        schema: &SchemaDescriptor,
        path: &Path,
    ) -> Result<Self, DataError> {
        let column = |name: &str, is_list| {
            find_leaf(schema, name, is_list)
                .map_err(|reason| DataError::corrupt(path, format!("column `{name}`: {reason}")))
        };
        let group = layout.grouped.then(|| column(GROUP, false));
        let fields = layout.fields.iter().map(|field| {
            let is_list = matches!(field.shape, FieldShape::Ids { .. });
            column(&field.name, is_list)
        });
        Ok(Self {
            label: column(&layout.label, false)?,
            group: group.transpose()?,
            fields: fields.collect::<Result<_, _>>()?,
        })
    }
}

/// The index of the leaf column of a top-level field, or why there is none.
fn find_leaf(schema: &SchemaDescriptor, name: &str, is_list: bool) -> Result<usize, String> {
    let is_named = |leaf: &usize| {
        let column = schema.column(*leaf);
        let root = column.path().parts().first();
        root.is_some_and(|root| root == name)
    };
    let leaf = (0..schema.num_columns()).find(is_named).ok_or_else(|| {
        let names = schema.root_schema().get_fields().iter();
        let names: Vec<_> = names.map(|field| field.name()).collect();
        format!("it is missing; the file has {names:?}")
    })?;
    let column = schema.column(leaf);
    match (is_list, column.max_rep_level()) {
        (true, 0) => Err("expected a list, but it has one value per row".to_owned()),
        (false, 1..) => Err("expected one value per row, but it is a list".to_owned()),
        (true, 2..) => Err("expected a list, but it is a list of lists".to_owned()),
        _ if Values::readable(column.physical_type()) => Ok(leaf),
        _ => Err(format!("{:?} is not a number", column.physical_type())),
    }
}

/// A row group whose columns are being read.
struct OpenGroup<'a> {
    group: Box<dyn RowGroupReader + 'a>,
    rows: usize,
    path: &'a Path,
}

impl<'a> OpenGroup<'a> {
    fn open(
        reader: &'a SerializedFileReader<File>,
        index: usize,
        rows: usize,
        path: &'a Path,
    ) -> Result<Self, DataError> {
        let group = reader.get_row_group(index);
        let group = group.map_err(DataError::parquet(path))?;
        check_offsets(group.metadata()).map_err(DataError::parquet(path))?;
        Ok(Self { group, rows, path })
    }

    /// Appends the values of fields, which are in these columns.
    fn read_fields(
        &self,
        fields: &[FieldLayout],
        columns: &[usize],
        batch: &mut Batch,
    ) -> Result<(), DataError> {
        let [num_ids, num_numerics] = widths(fields);
        let (ids_start, numerics_start) = (batch.ids.len(), batch.numerics.len());
        batch.ids.resize(ids_start + self.rows * num_ids, 0);
        batch
            .numerics
            .resize(numerics_start + self.rows * num_numerics, 0.0);
        let (mut id_slot, mut numeric_slot, mut list) = (ids_start, numerics_start, 0);
        for (field, &column) in fields.iter().zip(columns) {
            match field.shape {
                FieldShape::Number => {
                    for (row, number) in self.numbers(column, &field.name)?.iter().enumerate() {
                        batch.numerics[numeric_slot + row * num_numerics] = *number;
                    }
                    numeric_slot += 1;
                }
                FieldShape::Id { num_ids: limit } => {
                    let ids = self.ids(column, &field.name, limit)?;
                    for (row, id) in ids.into_iter().enumerate() {
                        batch.ids[id_slot + row * num_ids] = id;
                    }
                    id_slot += 1;
                }
                FieldShape::Ids { num_ids: limit, .. } => {
                    let (ids, ends) = self.lists(column, &field.name, limit)?;
                    batch.list_mut(list).extend(&ids, &ends);
                    list += 1;
                }
            }
        }
        Ok(())
    }

    fn values(&self, column: usize) -> Result<Values, DataError> {
        let values = Values::read(self.group.as_ref(), column, self.rows);
        values.map_err(DataError::parquet(self.path))
    }

    fn labels(&self, column: usize, name: &str) -> Result<Vec<f32>, DataError> {
        let labels = self.values(column)?.into_floats();
        match labels.iter().find(|label| **label != 0.0 && **label != 1.0) {
            Some(label) => {
                Err(self.wrong(name, &format!("a label must be 0 or 1, but is {label}")))
            }
            None => Ok(labels),
        }
    }

    fn groups(&self, column: usize) -> Result<impl Iterator<Item = u64> + use<>, DataError> {
        let groups = self.values(column)?.into_integers();
        let groups = groups.map_err(|got| self.not_integers(GROUP, got))?;
        Ok(groups.into_iter().map(i64::cast_unsigned))
    }

    fn numbers(&self, column: usize, name: &str) -> Result<Vec<f32>, DataError> {
        let numbers = self.values(column)?.into_floats();
        match numbers.iter().find(|number| !number.is_finite()) {
            Some(number) => Err(self.wrong(name, &format!("{number} is not a finite number"))),
            None => Ok(numbers),
        }
    }

    fn ids(&self, column: usize, name: &str, limit: usize) -> Result<Vec<u32>, DataError> {
        self.below(self.values(column)?, name, limit)
    }

    /// The ids of all rows, and where those of each row end.
    fn lists(
        &self,
        column: usize,
        name: &str,
        limit: usize,
    ) -> Result<(Vec<u32>, Vec<usize>), DataError> {
        let lists = Lists::read(self.group.as_ref(), column, self.rows);
        let lists = lists.map_err(DataError::parquet(self.path))?;
        Ok((self.below(lists.values, name, limit)?, lists.ends))
    }

    fn below(&self, values: Values, name: &str, limit: usize) -> Result<Vec<u32>, DataError> {
        values.into_ids(limit).map_err(|wrong| match wrong {
            WrongIds::OutOfRange(id) => self.wrong(name, &format!("id {id} is not below {limit}")),
            WrongIds::NotIntegers(got) => self.not_integers(name, got),
        })
    }

    fn not_integers(&self, name: &str, got: &str) -> DataError {
        self.wrong(name, &format!("expected integers, but it has {got}"))
    }

    fn wrong(&self, name: &str, reason: &str) -> DataError {
        DataError::corrupt(self.path, format!("column `{name}`: {reason}"))
    }
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
        let clicks = batch.labels.iter().sum::<f32>() as usize;
        assert!(clicks > 0);
        assert_eq!(shards.num_clicks().unwrap(), clicks);
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
            r#"column `c`: it is missing; the file has ["y", "__group", "a", "x", "tags", "b"]"#
        ));
        let mut other = layout();
        other.fields[2].shape = FieldShape::Id { num_ids: 9 };
        assert!(
            open(other).ends_with("column `tags`: expected one value per row, but it is a list")
        );
        let mut other = layout();
        other.fields[1].shape = FieldShape::Id { num_ids: 9 };
        let shards = Shards::open(files.clone(), other).unwrap();
        let error = shards.read_row_group(0, &mut Batch::default()).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("column `x`: expected integers, but it has floats"),
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
            if null {
                column::<DoubleType>(&mut group, &[0.5], &[1, 0], None);
            } else {
                column::<DoubleType>(&mut group, &[0.5, -2.0], &[1, 1], None);
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
