//! Values packed into as few bytes each as the largest of them needs.

use std::io::{self, Read};

use crate::shards::batch::IdLists;
use crate::shards::columns::{Column, Columns};

/// The byte that begins a column: its kind.
const IDS: u8 = 0;
const NUMBERS: u8 = 1;
const LISTS: u8 = 2;
const UNSCALED: u8 = 3;

/// The byte that begins unscaled numbers: their decimal places, or that they are the bits of floats.
const MAX_PLACES: u8 = 6;
const BITS: u8 = 10;

/// Appends a column.
pub(crate) fn pack_column(column: &Column, bytes: &mut Vec<u8>) {
    match column {
        Column::Ids(ids) => {
            bytes.push(IDS);
            pack(ids, bytes);
        }
        Column::Numbers(numbers) => {
            bytes.push(NUMBERS);
            pack_numbers(numbers, bytes);
        }
        Column::Unscaled(numbers) => {
            bytes.push(UNSCALED);
            pack_unscaled(numbers, bytes);
        }
        Column::Lists(lists) => {
            bytes.push(LISTS);
            pack(&lists.ids, bytes);
            let ends: Vec<u64> = lists.ends.iter().map(|end| *end as u64).collect();
            pack(&ends, bytes);
        }
    }
}

/// Splits what [`pack_column`] appended off the start of the bytes.
pub(crate) fn unpack_column(bytes: &mut &[u8]) -> io::Result<Column> {
    let mut kind = [0];
    bytes.read_exact(&mut kind)?;
    Ok(match kind {
        [IDS] => Column::Ids(unpack(bytes, |id| id as u32)?),
        [NUMBERS] => Column::Numbers(unpack_numbers(bytes)?),
        [UNSCALED] => Column::Unscaled(unpack_unscaled(bytes)?),
        [LISTS] => Column::Lists(IdLists {
            ids: unpack(bytes, |id| id as u32)?,
            ends: unpack(bytes, |end| end as usize)?,
        }),
        _ => return Err(io::ErrorKind::InvalidData.into()),
    })
}

/// Appends rows.
pub(crate) fn pack_columns(columns: &Columns, bytes: &mut Vec<u8>) {
    pack_numbers(&columns.labels, bytes);
    pack(&columns.groups, bytes);
    for column in &columns.fields {
        pack_column(column, bytes);
    }
}

/// Splits rows of `num_fields` fields, which [`pack_columns`] appended, off the start of the bytes.
pub(crate) fn unpack_columns(bytes: &mut &[u8], num_fields: usize) -> io::Result<Columns> {
    Ok(Columns {
        labels: unpack_numbers(bytes)?,
        groups: unpack(bytes, |group| group)?,
        fields: (0..num_fields)
            .map(|_| unpack_column(bytes))
            .collect::<io::Result<_>>()?,
    })
}

fn pack_numbers(numbers: &[f32], bytes: &mut Vec<u8>) {
    let bits: Vec<u32> = numbers.iter().map(|number| number.to_bits()).collect();
    pack(&bits, bytes);
}

fn unpack_numbers(bytes: &mut &[u8]) -> io::Result<Vec<f32>> {
    unpack(bytes, |bits| f32::from_bits(bits as u32))
}

/// Appends numbers as integers if all have few decimal places: most logs do, and these take fewer bytes.
fn pack_unscaled(numbers: &[f64], bytes: &mut Vec<u8>) {
    let mut integers = (0..=MAX_PLACES).map(|places| (places, decimals(numbers, places)));
    if let Some((places, Some(integers))) = integers.find(|(_, integers)| integers.is_some()) {
        bytes.push(places);
        pack(&integers, bytes);
    } else {
        let bits: Vec<u64> = numbers.iter().map(|number| number.to_bits()).collect();
        bytes.push(BITS);
        pack(&bits, bytes);
    }
}

fn unpack_unscaled(bytes: &mut &[u8]) -> io::Result<Vec<f64>> {
    let mut places = [0];
    bytes.read_exact(&mut places)?;
    match places {
        [places @ 0..=MAX_PLACES] => {
            let power = power(places);
            unpack(bytes, |value| from_decimal(value, power))
        }
        [BITS] => unpack(bytes, f64::from_bits),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

fn power(places: u8) -> f64 {
    10_f64.powi(places.into())
}

/// Numbers as multiples of the last decimal place: 0 for NaN, odd values for negative ones. `None` if a number
/// has more places or more digits than an `f64` holds.
fn decimals(numbers: &[f64], places: u8) -> Option<Vec<u64>> {
    const EXACT: u64 = 1 << 53;
    let power = power(places);
    let mut values = Vec::with_capacity(numbers.len());
    for number in numbers {
        if number.is_nan() {
            values.push(0);
            continue;
        }
        let multiple = (number * power + 0.5_f64.copysign(*number)) as i64;
        let size = Some(multiple.unsigned_abs()).filter(|size| *size < EXACT)?;
        let value = 2 * size + 2 - u64::from(multiple < 0);
        if from_decimal(value, power).to_bits() != number.to_bits() {
            return None;
        }
        values.push(value);
    }
    Some(values)
}

/// The number that [`decimals`] gave a value.
fn from_decimal(value: u64, power: f64) -> f64 {
    let Some(value) = value.checked_sub(1) else {
        return f64::NAN;
    };
    // Conversions from signed integers are faster.
    let multiple = (value / 2).cast_signed() as f64;
    let size = if power == 1.0 {
        multiple
    } else {
        multiple / power
    };
    if value % 2 == 0 { -size } else { size }
}

/// Appends the number of bytes per value, the number of values, and the values.
pub(crate) fn pack<T: Copy + Into<u64>>(values: &[T], bytes: &mut Vec<u8>) {
    fn put<T: Copy + Into<u64>, const N: usize>(values: &[T], bytes: &mut Vec<u8>) {
        bytes.push(N as u8);
        bytes.extend_from_slice(&(values.len() as u64).to_le_bytes());
        let start = bytes.len();
        bytes.resize(start + N * values.len(), 0);
        for (slot, value) in bytes[start..].chunks_exact_mut(N).zip(values) {
            slot.copy_from_slice(&(*value).into().to_le_bytes()[..N]);
        }
    }
    match values
        .iter()
        .map(|value| (*value).into())
        .max()
        .unwrap_or(0)
    {
        0..0x100 => put::<T, 1>(values, bytes),
        0x100..0x1_0000 => put::<T, 2>(values, bytes),
        0x1_0000..0x100_0000 => put::<T, 3>(values, bytes),
        0x100_0000..0x1_0000_0000 => put::<T, 4>(values, bytes),
        _ => put::<T, 8>(values, bytes),
    }
}

/// Splits what [`pack`] appended off the start of the bytes.
pub(crate) fn unpack<T>(bytes: &mut &[u8], value: impl Fn(u64) -> T) -> io::Result<Vec<T>> {
    fn get<T, const N: usize>(bytes: &[u8], value: impl Fn(u64) -> T) -> Vec<T> {
        let values = bytes.chunks_exact(N).map(|bytes| {
            let mut whole = [0; 8];
            whole[..N].copy_from_slice(bytes);
            value(u64::from_le_bytes(whole))
        });
        values.collect()
    }
    let mut header = [0; 9];
    bytes.read_exact(&mut header)?;
    let [width, len @ ..] = header;
    let len = usize::from(width).saturating_mul(u64::from_le_bytes(len) as usize);
    let values;
    (values, *bytes) = bytes
        .split_at_checked(len)
        .ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok(match width {
        1 => get::<T, 1>(values, value),
        2 => get::<T, 2>(values, value),
        3 => get::<T, 3>(values, value),
        4 => get::<T, 4>(values, value),
        8 => get::<T, 8>(values, value),
        _ => return Err(io::ErrorKind::InvalidData.into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn damaged_bytes_are_an_error() {
        let mut bytes = Vec::new();
        pack_column(&Column::Ids(vec![7, 300]), &mut bytes);
        let unpacked = |bytes: &[u8]| unpack_column(&mut &*bytes).map_err(|error| error.kind());
        assert_eq!(unpacked(&bytes), Ok(Column::Ids(vec![7, 300])));
        let with = |index: usize, byte| {
            let mut bytes = bytes.clone();
            bytes[index] = byte;
            unpacked(&bytes)
        };
        assert_eq!(with(0, 4), Err(io::ErrorKind::InvalidData)); // an unknown kind
        assert_eq!(with(1, 5), Err(io::ErrorKind::UnexpectedEof)); // 10 bytes of values
        assert_eq!(with(1, 0), Err(io::ErrorKind::InvalidData)); // an unknown width
        assert_eq!(with(2, 3), Err(io::ErrorKind::UnexpectedEof)); // 3 values
        assert_eq!(unpacked(&bytes[..5]), Err(io::ErrorKind::UnexpectedEof));
        let mut numbers = Vec::new();
        pack_column(&Column::Unscaled(vec![0.5]), &mut numbers);
        numbers[1] = 11; // decimal places
        assert_eq!(unpacked(&numbers), Err(io::ErrorKind::InvalidData));
    }

    /// Packs numbers, which must come back as they were, and gives the bytes that they take.
    fn packed_len(numbers: &[f64]) -> usize {
        let mut bytes = Vec::new();
        pack_column(&Column::Unscaled(numbers.to_vec()), &mut bytes);
        let Ok(Column::Unscaled(unpacked)) = unpack_column(&mut bytes.as_slice()) else {
            panic!("a column of numbers");
        };
        let bits = |numbers: &[f64]| -> Vec<u64> { numbers.iter().map(|n| n.to_bits()).collect() };
        assert_eq!(bits(&unpacked), bits(numbers));
        // A column begins with its kind, its places, and the width and number of its values.
        (bytes.len() - 11) / numbers.len()
    }

    #[test]
    fn unscaled_numbers_take_the_bytes_of_their_digits() {
        let missing = f64::NAN;
        assert_eq!(packed_len(&[0.0, 7.0, missing, -100.0]), 1);
        assert_eq!(packed_len(&[12.34, missing, 0.1, -327.0]), 2);
        assert_eq!(packed_len(&[1_500_000_007.0]), 4);
        assert_eq!(packed_len(&[0.000_001, 1.5]), 3);
        for whole in [1.0 / 3.0, 1e300, f64::INFINITY, i64::MIN as f64, -0.0] {
            assert_eq!(packed_len(&[whole, 1.0]), 8, "{whole}");
        }
    }

    proptest! {
        #[test]
        fn any_numbers_come_back_as_they_were(bits: Vec<u64>, cents: Vec<i32>) {
            let bits = bits.into_iter().map(f64::from_bits).filter(|n| !n.is_nan());
            let cents = cents.into_iter().map(|cents| f64::from(cents) / 100.0);
            packed_len(&cents.clone().chain([f64::NAN]).collect::<Vec<_>>());
            packed_len(&cents.chain(bits).chain([0.5]).collect::<Vec<_>>());
        }
    }
}
