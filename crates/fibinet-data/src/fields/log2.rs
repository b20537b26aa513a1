use std::io::Write;

use serde::{Deserialize, Serialize};

use crate::cell::Cell;
use crate::fields::categorical::default_min_count;
use crate::fields::cells::{BadCell, CellReader, TokenIds};
use crate::fields::kind::{CellEncoder, FieldFit, FieldKind, FittedField, Setting};
use crate::fields::number_format::NumberFormat;
use crate::fields::token::{TokenEncoder, TokenFit, TokenKind};
use crate::schema_error::FieldError;

/// `kind = "numeric"`, `encoding = "log2"`: a number `v > 2` becomes the token `⌊ln(v)²⌋`, any other a
/// token of its own, `⌊v⌋`, as the winners of the Criteo challenge did. Tokens get ids as in
/// [`Categorical`](crate::fields::Categorical).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Log2 {
    /// The smallest count of a token with an id of its own.
    #[serde(default = "default_min_count")]
    pub min_count: u64,
    /// How the numbers are written.
    #[serde(flatten)]
    pub format: NumberFormat,
}

impl Log2 {
    /// Tokens of numbers with a point before their fraction.
    pub fn new(min_count: u64) -> Self {
        Self {
            min_count,
            format: NumberFormat::default(),
        }
    }
}

impl FieldKind for Log2 {
    const KIND: &'static str = "numeric";
    const ENCODING: Option<&'static str> = Some("log2");
    const SETTINGS: &'static [Setting] = &[
        Setting::optional("min_count"),
        Setting::optional("decimal"),
        Setting::optional("thousands"),
        Setting::optional("unit"),
    ];
    const FIELDS: &'static str = "numeric fields with `encoding = \"log2\"`";

    fn validate(&self) -> Result<(), FieldError> {
        self.format.validate()
    }

    fn fit(&self, _field: usize) -> Box<dyn FieldFit> {
        TokenFit::new(self)
    }

    fn encoder(&self, fitted: &FittedField) -> Option<Box<dyn CellEncoder>> {
        TokenEncoder::fitted(self, fitted)
    }
}

impl TokenKind for Log2 {
    const FROM_TEXT: bool = false;

    fn min_count(&self) -> u64 {
        self.min_count
    }

    #[inline]
    fn read<T: TokenIds + ?Sized>(
        &self,
        cell: Cell<'_>,
        reader: &mut CellReader<'_>,
        tokens: &mut T,
        ids: &mut Vec<u32>,
    ) -> Result<(), BadCell> {
        let number = reader.number(cell, &self.format)?;
        if !number.is_nan() {
            ids.push(tokens.id_by_key(key(number), &|token| write_token(number, token)));
        }
        Ok(())
    }
}

/// A key for small integers, whose tokens are then not written again.
fn key(number: f32) -> Option<usize> {
    const MIN: i32 = -16;
    const KEYS: usize = 1 << 12;
    let integer = number as i32;
    if number != integer as f32 {
        return None;
    }
    let key = usize::try_from(integer.saturating_sub(MIN)).ok()?;
    (key < KEYS).then_some(key)
}

/// Below it, an f64 without a fraction is an i64.
const EXACT: f64 = (1_u64 << 53) as f64;

/// Appends the token of a number: `⌊ln(v)²⌋` for `v > 2`, else `=⌊v⌋`.
pub(crate) fn write_token(number: f32, token: &mut Vec<u8>) {
    let number = f64::from(number);
    let whole = if number > 2.0 {
        number.ln().powi(2).floor()
    } else {
        token.push(b'=');
        number.floor()
    };
    if whole.abs() < EXACT {
        token.extend_from_slice(itoa::Buffer::new().format(whole as i64).as_bytes());
    } else {
        let written = write!(token, "{whole}");
        debug_assert!(written.is_ok(), "writing to a vector does not fail");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(number: f32) -> String {
        let mut token = Vec::new();
        write_token(number, &mut token);
        String::from_utf8(token).unwrap()
    }

    #[test]
    fn tokens_are_those_of_the_criteo_winners() {
        for (number, expected) in [
            (-3.0, "=-3"),
            (0.0, "=0"),
            (-0.0, "=0"),
            (1.0, "=1"),
            (2.0, "=2"),
            (3.0, "1"),     // ln(3)² = 1.2
            (5.0, "2"),     // 2.6
            (100.0, "21"),  // 21.2
            (5775.0, "75"), // 75.02
            (-1e20, "=-100000002004087730000"),
        ] {
            assert_eq!(token(number), expected, "{number}");
        }
    }

    #[test]
    fn numbers_with_one_key_have_one_token() {
        assert_eq!((key(0.0), key(-0.0)), (Some(16), Some(16)));
        assert_eq!((key(-16.0), key(-17.0)), (Some(0), None));
        assert_eq!((key(4079.0), key(4080.0)), (Some(4095), None));
        for number in [0.5, 1e9, f32::MAX, f32::MIN] {
            assert_eq!(key(number), None, "{number}");
        }
    }
}
