use bytemuck::Pod;
use fibinet_data::mix_seed;
use half::{bf16, f16};

/// A type of number that a table stores. All arithmetic is in f32.
pub(crate) trait Stored: Pod + Send + Sync {
    /// The number in f32, without loss.
    fn wide(self) -> f32;

    /// The nearest number of this type.
    fn nearest(number: f32) -> Self;

    /// One of the two numbers of this type around `number`, the nearer one for more values of `random`: the
    /// mean over all of them is the number. A number that can be stored exactly is. A number beyond the
    /// largest of this type becomes the largest, and a number that is not finite stays so.
    fn round(number: f32, random: u16) -> Self {
        if number.is_finite() {
            Self::round_finite(number, random)
        } else {
            Self::nearest(number)
        }
    }

    /// [`round`](Self::round) of a finite number.
    fn round_finite(number: f32, random: u16) -> Self;

    /// Passes a row to `change` in f32, and stores the changed row, rounded.
    ///
    /// - `buffer`: scratch buffer, as long as the row
    fn change(
        row: &mut [Self],
        buffer: &mut [f32],
        draws: impl FnOnce() -> RowDraws,
        change: impl FnOnce(&mut [f32]),
    ) {
        for (wide, number) in buffer.iter_mut().zip(&*row) {
            *wide = number.wide();
        }
        change(buffer);
        draws().for_each(row, |element, number, random| {
            *number = Self::round(buffer[element], random);
        });
    }
}

impl Stored for f32 {
    fn wide(self) -> f32 {
        self
    }

    fn nearest(number: f32) -> Self {
        number
    }

    fn round_finite(number: f32, _: u16) -> Self {
        number
    }

    fn change(
        row: &mut [Self],
        _: &mut [f32],
        _: impl FnOnce() -> RowDraws,
        change: impl FnOnce(&mut [f32]),
    ) {
        change(row);
    }
}

impl Stored for bf16 {
    fn wide(self) -> f32 {
        self.to_f32()
    }

    fn nearest(number: f32) -> Self {
        Self::from_f32(number)
    }

    fn round_finite(number: f32, random: u16) -> Self {
        let bits = number
            .clamp(Self::MIN.to_f32(), Self::MAX.to_f32())
            .to_bits();
        // bf16 is f32 without its last 16 bits. These bits are the probability of rounding up.
        Self::from_bits(((bits + u32::from(random)) >> 16) as u16)
    }
}

impl Stored for f16 {
    fn wide(self) -> f32 {
        self.to_f32()
    }

    fn nearest(number: f32) -> Self {
        Self::from_f32(number)
    }

    fn round_finite(number: f32, random: u16) -> Self {
        let size = number.abs().min(Self::MAX.to_f32());
        let sign = (number.to_bits() >> 16) as u16 & 0x8000;
        let bits = if size >= Self::MIN_POSITIVE.to_f32() {
            // f16 has 13 bits less of the fraction than f32, and an exponent bias of 15 instead of 127.
            let kept = (size.to_bits() + u32::from(random >> 3)) >> 13;
            (kept - ((127 - 15) << 10)) as u16
        } else {
            // Subnormal numbers are multiples of 2⁻²⁴; here with 16 bits after the binary point.
            const UNITS: f32 = (1_u64 << 40) as f32;
            (((size * UNITS).round() as u32 + u32::from(random)) >> 16) as u16
        };
        Self::from_bits(sign | bits)
    }
}

/// The random bits by which a table's numbers are rounded: a hash of the seed, the step, the row and the
/// index within the row. They need no state, and are the same whichever thread rounds a row, and whether the
/// row is stored or is a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Draws(u64);

impl Draws {
    /// For rows on which missed steps are replayed.
    pub(crate) fn of_replay(seed: u64, steps: u32) -> Self {
        Self(mix_seed(seed, 2 * u64::from(steps)))
    }

    /// For rows that a step updates.
    pub(crate) fn of_step(seed: u64, step: u32) -> Self {
        Self(mix_seed(seed, 2 * u64::from(step) + 1))
    }

    /// The random bits of a row.
    pub(crate) fn of_row(self, row: usize) -> RowDraws {
        RowDraws(mix_seed(self.0, row as u64))
    }
}

/// The random bits of one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RowDraws(u64);

impl RowDraws {
    /// Calls `each` with the index of every element, the element and its random bits.
    pub(crate) fn for_each<T>(self, row: &mut [T], mut each: impl FnMut(usize, &mut T, u16)) {
        // One hash has the bits of four elements.
        for (four, elements) in row.chunks_mut(4).enumerate() {
            let mut bits = mix_seed(self.0, four as u64);
            for (i, element) in elements.iter_mut().enumerate() {
                each(4 * four + i, element, bits as u16);
                bits >>= 16;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asserts that the share of draws that round a number up is its distance from the lower neighbour,
    /// relative to the distance of the two neighbours.
    #[track_caller]
    fn is_unbiased<N: Stored>(number: f32) {
        const DRAWS: usize = 1 << 16;
        let draws = Draws::of_step(3, 7).of_row(number.to_bits() as usize);
        let mut rounded = vec![0.0; DRAWS];
        draws.for_each(&mut rounded, |_, rounded, random| {
            *rounded = f64::from(N::round(number, random).wide());
        });
        let (low, high) = rounded.iter().fold((f64::MAX, f64::MIN), |(low, high), n| {
            (low.min(*n), high.max(*n))
        });
        let number = f64::from(number);
        assert!(low < number && number < high, "{low} {number} {high}");
        let mean = rounded.iter().sum::<f64>() / DRAWS as f64;
        let share = (number - low) / (high - low);
        let error = (high - low) * (share * (1.0 - share) / DRAWS as f64).sqrt();
        let off = (mean - number).abs() / error;
        assert!(off < 4.0, "{number}: {off} standard errors");
        // `low` and `high` are neighbours: what is a third of the way between them rounds to `low`.
        let third = (low + (high - low) / 3.0) as f32;
        assert_eq!(f64::from(N::nearest(third).wide()), low.min(high));
    }

    #[test]
    fn the_mean_of_many_roundings_is_the_number() {
        for number in [0.1, -0.0123, 1.000_1, 333.3, 1e-4] {
            is_unbiased::<bf16>(number);
            is_unbiased::<f16>(number);
        }
        // Subnormal in f16, and on the edge of it.
        for number in [3.01e-5, -1.234e-6, 2e-8, 6.103e-5] {
            is_unbiased::<f16>(number);
        }
        is_unbiased::<bf16>(1e-39);
        is_unbiased::<bf16>(-1e30);
    }

    #[test]
    fn a_number_that_can_be_stored_exactly_never_changes() {
        for bits in 0..=u16::MAX {
            for random in [0, 1, 7, 8, u16::MAX / 2, u16::MAX] {
                let (a, b) = (bf16::from_bits(bits), f16::from_bits(bits));
                let (bf, f) = (bf16::round(a.wide(), random), f16::round(b.wide(), random));
                assert!(bf.to_bits() == bits || a.is_nan() && bf.is_nan(), "{a}");
                assert!(f.to_bits() == bits || b.is_nan() && f.is_nan(), "{b}");
            }
        }
    }

    #[test]
    fn numbers_beyond_the_largest_become_the_largest() {
        for random in [0, u16::MAX] {
            for number in [65_504.0, 65_505.0, 1e9, f32::MAX] {
                assert_eq!(f16::round(number, random), f16::MAX);
                assert_eq!(f16::round(-number, random), f16::MIN);
            }
            assert_eq!(bf16::round(f32::MAX, random), bf16::MAX);
            assert_eq!(bf16::round(f32::MIN, random), bf16::MIN);
            assert_eq!(f16::round(f32::NEG_INFINITY, random), f16::NEG_INFINITY);
            assert_eq!(bf16::round(f32::INFINITY, random), bf16::INFINITY);
        }
    }

    #[test]
    fn draws_differ_by_seed_step_row_and_index() {
        let mut distinct = std::collections::HashSet::new();
        for draws in [
            Draws::of_step(1, 1).of_row(1),
            Draws::of_step(2, 1).of_row(1),
            Draws::of_step(1, 2).of_row(1),
            Draws::of_step(1, 1).of_row(2),
            Draws::of_replay(1, 1).of_row(1),
        ] {
            draws.for_each(&mut [(); 10], |_, (), random| {
                distinct.insert(random);
            });
        }
        // Two of 50 draws out of 65,536 are equal in about one of 50 such tests. With these seeds none are.
        assert_eq!(distinct.len(), 50);
    }
}
