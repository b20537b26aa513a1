use std::fmt::{self, Display, LowerExp};
use std::io::Write;

use crate::single_text::shortest_f64;

/// A cell of a raw row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'a> {
    /// A text. An empty one is a missing value.
    Text(&'a [u8]),
    /// A number of a file that stores numbers as such.
    Number(Number),
    /// A list of a file that stores lists as such. One without elements is a missing value.
    List(List<'a>),
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

    /// The text of the cell: that of a number is as a CSV file would have it, that of a list is its elements
    /// with `|` between them. Both are written into `scratch`.
    #[inline]
    pub fn text<'t>(self, scratch: &'t mut Vec<u8>) -> &'t [u8]
    where
        'a: 't,
    {
        match self {
            Self::Text(text) => text,
            cell => {
                scratch.clear();
                cell.write(scratch);
                scratch
            }
        }
    }

    /// Whether it is a number that the file stores as a float.
    pub(crate) fn is_float(self) -> bool {
        matches!(self, Self::Number(Number::Single(_) | Number::Double(_)))
    }

    /// Appends the [text](Self::text) of the cell.
    pub(crate) fn write(self, text: &mut Vec<u8>) {
        match self {
            Self::Text(own) => text.extend_from_slice(own),
            Self::Number(number) => number.write(text),
            Self::List(list) => list.write(text),
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

    /// Appends the number as Python writes it: floats have a point or an exponent.
    pub(crate) fn write_as_python(self, text: &mut Vec<u8>) {
        match self {
            Self::Single(value) => write_python_float(value.into(), value, text),
            Self::Double(value) => write_python_float(value, value, text),
            Self::Integer(_) | Self::Unsigned(_) => self.write(text),
        }
    }

    /// The `f64` that the number's text reads as.
    #[inline]
    pub fn to_f64(self) -> f64 {
        match self {
            Self::Integer(value) => value as f64,
            Self::Unsigned(value) => value as f64,
            Self::Single(value) => shortest_f64(value),
            Self::Double(value) => value,
        }
    }

    /// The `f32` that the number's text reads as.
    pub fn to_f32(self) -> f32 {
        match self {
            Self::Integer(value) => value as f32,
            Self::Unsigned(value) => value as f32,
            Self::Single(value) => value,
            Self::Double(value) => nearest_f32(value),
        }
    }
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

/// The `f32` that the shortest text of a number reads as, so that a CSV file and a Parquet file of the same
/// rows agree.
///
/// Between a number and its shortest text there is no other `f64`, so both round to the same `f32`, unless the
/// number itself lies halfway between two: then the text may lie on either side.
fn nearest_f32(value: f64) -> f32 {
    /// The last bits of an `f64`, which a normal `f32` lacks, of a number halfway between two.
    const HALFWAY: u64 = 1 << 28;
    let may_be_subnormal = value.abs() < f64::from(f32::MIN_POSITIVE) && value != 0.0;
    if may_be_subnormal || value.to_bits() & (2 * HALFWAY - 1) == HALFWAY {
        // A float's own text is a number.
        value.to_string().parse().unwrap_or(f32::NAN)
    } else {
        value as f32
    }
}

/// Between the elements of a list that is written as a text.
const SEPARATOR: u8 = b'|';

/// Cells that lists are made of.
pub(crate) trait ElementCells: fmt::Debug + Send + Sync {
    /// The cell at an index.
    fn cell(&self, at: usize) -> Cell<'_>;
}

/// The elements of several lists, one after the other.
#[derive(Debug)]
pub(crate) struct Elements(Box<dyn ElementCells>);

impl Elements {
    pub(crate) fn new(cells: impl ElementCells + 'static) -> Self {
        Self(Box::new(cells))
    }

    /// The cell of the elements from `start` to `end`; missing if there is none.
    pub(crate) fn list(&self, start: u32, end: u32) -> Cell<'_> {
        if start == end {
            return Cell::MISSING;
        }
        Cell::List(List {
            elements: self,
            start,
            end,
        })
    }
}

/// The elements of a cell in a file that stores lists as such. There is at least one.
#[derive(Clone, Copy)]
pub struct List<'a> {
    elements: &'a Elements,
    start: u32,
    end: u32,
}

impl<'a> List<'a> {
    /// The elements: texts, numbers and [missing](Cell::MISSING) ones.
    pub fn elements(self) -> impl Iterator<Item = Cell<'a>> {
        (self.start..self.end).map(move |at| self.elements.0.cell(at as usize))
    }

    /// Appends the texts of the elements, with `|` between them.
    pub(crate) fn write(self, text: &mut Vec<u8>) {
        for (at, element) in self.elements().enumerate() {
            if at > 0 {
                text.push(SEPARATOR);
            }
            element.write(text);
        }
    }

    /// Appends the list as JSON has it: numbers as they are, other elements in quotes.
    pub(crate) fn write_json(self, text: &mut Vec<u8>) {
        text.push(b'[');
        for (at, element) in self.elements().enumerate() {
            if at > 0 {
                text.push(b',');
            }
            match element {
                Cell::MISSING => text.extend_from_slice(b"null"),
                Cell::Text(element) => {
                    text.push(b'"');
                    for byte in element {
                        if matches!(byte, b'"' | b'\\') {
                            text.push(b'\\');
                        }
                        text.push(*byte);
                    }
                    text.push(b'"');
                }
                element => element.write(text),
            }
        }
        text.push(b']');
    }
}

impl fmt::Debug for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.elements()).finish()
    }
}

impl PartialEq for List<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.elements().eq(other.elements())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(cell: Cell<'_>) -> String {
        String::from_utf8(cell.text(&mut Vec::new()).to_vec()).unwrap()
    }

    #[test]
    fn a_list_does_not_make_a_cell_larger() {
        assert_eq!(size_of::<Cell<'_>>(), 24);
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
                    let read = text(cell).parse::<f32>().unwrap();
                    prop_assert_eq!(number.to_f32().to_bits(), read.to_bits(), "{:?}", number);
                }
            }
        }

        #[test]
        fn a_single_has_the_digits_of_its_text(cents in -99_999_999..99_999_999_i32, bits: u32) {
            let few = f64::from(cents) as f32;
            for value in [few / 100.0, few / 3.0e7, few / 8.0, few * 64.0, f32::from_bits(bits)] {
                if let Cell::Number(number) = Cell::from(value) {
                    let mut text = zmij::Buffer::new();
                    let expected: f64 = text.format(value).parse().unwrap();
                    prop_assert_eq!(number.to_f64(), expected);
                    prop_assert_eq!(number.to_f64() as f32, value);
                }
            }
        }
    }
}
