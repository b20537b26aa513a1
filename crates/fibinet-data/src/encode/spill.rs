use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::config::split::SplitKind;
use crate::error::DataError;
use crate::shards::columns::Columns;
use crate::shards::packed::{pack, pack_column, unpack, unpack_column};

/// Rows that were read while the encoder was being fitted, and wait to be encoded.
///
/// In [`columns`](Self::columns) a token is its slot in the field's token table, a number is as the file
/// has it, and a missing number is NaN.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct WaitingRows {
    /// The numbers of the rows in their file.
    pub(crate) numbers: Vec<u64>,
    pub(crate) kinds: Vec<SplitKind>,
    pub(crate) columns: Columns,
}

/// Blocks of [`WaitingRows`] in a file without a name. It disappears with the process.
///
/// A block is its length, followed by its values kind by kind, each kind in as few bytes per value as its
/// largest value in the block needs.
#[derive(Debug)]
pub(crate) struct Spill {
    file: File,
    blocks: u64,
    /// The directory of the file, for errors.
    directory: PathBuf,
    block: Vec<u8>,
}

impl Spill {
    /// Creates an empty file in a directory.
    ///
    /// # Errors
    ///
    /// If it cannot be created.
    pub(crate) fn create(directory: &Path) -> Result<Self, DataError> {
        Ok(Self {
            file: tempfile::tempfile_in(directory).map_err(DataError::spill(directory))?,
            blocks: 0,
            directory: directory.to_owned(),
            block: Vec::new(),
        })
    }

    /// Appends a block.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub(crate) fn write(&mut self, rows: &WaitingRows) -> Result<(), DataError> {
        let WaitingRows {
            numbers,
            kinds,
            columns,
        } = rows;
        let fields = columns.fields.par_iter().map(|column| {
            let mut bytes = Vec::new();
            pack_column(column, &mut bytes);
            bytes
        });
        let fields: Vec<Vec<u8>> = fields.collect();
        self.block.clear();
        let first = numbers.first().copied().unwrap_or(0);
        let offsets: Vec<u32> = numbers
            .iter()
            .map(|number| (number - first) as u32)
            .collect();
        let kinds: Vec<u8> = kinds.iter().map(|kind| *kind as u8).collect();
        let labels: Vec<u8> = columns.labels.iter().map(|label| *label as u8).collect();
        pack(&[first], &mut self.block);
        pack(&offsets, &mut self.block);
        pack(&kinds, &mut self.block);
        pack(&columns.groups, &mut self.block);
        pack(&labels, &mut self.block);
        let len = self.block.len() + fields.iter().map(Vec::len).sum::<usize>();
        self.blocks += 1;
        let mut write = |bytes: &[u8]| self.file.write_all(bytes);
        write(&(len as u64).to_le_bytes())
            .and_then(|()| write(&self.block))
            .and_then(|()| fields.iter().try_for_each(|field| write(field)))
            .map_err(DataError::spill(&self.directory))
    }

    /// The blocks, in the order in which they were written.
    ///
    /// # Errors
    ///
    /// If the file cannot be read from its start.
    pub(crate) fn into_blocks(mut self) -> Result<SpilledBlocks, DataError> {
        let rewound = self.file.rewind();
        rewound.map_err(DataError::spill(&self.directory))?;
        Ok(SpilledBlocks(self))
    }
}

/// Reads the blocks of a [`Spill`].
pub(crate) struct SpilledBlocks(Spill);

impl Iterator for SpilledBlocks {
    type Item = Result<WaitingRows, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        let block = self.read().transpose()?;
        Some(block.map_err(DataError::spill(&self.0.directory)))
    }
}

impl SpilledBlocks {
    fn read(&mut self) -> io::Result<Option<WaitingRows>> {
        let Spill {
            file,
            blocks,
            block,
            ..
        } = &mut self.0;
        if *blocks == 0 {
            return Ok(None);
        }
        *blocks -= 1;
        let mut len = [0; 8];
        file.read_exact(&mut len)?;
        block.resize(u64::from_le_bytes(len) as usize, 0);
        file.read_exact(block)?;
        let bytes = &mut block.as_slice();
        let first = unpack(bytes, |first| first)?;
        let first = *first.first().ok_or(io::ErrorKind::InvalidData)?;
        let numbers = unpack(bytes, |offset| first + offset)?;
        let kinds = unpack(bytes, |kind| SplitKind::ALL.get(kind as usize).copied())?;
        let kinds: Option<_> = kinds.into_iter().collect();
        let groups = unpack(bytes, |group| group)?;
        let labels = unpack(bytes, |label| label as f32)?;
        let mut fields = Vec::new();
        while !bytes.is_empty() {
            fields.push(unpack_column(bytes)?);
        }
        Ok(Some(WaitingRows {
            numbers,
            kinds: kinds.ok_or(io::ErrorKind::InvalidData)?,
            columns: Columns {
                labels,
                groups,
                fields,
            },
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::DataErrorKind;
    use crate::shards::batch::IdLists;
    use crate::shards::columns::Column;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn rows(ids: &[u32], first: u64) -> WaitingRows {
        let mut lists = IdLists::default();
        (0..ids.len()).for_each(|row| lists.push(&ids[row / 2..=row]));
        WaitingRows {
            numbers: (0..ids.len() as u64).map(|row| first + 2 * row).collect(),
            kinds: ids
                .iter()
                .map(|id| SplitKind::ALL[*id as usize % 3])
                .collect(),
            columns: Columns {
                labels: ids.iter().map(|id| (id % 2) as f32).collect(),
                groups: ids.iter().map(|id| u64::MAX - u64::from(*id)).collect(),
                fields: vec![
                    Column::Ids(ids.to_vec()),
                    Column::Lists(lists),
                    Column::Unscaled(ids.iter().map(|id| f64::from(*id) / 3.0 - 1.0).collect()),
                ],
            },
        }
    }

    proptest! {
        #[test]
        fn rows_come_back_as_they_were(
            blocks in vec((vec(prop_oneof![0..9_u32, 0..70_000_u32, any::<u32>()], 0..9), any::<u32>()), 0..5)
        ) {
            let directory = tempfile::tempdir().unwrap();
            let mut spill = Spill::create(directory.path()).unwrap();
            let written: Vec<_> = blocks.iter().map(|(ids, first)| rows(ids, u64::from(*first))).collect();
            written.iter().for_each(|rows| spill.write(rows).unwrap());
            let read: Result<Vec<_>, _> = spill.into_blocks().unwrap().collect();
            prop_assert_eq!(read.unwrap(), written);
        }
    }

    #[test]
    fn a_missing_number_stays_missing() {
        let directory = tempfile::tempdir().unwrap();
        let mut spill = Spill::create(directory.path()).unwrap();
        let mut one = rows(&[1], 0);
        one.columns.fields = vec![Column::Unscaled(vec![f64::NAN])];
        spill.write(&one).unwrap();
        let read = spill.into_blocks().unwrap().next().unwrap().unwrap();
        assert!(matches!(&read.columns.fields[..], [Column::Unscaled(of)] if of[0].is_nan()));
    }

    fn is_spill<T>(result: &Result<T, DataError>) -> bool {
        let kind = result.as_ref().err().map(DataError::kind);
        matches!(kind, Some(DataErrorKind::Spill { .. }))
    }

    #[test]
    fn a_disk_that_fails_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, "").unwrap();
        let message = Spill::create(&path).unwrap_err().to_string();
        let expected = format!(
            "{}: the rows could not be stored there while",
            path.display()
        );
        assert!(message.starts_with(&expected), "{message}");
        let spill = |file: File| Spill {
            file,
            blocks: 0,
            directory: directory.path().to_owned(),
            block: Vec::new(),
        };
        // Open for reading only.
        let error = spill(File::open(&path).unwrap()).write(&rows(&[1], 0));
        assert!(is_spill(&error), "{error:?}");
        let mut short = Spill::create(directory.path()).unwrap();
        short.write(&rows(&[1], 0)).unwrap();
        short.file.set_len(20).unwrap();
        let read = short.into_blocks().unwrap().next();
        assert!(read.as_ref().is_some_and(is_spill), "{read:?}");
    }
}
