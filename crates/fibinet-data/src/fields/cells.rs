use std::str::FromStr;

use crate::cell::{Cell, Number};
use crate::fields::cell_counts::Unusual;
use crate::fields::number_format::NumberFormat;
use crate::fields::token_text::TokenText;
use crate::number_text::{read_f32, read_f64};

/// The id that no cell gets: it fills slots without a value.
pub(crate) const PADDING: u32 = 0;
/// The id of tokens that were too rare in the training rows.
pub(crate) const OUT_OF_VOCABULARY: u32 = 1;
/// The id of a cell without a value.
pub(crate) const MISSING: u32 = 2;
/// The first id of a token or bucket.
pub(crate) const FIRST_TOKEN: u32 = 3;

/// The texts that mean "no value" in a column, besides empty ones.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MissingTexts<'a> {
    of_all_columns: &'a [String],
    of_field: &'a [String],
    /// Those of the rows that are being read, besides those of the training log.
    of_rows: &'a [String],
    /// Whether there is any.
    has_any: bool,
}

impl MissingTexts<'_> {
    /// Whether a text means "no value".
    // A call per cell shows in the time that preparing takes.
    #[inline]
    pub(crate) fn contain(&self, text: &[u8]) -> bool {
        text.is_empty() || self.has_any && self.have(text)
    }

    fn have(&self, text: &[u8]) -> bool {
        let missing = [self.of_all_columns, self.of_field, self.of_rows];
        let mut missing = missing.into_iter().flatten();
        missing.any(|missing| missing.as_bytes() == text)
    }
}

/// Words such as `NA` and `null`, which mean "no value" unless a category has them as tokens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MissingWords<'a> {
    words: &'a [String],
    longest: usize,
    /// Bit `b` tells whether a word begins with the byte `b`: few texts begin as a word does.
    first_bytes: u128,
}

impl<'a> MissingWords<'a> {
    pub(crate) fn new(words: &'a [String]) -> Self {
        let firsts = words.iter().filter_map(|word| word.bytes().next());
        Self {
            words,
            longest: words.iter().map(String::len).max().unwrap_or(0),
            first_bytes: firsts.fold(0, |bits, first| bits | 1 << (first & 127)),
        }
    }

    /// Whether a text is one of them or only blanks, blanks around it aside. Without words none is.
    pub(crate) fn contain(self, text: &[u8]) -> bool {
        let text = text.trim_ascii();
        self.have(text) || self.longest > 0 && text.is_empty()
    }

    /// Whether a text is one of them, byte for byte.
    #[inline]
    pub(crate) fn have(&self, text: &[u8]) -> bool {
        let may_be = |first: &u8| self.first_bytes >> (first & 127) & 1 == 1;
        text.len() <= self.longest
            && text.first().is_some_and(may_be)
            && self.words.iter().any(|word| word.as_bytes() == text)
    }

    /// The words.
    pub(crate) fn iter(self) -> impl Iterator<Item = &'a [u8]> {
        self.words.iter().map(String::as_bytes)
    }
}

/// Reads cells as texts or as numbers.
#[derive(Debug, Clone)]
pub(crate) struct CellReader<'a> {
    pub(crate) missing: MissingTexts<'a>,
    pub(crate) words: MissingWords<'a>,
    /// The numbers that mean "no value".
    missing_numbers: Vec<f64>,
    /// Whether tokens are as written, byte for byte.
    pub(crate) as_written: bool,
    /// Whether floats of typed files are written as Python writes them.
    python_floats: bool,
    /// Whether singles of typed files are written with all their digits.
    exact_singles: bool,
    /// Scratch buffer for the text of a number.
    text: Vec<u8>,
}

impl<'a> CellReader<'a> {
    /// A reader of cells; `missing` are the texts that mean "no value".
    pub(crate) fn new(missing: &'a [String]) -> Self {
        Self::of_field(missing, &[], &[])
    }

    /// A reader of a field's cells, with the texts that mean "no value" in all columns and in the field, and
    /// the words that mean it unless they are tokens.
    pub(crate) fn of_field(
        of_all_columns: &'a [String],
        of_field: &'a [String],
        words: &'a [String],
    ) -> Self {
        let missing = of_all_columns.iter().chain(of_field);
        Self {
            missing: MissingTexts {
                of_all_columns,
                of_field,
                of_rows: &[],
                has_any: !of_all_columns.is_empty() || !of_field.is_empty(),
            },
            words: MissingWords::new(words),
            missing_numbers: missing.filter_map(|text| number_of(text)).collect(),
            as_written: false,
            python_floats: false,
            exact_singles: false,
            text: Vec::new(),
        }
    }

    /// Sets the texts that mean "no value" in these rows, besides those of the training log. Called once.
    pub(crate) fn set_missing(&mut self, texts: &'a [String]) {
        self.missing.of_rows = texts;
        self.missing.has_any |= !texts.is_empty();
        let numbers = texts.iter().filter_map(|text| number_of(text));
        self.missing_numbers.extend(numbers);
    }

    /// A reader for a field whose tokens are written by this rule; `None` before a fit has chosen it.
    pub(crate) fn with_text(mut self, text: Option<TokenText>, as_written: bool) -> Self {
        use TokenText::{ExactFloat, ExactInteger, PythonFloat, Verbatim};
        self.as_written = as_written || text == Some(Verbatim);
        self.python_floats = matches!(text, Some(PythonFloat | ExactFloat));
        self.exact_singles = matches!(text, Some(ExactInteger | ExactFloat));
        self
    }

    /// Appends the text of a cell.
    pub(crate) fn write(&self, cell: Cell<'_>, text: &mut Vec<u8>) {
        let cell = match cell {
            Cell::Number(Number::Single(single)) if self.exact_singles => f64::from(single).into(),
            cell => cell,
        };
        match cell {
            Cell::Number(number) if self.python_floats => number.write_as_python(text),
            cell => cell.write(text),
        }
    }

    /// The text of a cell, whether it means "no value" or not.
    #[inline]
    pub(crate) fn text<'t>(&'t mut self, cell: Cell<'t>) -> &'t [u8] {
        if (self.python_floats || self.exact_singles) && cell.is_float() {
            let mut text = std::mem::take(&mut self.text);
            text.clear();
            self.write(cell, &mut text);
            self.text = text;
            return &self.text;
        }
        cell.text(&mut self.text)
    }

    /// The text of a cell; `None` if it is missing.
    #[inline]
    pub(crate) fn value<'t>(&'t mut self, cell: Cell<'t>) -> Option<&'t [u8]> {
        let missing = self.missing;
        Some(self.text(cell)).filter(|text| !missing.contain(text))
    }

    /// A cell as a finite number; NaN if it is missing.
    // A call per cell shows in the time that preparing takes.
    #[inline(always)]
    pub(crate) fn number<T: Float>(
        &mut self,
        cell: Cell<'_>,
        format: &NumberFormat,
    ) -> Result<T, BadCell> {
        match cell {
            Cell::Text(text) => self.number_of_text(text, format),
            Cell::Number(_) if !self.missing_numbers.is_empty() && self.value(cell).is_none() => {
                Ok(T::NAN)
            }
            Cell::Number(number) => {
                let number = finite(T::of_number(number)).ok_or(BadCell::Number)?;
                Ok(number.unless_missing(&self.missing_numbers))
            }
            Cell::List(_) => self.number_of_list(cell, format),
        }
    }

    /// A cell as a number of single precision, in which a finite number may be infinite; NaN if it is missing.
    #[inline(always)]
    pub(crate) fn single(&mut self, cell: Cell<'_>, format: &NumberFormat) -> Result<f32, BadCell> {
        self.number(cell, format)
            .or_else(|_| Ok(self.number::<f64>(cell, format)? as f32))
    }

    #[inline(always)]
    fn number_of_text<T: Float>(&self, text: &[u8], format: &NumberFormat) -> Result<T, BadCell> {
        if self.missing.contain(text) {
            return Ok(T::NAN);
        }
        let number = if format.is_plain() {
            T::of_text(text)
        } else {
            format.parse(text)
        };
        match number.and_then(finite) {
            Some(number) => Ok(number.unless_missing(&self.missing_numbers)),
            None if self.words.contain(text) => Ok(T::NAN),
            None => Err(bad_number::<T>(text, format)),
        }
    }

    /// The number that the text of a list is.
    #[cold]
    fn number_of_list<T: Float>(
        &self,
        list: Cell<'_>,
        format: &NumberFormat,
    ) -> Result<T, BadCell> {
        self.number_of_text(list.text(&mut Vec::new()), format)
    }
}

/// A type of numbers that cells are read as.
pub(crate) trait Float: Copy + FromStr {
    const NAN: Self;

    /// Reads a text with a point before its fraction.
    fn of_text(text: &[u8]) -> Option<Self>;

    /// The number that the text of a number reads as.
    fn of_number(number: Number) -> Self;

    fn is_finite(self) -> bool;

    /// NaN for a number that means "no value". Earlier versions, which read singles, compare texts only.
    fn unless_missing(self, missing: &[f64]) -> Self;
}

impl Float for f32 {
    const NAN: Self = Self::NAN;

    #[inline]
    fn of_text(text: &[u8]) -> Option<Self> {
        read_f32(text)
    }

    #[inline]
    fn of_number(number: Number) -> Self {
        number.to_f32()
    }

    #[inline]
    fn is_finite(self) -> bool {
        self.is_finite()
    }

    #[inline]
    fn unless_missing(self, _missing: &[f64]) -> Self {
        self
    }
}

impl Float for f64 {
    const NAN: Self = Self::NAN;

    #[inline]
    fn of_text(text: &[u8]) -> Option<Self> {
        read_f64(text)
    }

    #[inline]
    fn of_number(number: Number) -> Self {
        number.to_f64()
    }

    #[inline]
    fn is_finite(self) -> bool {
        self.is_finite()
    }

    #[inline]
    fn unless_missing(self, missing: &[f64]) -> Self {
        if missing.contains(&self) {
            Self::NAN
        } else {
            self
        }
    }
}

#[inline]
fn finite<T: Float>(number: T) -> Option<T> {
    Some(number).filter(|number| number.is_finite())
}

fn number_of(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| !number.is_nan())
}

/// A cell as a number of single precision; a text has a point before its fraction.
#[inline]
pub(crate) fn parse(cell: Cell<'_>) -> Option<f32> {
    match cell {
        Cell::Text(text) => read_f32(text),
        Cell::Number(number) => Some(number.to_f32()),
        Cell::List(_) => read_f32(cell.text(&mut Vec::new())),
    }
}

/// Reads items one after the other. An item that `read` refuses has the placeholder for a value, and comes
/// with its index.
pub(crate) fn read_each<C, T: Copy, E>(
    items: &[C],
    placeholder: T,
    mut read: impl FnMut(&C) -> Result<T, E>,
) -> (Vec<T>, Vec<(usize, E)>) {
    let (mut values, mut refused) = (Vec::with_capacity(items.len()), Vec::new());
    for (at, item) in items.iter().enumerate() {
        values.push(read(item).unwrap_or_else(|error| {
            refused.push((at, error));
            placeholder
        }));
    }
    (values, refused)
}

/// A cell that its field cannot read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BadCell {
    /// It is not a finite number.
    Number,
    /// It breaks a rule of the field.
    Rule(String),
}

/// Why a text is not a number of a format. One that is a number in the plain format is not a word for "no value".
#[cold]
fn bad_number<T: Float>(text: &[u8], format: &NumberFormat) -> BadCell {
    if format.is_plain() || T::of_text(text).is_none() {
        return BadCell::Number;
    }
    let example = format.example();
    BadCell::Rule(format!(
        "expected a number such as `{example}`, as the field's `decimal`, `thousands` and `unit` say"
    ))
}

/// Gives tokens their ids: a fit counts them, a vocabulary looks them up.
pub(crate) trait TokenIds {
    /// The id of a token.
    fn id(&mut self, token: &[u8]) -> u32;

    /// Notes that a token is the text of this cell, a float of a typed file.
    fn note_float(&mut self, _cell: Cell<'_>) {}

    /// The id of the token that `write` writes. If `key` is a number, it identifies that token, and
    /// `write` may not be called again for it; keys are small.
    fn id_by_key(&mut self, key: Option<usize>, write: &dyn Fn(&mut Vec<u8>)) -> u32;
}

/// Where the values of a row go.
pub(crate) struct RowValues<'a> {
    pub(crate) ids: &'a mut Vec<u32>,
    pub(crate) numbers: &'a mut Vec<f32>,
    /// The index of the field that is being encoded.
    pub(crate) field: usize,
    /// The unusual cells of the row, with their fields.
    pub(crate) unusual: &'a mut Vec<(usize, Unusual)>,
}

impl RowValues<'_> {
    /// Appends an id.
    pub(crate) fn push_id(&mut self, id: u32) {
        self.ids.push(id);
        if let Some(unusual) = unusual_id(id) {
            self.note(unusual);
        }
    }

    /// Notes that the cell is unusual.
    pub(crate) fn note(&mut self, unusual: Unusual) {
        self.unusual.push((self.field, unusual));
    }
}

/// What is unusual about a cell, by its id.
pub(crate) fn unusual_id(id: u32) -> Option<Unusual> {
    match id {
        OUT_OF_VOCABULARY => Some(Unusual::Unknown),
        MISSING => Some(Unusual::Missing),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_missing_if_its_text_is() {
        let missing = ["-1".to_owned(), "0.10".to_owned(), "inf".to_owned()];
        let plain = NumberFormat::default();
        let mut reader = CellReader::of_field(&missing[..1], &missing[1..], &[]);
        let missing = [(-1_i64).into(), (-1.0).into(), f32::INFINITY.into()];
        for cell in missing {
            assert!(
                reader.number::<f64>(cell, &plain).unwrap().is_nan(),
                "{cell:?}"
            );
            assert_eq!(reader.value(cell), None, "{cell:?}");
        }
        // 0.1 and 0.10 are one number. Earlier versions, which read singles, compared texts.
        assert!(reader.number::<f64>(0.1.into(), &plain).unwrap().is_nan());
        assert!(
            reader
                .number::<f64>(Cell::Text(b" -1.0"), &plain)
                .unwrap()
                .is_nan()
        );
        assert_eq!(reader.number(0.1.into(), &plain), Ok(0.1_f32));
        assert_eq!(reader.number(Cell::Text(b"-1.0"), &plain), Ok(-1.0_f32));
        assert_eq!(reader.value(0.1.into()), Some(&b"0.1"[..]));
        assert_eq!(reader.number(1_u64.into(), &plain), Ok(1.0_f64));
        assert_eq!(
            reader.number::<f64>((-f32::INFINITY).into(), &plain),
            Err(BadCell::Number)
        );
        let with_comma = NumberFormat {
            decimal: ',',
            thousands: Some('.'),
            unit: None,
        };
        assert_eq!(
            reader.number::<f64>(Cell::Text(b"845.42"), &with_comma),
            Err(BadCell::Rule(
                "expected a number such as `1.234,5`, as the field's `decimal`, `thousands` and `unit` say".to_owned()
            ))
        );
        assert_eq!(
            reader.number::<f64>(Cell::Text(b"old"), &with_comma),
            Err(BadCell::Number)
        );
    }
}
