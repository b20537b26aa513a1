use fibinet_model::tables::huge_pages::zeroed;
use fibinet_model::tables::{TableDtype, TableSlice};
use half::{bf16, f16};
use rayon::prelude::*;

use crate::optim::rows::rounding::Stored;

/// Numbers that one task rounds.
const CHUNK: usize = 1 << 12;

/// The numbers of an embedding table in host memory, row by row.
#[derive(Debug, Clone, PartialEq)]
pub enum TableNumbers {
    /// 32-bit numbers, as in all arithmetic.
    F32(Vec<f32>),
    /// Numbers that are rounded when they are stored.
    Bf16(Vec<bf16>),
    /// Numbers that are rounded when they are stored.
    F16(Vec<f16>),
}

/// The numbers of a table, to be changed in place.
pub(crate) enum TableSliceMut<'a> {
    F32(&'a mut [f32]),
    Bf16(&'a mut [bf16]),
    F16(&'a mut [f16]),
}

impl From<Vec<f32>> for TableNumbers {
    fn from(numbers: Vec<f32>) -> Self {
        Self::F32(numbers)
    }
}

impl TableNumbers {
    /// Zeros, in memory whose pages are not mapped yet.
    pub(crate) fn zeros(dtype: TableDtype, len: usize) -> Self {
        match dtype {
            TableDtype::F32 => Self::F32(zeroed(len)),
            TableDtype::Bf16 => Self::Bf16(zeroed(len)),
            TableDtype::F16 => Self::F16(zeroed(len)),
        }
    }

    /// The numbers, borrowed.
    pub fn as_slice(&self) -> TableSlice<'_> {
        match self {
            Self::F32(numbers) => TableSlice::F32(numbers),
            Self::Bf16(numbers) => TableSlice::Bf16(numbers),
            Self::F16(numbers) => TableSlice::F16(numbers),
        }
    }

    /// The numbers, borrowed mutably.
    pub(crate) fn as_mut_slice(&mut self) -> TableSliceMut<'_> {
        match self {
            Self::F32(numbers) => TableSliceMut::F32(numbers),
            Self::Bf16(numbers) => TableSliceMut::Bf16(numbers),
            Self::F16(numbers) => TableSliceMut::F16(numbers),
        }
    }

    /// A copy of all numbers in f32.
    pub fn to_f32(&self) -> Vec<f32> {
        self.as_slice().to_f32()
    }

    /// Copies `len` numbers of another table, from its `start` to this table's `to`. Numbers of another type
    /// become the nearest numbers of this type.
    pub(crate) fn copy_from(&mut self, to: usize, from: TableSlice<'_>, start: usize, len: usize) {
        match (&mut *self, from) {
            (Self::F32(numbers), _) => from.copy(start, &mut numbers[to..to + len]),
            (Self::Bf16(numbers), TableSlice::Bf16(from)) => {
                numbers[to..to + len].copy_from_slice(&from[start..start + len]);
            }
            (Self::F16(numbers), TableSlice::F16(from)) => {
                numbers[to..to + len].copy_from_slice(&from[start..start + len]);
            }
            (Self::Bf16(numbers), _) => copy_nearest(&mut numbers[to..to + len], from, start),
            (Self::F16(numbers), _) => copy_nearest(&mut numbers[to..to + len], from, start),
        }
    }
}

fn copy_nearest<N: Stored>(numbers: &mut [N], from: TableSlice<'_>, start: usize) {
    let chunks = numbers.par_chunks_mut(CHUNK).enumerate();
    chunks.for_each(|(chunk, numbers)| {
        let first = start + chunk * CHUNK;
        let mut buffer = vec![0.0; numbers.len()];
        let read = from.read(first..first + numbers.len(), &mut buffer);
        for (number, read) in numbers.iter_mut().zip(read) {
            *number = N::nearest(*read);
        }
    });
}
