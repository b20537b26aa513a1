use parquet::basic::{ConvertedType, Type as PhysicalType};
use parquet::column::reader::get_typed_column_reader;
use parquet::data_type::{BoolType, DataType, DoubleType, FloatType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::RowGroupReader;
use parquet::schema::types::ColumnDescriptor;

/// The values of a column in a row group, in the type that the file has.
pub(crate) enum Values {
    Bool(Vec<bool>),
    Int32(Vec<i32>),
    Uint32(Vec<i32>),
    Int64(Vec<i64>),
    Float(Vec<f32>),
    Double(Vec<f64>),
}

/// Several values per row.
pub(crate) struct Lists {
    pub(crate) values: Values,
    /// Where the values of each row end.
    pub(crate) ends: Vec<usize>,
}

/// Why values are not ids.
pub(crate) enum WrongIds {
    /// An integer is not below the limit.
    OutOfRange(i64),
    /// The values are not integers but of this type.
    NotIntegers(&'static str),
}

impl Values {
    /// Whether columns of this type can be read.
    pub(crate) fn readable(physical: PhysicalType) -> bool {
        use PhysicalType as P;
        matches!(
            physical,
            P::BOOLEAN | P::INT32 | P::INT64 | P::FLOAT | P::DOUBLE
        )
    }

    /// Reads a column of one value per row.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or a value is null.
    pub(crate) fn read(
        group: &dyn RowGroupReader,
        column: usize,
        rows: usize,
    ) -> Result<Self, ParquetError> {
        Ok(read(group, column, rows)?.0)
    }

    /// The values as ids below `limit`.
    pub(crate) fn into_ids(self, limit: usize) -> Result<Vec<u32>, WrongIds> {
        fn below<T: Copy + Into<i64>>(values: Vec<T>, limit: usize) -> Result<Vec<u32>, WrongIds> {
            let id = |value: T| {
                let value: i64 = value.into();
                u32::try_from(value)
                    .ok()
                    .filter(|id| (*id as usize) < limit)
                    .ok_or(WrongIds::OutOfRange(value))
            };
            values.into_iter().map(id).collect()
        }
        match self {
            Self::Int32(values) => below(values, limit),
            Self::Uint32(values) => {
                below(values.into_iter().map(i32::cast_unsigned).collect(), limit)
            }
            Self::Int64(values) => below(values, limit),
            other => Err(WrongIds::NotIntegers(other.name())),
        }
    }

    /// The values as integers, or the name of what the column has instead.
    pub(crate) fn into_integers(self) -> Result<Vec<i64>, &'static str> {
        match self {
            Self::Int32(values) => Ok(values.into_iter().map(i64::from).collect()),
            Self::Uint32(values) => Ok(values
                .into_iter()
                .map(|value| i64::from(value.cast_unsigned()))
                .collect()),
            Self::Int64(values) => Ok(values),
            other => Err(other.name()),
        }
    }

    /// The values as numbers.
    pub(crate) fn into_floats(self) -> Vec<f32> {
        match self {
            Self::Float(values) => values,
            Self::Bool(values) => values
                .into_iter()
                .map(|yes| f32::from(u8::from(yes)))
                .collect(),
            Self::Int32(values) => values.into_iter().map(|value| value as f32).collect(),
            Self::Uint32(values) => values
                .into_iter()
                .map(|value| value.cast_unsigned() as f32)
                .collect(),
            Self::Int64(values) => values.into_iter().map(|value| value as f32).collect(),
            Self::Double(values) => values.into_iter().map(|value| value as f32).collect(),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Bool(_) => "booleans",
            Self::Int32(_) | Self::Uint32(_) | Self::Int64(_) => "integers",
            Self::Float(_) | Self::Double(_) => "floats",
        }
    }
}

impl Lists {
    /// Reads a column of lists.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or a list is empty or has a null.
    pub(crate) fn read(
        group: &dyn RowGroupReader,
        column: usize,
        rows: usize,
    ) -> Result<Self, ParquetError> {
        let (values, repetitions) = read(group, column, rows)?;
        let starts = (1..repetitions.len()).filter(|i| repetitions[*i] == 0);
        // A row ends where the next one begins.
        let last = (rows > 0).then_some(repetitions.len());
        let ends: Vec<usize> = starts.chain(last).collect();
        if ends.len() != rows {
            let reason = format!("column {column} has {} rows instead of {rows}", ends.len());
            return Err(ParquetError::General(reason));
        }
        Ok(Self { values, ends })
    }
}

/// Refuses a row group with a negative offset or size, on which the parquet crate would panic.
///
/// # Errors
///
/// For the first column with one.
pub(crate) fn check_offsets(group: &RowGroupMetaData) -> Result<(), ParquetError> {
    for chunk in group.columns() {
        let start = chunk.dictionary_page_offset();
        if start.unwrap_or(chunk.data_page_offset()) < 0 || chunk.compressed_size() < 0 {
            let column = chunk.column_path();
            let reason = format!("column {column}: a negative offset or size in a row group");
            return Err(ParquetError::General(reason));
        }
    }
    Ok(())
}

/// The values of a column and their repetition levels. A column of one value per row has no levels.
fn read(
    group: &dyn RowGroupReader,
    column: usize,
    rows: usize,
) -> Result<(Values, Vec<i16>), ParquetError> {
    let descriptor = group.metadata().column(column).column_descr_ptr();
    Ok(match descriptor.physical_type() {
        PhysicalType::BOOLEAN => {
            let (values, repetitions) = read_typed::<BoolType>(group, column, rows)?;
            (Values::Bool(values), repetitions)
        }
        PhysicalType::INT32 => {
            let (values, repetitions) = read_typed::<Int32Type>(group, column, rows)?;
            let values = if is_unsigned(&descriptor) {
                Values::Uint32(values)
            } else {
                Values::Int32(values)
            };
            (values, repetitions)
        }
        PhysicalType::INT64 => {
            let (values, repetitions) = read_typed::<Int64Type>(group, column, rows)?;
            (Values::Int64(values), repetitions)
        }
        PhysicalType::FLOAT => {
            let (values, repetitions) = read_typed::<FloatType>(group, column, rows)?;
            (Values::Float(values), repetitions)
        }
        PhysicalType::DOUBLE => {
            let (values, repetitions) = read_typed::<DoubleType>(group, column, rows)?;
            (Values::Double(values), repetitions)
        }
        other => {
            let reason = format!("column {column} is {other:?}, which is not a number");
            return Err(ParquetError::General(reason));
        }
    })
}

/// Whether 32-bit integers are unsigned. Writers of the newer annotation write the older one too.
fn is_unsigned(column: &ColumnDescriptor) -> bool {
    use ConvertedType as C;
    matches!(column.converted_type(), C::UINT_8 | C::UINT_16 | C::UINT_32)
}

fn read_typed<T: DataType>(
    group: &dyn RowGroupReader,
    column: usize,
    rows: usize,
) -> Result<(Vec<T::T>, Vec<i16>), ParquetError> {
    let descriptor = group.metadata().column(column).column_descr_ptr();
    let (defined, is_list) = (descriptor.max_def_level(), descriptor.max_rep_level() > 0);
    let mut reader = get_typed_column_reader::<T>(group.get_column_reader(column)?);
    // A damaged file may claim any number of rows.
    let (mut values, mut definitions, mut repetitions) = (
        Vec::with_capacity(rows.min(1 << 16)),
        Vec::new(),
        Vec::new(),
    );
    let mut read = 0;
    while read < rows {
        let (records, _, _) = reader.read_records(
            rows - read,
            (defined > 0).then_some(&mut definitions),
            is_list.then_some(&mut repetitions),
            &mut values,
        )?;
        if records == 0 {
            let reason = format!("column {column} ends after {read} of {rows} rows");
            return Err(ParquetError::EOF(reason));
        }
        read += records;
    }
    if definitions.iter().any(|level| *level < defined) {
        let what = if is_list {
            "an empty list or a null"
        } else {
            "a null"
        };
        let reason = format!("column `{}` has {what}", descriptor.path().parts()[0]);
        return Err(ParquetError::General(reason));
    }
    Ok((values, repetitions))
}
