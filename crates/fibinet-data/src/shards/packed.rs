//! Values packed into as few bytes each as the largest of them needs.

use std::io::{self, Read};

use crate::shards::batch::IdLists;
use crate::shards::columns::{Column, Columns};

/// The byte that begins a column: its kind.
const IDS: u8 = 0;
const NUMBERS: u8 = 1;
const LISTS: u8 = 2;

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
        assert_eq!(with(0, 3), Err(io::ErrorKind::InvalidData)); // an unknown kind
        assert_eq!(with(1, 5), Err(io::ErrorKind::UnexpectedEof)); // 10 bytes of values
        assert_eq!(with(1, 0), Err(io::ErrorKind::InvalidData)); // an unknown width
        assert_eq!(with(2, 3), Err(io::ErrorKind::UnexpectedEof)); // 3 values
        assert_eq!(unpacked(&bytes[..5]), Err(io::ErrorKind::UnexpectedEof));
    }
}
