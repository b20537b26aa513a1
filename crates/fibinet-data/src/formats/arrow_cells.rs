use std::borrow::Cow;
use std::io::Write;

use arrow_array::builder::BinaryBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Decimal256Type, DecimalType, Float16Type,
    Int8Type, Int16Type, Int32Type, Time32MillisecondType, Time64MicrosecondType,
    Time64NanosecondType, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, UInt8Type, UInt16Type, UInt32Type,
};
use arrow_array::{
    Array, BinaryArray, Float32Array, Float64Array, Int64Array, RecordBatch, UInt64Array,
};
use arrow_schema::{DataType, TimeUnit};
use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, Timelike};
use parquet::basic::{ConvertedType, LogicalType};
use parquet::errors::ParquetError;
use parquet::schema::types::{ColumnDescPtr, ColumnDescriptor};

use crate::cell::{Cell, ElementCells, Elements, Number};
use crate::formats::arrow_lists::Lists;
use crate::formats::time_zone::TimeZone;

/// The day 1970-01-01 as chrono counts days.
const EPOCH_DAY: i32 = 719_163;
const SECONDS_PER_DAY: i64 = 86_400;
const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// A column of a file, or why it cannot be read.
pub(crate) type ReadableColumn = Result<ColumnType, Cow<'static, str>>;

/// What is known of the values of a column besides their Arrow type.
#[derive(Debug)]
pub(crate) struct ColumnType {
    /// Describes its first values.
    pub(crate) leaf: ColumnDescPtr,
    /// The zone in which its times are written.
    pub(crate) zone: Option<TimeZone>,
}

/// The cells of consecutive rows, column by column.
#[derive(Debug)]
pub(crate) struct RowBatch {
    columns: Vec<Cells>,
    pub(crate) num_rows: usize,
    /// The size of an average row in memory.
    pub(crate) bytes_per_row: usize,
}

impl RowBatch {
    /// No rows of no columns.
    pub(crate) const EMPTY: Self = Self {
        columns: Vec::new(),
        num_rows: 0,
        bytes_per_row: 0,
    };

    /// Decodes arrays of the readable ones among `columns`. The cells of the others are missing.
    ///
    /// # Errors
    ///
    /// If a type is not readable after all.
    pub(crate) fn new(
        arrays: &RecordBatch,
        columns: &[ReadableColumn],
    ) -> Result<Self, ParquetError> {
        let mut unread = arrays.columns().iter();
        let cells = columns.iter().map(|column| match column {
            Ok(column) => {
                let array = unread.next();
                array.map_or(Ok(Cells::Missing), |array| Cells::new(array, column))
            }
            Err(_) => Ok(Cells::Missing),
        });
        Ok(Self {
            columns: cells.collect::<Result<_, ParquetError>>()?,
            num_rows: arrays.num_rows(),
            bytes_per_row: arrays.get_array_memory_size() / arrays.num_rows().max(1),
        })
    }

    pub(crate) fn num_columns(&self) -> usize {
        self.columns.len()
    }

    /// The cell of a row, by its index among these rows.
    pub(crate) fn cell(&self, column: usize, row: usize) -> Cell<'_> {
        self.columns[column].cell(row)
    }
}

/// The cells of a column.
#[derive(Debug)]
pub(crate) enum Cells {
    /// No cell has a value.
    Missing,
    Text(BinaryArray),
    Integers(Int64Array),
    Unsigned(UInt64Array),
    Singles(Float32Array),
    Doubles(Float64Array),
    Lists(Lists),
}

impl Cells {
    /// Decodes an array whose type is [readable](unreadable).
    ///
    /// # Errors
    ///
    /// If the type is not readable.
    pub(crate) fn new(array: &dyn Array, column: &ColumnType) -> Result<Self, ParquetError> {
        use DataType as D;
        use TimeUnit as U;
        Ok(match array.data_type() {
            D::Null => Self::Missing,
            D::Boolean => {
                let values = array.as_boolean().iter();
                Self::Integers(values.map(|value| value.map(i64::from)).collect())
            }
            D::Int8 => widened::<Int8Type>(array),
            D::Int16 => widened::<Int16Type>(array),
            D::Int32 => widened::<Int32Type>(array),
            D::Int64 => Self::Integers(array.as_primitive().clone()),
            D::UInt8 => widened::<UInt8Type>(array),
            D::UInt16 => widened::<UInt16Type>(array),
            D::UInt32 => widened::<UInt32Type>(array),
            D::UInt64 => Self::Unsigned(array.as_primitive().clone()),
            D::Float16 => Self::Singles(array.as_primitive::<Float16Type>().unary(f32::from)),
            D::Float32 => Self::Singles(array.as_primitive().clone()),
            D::Float64 => Self::Doubles(array.as_primitive().clone()),
            D::Utf8 => Self::Text(BinaryArray::from(array.as_string::<i32>().clone())),
            D::Binary => Self::Text(array.as_binary().clone()),
            D::FixedSizeBinary(_) => {
                let values = array.as_fixed_size_binary();
                let is_uuid = matches!(column.leaf.logical_type_ref(), Some(LogicalType::Uuid));
                written(array, |text, row| {
                    if is_uuid {
                        push_uuid(text, values.value(row));
                    } else {
                        text.extend_from_slice(values.value(row));
                    }
                })
            }
            D::Decimal128(_, scale) => decimals::<Decimal128Type>(array, *scale),
            D::Decimal256(_, scale) => decimals::<Decimal256Type>(array, *scale),
            D::Date32 => numbers::<Date32Type>(array, push_date),
            D::Time32(U::Millisecond) => times::<Time32MillisecondType>(array, 1_000),
            D::Time64(U::Microsecond) => times::<Time64MicrosecondType>(array, 1_000_000),
            D::Time64(U::Nanosecond) => times::<Time64NanosecondType>(array, NANOS_PER_SECOND),
            D::Timestamp(U::Millisecond, _) => {
                timestamps::<TimestampMillisecondType>(array, 1_000, column.zone)
            }
            D::Timestamp(U::Microsecond, _) => {
                timestamps::<TimestampMicrosecondType>(array, 1_000_000, column.zone)
            }
            D::Timestamp(U::Nanosecond, _) => {
                timestamps::<TimestampNanosecondType>(array, NANOS_PER_SECOND, column.zone)
            }
            D::List(_) => {
                let array = array.as_list();
                let elements = Self::new(array.values().as_ref(), column)?;
                Self::Lists(Lists::new(array, Elements::new(elements)))
            }
            other => {
                let reason = format!("column `{}` is {other}", column.leaf.name());
                return Err(ParquetError::General(reason));
            }
        })
    }

    /// The cell of a row.
    #[inline]
    pub(crate) fn cell(&self, row: usize) -> Cell<'_> {
        match self {
            Self::Text(cells) if cells.is_valid(row) => Cell::Text(cells.value(row)),
            Self::Integers(cells) if cells.is_valid(row) => cells.value(row).into(),
            Self::Unsigned(cells) if cells.is_valid(row) => cells.value(row).into(),
            Self::Singles(cells) if cells.is_valid(row) => cells.value(row).into(),
            Self::Doubles(cells) if cells.is_valid(row) => cells.value(row).into(),
            Self::Lists(cells) => cells.cell(row),
            _ => Cell::MISSING,
        }
    }
}

impl ElementCells for Cells {
    fn cell(&self, at: usize) -> Cell<'_> {
        self.cell(at)
    }
}

/// What a column is, if its values have no text; `column` describes its first values.
pub(crate) fn unreadable(data_type: &DataType, column: &ColumnDescriptor) -> Option<&'static str> {
    use DataType as D;
    match data_type {
        D::Struct(_) => return Some("a struct"),
        D::Map(..) => return Some("a MAP"),
        D::Interval(_) => return Some("an INTERVAL"),
        D::List(element) => match element.data_type() {
            D::List(_) | D::Struct(_) | D::Map(..) => return Some("a list of lists or structs"),
            element => return unreadable(element, column),
        },
        _ => {}
    }
    match (column.logical_type_ref(), column.converted_type()) {
        (Some(LogicalType::Geometry(_) | LogicalType::Geography(_)), _) => Some("a geometry"),
        (_, ConvertedType::BSON) => Some("a BSON document"),
        _ => None,
    }
}

fn widened<T: ArrowPrimitiveType>(array: &dyn Array) -> Cells
where
    T::Native: Into<i64>,
{
    Cells::Integers(array.as_primitive::<T>().unary(Into::into))
}

/// Cells whose text `push` appends. A cell without a value stays empty.
fn written(array: &dyn Array, mut push: impl FnMut(&mut Vec<u8>, usize)) -> Cells {
    let mut cells = BinaryBuilder::with_capacity(array.len(), 0);
    let mut text = Vec::new();
    for row in 0..array.len() {
        text.clear();
        if array.is_valid(row) {
            push(&mut text, row);
        }
        cells.append_value(&text);
    }
    Cells::Text(cells.finish())
}

fn numbers<T: ArrowPrimitiveType>(
    array: &dyn Array,
    mut push: impl FnMut(&mut Vec<u8>, T::Native),
) -> Cells {
    let values = array.as_primitive::<T>();
    written(array, |text, row| push(text, values.value(row)))
}

fn decimals<T: DecimalType>(array: &dyn Array, scale: i8) -> Cells {
    // All digits, also where a damaged file has more of them than its type allows.
    numbers::<T>(array, |text, value| {
        text.extend_from_slice(T::format_decimal(value, u8::MAX, scale).as_bytes());
    })
}

fn times<T: ArrowPrimitiveType>(array: &dyn Array, units_per_second: i64) -> Cells
where
    T::Native: Into<i64>,
{
    numbers::<T>(array, |text, value| {
        let (seconds, nanos) = split(value.into(), units_per_second);
        let second_of_day = seconds.rem_euclid(SECONDS_PER_DAY) as u32;
        let time = NaiveTime::from_num_seconds_from_midnight_opt(second_of_day, nanos);
        push_time(text, time.unwrap_or_default());
    })
}

fn timestamps<T: ArrowPrimitiveType>(
    array: &dyn Array,
    units_per_second: i64,
    zone: Option<TimeZone>,
) -> Cells
where
    T::Native: Into<i64>,
{
    numbers::<T>(array, |text, value| {
        push_timestamp(text, value.into(), units_per_second, zone);
    })
}

/// Whole seconds, and the nanoseconds after them.
fn split(value: i64, units_per_second: i64) -> (i64, u32) {
    let part = value.rem_euclid(units_per_second) * (NANOS_PER_SECOND / units_per_second);
    (value.div_euclid(units_per_second), part as u32)
}

/// Appends `2024-02-29`. Days that chrono's calendar lacks (some 262,000 years away) stay a number.
fn push_date(text: &mut Vec<u8>, days: i32) {
    let day = days.checked_add(EPOCH_DAY);
    match day.and_then(NaiveDate::from_num_days_from_ce_opt) {
        Some(date) => push_day(text, date),
        None => Number::Integer(days.into()).write(text),
    }
}

/// Appends `2024-02-29 13:05:00` in UTC, or `2024-02-29 14:05:00+01:00` in a zone.
fn push_timestamp(text: &mut Vec<u8>, value: i64, units_per_second: i64, zone: Option<TimeZone>) {
    let (seconds, nanos) = split(value, units_per_second);
    let mut push = |day, time| {
        push_day(text, day);
        text.push(b' ');
        push_time(text, time);
    };
    match (DateTime::from_timestamp(seconds, nanos), zone) {
        (Some(time), None) => push(time.date_naive(), time.time()),
        (Some(time), Some(zone)) => {
            let local = zone.local(time);
            push(local.date_naive(), local.time());
            append(text, format_args!("{}", local.offset()));
        }
        (None, _) => Number::Integer(value).write(text),
    }
}

fn push_day(text: &mut Vec<u8>, date: NaiveDate) {
    let sign = if date.year() < 0 { "-" } else { "" };
    let (year, month, day) = (date.year().unsigned_abs(), date.month(), date.day());
    append(text, format_args!("{sign}{year:04}-{month:02}-{day:02}"));
}

/// Appends `13:05:00.25`: the fraction has no zeros at its end.
fn push_time(text: &mut Vec<u8>, time: NaiveTime) {
    let (hour, minute, second) = (time.hour(), time.minute(), time.second());
    append(text, format_args!("{hour:02}:{minute:02}:{second:02}"));
    if time.nanosecond() > 0 {
        append(text, format_args!(".{:09}", time.nanosecond()));
        let zeros = text.iter().rev().take_while(|byte| **byte == b'0').count();
        text.truncate(text.len() - zeros);
    }
}

fn push_uuid(text: &mut Vec<u8>, bytes: &[u8]) {
    for (i, byte) in bytes.iter().enumerate() {
        let hyphen = if matches!(i, 4 | 6 | 8 | 10) { "-" } else { "" };
        append(text, format_args!("{hyphen}{byte:02x}"));
    }
}

fn append(text: &mut Vec<u8>, written: std::fmt::Arguments<'_>) {
    // Writing to a vector does not fail.
    let result = text.write_fmt(written);
    debug_assert!(result.is_ok());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(push: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut text = Vec::new();
        push(&mut text);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn dates_follow_the_gregorian_calendar() {
        for (days, expected) in [
            (0, "1970-01-01"),
            (-1, "1969-12-31"),
            (11_016, "2000-02-29"),
            (19_782, "2024-02-29"),
            (19_783, "2024-03-01"),
            (-25_509, "1900-02-28"),
            (-25_508, "1900-03-01"),
            (-719_162, "0001-01-01"),
            (-719_529, "-0001-12-31"),
            (2_932_896, "9999-12-31"),
            (2_932_897, "10000-01-01"),
        ] {
            assert_eq!(text(|text| push_date(text, days)), expected);
        }
    }

    #[test]
    fn a_day_out_of_the_calendar_is_its_number() {
        for days in [i32::MIN, i32::MAX] {
            assert_eq!(text(|text| push_date(text, days)), days.to_string());
        }
        // DuckDB's `infinity`.
        let infinity = text(|text| push_timestamp(text, i64::MAX, 1_000_000, None));
        assert_eq!(infinity, i64::MAX.to_string());
    }

    #[test]
    fn times_before_1970_count_forward_within_their_second() {
        let timestamp = |units, value| text(|text| push_timestamp(text, value, units, None));
        assert_eq!(timestamp(1_000, -1), "1969-12-31 23:59:59.999");
        assert_eq!(timestamp(1_000_000, 1_500_000), "1970-01-01 00:00:01.5");
        assert_eq!(
            timestamp(NANOS_PER_SECOND, 1),
            "1970-01-01 00:00:00.000000001"
        );
        assert_eq!(timestamp(1_000, 86_399_000), "1970-01-01 23:59:59");
    }
}
