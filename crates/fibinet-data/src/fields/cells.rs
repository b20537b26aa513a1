use crate::cell::{Cell, read_number};
use crate::fields::number_format::NumberFormat;

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
}

impl MissingTexts<'_> {
    /// Whether a text means "no value".
    pub(crate) fn contain(self, text: &[u8]) -> bool {
        let mut missing = self.of_all_columns.iter().chain(self.of_field);
        text.is_empty() || missing.any(|missing| missing.as_bytes() == text)
    }
}

/// Reads cells as texts or as numbers.
#[derive(Debug, Clone)]
pub(crate) struct CellReader<'a> {
    pub(crate) missing: MissingTexts<'a>,
    /// Whether a number can mean "no value".
    has_missing_number: bool,
    /// Scratch buffer for the text of a number.
    text: Vec<u8>,
}

impl<'a> CellReader<'a> {
    /// A reader of cells; `missing` are the texts that mean "no value".
    pub(crate) fn new(missing: &'a [String]) -> Self {
        Self::of_field(missing, &[])
    }

    /// A reader of a field's cells, with the texts that mean "no value" in all columns and in the field
    /// alone.
    pub(crate) fn of_field(of_all_columns: &'a [String], of_field: &'a [String]) -> Self {
        let is_number = |text: &String| text.parse().is_ok_and(|number: f64| !number.is_nan());
        let mut missing = of_all_columns.iter().chain(of_field);
        Self {
            missing: MissingTexts {
                of_all_columns,
                of_field,
            },
            has_missing_number: missing.any(is_number),
            text: Vec::new(),
        }
    }

    /// The text of a cell, whether it means "no value" or not.
    #[inline]
    pub(crate) fn text<'t>(&'t mut self, cell: Cell<'t>) -> &'t [u8] {
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
    pub(crate) fn number(&mut self, cell: Cell<'_>, format: &NumberFormat) -> Result<f64, BadCell> {
        let is_missing = match cell {
            Cell::Text(text) => self.missing.contain(text),
            Cell::Number(_) => self.has_missing_number && self.value(cell).is_none(),
        };
        if is_missing {
            return Ok(f64::NAN);
        }
        let number = match cell {
            Cell::Text(text) if !format.is_plain() => format.parse(text),
            cell => parse(cell),
        };
        number
            .filter(|number| number.is_finite())
            .ok_or(BadCell::Number)
    }
}

/// A cell as a number; a text has a point before its fraction.
#[inline]
pub(crate) fn parse(cell: Cell<'_>) -> Option<f64> {
    match cell {
        Cell::Text(text) => read_number(text),
        Cell::Number(number) => Some(number.to_f64()),
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

/// Gives tokens their ids: a fit counts them, a vocabulary looks them up.
pub(crate) trait TokenIds {
    /// The id of a token.
    fn id(&mut self, token: &[u8]) -> u32;

    /// The id of the token that `write` writes. If `key` is a number, it identifies that token, and
    /// `write` may not be called again for it; keys are small.
    fn id_by_key(&mut self, key: Option<usize>, write: &dyn Fn(&mut Vec<u8>)) -> u32;
}

/// Where the values of a row go.
pub(crate) struct RowValues<'a> {
    pub(crate) ids: &'a mut Vec<u32>,
    pub(crate) numbers: &'a mut Vec<f32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_digits_are_read_as_any_number_is() {
        for cell in [
            "7",
            "0012",
            "9999999",
            "16777217",
            "999999999999999",
            "9007199254740993",
            " 5",
            "-3",
            "-0",
            "+2",
            "12.34",
            "-0.1",
            "5.",
            ".5",
            ".",
            "-",
            "1.2.3",
            "0.000000000000001",
            "123456789012345.6",
            "1e3",
            "0x1",
            "٣",
            "",
        ] {
            let expected = cell.trim().parse::<f64>().ok().map(f64::to_bits);
            let read = parse(Cell::Text(cell.as_bytes())).map(f64::to_bits);
            assert_eq!(read, expected, "{cell}");
        }
    }

    #[test]
    fn a_number_is_missing_if_its_text_is() {
        let missing = ["-1".to_owned(), "0.10".to_owned(), "inf".to_owned()];
        let plain = NumberFormat::default();
        let mut reader = CellReader::of_field(&missing[..1], &missing[1..]);
        let missing = [(-1_i64).into(), (-1.0).into(), f32::INFINITY.into()];
        for cell in missing {
            assert!(reader.number(cell, &plain).unwrap().is_nan(), "{cell:?}");
            assert_eq!(reader.value(cell), None, "{cell:?}");
        }
        // As a text, 0.1 is not 0.10.
        assert_eq!(reader.number(0.1.into(), &plain), Ok(0.1));
        assert_eq!(reader.value(0.1.into()), Some(&b"0.1"[..]));
        assert_eq!(reader.number(1_u64.into(), &plain), Ok(1.0));
        assert_eq!(
            reader.number((-f32::INFINITY).into(), &plain),
            Err(BadCell::Number)
        );
    }
}
