use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::{ConvertedType, EncodingMask, Repetition, Type as PhysicalType};
use parquet::column::writer::{ColumnWriter, get_column_writer};
use parquet::data_type::DataType;
use parquet::errors::ParquetError;
use parquet::file::metadata::{
    ColumnChunkMetaData, FileMetaData, ParquetMetaData, ParquetMetaDataWriter, RowGroupMetaData,
};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::{SerializedPageWriter, SerializedRowGroupWriter, TrackedWrite};
use parquet::schema::types::{ColumnDescPtr, SchemaDescriptor, Type};
use rayon::prelude::*;

use crate::encode::batch::{Batch, IdLists};
use crate::encode::columns::{Column, Columns};
use crate::encode::encoder::FieldLayout;
use crate::error::DataError;
use crate::prepare::split::mix;
use crate::shards::column::{Lists, Values, WrongIds, check_offsets};
use crate::shards::packed::{pack_columns, unpack_columns};

/// Rows from which on a row group is written.
const ROW_GROUP_ROWS: usize = 8192;
/// Rows that wait for their row groups in memory, over up to 512 files.
const BUFFERED_ROWS: usize = 1 << 15;
/// Row groups of a file, where rows are not scattered: reading any of them reads the whole footer.
const FILE_GROUPS: usize = 32;
/// What a Parquet file begins with.
const MAGIC: &[u8] = b"PAR1";
/// Keeps the scattering apart from other draws of the row's number.
const SCATTER: u64 = 0x5343_4154_5445_5231;

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

/// The columns of [`Shards`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardLayout {
    /// The name of the labels' column.
    pub label: String,
    /// Whether rows have groups.
    pub grouped: bool,
    /// The fields.
    pub fields: Vec<FieldLayout>,
}

#[derive(Debug, Clone, Copy)]
struct RowGroup {
    file: usize,
    index: usize,
    rows: usize,
}

/// Writes [`Shards`], scattering the rows over a number of files. Before [`finish`](Self::finish) they are
/// not Parquet: rows that wait lie behind the row groups.
pub struct ShardWriter {
    directory: PathBuf,
    prefix: String,
    layout: ShardLayout,
    finished: Vec<PathBuf>,
    files: Vec<OpenFile>,
    /// Row groups from which on a file is finished and another one begun.
    file_groups: usize,
    /// Rows of a file that wait in memory; more of them wait in the file.
    buffered_rows: usize,
    num_rows: u64,
    /// A file lacks rows that it was given.
    failed: bool,
}

/// A file of row groups, behind which rows wait that are not enough for another one.
struct OpenFile {
    path: PathBuf,
    /// None before its first rows.
    file: Option<File>,
    /// Where the row groups end.
    end: u64,
    groups: Vec<WrittenGroup>,
    /// Rows that wait in the file, packed.
    num_waiting: usize,
    /// Rows that came after those.
    buffer: Columns,
}

/// What the footer will say of a row group: a twentieth of what `parquet` keeps of one.
struct WrittenGroup {
    start: i64,
    num_rows: i64,
    chunks: Box<[WrittenChunk]>,
}

struct WrittenChunk {
    len: i64,
    num_values: i64,
    /// Bytes of the dictionary before the data, if there is one.
    dictionary_len: i64,
    encodings: EncodingMask,
}

impl ShardWriter {
    /// Files `{prefix}-00000.parquet` and on in a directory, which is made. A row goes to a file
    /// by a hash of its number, so that each file is a fair sample of all rows. With one file rows stay in
    /// order, and files of about 262,144 rows follow each other.
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
        layout: ShardLayout,
        num_files: usize,
    ) -> Result<Self, DataError> {
        assert!(num_files > 0, "rows go to a file");
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

    /// Adds a row of a batch.
    ///
    /// # Panics
    ///
    /// If the batch has no such row with a label.
    pub fn add(&mut self, rows: &Batch, row: usize) {
        assert!(
            row < rows.num_rows && row < rows.labels.len(),
            "no row {row}"
        );
        let file = self.next_file();
        self.files[file].buffer.push_row(rows, row);
    }

    /// Adds some rows of columns, in the order given.
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

    /// Writes the rows of the files that have enough for a row group, or more than are to wait in
    /// memory, each on a thread. Call it every few thousand rows: what is added between two calls is in
    /// memory, and may all be of one row group.
    ///
    /// # Errors
    ///
    /// Where a file cannot be written.
    ///
    /// # Panics
    ///
    /// After an error: rows are lost.
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

    /// Writes what is left and reads the files' footers back.
    ///
    /// # Errors
    ///
    /// Where a file cannot be written or read.
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
            shards.num_rows as u64, self.num_rows,
            "rows written and read"
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

    /// Takes the rows that wait in the file off its end.
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

    /// Writes the footer. Gives the path, where there are rows.
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

impl Shards {
    /// The name of the groups' column.
    pub const GROUP: &str = "__group";

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
                let limit = field.num_ids.unwrap_or(0);
                values.into_ids(limit).map_err(|wrong| match wrong {
                    WrongIds::OutOfRange(id) => {
                        let reason =
                            format!("column `{}`: id {id} is not below {limit}", field.name);
                        DataError::corrupt(path, reason)
                    }
                    WrongIds::NoIntegers(got) => not_integers(path, &field.name, got),
                })
            };
            match (field.num_ids, field.pooling) {
                (Some(_), Some(_)) => {
                    let lists = Lists::read(group.as_ref(), column, rows);
                    let lists = lists.map_err(DataError::parquet(path))?;
                    batch
                        .list_mut(list)
                        .extend(&ids(lists.values)?, &lists.ends);
                    list += 1;
                }
                (Some(_), None) => {
                    for (row, id) in ids(values(column)?)?.into_iter().enumerate() {
                        batch.ids[id_column + row * num_ids] = id;
                    }
                    id_column += 1;
                }
                (None, _) => {
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
                .map(|field| column(&field.name, field.pooling.is_some()))
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

/// How many fields have one id a row, and how many have a number.
fn widths(fields: &[FieldLayout]) -> [usize; 2] {
    let count = |is: fn(&FieldLayout) -> bool| fields.iter().filter(|field| is(field)).count();
    [
        count(|field| field.num_ids.is_some() && field.pooling.is_none()),
        count(|field| field.num_ids.is_none()),
    ]
}

fn schema(layout: &ShardLayout) -> Arc<Type> {
    let float = (PhysicalType::FLOAT, ConvertedType::NONE);
    let id = (PhysicalType::INT32, ConvertedType::UINT_32);
    let hash = (PhysicalType::INT64, ConvertedType::UINT_64);
    let column = |name: &str, (physical, converted)| {
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
        match (field.num_ids, field.pooling) {
            (None, _) => return column(&field.name, float),
            (Some(_), None) => return column(&field.name, id),
            (Some(_), Some(_)) => {}
        }
        let element = column("element", id);
        let list = group("list", Repetition::REPEATED, ConvertedType::NONE, element);
        group(&field.name, Repetition::REQUIRED, ConvertedType::LIST, list)
    };
    let columns = std::iter::once(column(&layout.label, float))
        .chain(layout.grouped.then(|| column(Shards::GROUP, hash)))
        .chain(layout.fields.iter().map(of_field))
        .collect();
    let root = Type::group_type_builder("rows")
        .with_fields(columns)
        .build();
    Arc::new(root.expect("columns make a group"))
}

/// The metadata of a file of these row groups.
fn footer(layout: &ShardLayout, groups: &[WrittenGroup]) -> Result<ParquetMetaData, ParquetError> {
    let schema = Arc::new(SchemaDescriptor::new(schema(layout)));
    let mut row_groups = Vec::new();
    for (ordinal, group) in groups.iter().enumerate() {
        let mut start = group.start;
        let mut columns = Vec::new();
        for (chunk, leaf) in group.chunks.iter().zip(schema.columns()) {
            let column = ColumnChunkMetaData::builder(Arc::clone(leaf))
                .set_encodings_mask(chunk.encodings)
                .set_total_compressed_size(chunk.len)
                .set_total_uncompressed_size(chunk.len)
                .set_num_values(chunk.num_values)
                .set_dictionary_page_offset((chunk.dictionary_len > 0).then_some(start))
                .set_data_page_offset(start + chunk.dictionary_len);
            columns.push(column.build()?);
            start += chunk.len;
        }
        let row_group = RowGroupMetaData::builder(Arc::clone(&schema))
            .set_num_rows(group.num_rows)
            .set_total_byte_size(start - group.start)
            .set_file_offset(group.start)
            .set_ordinal(ordinal as i32)
            .set_column_metadata(columns);
        row_groups.push(row_group.build()?);
    }
    let properties = properties();
    let file = FileMetaData::new(
        properties.writer_version().as_num(),
        groups.iter().map(|group| group.num_rows).sum(),
        Some(properties.created_by().to_owned()),
        None,
        schema,
        None,
    );
    Ok(ParquetMetaData::new(file, row_groups))
}

fn properties() -> WriterProperties {
    WriterProperties::builder()
        .set_statistics_enabled(EnabledStatistics::None)
        .set_offset_index_disabled(true)
        .build()
}

/// Encodes the columns of a row group, each on a thread.
fn encode_columns(
    layout: &ShardLayout,
    columns: &Columns,
) -> Result<Vec<(Vec<u8>, WrittenChunk)>, ParquetError> {
    let mut written = vec![Written::Floats(&columns.labels)];
    if !columns.groups.is_empty() {
        written.push(Written::Hashes(&columns.groups));
    }
    written.extend(columns.fields.iter().map(|column| match column {
        Column::Ids(ids) => Written::Ids(ids),
        Column::Lists(lists) => Written::Lists(lists),
        Column::Numbers(numbers) => Written::Floats(numbers),
    }));
    let schema = SchemaDescriptor::new(schema(layout));
    let leaves = schema.columns();
    assert_eq!(written.len(), leaves.len(), "a column a leaf");
    let properties = Arc::new(properties());
    written
        .into_par_iter()
        .zip(leaves)
        .map(|(values, leaf)| values.encode(Arc::clone(leaf), Arc::clone(&properties)))
        .collect()
}

/// A column to be written.
enum Written<'a> {
    Floats(&'a [f32]),
    Hashes(&'a [u64]),
    Ids(&'a [u32]),
    Lists(&'a IdLists),
}

impl Written<'_> {
    fn encode(
        self,
        leaf: ColumnDescPtr,
        properties: WriterPropertiesPtr,
    ) -> Result<(Vec<u8>, WrittenChunk), ParquetError> {
        let mut bytes = TrackedWrite::new(Vec::new());
        let pages = Box::new(SerializedPageWriter::new(&mut bytes));
        let mut writer = get_column_writer(leaf, properties, pages);
        let signed = |ids: &[u32]| -> Vec<i32> { ids.iter().map(|id| id.cast_signed()).collect() };
        match (&mut writer, self) {
            (ColumnWriter::FloatColumnWriter(writer), Self::Floats(numbers)) => {
                writer.write_batch(numbers, None, None)?;
            }
            (ColumnWriter::Int64ColumnWriter(writer), Self::Hashes(hashes)) => {
                let hashes: Vec<i64> = hashes.iter().map(|hash| hash.cast_signed()).collect();
                writer.write_batch(&hashes, None, None)?;
            }
            (ColumnWriter::Int32ColumnWriter(writer), Self::Ids(ids)) => {
                writer.write_batch(&signed(ids), None, None)?;
            }
            (ColumnWriter::Int32ColumnWriter(writer), Self::Lists(lists)) => {
                // No list is empty: every id is defined, and a row's first one begins it.
                let definitions = vec![1; lists.ids.len()];
                let mut repetitions = definitions.clone();
                (0..lists.ends.len()).for_each(|row| repetitions[lists.range(row).start] = 0);
                writer.write_batch(&signed(&lists.ids), Some(&definitions), Some(&repetitions))?;
            }
            _ => unreachable!("the schema is of these columns"),
        }
        let chunk = writer.close()?.metadata;
        // The pages begin at 0. The footer says nothing of compression.
        assert_eq!(chunk.compressed_size(), chunk.uncompressed_size());
        let chunk = WrittenChunk {
            len: chunk.compressed_size(),
            num_values: chunk.num_values(),
            dictionary_len: match chunk.dictionary_page_offset() {
                Some(_) => chunk.data_page_offset(),
                None => 0,
            },
            encodings: *chunk.encodings_mask(),
        };
        Ok((bytes.into_inner()?, chunk))
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::schema::Pooling;
    use parquet::data_type::{ByteArrayType, DoubleType, Int32Type, Int64Type};
    use parquet::file::writer::SerializedFileWriter;

    fn layout() -> ShardLayout {
        let pooled = Some(Pooling::Mean);
        let fields = [
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
        .to_vec();
        ShardLayout {
            label: "y".to_owned(),
            grouped: true,
            fields,
        }
    }

    fn write(directory: &Path, rows: usize, wrong_id: Option<u32>) -> Shards {
        let writer = ShardWriter::create(directory, "train", layout(), 1).unwrap();
        write_to(writer, rows, wrong_id)
    }

    fn write_to(mut writer: ShardWriter, rows: usize, wrong_id: Option<u32>) -> Shards {
        for row in 0..rows {
            let mut batch = Batch::default();
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
            batch.groups.push(u64::MAX - row as u64);
            batch.num_rows += 1;
            writer.add(&batch, 0);
            writer.write_full_row_groups().unwrap();
        }
        writer.finish().unwrap()
    }

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
        let reader = shards.reader(0).unwrap();
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
        other.fields[2].pooling = None;
        assert!(
            open(other).ends_with("column `tags`: one value a row was expected, but it is a list")
        );
        let mut other = layout();
        other.fields[1].num_ids = Some(9);
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
        assert!(matches!(error, DataError::Corrupt { .. }), "{error}");
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
