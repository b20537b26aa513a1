use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

use crate::error::DataError;

/// Bits of a key that one pass looks at.
const DIGIT_BITS: u32 = 16;

/// Finds single keys of the sorted sequence of any number of keys, without sorting them.
///
/// The keys are in a file without a name, 8 bytes each. Reading it four times finds the n-th smallest key,
/// 16 bits at a time from the highest ones on, with counters of 512 KiB in memory.
pub(crate) struct SortedKeys {
    file: BufWriter<File>,
    len: u64,
    /// The directory of the file, for errors.
    directory: PathBuf,
}

/// A key of the sorted sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RankedKey {
    pub(crate) key: i64,
    /// The number of smaller keys.
    pub(crate) num_smaller: u64,
    /// The number of keys that are equal to it, itself included.
    pub(crate) num_equal: u64,
}

impl SortedKeys {
    /// Creates an empty file in a directory.
    ///
    /// # Errors
    ///
    /// If it cannot be created.
    pub(crate) fn create(directory: &Path) -> Result<Self, DataError> {
        let file = tempfile::tempfile_in(directory).map_err(DataError::spill(directory))?;
        Ok(Self {
            file: BufWriter::new(file),
            len: 0,
            directory: directory.to_owned(),
        })
    }

    /// Adds a key.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub(crate) fn push(&mut self, key: i64) -> Result<(), DataError> {
        self.len += 1;
        // The sign bit is flipped, so that bits compare as keys do.
        let bits = key.cast_unsigned() ^ (1 << 63);
        let written = self.file.write_all(&bits.to_le_bytes());
        written.map_err(DataError::spill(&self.directory))
    }

    /// The number of keys.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// The key at an index of the sorted sequence.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    ///
    /// # Panics
    ///
    /// If there is no such key.
    pub(crate) fn nth(&mut self, index: u64) -> Result<RankedKey, DataError> {
        assert!(
            index < self.len,
            "expected an index below {}, got {index}",
            self.len
        );
        let found = self.find(index);
        found.map_err(DataError::spill(&self.directory))
    }

    fn find(&mut self, index: u64) -> io::Result<RankedKey> {
        let (mut high_bits, mut num_smaller, mut num_equal) = (0, 0, self.len);
        for shift in (0..u64::BITS).step_by(DIGIT_BITS as usize).rev() {
            let counts = self.count_digits(high_bits, shift)?;
            let mut digit = 0;
            while num_smaller + counts[digit] <= index {
                num_smaller += counts[digit];
                digit += 1;
            }
            num_equal = counts[digit];
            high_bits = high_bits << DIGIT_BITS | digit as u64;
        }
        Ok(RankedKey {
            key: (high_bits ^ (1 << 63)).cast_signed(),
            num_smaller,
            num_equal,
        })
    }

    /// How often each digit at `shift` occurs in the keys that have these bits above it.
    fn count_digits(&mut self, high_bits: u64, shift: u32) -> io::Result<Vec<u64>> {
        let mut counts = vec![0; 1 << DIGIT_BITS];
        self.file.flush()?;
        self.file.get_mut().rewind()?;
        let mut keys = BufReader::with_capacity(1 << 16, self.file.get_ref());
        let mut key = [0; 8];
        for _ in 0..self.len {
            keys.read_exact(&mut key)?;
            let key = u64::from_le_bytes(key);
            if key.checked_shr(shift + DIGIT_BITS).unwrap_or(0) == high_bits {
                counts[(key >> shift) as usize & ((1 << DIGIT_BITS) - 1)] += 1;
            }
        }
        Ok(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn each_key_is_found_with_its_rank(
            mut keys in proptest::collection::vec(
                prop_oneof![any::<i64>(), -3_i64..3, Just(i64::MIN), Just(i64::MAX)],
                1..60,
            ),
        ) {
            let directory = tempfile::tempdir().unwrap();
            let mut sorted = SortedKeys::create(directory.path()).unwrap();
            keys.iter().for_each(|key| sorted.push(*key).unwrap());
            keys.sort_unstable();
            for (index, key) in keys.iter().enumerate() {
                let expected = RankedKey {
                    key: *key,
                    num_smaller: keys.iter().filter(|other| *other < key).count() as u64,
                    num_equal: keys.iter().filter(|other| *other == key).count() as u64,
                };
                prop_assert_eq!(sorted.nth(index as u64).unwrap(), expected);
            }
        }
    }
}
