use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use csv::ByteRecord;
use parquet::basic::{ConvertedType, LogicalType, Repetition};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::DataType;
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::{ColumnDescriptor, Type};

use crate::error::{DataError, DataErrorKind};
use crate::formats::input_format::{Contents, InputFormat, open};
use crate::formats::parquet_value::{Kind, push_bytes, push_float, push_int96, push_integer};
use crate::formats::reader::RowReader;
use crate::position::{Location, Position};
use crate::shards::column::check_offsets;

pub(crate) const PARQUET: InputFormat = InputFormat {
    recognizes: |start| start.starts_with(b"PAR1"),
    contents: Contents::Rows(|path, file| Ok(Box::new(ParquetReader::new(path, file)?))),
};

/// Rows that are decoded at a time, all columns of them: what bounds the memory, whatever a row
/// group holds.
const BLOCK_ROWS: usize = 1024;
/// Between the elements of a list.
const SEPARATOR: u8 = b'|';

/// The rows of a Parquet file as the cells that a CSV file of them has.
///
/// | in the file | the cell |
/// |---|---|
/// | null, NaN | empty |
/// | bytes, strings, enums, JSON | as they are |
/// | booleans | `1`, `0` |
/// | integers, decimals | decimal; a decimal with all digits of its scale |
/// | floats | the shortest text that reads back as the same number, without an exponent: `39`, `0.5` |
/// | dates, times, timestamps | `2024-02-29`, `13:05:00`, `2024-02-29 13:05:00.25`, in UTC |
/// | UUIDs | `00112233-4455-6677-8899-aabbccddeeff` |
/// | lists of these | the elements, with `\|` between them |
///
/// A column has the name of its top-level field. What else is in a file (structs, maps, deeper
/// lists) has empty cells, and [`unreadable`](RowReader::unreadable) says so.
pub struct ParquetReader {
    file: SerializedFileReader<File>,
    path: Arc<PathBuf>,
    names: Vec<String>,
    columns: Vec<Column>,
    /// The row group to open when this one's rows are read.
    next_group: usize,
    /// Rows of this row group that are not decoded yet.
    group_rows: u64,
    /// Rows in the block, and how many of them were handed out.
    block_rows: usize,
    block_read: usize,
    /// Rows handed out.
    rows: u64,
    levels: Levels,
}

/// A top-level field.
struct Column {
    /// Where its values are and what they mean, or why they cannot be read.
    source: Result<Leaf, &'static str>,
    /// This row group's.
    reader: Option<ColumnReader>,
    /// This block's.
    cells: Cells,
}

/// The one column of values below a field.
#[derive(Debug, Clone, Copy)]
struct Leaf {
    index: usize,
    kind: Kind,
    /// The definition level of what is not null.
    defined: i16,
}

/// Cells of text, one after the other.
#[derive(Default)]
struct Cells {
    text: Vec<u8>,
    ends: Vec<usize>,
}

#[derive(Default)]
struct Levels {
    definition: Vec<i16>,
    repetition: Vec<i16>,
}

impl ParquetReader {
    /// Opens a file. One without rows is fine.
    ///
    /// # Errors
    ///
    /// Where the file cannot be read, is no Parquet or has two columns of one name.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        Self::new(path, open(path)?.into_inner())
    }

    fn new(path: &Path, file: File) -> Result<Self, DataError> {
        let file = SerializedFileReader::new(file).map_err(DataError::parquet(path))?;
        let schema = file.metadata().file_metadata().schema_descr();
        let fields = schema.root_schema().get_fields();
        let (mut names, mut columns) = (Vec::new(), Vec::new());
        let (mut seen, mut index) = (HashSet::new(), 0);
        for field in fields {
            if !seen.insert(field.name()) {
                return Err(DataErrorKind::DuplicateColumn {
                    path: path.to_owned(),
                    column: field.name().to_owned(),
                }
                .into());
            }
            names.push(field.name().to_owned());
            columns.push(Column {
                source: match nested(field) {
                    None => Leaf::new(index, &schema.column(index)),
                    Some(reason) => Err(reason),
                },
                reader: None,
                cells: Cells::default(),
            });
            index += num_leaves(field);
        }
        Ok(Self {
            file,
            path: Arc::new(path.to_owned()),
            names,
            columns,
            next_group: 0,
            group_rows: 0,
            block_rows: 0,
            block_read: 0,
            rows: 0,
            levels: Levels::default(),
        })
    }

    /// Decodes the next rows; false at the end.
    fn read_block(&mut self) -> Result<bool, ParquetError> {
        while self.group_rows == 0 {
            if self.next_group == self.file.num_row_groups() {
                return Ok(false);
            }
            self.open_group()?;
        }
        let rows = BLOCK_ROWS.min(usize::try_from(self.group_rows).unwrap_or(BLOCK_ROWS));
        for (name, column) in self.names.iter().zip(&mut self.columns) {
            let (Ok(leaf), Some(reader)) = (column.source, &mut column.reader) else {
                continue;
            };
            column.cells.text.clear();
            column.cells.ends.clear();
            leaf.read(reader, rows, &mut self.levels, &mut column.cells)?;
            let read = column.cells.ends.len();
            if read != rows {
                return Err(ParquetError::General(format!(
                    "column `{name}`, row group {}: {read} rows where {rows} are left or more",
                    self.next_group
                )));
            }
        }
        self.group_rows -= rows as u64;
        (self.block_rows, self.block_read) = (rows, 0);
        Ok(true)
    }

    fn open_group(&mut self) -> Result<(), ParquetError> {
        let group = self.file.get_row_group(self.next_group)?;
        check_offsets(group.metadata())?;
        for column in &mut self.columns {
            if let Ok(leaf) = column.source {
                column.reader = Some(group.get_column_reader(leaf.index)?);
            }
        }
        self.group_rows = u64::try_from(group.metadata().num_rows())
            .map_err(|_| ParquetError::General("negative row count".to_owned()))?;
        self.next_group += 1;
        Ok(())
    }
}

impl RowReader for ParquetReader {
    fn columns(&self) -> &[String] {
        &self.names
    }

    fn read_row(&mut self, row: &mut ByteRecord) -> Result<bool, DataError> {
        if self.block_read == self.block_rows
            && !self.read_block().map_err(DataError::parquet(&self.path))?
        {
            return Ok(false);
        }
        row.clear();
        for column in &self.columns {
            row.push_field(match column.source {
                Ok(_) => column.cells.get(self.block_read),
                Err(_) => b"",
            });
        }
        self.block_read += 1;
        self.rows += 1;
        Ok(true)
    }

    fn position(&self) -> Position {
        Position {
            path: Arc::clone(&self.path),
            location: Location::Row(self.rows),
        }
    }

    fn unreadable(&self, column: usize) -> Option<&str> {
        self.columns[column].source.as_ref().err().copied()
    }
}

impl Cells {
    fn get(&self, row: usize) -> &[u8] {
        let start = row.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start..self.ends[row]]
    }

    fn end(&mut self) {
        self.ends.push(self.text.len());
    }
}

/// Why a field has more to it than a value or a list of values a row, if it has.
fn nested(field: &Type) -> Option<&'static str> {
    if field.is_primitive() {
        return None;
    }
    let info = field.get_basic_info();
    match (info.logical_type_ref(), info.converted_type()) {
        (Some(LogicalType::Variant(_)), _) => return Some("a VARIANT"),
        (Some(LogicalType::Map), _) => return Some("a MAP"),
        (_, ConvertedType::MAP | ConvertedType::MAP_KEY_VALUE) => return Some("a MAP"),
        (Some(LogicalType::List), _) | (_, ConvertedType::LIST) => {}
        _ if is_repeated(field) => return Some("a list of structs"),
        _ => return Some("a struct"),
    }
    let plain = match field.get_fields() {
        _ if is_repeated(field) => false,
        [repeated] if repeated.is_primitive() => is_repeated(repeated),
        // These names are a struct's of one member, in files of old writers; see the format's
        // "Backward-compatibility rules".
        [repeated] if repeated.name() == "array" || repeated.name().ends_with("_tuple") => false,
        [repeated] => match repeated.get_fields() {
            [element] => is_repeated(repeated) && element.is_primitive() && !is_repeated(element),
            _ => false,
        },
        _ => false,
    };
    (!plain).then_some("a list of lists or structs")
}

fn is_repeated(field: &Type) -> bool {
    let info = field.get_basic_info();
    info.has_repetition() && info.repetition() == Repetition::REPEATED
}

fn num_leaves(field: &Type) -> usize {
    match field.is_primitive() {
        true => 1,
        false => field
            .get_fields()
            .iter()
            .map(|field| num_leaves(field))
            .sum(),
    }
}

impl Leaf {
    fn new(index: usize, column: &ColumnDescriptor) -> Result<Self, &'static str> {
        Ok(Self {
            index,
            kind: Kind::of(column)?,
            defined: column.max_def_level(),
        })
    }

    /// Appends the cells of the next rows.
    fn read(
        self,
        reader: &mut ColumnReader,
        rows: usize,
        levels: &mut Levels,
        cells: &mut Cells,
    ) -> Result<(), ParquetError> {
        let kind = self.kind;
        match reader {
            ColumnReader::BoolColumnReader(reader) => {
                self.cells(reader, rows, levels, cells, |text, value| {
                    text.push(b'0' + u8::from(*value));
                    Ok(())
                })
            }
            ColumnReader::Int32ColumnReader(reader) => {
                self.cells(reader, rows, levels, cells, |text, value| {
                    let value = match kind {
                        Kind::Unsigned => i64::from(value.cast_unsigned()),
                        _ => i64::from(*value),
                    };
                    push_integer(text, kind, value)
                })
            }
            ColumnReader::Int64ColumnReader(reader) => {
                self.cells(reader, rows, levels, cells, |text, value| {
                    push_integer(text, kind, *value)
                })
            }
            ColumnReader::Int96ColumnReader(reader) => {
                self.cells(reader, rows, levels, cells, |text, value| {
                    push_int96(text, value);
                    Ok(())
                })
            }
            ColumnReader::FloatColumnReader(reader) => {
                self.cells(reader, rows, levels, cells, |text, value| {
                    push_float(text, f64::from(*value), value)
                })
            }
            ColumnReader::DoubleColumnReader(reader) => {
                self.cells(reader, rows, levels, cells, |text, value| {
                    push_float(text, *value, value)
                })
            }
            ColumnReader::ByteArrayColumnReader(reader) => {
                self.cells(reader, rows, levels, cells, |text, value| {
                    push_bytes(text, kind, value.data())
                })
            }
            ColumnReader::FixedLenByteArrayColumnReader(reader) => {
                self.cells(reader, rows, levels, cells, |text, value| {
                    push_bytes(text, kind, value.data())
                })
            }
        }
    }

    /// Appends the cells of the next rows, as `push` writes a value.
    fn cells<T: DataType>(
        self,
        reader: &mut ColumnReaderImpl<T>,
        rows: usize,
        levels: &mut Levels,
        cells: &mut Cells,
        push: impl Fn(&mut Vec<u8>, &T::T) -> Result<(), ParquetError>,
    ) -> Result<(), ParquetError> {
        levels.definition.clear();
        levels.repetition.clear();
        let mut values = Vec::with_capacity(rows);
        let (definition, repetition) = (&mut levels.definition, &mut levels.repetition);
        reader.read_records(rows, Some(definition), Some(repetition), &mut values)?;
        // Levels are there only for what can be null or repeat.
        if self.defined == 0 {
            for value in &values {
                push(&mut cells.text, value)?;
                cells.end();
            }
            return Ok(());
        }
        let mut values = values.iter();
        for (i, level) in levels.definition.iter().enumerate() {
            if levels.repetition.get(i).is_some_and(|level| *level > 0) {
                cells.text.push(SEPARATOR);
            } else if i > 0 {
                cells.end();
            }
            if *level == self.defined
                && let Some(value) = values.next()
            {
                push(&mut cells.text, value)?;
            }
        }
        if !levels.definition.is_empty() {
            cells.end();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    use parquet::basic::Compression;
    use parquet::data_type::{
        BoolType, ByteArray, ByteArrayType, DoubleType, FixedLenByteArrayType, FloatType,
        Int32Type, Int64Type, Int96, Int96Type,
    };
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
    use parquet::schema::parser::parse_message_type;

    type Group<'a> = SerializedRowGroupWriter<'a, File>;

    fn create(path: &Path, schema: &str, compression: Compression) -> SerializedFileWriter<File> {
        let schema = parse_message_type(&format!("message rows {{ {schema} }}")).unwrap();
        let properties = WriterProperties::builder()
            .set_compression(compression)
            .set_data_page_row_count_limit(700)
            .set_write_batch_size(100)
            .build();
        let file = File::create(path).unwrap();
        SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties)).unwrap()
    }

    /// Writes the next column; the levels are those of definition and of repetition.
    fn column<T: DataType>(group: &mut Group, values: &[T::T], levels: [Option<&[i16]>; 2]) {
        let mut column = group.next_column().unwrap().unwrap();
        let [definition, repetition] = levels;
        column
            .typed::<T>()
            .write_batch(values, definition, repetition)
            .unwrap();
        column.close().unwrap();
    }

    fn bytes<T: From<ByteArray>>(values: &[&[u8]]) -> Vec<T> {
        values
            .iter()
            .map(|value| ByteArray::from(*value).into())
            .collect()
    }

    fn read(path: &Path) -> Result<Vec<Vec<String>>, DataError> {
        let mut reader = ParquetReader::open(path)?;
        let (mut row, mut rows) = (ByteRecord::new(), Vec::new());
        while reader.read_row(&mut row)? {
            let cells = row
                .iter()
                .map(|cell| std::str::from_utf8(cell).unwrap().to_owned());
            rows.push(cells.collect());
        }
        Ok(rows)
    }

    /// The cells of a file of one column and one row group.
    fn cells<T: DataType>(
        schema: &str,
        values: &[T::T],
        levels: [Option<&[i16]>; 2],
    ) -> Vec<String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rows.parquet");
        let mut writer = create(&path, schema, Compression::UNCOMPRESSED);
        let mut group = writer.next_row_group().unwrap();
        column::<T>(&mut group, values, levels);
        group.close().unwrap();
        writer.close().unwrap();
        read(&path).unwrap().into_iter().flatten().collect()
    }

    fn required<T: DataType>(schema: &str, values: &[T::T]) -> Vec<String> {
        cells::<T>(&format!("required {schema};"), values, [None, None])
    }

    #[test]
    fn numbers_and_booleans_are_text() {
        assert_eq!(
            required::<BoolType>("boolean x", &[true, false]),
            ["1", "0"]
        );
        let ints = [i32::MIN, -1, 0, 7];
        assert_eq!(
            required::<Int32Type>("int32 x", &ints),
            ["-2147483648", "-1", "0", "7"]
        );
        assert_eq!(
            required::<Int32Type>("int32 x (UINT_32)", &ints)[..2],
            ["2147483648", "4294967295"]
        );
        assert_eq!(
            required::<Int32Type>("int32 x (INTEGER(8,false))", &[255]),
            ["255"]
        );
        let longs = [i64::MIN, -1, i64::MAX];
        assert_eq!(
            required::<Int64Type>("int64 x", &longs),
            ["-9223372036854775808", "-1", "9223372036854775807"]
        );
        assert_eq!(
            required::<Int64Type>("int64 x (UINT_64)", &longs)[..2],
            ["9223372036854775808", "18446744073709551615"]
        );
        assert_eq!(
            required::<DoubleType>("double x", &[39.0, 0.5, f64::NAN, -0.1, f64::INFINITY]),
            ["39", "0.5", "", "-0.1", "inf"]
        );
        assert_eq!(
            required::<FloatType>("float x", &[39.0, 0.1, f32::NAN]),
            ["39", "0.1", ""]
        );
        assert_eq!(
            required::<FixedLenByteArrayType>(
                "fixed_len_byte_array(2) x (FLOAT16)",
                &bytes(&[&[0x00, 0x38], &[0x00, 0xc0]])
            ),
            ["0.5", "-2"]
        );
    }

    #[test]
    fn decimals_of_each_width_have_their_scale() {
        assert_eq!(
            required::<Int32Type>("int32 x (DECIMAL(9,2))", &[1250, -5]),
            ["12.50", "-0.05"]
        );
        assert_eq!(
            required::<Int64Type>("int64 x (DECIMAL(18,0))", &[-12]),
            ["-12"]
        );
        assert_eq!(
            required::<ByteArrayType>(
                "binary x (DECIMAL(20,1))",
                &bytes(&[&[0xff, 0x85], &[0x01, 0x00]])
            ),
            ["-12.3", "25.6"]
        );
        assert_eq!(
            required::<FixedLenByteArrayType>(
                "fixed_len_byte_array(3) x (DECIMAL(6,3))",
                &bytes(&[&[0xff, 0xff, 0xff]])
            ),
            ["-0.001"]
        );
    }

    #[test]
    fn bytes_are_the_cell_and_a_uuid_is_hexadecimal() {
        let texts: [&[u8]; 4] = [b"a", b"", b"\"x\",|", "Zürich".as_bytes()];
        for schema in [
            "binary x (UTF8)",
            "binary x (ENUM)",
            "binary x (JSON)",
            "binary x",
        ] {
            assert_eq!(
                required::<ByteArrayType>(schema, &bytes(&texts)),
                texts.map(|text| String::from_utf8(text.to_vec()).unwrap())
            );
        }
        assert_eq!(
            required::<FixedLenByteArrayType>("fixed_len_byte_array(2) x", &bytes(&[b"ab", b"cd"])),
            ["ab", "cd"]
        );
        let uuid: Vec<u8> = (0..16).map(|i| i * 17).collect();
        assert_eq!(
            required::<FixedLenByteArrayType>(
                "fixed_len_byte_array(16) x (UUID)",
                &bytes(&[&uuid])
            ),
            ["00112233-4455-6677-8899-aabbccddeeff"]
        );
    }

    #[test]
    fn times_are_text() {
        assert_eq!(
            required::<Int32Type>("int32 x (DATE)", &[0, 19_782]),
            ["1970-01-01", "2024-02-29"]
        );
        let second = 1_709_211_900;
        let expected = ["2024-02-29 13:05:00", "2024-02-29 13:05:00.25"];
        for (annotation, a_second) in [
            ("TIMESTAMP_MILLIS", 1_000),
            ("TIMESTAMP(MILLIS,true)", 1_000),
            ("TIMESTAMP_MICROS", 1_000_000),
            ("TIMESTAMP(MICROS,false)", 1_000_000),
            ("TIMESTAMP(NANOS,true)", 1_000_000_000),
        ] {
            let values = [second * a_second, second * a_second + a_second / 4];
            assert_eq!(
                required::<Int64Type>(&format!("int64 x ({annotation})"), &values),
                expected,
                "{annotation}"
            );
        }
        let mut day = Int96::new();
        let nanos = 47_100_250_000_000_u64;
        day.set_data(nanos as u32, (nanos >> 32) as u32, 2_460_370);
        assert_eq!(required::<Int96Type>("int96 x", &[day]), expected[1..]);
        assert_eq!(
            required::<Int32Type>("int32 x (TIME_MILLIS)", &[47_100_250]),
            ["13:05:00.25"]
        );
        assert_eq!(
            required::<Int64Type>("int64 x (TIME(NANOS,true))", &[47_100_000_000_000]),
            ["13:05:00"]
        );
    }

    #[test]
    fn a_null_is_an_empty_cell() {
        let levels = [Some(&[0, 1, 0, 1][..]), None];
        assert_eq!(
            cells::<Int64Type>("optional int64 x;", &[3, 4], levels),
            ["", "3", "", "4"]
        );
        assert_eq!(
            cells::<ByteArrayType>("optional binary x (UTF8);", &bytes(&[b"a", b"b"]), levels),
            ["", "a", "", "b"]
        );
        assert_eq!(
            cells::<BoolType>("optional boolean x;", &[], [Some(&[0, 0]), None]),
            ["", ""]
        );
    }

    #[test]
    fn a_list_is_its_elements_with_bars_between() {
        // [a, b], null, [], [null, c], [d]
        let levels = [
            Some(&[3, 3, 0, 1, 2, 3, 3][..]),
            Some(&[0, 1, 0, 0, 0, 1, 0][..]),
        ];
        assert_eq!(
            cells::<ByteArrayType>(
                "optional group tags (LIST) { repeated group list { optional binary element (UTF8); } }",
                &bytes(&[b"a", b"b", b"c", b"d"]),
                levels
            ),
            ["a|b", "", "", "|c", "d"]
        );
        // [1, 2], [], [3], in the three older forms.
        let levels = [Some(&[1, 1, 0, 1][..]), Some(&[0, 1, 0, 0][..])];
        for schema in [
            "required group x (LIST) { repeated group list { required int32 element; } }",
            "required group x (LIST) { repeated int32 array; }",
            "repeated int32 x;",
        ] {
            let cells = cells::<Int32Type>(schema, &[1, 2, 3], levels);
            assert_eq!(cells, ["1|2", "", "3"], "{schema}");
        }
    }

    #[test]
    fn what_is_no_cell_is_empty_and_says_why() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rows.parquet");
        let schema = "
            required int32 a;
            required group pair { required int32 x; required int32 y; }
            optional group tags (MAP) {
                repeated group key_value { required int32 key; optional int32 value; }
            }
            optional group deep (LIST) {
                repeated group list {
                    required group element (LIST) { repeated group list { required int32 element; } }
                }
            }
            optional group old (LIST) { repeated group array { required int32 x; } }
            optional fixed_len_byte_array(12) span (INTERVAL);
            required int32 b;";
        let mut writer = create(&path, schema, Compression::UNCOMPRESSED);
        let mut group = writer.next_row_group().unwrap();
        let null = [Some(&[0][..]), Some(&[0][..])];
        for value in [1, 2, 3] {
            column::<Int32Type>(&mut group, &[value], [None, None]);
        }
        for _ in 0..4 {
            column::<Int32Type>(&mut group, &[], null);
        }
        column::<FixedLenByteArrayType>(&mut group, &[], null);
        column::<Int32Type>(&mut group, &[9], [None, None]);
        group.close().unwrap();
        writer.close().unwrap();

        let reader = ParquetReader::open(&path).unwrap();
        let reasons: Vec<_> = reader
            .columns()
            .iter()
            .enumerate()
            .map(|(i, name)| (name.as_str(), reader.unreadable(i)))
            .collect();
        let lists = Some("a list of lists or structs");
        assert_eq!(
            reasons,
            [
                ("a", None),
                ("pair", Some("a struct")),
                ("tags", Some("a MAP")),
                ("deep", lists),
                ("old", lists),
                ("span", Some("an INTERVAL")),
                ("b", None),
            ]
        );
        assert_eq!(read(&path).unwrap(), [["1", "", "", "", "", "", "9"]]);
    }

    #[test]
    fn rows_keep_their_order_across_pages_blocks_groups_and_codecs() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rows.parquet");
        let schema = "
            required int64 id;
            optional binary word (UTF8);
            optional group tags (LIST) { repeated group list { optional int32 element; } }";
        let sizes = [2 * BLOCK_ROWS + 452, 1, BLOCK_ROWS, 1500];
        for compression in [
            Compression::UNCOMPRESSED,
            Compression::SNAPPY,
            Compression::GZIP(Default::default()),
            Compression::BROTLI(Default::default()),
            Compression::LZ4_RAW,
            Compression::ZSTD(Default::default()),
        ] {
            let mut writer = create(&path, schema, compression);
            let mut start = 0;
            for size in sizes {
                let ids: Vec<i64> = (start..start + size as i64).collect();
                let words: Vec<ByteArray> = ids
                    .iter()
                    .filter(|id| *id % 3 != 0)
                    .map(|id| format!("w{}", id % 50).as_bytes().into())
                    .collect();
                let defined: Vec<i16> = ids.iter().map(|id| i16::from(id % 3 != 0)).collect();
                // As many elements as the id's last binary digits say.
                let (mut tags, mut definition, mut repetition) = (vec![], vec![], vec![]);
                for id in &ids {
                    let elements = id % 4;
                    tags.extend((0..elements).map(|i| (id + i) as i32));
                    definition.extend(std::iter::repeat_n(3, elements as usize));
                    repetition.extend((0..elements).map(|i| i16::from(i > 0)));
                    if elements == 0 {
                        definition.push(1);
                        repetition.push(0);
                    }
                }
                let mut group = writer.next_row_group().unwrap();
                column::<Int64Type>(&mut group, &ids, [None, None]);
                column::<ByteArrayType>(&mut group, &words, [Some(&defined), None]);
                column::<Int32Type>(&mut group, &tags, [Some(&definition), Some(&repetition)]);
                group.close().unwrap();
                start += size as i64;
            }
            writer.close().unwrap();

            let mut reader = ParquetReader::open(&path).unwrap();
            let mut row = ByteRecord::new();
            for id in 0..start {
                assert!(reader.read_row(&mut row).unwrap());
                let tags: Vec<_> = (0..id % 4).map(|i| (id + i).to_string()).collect();
                let word = match id % 3 {
                    0 => String::new(),
                    _ => format!("w{}", id % 50),
                };
                let expected = [id.to_string(), word, tags.join("|")];
                assert_eq!(row, ByteRecord::from(expected.to_vec()), "{compression}");
            }
            assert_eq!(
                reader.position().to_string(),
                format!("{}, row {start}", path.display())
            );
            assert!(!reader.read_row(&mut row).unwrap());
            assert!(!reader.read_row(&mut row).unwrap());
        }
    }

    #[test]
    fn a_file_without_rows_has_columns() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rows.parquet");
        let writer = create(&path, "required int32 a;", Compression::UNCOMPRESSED);
        writer.close().unwrap();
        let mut reader = ParquetReader::open(&path).unwrap();
        assert_eq!(reader.columns(), ["a"]);
        assert!(!reader.read_row(&mut ByteRecord::new()).unwrap());
    }

    #[test]
    fn a_name_twice_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rows.parquet");
        let schema = "required int32 a; required int64 a;";
        create(&path, schema, Compression::UNCOMPRESSED)
            .close()
            .unwrap();
        let error = ParquetReader::open(&path).err();
        assert!(
            matches!(error.as_ref().map(DataError::kind), Some(DataErrorKind::DuplicateColumn { column, .. }) if column == "a"),
            "{error:?}"
        );
    }

    #[test]
    fn a_damaged_file_is_an_error_with_its_path() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rows.parquet");
        let schema = "required int64 a;";
        let mut writer = create(&path, schema, Compression::SNAPPY);
        let mut group = writer.next_row_group().unwrap();
        let values: Vec<i64> = (0..5000).collect();
        column::<Int64Type>(&mut group, &values, [None, None]);
        group.close().unwrap();
        writer.close().unwrap();
        let whole = fs::read(&path).unwrap();

        let corrupt = |content: &[u8]| {
            fs::write(&path, content).unwrap();
            let error = read(&path).unwrap_err();
            assert!(
                matches!(error.kind(), DataErrorKind::Corrupt { .. }),
                "{error}"
            );
            assert!(error.to_string().contains("rows.parquet: "), "{error}");
        };
        corrupt(&whole[..whole.len() - 20]);
        corrupt(&whole[..whole.len() / 2]);
        corrupt(b"");
        corrupt(b"y,a\n1,x\n");
        let mut damaged = whole.clone();
        damaged[100..whole.len() / 2].fill(0xff);
        corrupt(&damaged);

        let missing = directory.path().join("missing.parquet");
        for path in [missing.as_path(), directory.path()] {
            let error = ParquetReader::open(path).err();
            assert!(
                matches!(
                    error.as_ref().map(DataError::kind),
                    Some(DataErrorKind::Storage(_))
                ),
                "{error:?}"
            );
        }
    }

    #[test]
    fn a_wrong_sign_in_the_footer_is_no_panic() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rows.parquet");
        let schema = "required int64 a;";
        let mut writer = create(&path, schema, Compression::UNCOMPRESSED);
        let mut group = writer.next_row_group().unwrap();
        column::<Int64Type>(&mut group, &[1, 2, 3], [None, None]);
        group.close().unwrap();
        writer.close().unwrap();
        let whole = fs::read(&path).unwrap();
        // A number's sign is its last bit there.
        let negative = (0..whole.len()).filter(|&byte| {
            let mut damaged = whole.clone();
            damaged[byte] ^= 1;
            fs::write(&path, damaged).unwrap();
            read(&path).is_err_and(|error| error.to_string().contains("negative"))
        });
        assert!(negative.count() >= 2);
    }
}
