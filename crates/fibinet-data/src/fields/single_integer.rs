//! Integers of single precision beyond 2^24, which have several texts. pandas writes 83886088 as
//! `8.388609e+07`, NumPy in some lists as `8.3886088e+07`, Python as `83886088.0`.

use crate::fields::scientific::Scientific;
use crate::fields::token_text::integer;

/// A single holds every integer up to this.
const EXACT: f32 = (1 << f32::MANTISSA_DIGITS) as f32;

/// The nearest single to an integer, if it is at least 2^24.
pub(super) fn large_single(text: &[u8]) -> Option<f32> {
    // Most integers are shorter.
    const FEWEST_BYTES: usize = "2e+07".len();
    if text.len() < FEWEST_BYTES {
        return None;
    }
    let is_integer =
        integer(text).is_some() || Scientific::parse(text).is_some_and(Scientific::is_whole);
    let text = std::str::from_utf8(text).ok().filter(|_| is_integer)?;
    let single: f32 = text.parse().ok()?;
    (single.abs() >= EXACT).then_some(single)
}

/// Whether a large integer is this single, digit for digit.
pub(super) fn has_all_digits_of(text: &[u8], single: f32) -> bool {
    integer(text) == Some(f64::from(single).to_string().as_bytes())
}

/// Whether a large integer has the digits of a single: the shortest, or those that an exponent leaves.
pub(super) fn has_digits_of(text: &[u8], single: f32) -> bool {
    match Scientific::parse(text) {
        Some(number) => {
            let places = number.num_places();
            let written = format!("{:.places$e}", f64::from(single));
            mantissa(text).eq(mantissa(written.as_bytes()))
        }
        None => integer(text) == Some(single.to_string().as_bytes()),
    }
}

/// The digits before an exponent.
fn mantissa(text: &[u8]) -> impl Iterator<Item = &u8> {
    let mantissa = text.iter().take_while(|byte| **byte != b'e');
    mantissa.filter(|byte| byte.is_ascii_digit())
}
