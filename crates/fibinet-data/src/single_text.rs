//! The `f64` that the shortest text of an `f32` reads as: a file that stores singles and a CSV file of the same
//! rows hold the same numbers.

use crate::number_text::read_f64;

/// The `f64` that the shortest text of an `f32` reads as: that of 0.1 is another than the `f32` itself.
///
/// No text is written for most numbers, which is an order of magnitude faster. The shortest decimal is a
/// multiple of a power of ten, `unit`, of which the interval that rounds to `value` holds between one and ten:
/// the multiple of `10 * unit` in that interval, or else the multiple of `unit` nearest to `value`.
#[inline]
pub(crate) fn shortest_f64(value: f32) -> f64 {
    let scale = &SCALES[(value.to_bits() >> MANTISSA_BITS & 0xff) as usize];
    let units = f64::from(value.abs()) * scale.units_per_one;
    let tens = units * 0.1;
    let (nearest, nearest_ten) = (rounded(units), rounded(tens));
    let (distance, distance_of_ten) = ((units - nearest).abs(), (tens - nearest_ten).abs());

    // Below a power of two, singles are closer to each other than above.
    let is_power_of_two = value.to_bits() & ((1 << MANTISSA_BITS) - 1) == 0;
    let is_sure = (distance_of_ten - scale.half_interval_in_tens).abs() > DOUBT
        && distance < 0.5 - DOUBT
        && (!is_power_of_two || distance_of_ten < DOUBT);
    if !is_sure {
        return by_text(value);
    }
    let multiple = if distance_of_ten < scale.half_interval_in_tens {
        10.0 * nearest_ten
    } else {
        nearest
    };
    // All three are exact and one of them is 1, so the result is the nearest number.
    (multiple * scale.unit / scale.units).copysign(value.into())
}

#[cold]
fn by_text(value: f32) -> f64 {
    if value == 0.0 {
        return value.into();
    }
    let mut text = zmij::Buffer::new();
    // A float's own text is a number.
    read_f64(text.format(value).as_bytes()).unwrap_or(f64::NAN)
}

/// The nearest integer to a number below 2^51.
#[inline]
fn rounded(number: f64) -> f64 {
    const TWO_52: f64 = (1_u64 << 52) as f64;
    number + TWO_52 - TWO_52
}

/// More than the errors of `units`, which is below 2^28, and of what is computed from it.
const DOUBT: f64 = 1e-6;

const MANTISSA_BITS: u32 = f32::MANTISSA_DIGITS - 1;

/// What the singles of one exponent have in common.
struct Scale {
    /// `1 / unit`, rounded.
    units_per_one: f64,
    /// Half the width of the interval that rounds to a single, as a multiple of `10 * unit`.
    half_interval_in_tens: f64,
    /// The power of ten, if it is 1 or more, else 1.
    unit: f64,
    /// Its reciprocal, if it is less than 1, else 1.
    units: f64,
}

/// By the exponent bits of a single. Those that are not here have no finite numbers, or take a power of ten
/// that an `f64` does not hold: their scale is NaN, so that nothing is sure of them.
static SCALES: [Scale; 256] = scales();

const fn scales() -> [Scale; 256] {
    let mut scales = [const { Scale::new(0) }; 256];
    let mut exponent = 1;
    while exponent < scales.len() {
        scales[exponent] = Scale::new(exponent);
        exponent += 1;
    }
    scales
}

impl Scale {
    const fn new(exponent: usize) -> Self {
        /// An `f64` holds every power of ten up to this.
        const MAX_POWER: i32 = 22;
        let log2_interval = exponent as i32 - 127 - MANTISSA_BITS as i32;
        // The floor of the interval's log10: the constant is log10(2) times 2^18.
        let power = (log2_interval * 78_913) >> 18;
        if exponent == 0 || exponent == 255 || power.abs() > MAX_POWER {
            return Self {
                units_per_one: f64::NAN,
                half_interval_in_tens: f64::NAN,
                unit: 1.0,
                units: 1.0,
            };
        }
        let (unit, units) = (power_of_ten(power), power_of_ten(-power));
        let interval =
            f64::from_bits(((log2_interval + 1023) as u64) << (f64::MANTISSA_DIGITS - 1));
        Self {
            units_per_one: units / unit,
            half_interval_in_tens: interval * units / unit / 20.0,
            unit,
            units,
        }
    }
}

/// A power of ten; 1 if it is negative.
const fn power_of_ten(power: i32) -> f64 {
    let (mut product, mut at) = (1.0, 0);
    while at < power {
        product *= 10.0;
        at += 1;
    }
    product
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Bits, so that the sign of 0 counts.
    fn expected(value: f32) -> u64 {
        let text = zmij::Buffer::new().format(value).to_owned();
        text.parse::<f64>().unwrap().to_bits()
    }

    #[test]
    fn every_exponent_has_the_digits_of_its_text() {
        let last_bits = [
            0, 1, 2, 0x2a_aaaa, 0x40_0000, 0x55_5555, 0x7f_fffe, 0x7f_ffff,
        ];
        for exponent in 0..255_u32 {
            for last in last_bits {
                let value = f32::from_bits(exponent << MANTISSA_BITS | last);
                for value in [value, -value] {
                    let read = shortest_f64(value);
                    assert_eq!(read.to_bits(), expected(value), "{value:e}");
                }
            }
        }
    }

    #[test]
    fn infinities_stay() {
        assert_eq!(shortest_f64(f32::INFINITY), f64::INFINITY);
        assert_eq!(shortest_f64(f32::NEG_INFINITY), f64::NEG_INFINITY);
    }

    proptest! {
        #[test]
        fn any_single_has_the_digits_of_its_text(bits: u32) {
            let value = f32::from_bits(bits);
            prop_assume!(!value.is_nan());
            prop_assert_eq!(shortest_f64(value).to_bits(), expected(value), "{:e}", value);
        }
    }
}
