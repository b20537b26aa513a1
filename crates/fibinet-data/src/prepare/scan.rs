use std::path::Path;

use crate::config::OnBadRow;
use crate::error::{DataError, DataErrorKind};
use crate::formats::blocks::{Block, Blocks};
use crate::formats::reader::RowReader;
use crate::shards::prefetch::Prefetch;
use crate::skipped::SkippedRows;

/// Blocks of rows that are read ahead.
pub(crate) const BLOCKS_AHEAD: usize = 2;

/// Passes the rows of a file, which a thread of its own reads ahead, to `each`. That returns the rows
/// it found malformed, with their numbers. They and the rows that could not be read are treated as
/// `on_bad_row` says, in the file's order.
///
/// # Errors
///
/// The error of the first malformed row, if malformed rows are not skipped; an error if every row is
/// malformed, and if the file has no rows or cannot be read.
pub(crate) fn for_each_block(
    reader: Box<dyn RowReader>,
    path: &Path,
    on_bad_row: OnBadRow,
    mut each: impl FnMut(&Block) -> Result<Vec<(u64, DataError)>, DataError>,
) -> Result<SkippedRows, DataError> {
    let mut skipped = SkippedRows::default();
    let mut number = 0;
    for block in Prefetch::new(Blocks::new(reader), BLOCKS_AHEAD).map_err(DataError::io(path))? {
        let mut block = block?;
        let mut bad = std::mem::take(&mut block.bad);
        number += (block.num_rows() + bad.len()) as u64;
        bad.extend(each(&block)?);
        bad.sort_by_key(|(number, _)| *number);
        for (_, error) in bad {
            skipped.skip(on_bad_row, error)?;
        }
    }
    match &skipped.first_bad_row {
        Some(first) if skipped.bad_rows == number => Err(DataErrorKind::AllBad {
            path: path.to_owned(),
            first: first.clone(),
        }
        .into()),
        None if number == 0 => Err(DataErrorKind::Empty {
            path: path.to_owned(),
        }
        .into()),
        _ => Ok(skipped),
    }
}
