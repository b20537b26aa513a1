use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::schema_error::FieldError;

/// How the numbers of a column are written, such as `1.234,5 %`.
///
/// | key | default | purpose |
/// |---|---|---|
/// | `decimal` | `.` | the character before the fraction |
/// | `thousands` | none | the character between groups of three digits; a number may leave it out |
/// | `unit` | none | a text that every number has before or behind it, such as `%`: it is not read |
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NumberFormat {
    /// The character before the fraction.
    #[serde(default = "point", skip_serializing_if = "is_point")]
    pub decimal: char,
    /// The character between groups of three digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thousands: Option<char>,
    /// A text before or behind every number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
}

fn point() -> char {
    '.'
}

fn is_point(decimal: &char) -> bool {
    *decimal == point()
}

impl Default for NumberFormat {
    fn default() -> Self {
        Self {
            decimal: point(),
            thousands: None,
            unit: None,
        }
    }
}

impl NumberFormat {
    /// Checks the settings.
    pub(crate) fn validate(&self) -> Result<(), FieldError> {
        if self.unit.as_deref().map(str::trim) == Some("") {
            return Err(FieldError::Empty("unit"));
        }
        let is_mark = |mark: char| !mark.is_alphanumeric() && !matches!(mark, '-' | '+');
        let mut marks = [Some(self.decimal), self.thousands].into_iter().flatten();
        if Some(self.decimal) == self.thousands || !marks.all(is_mark) {
            return Err(FieldError::NumberMarks);
        }
        Ok(())
    }

    /// A number written so.
    pub(crate) fn example(&self) -> String {
        let thousands = self.thousands.map_or_else(String::new, String::from);
        let unit = self.unit.iter().map(|unit| format!(" {unit}"));
        let unit: String = unit.collect();
        format!("1{thousands}234{}5{unit}", self.decimal)
    }

    /// Whether numbers have a point before their fraction, and nothing else.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        is_point(&self.decimal) && self.thousands.is_none() && self.unit.is_none()
    }

    /// A text as a number.
    pub(crate) fn parse<T: FromStr>(&self, text: &[u8]) -> Option<T> {
        let text = std::str::from_utf8(text).ok()?.trim();
        if self.is_plain() {
            text.parse().ok()
        } else {
            self.plain(text)?.parse().ok()
        }
    }

    /// A text as a finite number.
    pub(crate) fn finite(&self, text: &[u8]) -> Option<f64> {
        self.parse(text).filter(|number: &f64| number.is_finite())
    }

    /// The text of a number without unit and separators, with a point before its fraction.
    fn plain(&self, text: &str) -> Option<String> {
        let (sign, text) = text.split_at(usize::from(text.starts_with(['-', '+'])));
        let text = self.without_unit(text)?;
        // A sign may stand on either side of the unit: `-$5`, `$-5`.
        let inner = text.split_at(usize::from(text.starts_with(['-', '+'])));
        let (sign, text) = if sign.is_empty() { inner } else { (sign, text) };
        let (whole, fraction) = match text.split_once(self.decimal) {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (text, None),
        };
        let whole = self.joined(whole)?;
        match fraction {
            Some(fraction) if fraction.contains('.') => None,
            Some(fraction) => Some(format!("{sign}{whole}.{fraction}")),
            None => Some(format!("{sign}{whole}")),
        }
    }

    fn without_unit<'a>(&self, text: &'a str) -> Option<&'a str> {
        let Some(unit) = &self.unit else {
            return Some(text);
        };
        let number = text.strip_suffix(unit).or_else(|| text.strip_prefix(unit));
        number.map(str::trim)
    }

    /// The digits before the fraction, without separators. `None` if separators are misplaced.
    fn joined(&self, whole: &str) -> Option<String> {
        let mut groups = self.groups(whole);
        let first = groups.next()?;
        let mut joined = first.to_owned();
        for group in groups {
            let is_group = group.len() == 3 && group.bytes().all(|byte| byte.is_ascii_digit());
            let is_first = (1..=3).contains(&first.len()) && !first.starts_with('0');
            if !is_group || !is_first {
                return None;
            }
            joined += group;
        }
        (!joined.contains('.')).then_some(joined)
    }

    /// The texts between the separators of thousands.
    pub(crate) fn groups<'a>(&self, whole: &'a str) -> impl Iterator<Item = &'a str> {
        let thousands = self.thousands;
        whole.split(move |character| Some(character) == thousands)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(decimal: char, thousands: Option<char>, unit: Option<&str>) -> NumberFormat {
        NumberFormat {
            decimal,
            thousands,
            unit: unit.map(str::to_owned),
        }
    }

    #[test]
    fn numbers_are_read_as_their_column_writes_them() {
        let german = format(',', Some('.'), None);
        let swiss = format('.', Some('\''), None);
        let percent = format('.', None, Some("%"));
        let dollars = format('.', Some(','), Some("$"));
        let euros = format(',', None, Some("EUR"));
        for (format, cell, number) in [
            (&german, "1.234.567,5", 1_234_567.5),
            (&german, "1234,5", 1234.5),
            (&german, " -1.234 ", -1234.0),
            (&german, "0,125", 0.125),
            (&swiss, "12'345.5", 12_345.5),
            (&percent, "12.5%", 12.5),
            (&percent, "-12.5 %", -12.5),
            (&dollars, "-$1,234.50", -1234.5),
            (&dollars, "$-1,234", -1234.0),
            (&euros, "7,39 EUR", 7.39),
        ] {
            assert_eq!(format.finite(cell.as_bytes()), Some(number), "{cell}");
        }
    }

    #[test]
    fn numbers_that_are_written_otherwise_are_not_read() {
        let english = format('.', Some(','), None);
        let german = format(',', Some('.'), None);
        let comma = format(',', None, None);
        let percent = format('.', None, Some("%"));
        for (format, cell) in [
            (&english, "1.234,5"),
            (&english, "12,34"),
            (&english, "0,123"),
            (&english, "1234,567"),
            (&english, "1,23a"),
            (&english, ",123"),
            (&english, "1.281.501.0"),
            (&german, "12.5"),
            (&german, "1,234.5"),
            (&comma, "12.5"),
            (&comma, "1,2.5"),
            (&percent, "12.5"),
            (&percent, "%"),
        ] {
            assert_eq!(format.finite(cell.as_bytes()), None, "{cell}");
        }
    }

    #[test]
    fn marks_are_two_and_no_part_of_a_number() {
        for (decimal, thousands) in [(',', Some(',')), ('5', None), ('.', Some('-'))] {
            let error = format(decimal, thousands, None).validate().unwrap_err();
            assert_eq!(error, FieldError::NumberMarks);
        }
        let blank = format('.', None, Some(" ")).validate();
        assert_eq!(blank, Err(FieldError::Empty("unit")));
    }
}
