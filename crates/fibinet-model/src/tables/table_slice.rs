use std::fmt;
use std::ops::Range;

use bytemuck::PodCastError;
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use safetensors::Dtype;
use serde::{Deserialize, Serialize};

/// The type in which the numbers of an embedding table are stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TableDtype {
    /// 4 bytes.
    #[default]
    F32,
    /// 2 bytes: the range of f32 and 8 bits of precision.
    Bf16,
    /// 2 bytes: 11 bits of precision up to 65,504.
    F16,
}

impl TableDtype {
    pub(crate) const ALL: [Self; 3] = [Self::F32, Self::Bf16, Self::F16];

    /// Bytes per number.
    pub fn num_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::Bf16 | Self::F16 => 2,
        }
    }

    pub(crate) fn in_safetensors(self) -> Dtype {
        match self {
            Self::F32 => Dtype::F32,
            Self::Bf16 => Dtype::BF16,
            Self::F16 => Dtype::F16,
        }
    }

    pub(crate) fn from_safetensors(dtype: Dtype) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|known| known.in_safetensors() == dtype)
    }

    /// Appends the bytes of numbers, each rounded to the nearest one of this type.
    pub(crate) fn append(self, numbers: &[f32], bytes: &mut Vec<u8>) {
        match self {
            Self::F32 => bytes.extend_from_slice(bytemuck::cast_slice(numbers)),
            Self::Bf16 => bytes.extend(
                numbers
                    .iter()
                    .flat_map(|number| bf16::from_f32(*number).to_le_bytes()),
            ),
            Self::F16 => bytes.extend(
                numbers
                    .iter()
                    .flat_map(|number| f16::from_f32(*number).to_le_bytes()),
            ),
        }
    }
}

impl fmt::Display for TableDtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
        })
    }
}

/// The numbers of a table as they are stored, in memory or in a mapped file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TableSlice<'a> {
    /// Numbers of the type that everything is computed in.
    F32(&'a [f32]),
    /// Numbers that are widened when they are read.
    Bf16(&'a [bf16]),
    /// Numbers that are widened when they are read.
    F16(&'a [f16]),
}

impl<'a> TableSlice<'a> {
    pub(crate) fn from_bytes(dtype: TableDtype, bytes: &'a [u8]) -> Result<Self, PodCastError> {
        Ok(match dtype {
            TableDtype::F32 => Self::F32(bytemuck::try_cast_slice(bytes)?),
            TableDtype::Bf16 => Self::Bf16(bytemuck::try_cast_slice(bytes)?),
            TableDtype::F16 => Self::F16(bytemuck::try_cast_slice(bytes)?),
        })
    }

    pub(crate) fn bytes(self) -> &'a [u8] {
        match self {
            Self::F32(numbers) => bytemuck::cast_slice(numbers),
            Self::Bf16(numbers) => bytemuck::cast_slice(numbers),
            Self::F16(numbers) => bytemuck::cast_slice(numbers),
        }
    }

    /// The type of the numbers.
    pub fn dtype(self) -> TableDtype {
        match self {
            Self::F32(_) => TableDtype::F32,
            Self::Bf16(_) => TableDtype::Bf16,
            Self::F16(_) => TableDtype::F16,
        }
    }

    /// The number of numbers.
    pub fn len(self) -> usize {
        match self {
            Self::F32(numbers) => numbers.len(),
            Self::Bf16(numbers) => numbers.len(),
            Self::F16(numbers) => numbers.len(),
        }
    }

    /// Whether the slice is empty.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// A range of the numbers, such as a table row. Those of an f32 table are returned in place, others are
    /// widened into the start of `buffer`.
    ///
    /// # Panics
    ///
    /// If the range exceeds the table or the buffer.
    #[inline]
    pub fn read<'b>(self, range: Range<usize>, buffer: &'b mut [f32]) -> &'b [f32]
    where
        'a: 'b,
    {
        if let Self::F32(numbers) = self {
            return &numbers[range];
        }
        let widened = &mut buffer[..range.len()];
        self.copy(range.start, widened);
        widened
    }

    /// Widens the numbers from `start` on into `into`, as many as it holds.
    ///
    /// # Panics
    ///
    /// If the table ends earlier.
    #[inline]
    pub fn copy(self, start: usize, into: &mut [f32]) {
        let range = start..start + into.len();
        match self {
            Self::F32(numbers) => into.copy_from_slice(&numbers[range]),
            // A shift is exact. `to_f32` would also test each number for NaN.
            Self::Bf16(numbers) => {
                for (wide, number) in into.iter_mut().zip(&numbers[range]) {
                    *wide = f32::from_bits(u32::from(number.to_bits()) << 16);
                }
            }
            Self::F16(numbers) => numbers[range].convert_to_f32_slice(into),
        }
    }

    /// A widened copy of all numbers.
    pub fn to_f32(self) -> Vec<f32> {
        let mut numbers = vec![0.0; self.len()];
        self.copy(0, &mut numbers);
        numbers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that every type represents exactly.
    const NUMBERS: [f32; 12] = [
        0.0, 1.0, -2.0, 0.5, 1.25, -0.015625, 96.0, 3.0, 1024.0, -7.0, 0.125, 255.0,
    ];

    #[test]
    fn numbers_are_read_as_they_were_written_in_every_type() {
        for dtype in TableDtype::ALL {
            let mut bytes = Vec::new();
            dtype.append(&NUMBERS, &mut bytes);
            assert_eq!(bytes.len(), NUMBERS.len() * dtype.num_bytes());
            // A vector of bytes may start at an unaligned address.
            let mut aligned = vec![0_u64; bytes.len() / 8];
            bytemuck::cast_slice_mut(&mut aligned).copy_from_slice(&bytes);
            let bytes = bytemuck::cast_slice(&aligned);
            let slice = TableSlice::from_bytes(dtype, bytes).unwrap();
            assert_eq!((slice.dtype(), slice.len()), (dtype, NUMBERS.len()));
            assert_eq!(slice.bytes(), bytes);
            assert_eq!(slice.to_f32(), NUMBERS);
            assert_eq!(slice.read(3..5, &mut [9.0; 3]), [0.5, 1.25]);
            let named = TableDtype::from_safetensors(dtype.in_safetensors());
            assert_eq!(named, Some(dtype));
        }
        assert_eq!(TableDtype::from_safetensors(Dtype::F64), None);
    }
}
