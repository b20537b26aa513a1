//! Which rule the tokens of a field are [written](TokenText) by.

use crate::cell::{Cell, Number};
use crate::fields::iso_time::IsoTime;
use crate::fields::scientific::Scientific;
use crate::fields::single_integer::{has_all_digits_of, has_digits_of, large_single};
use crate::fields::token_text::{TokenText, boolean, decimal, integer};
use crate::single_text::shortest_f64;

/// The floats of typed files among the tokens of a field.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct TypedFloats {
    has_singles: bool,
    has_doubles: bool,
}

impl TypedFloats {
    /// Notes a cell, if it is a float.
    pub(crate) fn note(&mut self, cell: Cell<'_>) {
        self.has_singles |= matches!(cell, Cell::Number(Number::Single(_)));
        self.has_doubles |= matches!(cell, Cell::Number(Number::Double(_)));
    }

    pub(super) fn any(self) -> bool {
        self.has_singles || self.has_doubles
    }

    fn are_single(self) -> bool {
        self.has_singles && !self.has_doubles
    }
}

/// The rules that all tokens of a field so far fit.
#[derive(Debug)]
pub(crate) struct TokenRules {
    has_tokens: bool,
    bools: bool,
    /// Whether a token begins with a digit.
    has_digits: bool,
    integers: bool,
    /// Whether a token has an exponent.
    has_exponent: bool,
    /// Whether a token is an integer beyond 2^24.
    has_large: bool,
    /// Whether all integers beyond 2^24 have the digits of a single.
    large_are_single: bool,
    /// Whether all of them are singles digit for digit.
    large_are_exact: bool,
    times: bool,
    decimals: bool,
    /// Whether all decimals are singles digit for digit.
    are_exact: bool,
    /// Whether a decimal has more digits than a single needs.
    has_more_digits: bool,
    /// Whether a token is an integer without a point, which Python does not write for a float.
    has_integer: bool,
}

impl Default for TokenRules {
    fn default() -> Self {
        Self {
            has_tokens: false,
            bools: true,
            has_digits: false,
            integers: true,
            has_exponent: false,
            has_large: false,
            large_are_single: true,
            large_are_exact: true,
            times: true,
            decimals: true,
            are_exact: true,
            has_more_digits: false,
            has_integer: false,
        }
    }
}

impl TokenRules {
    /// Drops the rules that a token does not fit; false if none is left.
    pub(crate) fn keep(&mut self, token: &[u8]) -> bool {
        let token = token.trim_ascii();
        self.has_tokens = true;
        self.bools = self.bools && boolean(token).is_some();
        self.has_digits |= token.first().is_some_and(u8::is_ascii_digit);
        let scientific = Scientific::parse(token);
        self.integers = self.integers
            && (integer(token).is_some() || scientific.is_some_and(Scientific::is_whole));
        self.has_exponent |= scientific.is_some();
        if self.integers {
            self.keep_large(token);
        }
        self.times = self.times && IsoTime::parse(token).is_some();
        if self.decimals {
            self.keep_decimal(token);
        }
        self.has_integer |= integer(token) == Some(token);
        self.bools || self.integers || self.times || self.decimals
    }

    /// Notes a token of integers, if it is beyond 2^24.
    fn keep_large(&mut self, token: &[u8]) {
        if !(self.large_are_single || self.large_are_exact) {
            return;
        }
        if let Some(single) = large_single(token) {
            self.has_large = true;
            self.large_are_single = self.large_are_single && has_digits_of(token, single);
            self.large_are_exact = self.large_are_exact && has_all_digits_of(token, single);
        }
    }

    fn keep_decimal(&mut self, token: &[u8]) {
        let Some(number) = decimal(token) else {
            self.decimals = false;
            return;
        };
        if self.are_exact {
            let single = number as f32;
            self.are_exact = f64::from(single) == number;
            self.has_more_digits = self.has_more_digits || shortest_f64(single) != number;
        }
    }

    /// Whether it is certain, at little cost, that one more token changes nothing: an integer among integers.
    #[inline]
    pub(crate) fn know(&self, token: &[u8]) -> bool {
        // A single holds every integer of so many digits.
        const SHORT: usize = 7;
        let are_integers = self.integers && self.has_integer && !self.times;
        are_integers
            && match token {
                [b'0' | b'1'] => true,
                _ if self.bools => false,
                _ if token.len() > SHORT && (self.large_are_single || self.large_are_exact) => {
                    false
                }
                _ => is_plain_integer(token),
            }
    }

    /// The rule for all tokens; `floats` are those of typed files among them.
    pub(crate) fn choose(&self, floats: TypedFloats) -> TokenText {
        if !self.has_tokens {
            TokenText::Trimmed
        } else if self.bools {
            if self.has_digits {
                TokenText::Bit
            } else {
                TokenText::Bool
            }
        } else if self.integers {
            if self.are_large_singles(floats) {
                TokenText::SingleInteger
            } else if self.has_large && self.large_are_exact && !floats.any() {
                TokenText::ExactInteger
            } else {
                TokenText::Integer
            }
        } else if self.times {
            TokenText::Time
        } else if self.decimals && floats.any() {
            if floats.are_single() {
                TokenText::SingleFloat
            } else {
                TokenText::Float
            }
        } else if self.decimals && !self.has_integer {
            if self.are_exact && self.has_more_digits {
                TokenText::ExactFloat
            } else {
                TokenText::PythonFloat
            }
        } else {
            TokenText::Trimmed
        }
    }

    /// Whether the tokens are numbers of single precision, some beyond 2^24. Among texts, exponents tell.
    fn are_large_singles(&self, floats: TypedFloats) -> bool {
        let are_singles = floats.are_single() || self.has_exponent && !floats.any();
        self.has_large && self.large_are_single && are_singles
    }
}

/// Whether a text is a positive integer that every rule leaves as it is, unless it is a truth.
#[inline]
pub(super) fn is_plain_integer(text: &[u8]) -> bool {
    matches!(text, [b'1'..=b'9', rest @ ..] if rest.len() < 18 && rest.iter().all(u8::is_ascii_digit))
}
