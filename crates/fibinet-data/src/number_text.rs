//! Numbers of text files.

/// Reads a text as the nearest `f64`.
// Most numbers of a log are short integers, and a call per cell shows in the time that preparing takes.
#[inline]
pub(crate) fn read_f64(text: &[u8]) -> Option<f64> {
    if (1..=MAX_DIGITS).contains(&text.len()) && text.iter().all(u8::is_ascii_digit) {
        return Some(text.iter().fold(0, append_digit) as f64);
    }
    read_decimal(text).or_else(|| std::str::from_utf8(text).ok()?.trim().parse().ok())
}

/// An `f64` holds every integer of 15 digits.
const MAX_DIGITS: usize = 15;

#[inline]
fn append_digit(number: i64, digit: &u8) -> i64 {
    10 * number + i64::from(digit - b'0')
}

/// [`read_f64`] for at most 15 digits with a point among them, several times faster. `None` for other
/// texts.
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
    // Both sides of the division are exact, so the quotient is the nearest number.
    let size = all as f64 / POWERS[places];
    Some(if digits.len() < text.len() {
        -size
    } else {
        size
    })
}

/// Reads a text as the nearest `f32`.
#[inline]
pub(crate) fn read_f32(text: &[u8]) -> Option<f32> {
    // An f32 holds every integer of seven digits.
    if (1..=7).contains(&text.len()) && text.iter().all(u8::is_ascii_digit) {
        let digits = text.iter().map(|digit| u32::from(digit - b'0'));
        return Some(digits.fold(0, |value, digit| 10 * value + digit) as f32);
    }
    std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.trim().parse::<f32>().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_few_digits_are_read_as_any_number_is() {
        for text in [
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
            let double = text.trim().parse().ok().map(f64::to_bits);
            let single = text.trim().parse().ok().map(f32::to_bits);
            assert_eq!(
                read_f64(text.as_bytes()).map(f64::to_bits),
                double,
                "{text}"
            );
            assert_eq!(
                read_f32(text.as_bytes()).map(f32::to_bits),
                single,
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn texts_are_read_as_the_standard_library_reads_them(
            text in "-?[0-9]{0,17}[.]?[0-9]{0,9}(e-?[0-9]{1,2})?"
        ) {
            let expected = text.parse().ok().map(f64::to_bits);
            prop_assert_eq!(read_f64(text.as_bytes()).map(f64::to_bits), expected, "{}", text);
        }
    }
}
