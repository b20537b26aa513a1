use std::fmt::Display;
use std::io::Write;

use parquet::basic::{ConvertedType, LogicalType, TimeUnit};
use parquet::data_type::Int96;
use parquet::errors::ParquetError;
use parquet::schema::types::ColumnDescriptor;

const SECONDS_A_DAY: i64 = 86_400;
/// 1970-01-01 in the days that `INT96` counts.
const EPOCH_JULIAN_DAY: i64 = 2_440_588;

/// What a value means, past its physical type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// What the physical type says.
    Plain,
    Unsigned,
    Decimal {
        scale: usize,
    },
    Date,
    /// Time of the day, in units of a second's `digits`-th decimal.
    Time {
        digits: u32,
    },
    /// Time since 1970, likewise.
    Timestamp {
        digits: u32,
    },
    Uuid,
    Half,
}

impl Kind {
    /// What a column's values mean, or what they are that have no text.
    pub(crate) fn of(column: &ColumnDescriptor) -> Result<Self, &'static str> {
        let digits = |unit: &TimeUnit| match unit {
            TimeUnit::MILLIS => 3,
            TimeUnit::MICROS => 6,
            TimeUnit::NANOS => 9,
        };
        Ok(match (column.logical_type_ref(), column.converted_type()) {
            (Some(LogicalType::Timestamp(time)), _) => Self::Timestamp {
                digits: digits(&time.unit),
            },
            (Some(LogicalType::Time(time)), _) => Self::Time {
                digits: digits(&time.unit),
            },
            (Some(LogicalType::Uuid), _) => Self::Uuid,
            (Some(LogicalType::Float16), _) => Self::Half,
            (Some(LogicalType::Geometry(_) | LogicalType::Geography(_)), _) => {
                return Err("a geometry");
            }
            (_, ConvertedType::BSON) => return Err("a BSON document"),
            (_, ConvertedType::INTERVAL) => return Err("an INTERVAL"),
            (_, ConvertedType::TIMESTAMP_MILLIS) => Self::Timestamp { digits: 3 },
            (_, ConvertedType::TIMESTAMP_MICROS) => Self::Timestamp { digits: 6 },
            (_, ConvertedType::TIME_MILLIS) => Self::Time { digits: 3 },
            (_, ConvertedType::TIME_MICROS) => Self::Time { digits: 6 },
            (_, ConvertedType::DATE) => Self::Date,
            (
                _,
                ConvertedType::UINT_8
                | ConvertedType::UINT_16
                | ConvertedType::UINT_32
                | ConvertedType::UINT_64,
            ) => Self::Unsigned,
            (_, ConvertedType::DECIMAL) if column.type_precision() > 38 => {
                return Err("a DECIMAL of more than 38 digits");
            }
            (_, ConvertedType::DECIMAL) => Self::Decimal {
                scale: usize::try_from(column.type_scale()).unwrap_or(0),
            },
            _ => Self::Plain,
        })
    }
}

pub(crate) fn push_integer(text: &mut Vec<u8>, kind: Kind, value: i64) -> Result<(), ParquetError> {
    match kind {
        Kind::Unsigned => push_digits(text, value.cast_unsigned(), 1),
        Kind::Decimal { scale } => push_decimal(text, value.into(), scale)?,
        Kind::Date => push_date(text, value),
        Kind::Time { digits } => {
            let second = 10_i64.pow(digits);
            push_time(text, value.div_euclid(second).rem_euclid(SECONDS_A_DAY));
            push_fraction(text, value.rem_euclid(second), digits);
        }
        Kind::Timestamp { digits } => {
            let second = 10_i64.pow(digits);
            push_timestamp(text, value.div_euclid(second));
            push_fraction(text, value.rem_euclid(second), digits);
        }
        Kind::Plain | Kind::Uuid | Kind::Half => {
            if value < 0 {
                text.push(b'-');
            }
            push_digits(text, value.unsigned_abs(), 1);
        }
    }
    Ok(())
}

pub(crate) fn push_bytes(text: &mut Vec<u8>, kind: Kind, bytes: &[u8]) -> Result<(), ParquetError> {
    match (kind, bytes) {
        (Kind::Decimal { scale }, _) => push_decimal(text, big_endian(bytes)?, scale)?,
        (Kind::Uuid, _) => {
            for (i, byte) in bytes.iter().enumerate() {
                let hyphen = if matches!(i, 4 | 6 | 8 | 10) { "-" } else { "" };
                write!(text, "{hyphen}{byte:02x}")?;
            }
        }
        (Kind::Half, &[low, high]) => {
            let value = half(u16::from_le_bytes([low, high]));
            push_float(text, value.into(), value)?;
        }
        _ => text.extend_from_slice(bytes),
    }
    Ok(())
}

/// A number in two's complement, the highest byte first.
fn big_endian(bytes: &[u8]) -> Result<i128, ParquetError> {
    let sign = if bytes.first().is_some_and(|byte| *byte >= 0x80) {
        0xff
    } else {
        0
    };
    let (extension, bytes) = bytes.split_at(bytes.len().saturating_sub(16));
    let mut whole = [sign; 16];
    whole[16 - bytes.len()..].copy_from_slice(bytes);
    let value = i128::from_be_bytes(whole);
    if extension.iter().any(|byte| *byte != sign) || (value < 0) != (sign != 0) {
        let reason = "a decimal has more digits than its type";
        return Err(ParquetError::General(reason.to_owned()));
    }
    Ok(value)
}

fn push_decimal(text: &mut Vec<u8>, value: i128, scale: usize) -> Result<(), ParquetError> {
    if value < 0 {
        text.push(b'-');
    }
    write!(text, "{:0width$}", value.unsigned_abs(), width = scale + 1)?;
    if scale > 0 {
        text.insert(text.len() - scale, b'.');
    }
    Ok(())
}

/// A number that is `shown` as its own type shows it, not as the wider one does.
pub(crate) fn push_float(
    text: &mut Vec<u8>,
    value: f64,
    shown: impl Display,
) -> Result<(), ParquetError> {
    // Integers with nulls among them come as floats, and take a fraction of the time so. Above the
    // bound an `f32` is shown with other digits than it has.
    let whole = value as i64;
    if whole != 0 && whole as f64 == value && whole.unsigned_abs() < 1 << 24 {
        return push_integer(text, Kind::Plain, whole);
    }
    if !value.is_nan() {
        write!(text, "{shown}")?;
    }
    Ok(())
}

/// A number of 16 bits, which a wider one holds exactly.
fn half(bits: u16) -> f32 {
    let magnitude = match bits & 0x7fff {
        special @ 0x7c00.. => f32::from_bits(0x7f80_0000 | u32::from(special & 0x3ff) << 13),
        // The exponents are 112 apart.
        finite => f32::from_bits(u32::from(finite) << 13) * 2_f32.powi(112),
    };
    if bits & 0x8000 == 0 {
        magnitude
    } else {
        -magnitude
    }
}

/// The digits of a number, at least `width`.
fn push_digits(text: &mut Vec<u8>, mut value: u64, width: usize) {
    let mut digits = [b'0'; 20];
    let mut start = digits.len();
    while value > 0 {
        start -= 1;
        digits[start] += (value % 10) as u8;
        value /= 10;
    }
    text.extend_from_slice(&digits[start.min(digits.len() - width)..]);
}

/// Days since 1970, in the Gregorian calendar, by way of years that begin in March (Hinnant,
/// "chrono-Compatible Low-Level Date Algorithms").
fn push_date(text: &mut Vec<u8>, days: i64) {
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let from_march = (5 * day + 2) / 153;
    let day = day - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = era * 400 + year + i64::from(month <= 2);
    if year < 0 {
        text.push(b'-');
    }
    push_digits(text, year.unsigned_abs(), 4);
    for part in [month, day] {
        text.push(b'-');
        push_digits(text, part.unsigned_abs(), 2);
    }
}

fn push_time(text: &mut Vec<u8>, second: i64) {
    push_digits(text, (second / 3600).unsigned_abs(), 2);
    for part in [second / 60 % 60, second % 60] {
        text.push(b':');
        push_digits(text, part.unsigned_abs(), 2);
    }
}

fn push_timestamp(text: &mut Vec<u8>, seconds: i64) {
    push_date(text, seconds.div_euclid(SECONDS_A_DAY));
    text.push(b' ');
    push_time(text, seconds.rem_euclid(SECONDS_A_DAY));
}

/// A second's part, without the zeros at its end.
fn push_fraction(text: &mut Vec<u8>, part: i64, digits: u32) {
    if part == 0 {
        return;
    }
    text.push(b'.');
    push_digits(text, part.unsigned_abs(), digits as usize);
    while text.last() == Some(&b'0') {
        text.pop();
    }
}

pub(crate) fn push_int96(text: &mut Vec<u8>, value: &Int96) {
    let second = 1_000_000_000;
    let &[low, high, day] = value.data() else {
        return;
    };
    let days = i64::from(day.cast_signed()) - EPOCH_JULIAN_DAY;
    let nanos = (u64::from(high) << 32 | u64::from(low)).cast_signed();
    push_timestamp(text, days * SECONDS_A_DAY + nanos.div_euclid(second));
    push_fraction(text, nanos.rem_euclid(second), 9);
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
        let date = |days| text(|text| push_date(text, days));
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
        ] {
            assert_eq!(date(days), expected);
        }
        // The extremes of what a file can hold.
        date(i64::MAX / 1000 / SECONDS_A_DAY);
        date(i64::MIN / 1000 / SECONDS_A_DAY);
    }

    #[test]
    fn times_before_1970_count_forward_within_their_second() {
        let timestamp = |digits, value| {
            text(|text| push_integer(text, Kind::Timestamp { digits }, value).unwrap())
        };
        assert_eq!(timestamp(3, -1), "1969-12-31 23:59:59.999");
        assert_eq!(timestamp(6, 1_500_000), "1970-01-01 00:00:01.5");
        assert_eq!(timestamp(9, 1), "1970-01-01 00:00:00.000000001");
        assert_eq!(timestamp(3, 86_399_000), "1970-01-01 23:59:59");
    }

    #[test]
    fn decimals_have_the_digits_of_their_scale() {
        let decimal = |value, scale| text(|text| push_decimal(text, value, scale).unwrap());
        assert_eq!(decimal(1250, 2), "12.50");
        assert_eq!(decimal(-5, 2), "-0.05");
        assert_eq!(decimal(0, 3), "0.000");
        assert_eq!(decimal(-42, 0), "-42");
        assert_eq!(decimal(i128::MIN, 0), i128::MIN.to_string());
    }

    #[test]
    fn bytes_of_a_decimal_are_signed_and_may_be_padded() {
        assert_eq!(big_endian(&[]).unwrap(), 0);
        assert_eq!(big_endian(&[0xff]).unwrap(), -1);
        assert_eq!(big_endian(&[0, 0xff]).unwrap(), 255);
        assert_eq!(big_endian(&[0xff; 20]).unwrap(), -1);
        let mut wide = [0; 17];
        wide[16] = 7;
        assert_eq!(big_endian(&wide).unwrap(), 7);
        wide[1] = 0x80;
        assert!(big_endian(&wide).is_err());
        assert!(big_endian(&[1; 17]).is_err());
    }

    #[test]
    fn floats_are_shown_as_their_own_type_shows_them() {
        let float = |value: f32| text(|text| push_float(text, value.into(), value).unwrap());
        let double = |value: f64| text(|text| push_float(text, value, value).unwrap());
        for value in [
            0.0,
            -0.0,
            0.1,
            -3.0,
            16_777_215.0,
            123_456_790.0,
            1e20,
            f32::MIN_POSITIVE,
            f32::INFINITY,
            f32::NEG_INFINITY,
        ] {
            assert_eq!(float(value), value.to_string());
            assert_eq!(double(value.into()), f64::from(value).to_string());
        }
        assert_eq!(float(f32::NAN), "");
        assert_eq!(double(-f64::NAN), "");
    }

    #[test]
    fn halves_keep_their_value() {
        for (bits, expected) in [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x3800, 0.5),
            (0x7bff, 65_504.0),
            (0x0001, 2_f32.powi(-24)),
            (0x0000, 0.0),
            (0x7c00, f32::INFINITY),
        ] {
            assert_eq!(half(bits), expected);
        }
        assert!(half(0x7e00).is_nan());
    }
}
