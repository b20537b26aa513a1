use std::fmt::{Display, LowerExp};
use std::io::Write;

/// A cell of a raw row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'a> {
    /// A text. An empty one is a missing value.
    Text(&'a [u8]),
    /// A number of a file that stores numbers as such.
    Number(Number),
}

/// A number in the type that its file stores it in. It is not NaN: as a [`Cell`], NaN is a missing value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// A signed integer.
    Integer(i64),
    /// An unsigned integer.
    Unsigned(u64),
    /// A float of single precision.
    Single(f32),
    /// A float of double precision.
    Double(f64),
}

impl<'a> Cell<'a> {
    /// A cell without a value.
    pub const MISSING: Self = Self::Text(b"");

    /// The text of the cell. The text of a number is written into `scratch`.
    #[inline]
    pub fn text<'t>(self, scratch: &'t mut Vec<u8>) -> &'t [u8]
    where
        'a: 't,
    {
        match self {
            Self::Text(text) => text,
            Self::Number(number) => {
                scratch.clear();
                number.write(scratch);
                scratch
            }
        }
    }
}

impl From<i64> for Cell<'_> {
    fn from(value: i64) -> Self {
        Self::Number(Number::Integer(value))
    }
}

impl From<u64> for Cell<'_> {
    fn from(value: u64) -> Self {
        Self::Number(Number::Unsigned(value))
    }
}

impl From<f32> for Cell<'_> {
    fn from(value: f32) -> Self {
        if value.is_nan() {
            Self::MISSING
        } else {
            Self::Number(Number::Single(value))
        }
    }
}

impl From<f64> for Cell<'_> {
    fn from(value: f64) -> Self {
        if value.is_nan() {
            Self::MISSING
        } else {
            Self::Number(Number::Double(value))
        }
    }
}

impl Number {
    /// Appends the number as a CSV file would have it: the shortest text that reads back as the same number in
    /// its type, without an exponent.
    pub fn write(self, text: &mut Vec<u8>) {
        match self {
            Self::Integer(value) => write_integer(value, text),
            Self::Unsigned(value) => write_integer(value, text),
            Self::Single(value) => write_float(value.into(), value, text),
            Self::Double(value) => write_float(value, value, text),
        }
    }

    /// Whether the file stores it as a float.
    pub(crate) fn is_float(self) -> bool {
        matches!(self, Self::Single(_) | Self::Double(_))
    }

    /// Appends the number as Python writes it: floats have a point or an exponent.
    pub(crate) fn write_as_python(self, text: &mut Vec<u8>) {
        match self {
            Self::Single(value) => write_python_float(value.into(), value, text),
            Self::Double(value) => write_python_float(value, value, text),
            Self::Integer(_) | Self::Unsigned(_) => self.write(text),
        }
    }

    /// The `f64` that the number's text reads as. Cast to `f32`, it is the `f32` that the text reads as.
    pub fn to_f64(self) -> f64 {
        match self {
            Self::Integer(value) => towards(value as f64, value as f32),
            Self::Unsigned(value) => towards(value as f64, value as f32),
            Self::Single(value) if is_small_integer(value) => value.into(),
            // The text 0.1, say, reads as another `f64` than the `f32` 0.1 is.
            Self::Single(value) => read_again(value),
            Self::Double(value) if may_round_twice(value) => read_again(value),
            Self::Double(value) => value,
        }
    }
}

/// Whether a float is an integer that an `f32` prints with its own digits.
fn is_small_integer(value: f32) -> bool {
    let integer = value as i32;
    integer as f32 == value && integer.unsigned_abs() < 1 << 24
}

/// Reads a text as the nearest `f64`. If that lies halfway between two `f32` and the text does not, it is the
/// next `f64` on the text's side: cast to `f32`, it is the `f32` that the text reads as.
// Most numbers of a log are short integers, and a call per cell shows in the time that preparing takes.
#[inline]
pub(crate) fn read_number(text: &[u8]) -> Option<f64> {
    if (1..=MAX_DIGITS).contains(&text.len()) && text.iter().all(u8::is_ascii_digit) {
        return Some(text.iter().fold(0, append_digit) as f64);
    }
    read_decimal(text).or_else(|| read_any(text))
}

/// An `f64` holds every integer of 15 digits.
const MAX_DIGITS: usize = 15;

#[inline]
fn append_digit(number: i64, digit: &u8) -> i64 {
    10 * number + i64::from(digit - b'0')
}

/// [`read_number`] for at most 15 digits with a point among them, several times faster. `None` for other texts.
fn read_decimal(text: &[u8]) -> Option<f64> {
    const POWERS: [f64; MAX_DIGITS + 1] = [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
    ];
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    if digits.len() > MAX_DIGITS + 1 {
        return None;
    }
    let (mut all, mut point) = (0, None);
    for (at, byte) in digits.iter().enumerate() {
        match byte {
            b'0'..=b'9' => all = append_digit(all, byte),
            b'.' if point.is_none() => point = Some(at),
            _ => return None,
        }
    }
    let (num_digits, places) = match point {
        Some(at) => (digits.len() - 1, digits.len() - 1 - at),
        None => (digits.len(), 0),
    };
    if !(1..=MAX_DIGITS).contains(&num_digits) {
        return None;
    }
    // Both sides of the division are exact.
    let size = all as f64 / POWERS[places];
    let number = if digits.len() < text.len() {
        -size
    } else {
        size
    };
    (!may_round_twice(number) || places == 0).then_some(number)
}

fn read_any(text: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let double = text.parse().ok()?;
    if may_round_twice(double) {
        return Some(towards(double, text.parse().ok()?));
    }
    Some(double)
}

/// Whether a text that reads as this `f64` may read as another `f32` than the `f64` is cast to: only if the
/// `f64` lies halfway between two.
fn may_round_twice(double: f64) -> bool {
    /// The last bits of an `f64`, which a normal `f32` lacks, of a number halfway between two.
    const HALFWAY: u64 = 1 << 28;
    let may_be_subnormal = double.abs() < f64::from(f32::MIN_POSITIVE) && double != 0.0;
    may_be_subnormal || double.to_bits() & (2 * HALFWAY - 1) == HALFWAY
}

/// The `f64` itself if it is cast to `single`, else the next one on its side.
fn towards(double: f64, single: f32) -> f64 {
    if double as f32 == single {
        double
    } else if f64::from(single) > double {
        double.next_up()
    } else {
        double.next_down()
    }
}

/// A float as its shortest text reads.
fn read_again(value: impl zmij::Float) -> f64 {
    let mut text = zmij::Buffer::new();
    read_number(text.format(value).as_bytes()).expect("the text of a float is a number")
}

fn write_integer(value: impl itoa::Integer, text: &mut Vec<u8>) {
    text.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends `shown`, a float that equals `value`.
fn write_float(value: f64, shown: impl Display, text: &mut Vec<u8>) {
    // Integer columns with nulls are often stored as floats, and this path is several times faster. From
    // 2^24 on an `f32` prints other digits than its value has.
    let whole = value as i64;
    if whole != 0 && whole as f64 == value && whole.unsigned_abs() < 1 << 24 {
        write_integer(whole, text);
    } else {
        let written = write!(text, "{shown}");
        debug_assert!(written.is_ok(), "writing to a vector does not fail");
    }
}

/// Writes a float as Python's `repr` does, and so pandas in a CSV file: `17.0`, `0.5`, `1e-05`, `1e+16`.
/// `shown` is the same number, of the type whose shortest text is wanted.
fn write_python_float(number: f64, shown: impl Display + LowerExp, text: &mut Vec<u8>) {
    let size = number.abs();
    let written = if size != 0.0 && !(1e-4..1e16).contains(&size) && size.is_finite() {
        let short = format!("{shown:e}");
        let (digits, exponent) = short.split_once('e').unwrap_or((&short, "0"));
        let (sign, exponent) = match exponent.strip_prefix('-') {
            Some(exponent) => ('-', exponent),
            None => ('+', exponent),
        };
        write!(text, "{digits}e{sign}{exponent:0>2}")
    } else if number.fract() == 0.0 {
        write!(text, "{shown}.0")
    } else {
        write!(text, "{shown}")
    };
    debug_assert!(written.is_ok(), "writing to a vector does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(cell: Cell<'_>) -> String {
        String::from_utf8(cell.text(&mut Vec::new()).to_vec()).unwrap()
    }

    #[test]
    fn floats_are_shown_as_their_own_type_shows_them() {
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
            assert_eq!(text(value.into()), value.to_string());
            let double = f64::from(value);
            assert_eq!(text(double.into()), double.to_string());
        }
        assert_eq!(Cell::from(f32::NAN), Cell::MISSING);
        assert_eq!(Cell::from(-f64::NAN), Cell::MISSING);
    }

    #[test]
    fn floats_are_written_as_python_writes_them() {
        for (number, expected) in [
            (17.0, "17.0"),
            (-0.0, "-0.0"),
            (0.5, "0.5"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1.5e-7, "1.5e-07"),
            (1e-4, "0.0001"),
            (1e100, "1e+100"),
        ] {
            let mut text = Vec::new();
            write_python_float(number, number, &mut text);
            assert_eq!(String::from_utf8(text).unwrap(), expected);
        }
    }

    proptest! {
        #[test]
        fn a_number_is_the_one_that_its_text_reads_as(
            bits: u64, single: u32, integer: i64, shift in 0..64_u32
        ) {
            // Any double, one that is halfway between two singles, and small ones.
            let halfway = f64::from_bits(bits & !0x1fff_ffff | 0x1000_0000);
            let small = f64::from(f32::from_bits(single & 0x00ff_ffff)) * 1.5;
            let doubles = [f64::from_bits(bits), halfway, small, f64::from(single) * 0.1];
            let integer = integer >> shift;
            let cells = doubles.map(Cell::from).into_iter().chain([
                f32::from_bits(single).into(),
                integer.into(),
                (integer as u64).into(),
            ]);
            for cell in cells {
                if let Cell::Number(number) = cell {
                    let (read, text) = (number.to_f64(), text(cell));
                    let expected = read_number(text.as_bytes()).unwrap();
                    prop_assert_eq!(read.to_bits(), expected.to_bits(), "{}", &text);
                    let single = text.parse::<f32>().unwrap();
                    prop_assert_eq!((read as f32).to_bits(), single.to_bits(), "{}", text);
                }
            }
        }

        #[test]
        fn a_text_is_read_as_the_nearest_numbers_of_both_precisions(
            single: u32, digits in "[0-9]{0,30}", exponent in -60..60_i32
        ) {
            // Texts near the middle between two singles.
            let low = f32::from_bits(single & 0x7fff_ffff);
            let middle = (f64::from(low) + f64::from(low.next_up())) / 2.0;
            let middle = if middle.is_finite() { middle } else { 1.5 };
            let texts = [
                format!("{middle}{}", if middle.fract() == 0.0 { ".0000000001" } else { "1" }),
                format!("{}", middle.next_down()),
                format!("{middle}"),
                format!("-{middle}"),
                format!("1{digits}e{exponent}"),
                format!("0.{digits}1"),
                format!("-{}.{digits}", single % 1000),
                format!("{digits}7"),
            ];
            for text in texts {
                let read = read_number(text.as_bytes()).unwrap();
                let nearest = text.parse::<f64>().unwrap();
                let single = text.parse::<f32>().unwrap();
                prop_assert_eq!((read as f32).to_bits(), single.to_bits(), "{}", &text);
                let is_near = [nearest, nearest.next_up(), nearest.next_down()].contains(&read);
                prop_assert!(is_near && (read == nearest || nearest as f32 != single), "{}", text);
            }
        }
    }
}
