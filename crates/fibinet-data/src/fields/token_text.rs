//! One text per value: where all tokens of a field are integers, `17`, `17.0` and ` 17 ` are one token.

use serde::{Deserialize, Serialize};

use crate::cell::Number;
use crate::fields::iso_time::IsoTime;
use crate::fields::scientific::{Scientific, are_zeros};
use crate::fields::single_integer::large_single;
use crate::fields::token_rules::{TokenRules, TypedFloats, is_plain_integer};

/// How the tokens of a field are written. A fit chooses it by the tokens that it finds, and texts that are
/// written in another way are rewritten before they are looked up. A text that does not fit the rule is
/// taken as it is, without blanks around it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TokenText {
    /// As written, byte for byte: in fields with `as_written = true` and in encoders of older versions.
    #[default]
    Verbatim,
    /// As written, without blanks around it.
    Trimmed,
    /// As [`Trimmed`](Self::Trimmed): all tokens are floats as Python writes them, and so are those of a typed
    /// file: `17.0`. A number as [`Scientific`] is written so too.
    PythonFloat,
    /// [`PythonFloat`](Self::PythonFloat), of tokens that are numbers of single precision with all their digits, as
    /// Python writes those: `0.10000000149011612`. The singles of a typed file are written so too.
    ExactFloat,
    /// `-?(0|[1-9][0-9]{0,18})`, without the fraction `.0` that a text may have, and without the exponent of a
    /// [`Scientific`] one: `1.5e+06` is `1500000`.
    Integer,
    /// [`Integer`](Self::Integer), of tokens that are numbers of single precision, some of them beyond 2^24. Every
    /// text of such a number becomes the shortest of those without an exponent: `8.3886088e+07` is `83886090`.
    SingleInteger,
    /// [`Integer`](Self::Integer), of tokens that are texts. Those beyond 2^24 are numbers of single precision with all
    /// their digits: `83886088`. The singles of a typed file are written so too.
    ExactInteger,
    /// `true` or `false`, for these words in any case, and for 1 and 0.
    Bool,
    /// [`Bool`](Self::Bool), written as `1` or `0`.
    Bit,
    /// A date or a time of ISO 8601: `2024-05-01`, `2024-05-01 13:05:00.25` in UTC, `13:05:00`.
    Time,
    /// A number, as [`Cell::text`](crate::cell::Cell::text) writes floats. Only floats of typed files make a
    /// fit choose it: in a text, `4.1` and `4.10` may be two versions of a program.
    Float,
    /// [`Float`](Self::Float), of tokens that are numbers of single precision: every text is the nearest of them.
    SingleFloat,
}

impl TokenText {
    /// The rule that all tokens fit; `floats` are those of typed files among them.
    pub(crate) fn of<'a>(mut tokens: impl Iterator<Item = &'a [u8]>, floats: TypedFloats) -> Self {
        let mut rules = TokenRules::default();
        if tokens.all(|token| rules.keep(token)) {
            rules.choose(floats)
        } else {
            Self::Trimmed
        }
    }

    /// Whether [`SingleInteger`](Self::SingleInteger) may write a text in another way: 2^24 has eight digits.
    pub(crate) fn single_integer_may_rewrite(text: &[u8]) -> bool {
        text.len() >= 8
    }

    /// Whether [`Float`](Self::Float) may write a text in another way. It leaves integers as they are that a double
    /// holds.
    pub(crate) fn float_may_rewrite(text: &[u8]) -> bool {
        !is_plain_integer(text) || text.len() > 15
    }

    /// Whether a rule other than [`SingleInteger`](Self::SingleInteger) and [`Float`](Self::Float) may write a text in
    /// another way.
    pub(crate) fn may_rewrite(text: &[u8]) -> bool {
        if is_plain_integer(text) {
            return text == b"1";
        }
        let trimmed = text.trim_ascii();
        let is_other = |written: Option<&[u8]>| written.is_some_and(|written| written != text);
        trimmed.len() < text.len()
            || boolean(text).is_some()
            || is_other(integer(text))
            || Scientific::parse(text).is_some()
            || IsoTime::parse(text).is_some_and(|time| time.write(&mut Vec::new()) != text)
    }

    /// A text as the field's tokens are written; empty if it has only blanks. `scratch` is a buffer.
    #[inline]
    pub(crate) fn canonical<'t>(self, text: &'t [u8], scratch: &'t mut Vec<u8>) -> &'t [u8] {
        if self == Self::Verbatim {
            return text;
        }
        let text = text.trim_ascii();
        let written = match self {
            Self::Verbatim | Self::Trimmed => None,
            Self::PythonFloat | Self::ExactFloat => {
                let number = Scientific::parse(text).and_then(|_| decimal(text));
                return number.map_or(text, |number| {
                    let number = match self {
                        Self::ExactFloat => (number as f32).into(),
                        _ => number,
                    };
                    scratch.clear();
                    Number::Double(number).write_as_python(scratch);
                    scratch
                });
            }
            Self::ExactInteger => {
                let single = large_single(text).filter(|_| Scientific::parse(text).is_some());
                let Some(single) = single else {
                    return Self::Integer.canonical(text, scratch);
                };
                scratch.clear();
                Number::Double(single.into()).write(scratch);
                return scratch;
            }
            // Most integers are written as they should be.
            Self::Integer if !text.contains(&b'.') && !text.contains(&b'+') && text != b"-0" => {
                None
            }
            Self::Integer => match Scientific::parse(text).filter(|number| number.is_whole()) {
                Some(number) => return number.write_whole(scratch),
                None => integer(text),
            },
            Self::SingleInteger => {
                let Some(single) = large_single(text) else {
                    return Self::Integer.canonical(text, scratch);
                };
                scratch.clear();
                Number::Single(single).write(scratch);
                return scratch;
            }
            Self::Bool => boolean(text).map(|value| if value { &b"true"[..] } else { b"false" }),
            Self::Bit => boolean(text).map(|value| if value { &b"1"[..] } else { b"0" }),
            Self::Time => return IsoTime::parse(text).map_or(text, |time| time.write(scratch)),
            Self::Float | Self::SingleFloat => {
                return decimal(text).map_or(text, |number| {
                    scratch.clear();
                    match (self, number as f32) {
                        (Self::SingleFloat, single) if single.is_finite() => {
                            Number::Single(single).write(scratch);
                        }
                        _ => Number::Double(number).write(scratch),
                    }
                    scratch
                });
            }
        };
        written.unwrap_or(text)
    }
}

/// Whether two texts are one value: the same integer, or the same truth.
pub(crate) fn is_same_value(a: &[u8], b: &[u8]) -> bool {
    let (a, b) = (a.trim_ascii(), b.trim_ascii());
    let integers = integer(a).zip(integer(b));
    let truths = boolean(a).zip(boolean(b));
    a == b || integers.is_some_and(|(a, b)| a == b) || truths.is_some_and(|(a, b)| a == b)
}

/// The digits of `-?(0|[1-9][0-9]{0,18})(\.0+)?` before its point, with their sign. Compared by characters:
/// no float has all of 19 digits.
pub(super) fn integer(text: &[u8]) -> Option<&[u8]> {
    let point = text.iter().position(|byte| *byte == b'.');
    let (whole, fraction) = text.split_at(point.unwrap_or(text.len()));
    let digits = whole.strip_prefix(b"-").unwrap_or(whole);
    let is_integer = match digits {
        [b'0'] => true,
        [b'1'..=b'9', rest @ ..] => rest.len() <= 18 && rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    let is_whole = match fraction {
        [] => true,
        [_, zeros @ ..] => !zeros.is_empty() && are_zeros(zeros),
    };
    // -0.0 is what some programs write for 0.
    (is_integer && is_whole).then_some(if digits == b"0" { digits } else { whole })
}

pub(super) fn boolean(text: &[u8]) -> Option<bool> {
    if text.eq_ignore_ascii_case(b"true") {
        return Some(true);
    }
    if text.eq_ignore_ascii_case(b"false") {
        return Some(false);
    }
    match integer(text)? {
        b"1" => Some(true),
        b"0" => Some(false),
        _ => None,
    }
}

/// A finite number that begins with a digit or a sign.
pub(super) fn decimal(text: &[u8]) -> Option<f64> {
    let starts = text
        .first()
        .is_some_and(|byte| byte.is_ascii_digit() || *byte == b'-');
    let text = std::str::from_utf8(text).ok().filter(|_| starts)?;
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::Cell;
    use proptest::prelude::*;

    fn rule(tokens: &[&str]) -> TokenText {
        TokenText::of(
            tokens.iter().map(|token| token.as_bytes()),
            TypedFloats::default(),
        )
    }

    fn canonical(rule: TokenText, text: &str) -> String {
        let mut scratch = Vec::new();
        let written = rule.canonical(text.as_bytes(), &mut scratch);
        String::from_utf8(written.to_vec()).unwrap()
    }

    proptest! {
        #[test]
        fn what_a_rule_rewrites_is_known_before_the_rule_is(
            text in "[ ]?[-+]?(0|[1-9][0-9]{0,19}|[0-9]{1,3})(\\.[0-9]{1,3})?(e[+-][0-9]{2})?|[01]|[Tt]rue|false|2024-0[1-9]-[0-3][0-9]([ T]1[0-9]:00(:00)?)?",
        ) {
            let text = text.as_bytes();
            let mut scratch = Vec::new();
            for rule in [
                TokenText::Trimmed,
                TokenText::PythonFloat,
                TokenText::ExactFloat,
                TokenText::Integer,
                TokenText::ExactInteger,
                TokenText::SingleInteger,
                TokenText::Bool,
                TokenText::Bit,
                TokenText::Time,
                TokenText::Float,
                TokenText::SingleFloat,
            ] {
                let is_known = match rule {
                    TokenText::SingleInteger => TokenText::single_integer_may_rewrite(text),
                    TokenText::Float => TokenText::float_may_rewrite(text),
                    TokenText::SingleFloat => {
                        TokenText::single_integer_may_rewrite(text)
                            || TokenText::float_may_rewrite(text)
                    }
                    _ => false,
                };
                if rule.canonical(text, &mut scratch) != text {
                    prop_assert!(is_known || TokenText::may_rewrite(text), "{rule:?}");
                }
            }
        }
    }

    #[test]
    fn the_tokens_choose_the_rule() {
        use TokenText::{
            Bit, Bool, ExactFloat, ExactInteger, Integer, PythonFloat, SingleInteger, Time, Trimmed,
        };
        for (tokens, expected) in [
            (&["17", "-4", "0", "9223372036854775807"][..], Integer),
            (&["17.0", "4", "5.00"], Integer),
            (&["0", "1", "2"], Integer),
            (&["0", "1"], Bit),
            (&["0.0", "True"], Bit),
            (&["TRUE", "False", "false"], Bool),
            (&["2024-05-01", "2024-05-01T13:05:00Z"], Time),
            (&["13:05:00", "13:05:00.5"], Time),
            (&["4.5", "17.0"], PythonFloat),
            (&["4.5", "1e-07"], PythonFloat),
            (&["17.0", "8.388608e+06"], Integer),
            (&["17.0", "8.388609e+07", "8.3886088e+07"], SingleInteger),
            // A number of double precision, as NumPy writes it in a list.
            (&["1.23456793e+08", "8.388609e+07"], Integer),
            // Singles as Python writes them, and ids.
            (&["17.0", "83886088.0"], ExactInteger),
            (&["17", "83886090"], Integer),
            (&["17", "83886088", "83886089"], Integer),
            (&["0.5", "0.10000000149011612"], ExactFloat),
            (&["0.5", "83886088.0"], ExactFloat),
            (&["0.5", "0.10000000149011612", "0.1"], PythonFloat),
            (&["17.5", "8.388608e+07"], PythonFloat),
            (&["17", "1e+19"], Trimmed),
            // A zip code, a hash, a version, an id of 20 digits, a phone number with its zero.
            (&["17", "00042"], Trimmed),
            (&["1e5", "17"], Trimmed),
            (&["1e5", "ab3"], Trimmed),
            (&["4.1", "4.10"], PythonFloat),
            (&["12345678901234567890", "17"], Trimmed),
            (&["0301234567", "301234567"], Trimmed),
            (&["+17", "17"], Trimmed),
            (&["true", "yes"], Trimmed),
            (&["2024-05-01", "2024-13-01"], Trimmed),
            (&["12:30"], Trimmed),
            (&[], Trimmed),
        ] {
            assert_eq!(rule(tokens), expected, "{tokens:?}");
        }
    }

    #[test]
    fn floats_of_typed_files_choose_too() {
        let single = |number: f32| vec![Cell::from(number)];
        let double = |number: f64| vec![Cell::from(number)];
        let both = [single(0.5), double(0.5)].concat();
        for (tokens, cells, expected) in [
            (&["4.5", "17"][..], double(4.5), TokenText::Float),
            (&["4.5", "17"], single(4.5), TokenText::SingleFloat),
            (&["4.5", "17"], both.clone(), TokenText::Float),
            (&["4.5", "4.5-beta"], double(4.5), TokenText::Trimmed),
            (&["17", "83886090"], single(17.0), TokenText::SingleInteger),
            (&["17", "16777215"], single(17.0), TokenText::Integer),
            (&["17", "83886090"], double(17.0), TokenText::Integer),
            (&["17", "83886090"], both, TokenText::Integer),
        ] {
            let mut floats = TypedFloats::default();
            cells.into_iter().for_each(|cell| floats.note(cell));
            let tokens_of = tokens.iter().map(|token| token.as_bytes());
            assert_eq!(TokenText::of(tokens_of, floats), expected, "{tokens:?}");
        }
    }

    #[test]
    fn one_label_may_be_written_in_several_ways() {
        for (a, b, same) in [
            ("True", "1", true),
            ("1", "1.0", true),
            ("2", "2.0", true),
            (" yes", "yes", true),
            ("true", "FALSE", false),
            ("1", "2", false),
            ("yes", "1", false),
            ("01", "1", false),
        ] {
            assert_eq!(is_same_value(a.as_bytes(), b.as_bytes()), same, "{a} {b}");
        }
    }

    #[test]
    fn one_value_has_one_text() {
        use TokenText::{
            Bit, Bool, ExactFloat, ExactInteger, Float, Integer, PythonFloat, SingleFloat,
            SingleInteger, Time, Trimmed, Verbatim,
        };
        for (rule, texts, expected) in [
            (Integer, &["17", "17.0", " 17 ", "17.000"][..], "17"),
            (Integer, &["0", "-0.0", "0.0"], "0"),
            (Integer, &["9007199254740993.0"], "9007199254740993"),
            (Integer, &["-9223372036854775808"], "-9223372036854775808"),
            (
                Integer,
                &["83886080", "83886080.0", "8.388608e+07"],
                "83886080",
            ),
            (Integer, &["-1000000", "-1e+06", "-1.e+06"], "-1000000"),
            (Integer, &["17", "1.7000000e+01"], "17"),
            (Integer, &["0", "0.e+00", "-0.0000000e+00"], "0"),
            (PythonFloat, &["1234567.8", "1.2345678e+06"], "1234567.8"),
            (PythonFloat, &["0.0001", "1e-04"], "0.0001"),
            (PythonFloat, &["1e-05"], "1e-05"),
            (
                SingleInteger,
                &["8.388609e+07", "8.3886088e+07", "83886088.0", "83886090"],
                "83886090",
            ),
            (
                ExactInteger,
                &["83886088.0", "8.388609e+07", "8.3886088e+07", "83886088"],
                "83886088",
            ),
            (ExactInteger, &["83886089.0"], "83886089"),
            (ExactFloat, &["1234567.75", "1.2345678e+06"], "1234567.75"),
            (ExactFloat, &["0.1"], "0.1"),
            (
                SingleFloat,
                &["0.1", "0.10", "0.10000000149011612", "1e-1"],
                "0.1",
            ),
            (
                SingleFloat,
                &["83886088.0", "83886090", "8.388609e+07"],
                "83886090",
            ),
            (SingleInteger, &["-1234567", "-1.234567e+06"], "-1234567"),
            (SingleInteger, &["1e+15"], "1000000000000000"),
            (SingleInteger, &["00083886090"], "00083886090"),
            (Bool, &["True", "true", "TRUE", "1", "1.0"], "true"),
            (Bit, &["False", "0", "0.0", " false"], "0"),
            (
                Time,
                &[
                    "2024-05-01",
                    "2024-05-01 00:00:00",
                    "2024-05-01T00:00:00.000Z",
                ],
                "2024-05-01",
            ),
            (
                Time,
                &[
                    "2024-05-01 13:05:00.25",
                    "2024-05-01T13:05:00.250000",
                    "2024-05-01 15:05:00.25+02:00",
                    "2024-05-01T11:35:00.25-0130",
                ],
                "2024-05-01 13:05:00.25",
            ),
            (Time, &["13:05:00", "13:05:00.000"], "13:05:00"),
            (Float, &["17", "17.0", "1.7e1"], "17"),
            (Float, &["0.1", "0.10"], "0.1"),
            (Trimmed, &[" New York "], "New York"),
            (Trimmed, &["4.10"], "4.10"),
            (PythonFloat, &["17.0 "], "17.0"),
            (Verbatim, &[" 17 "], " 17 "),
            (Trimmed, &["  "], ""),
        ] {
            for text in texts {
                assert_eq!(canonical(rule, text), expected, "{rule:?} {text:?}");
            }
        }
    }

    #[test]
    fn a_text_that_does_not_fit_is_taken_as_it_is() {
        use TokenText::{Bit, Bool, Float, Integer, Time};
        for (rule, texts) in [
            (
                Integer,
                &[
                    "00042", "1e5", "0.1e+01", "1.75e+01", "1e-01", "4.10", "17.5", "17.", "+17",
                    "0x1", "x17", "1,234",
                ][..],
            ),
            (Integer, &["12345678901234567890", "--1", "-", ""]),
            (Bool, &["2", "yes", "t"]),
            (Bit, &["2", "01"]),
            (
                Time,
                &[
                    "2024-02-30",
                    "2024-05-01 25:00:00",
                    "20240501",
                    "2024-05-01 13:05:00 UTC",
                    "2024-5-1",
                ],
            ),
            (Float, &["4.1-beta", "inf", "nan", ".5"]),
        ] {
            for text in texts {
                assert_eq!(canonical(rule, text), *text, "{rule:?}");
            }
        }
    }
}
