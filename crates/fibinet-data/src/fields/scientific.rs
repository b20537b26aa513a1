//! Numbers with an exponent.

/// A number of single precision from a million on, or near 0, as pandas writes it into a CSV file, or as NumPy
/// writes those of a list: `-?[1-9](\.[0-9]*)?e[+-][0-9]{2,3}`, or 0 with such an exponent. Hashes such as `1e5`
/// have no sign in their middle.
#[derive(Clone, Copy)]
pub(super) struct Scientific<'a> {
    is_negative: bool,
    first: u8,
    fraction: &'a [u8],
    exponent: i16,
}

impl<'a> Scientific<'a> {
    pub(super) fn parse(text: &'a [u8]) -> Option<Self> {
        let unsigned = text.strip_prefix(b"-").unwrap_or(text);
        let (first @ b'0'..=b'9', rest) = unsigned.split_first()? else {
            return None;
        };
        let e = rest.iter().position(|byte| *byte == b'e')?;
        let (fraction, exponent) = (&rest[..e], &rest[e + 1..]);
        let digits = fraction.strip_prefix(b".").unwrap_or(fraction);
        let (sign @ (b'+' | b'-'), size) = exponent.split_first()? else {
            return None;
        };
        let all_digits = |text: &[u8]| text.iter().all(u8::is_ascii_digit);
        let has_form = all_digits(digits)
            && digits.len() <= 18
            && (fraction.is_empty() || fraction.len() > digits.len())
            && (*first != b'0' || are_zeros(digits))
            && (2..=3).contains(&size.len())
            && all_digits(size);
        let size = size.iter().fold(0, |number, digit| {
            10 * number + i16::from(digit.wrapping_sub(b'0'))
        });
        has_form.then_some(Self {
            is_negative: text.len() > unsigned.len(),
            first: *first,
            fraction: digits,
            exponent: if *sign == b'+' { size } else { -size },
        })
    }

    /// The number of its digits after the point.
    pub(super) fn num_places(self) -> usize {
        self.fraction.len()
    }

    /// Whether it is an integer of at most 19 digits.
    pub(super) fn is_whole(self) -> bool {
        (0..=18).contains(&self.exponent) && are_zeros(self.split().1)
    }

    /// The digits after the point of the text that are before that of the number, and those after it.
    fn split(self) -> (&'a [u8], &'a [u8]) {
        let len = self.fraction.len().min(self.exponent.max(0) as usize);
        self.fraction.split_at(len)
    }

    /// Writes a [whole](Self::is_whole) one without its exponent, character by character.
    pub(super) fn write_whole(self, text: &mut Vec<u8>) -> &[u8] {
        text.clear();
        if self.first == b'0' {
            text.push(b'0');
            return text;
        }
        text.extend(self.is_negative.then_some(b'-'));
        text.push(self.first);
        text.extend_from_slice(self.split().0);
        text.resize(
            usize::from(self.is_negative) + 1 + self.exponent as usize,
            b'0',
        );
        text
    }
}

/// Whether all digits are 0.
pub(super) fn are_zeros(digits: &[u8]) -> bool {
    digits.iter().all(|digit| *digit == b'0')
}
