use std::path::Path;

use crate::config::schema::OnBadRow;
use crate::error::{DataError, DataErrorKind};
use crate::formats::blocks::{Block, Blocks};
use crate::formats::reader::RowReader;
use crate::prepare::skipped::LeftOut;
use crate::shards::prefetch::Prefetch;

/// Blocks of rows that lie ready.
pub(crate) const BLOCKS_AHEAD: usize = 2;

/// Gives the rows of a file, which a thread of its own reads ahead. Bad rows, those that cannot be
/// read and those that `each` gives back, with their numbers, count as `on_bad_row` says.
pub(crate) fn for_each_block(
    reader: Box<dyn RowReader>,
    path: &Path,
    on_bad_row: OnBadRow,
    mut each: impl FnMut(&Block) -> Result<Vec<(u64, DataError)>, DataError>,
) -> Result<LeftOut, DataError> {
    let mut left_out = LeftOut::default();
    let mut number = 0;
    for block in Prefetch::new(Blocks::new(reader), BLOCKS_AHEAD).map_err(DataError::io(path))? {
        let mut block = block?;
        let mut bad = std::mem::take(&mut block.bad);
        number += (block.num_rows() + bad.len()) as u64;
        bad.extend(each(&block)?);
        bad.sort_by_key(|(number, _)| *number);
        for (_, error) in bad {
            left_out.skip(on_bad_row, error)?;
        }
    }
    match &left_out.first_bad_row {
        Some(first) if left_out.bad_rows == number => Err(DataErrorKind::AllBad {
            path: path.to_owned(),
            first: first.clone(),
        }
        .into()),
        None if number == 0 => Err(DataErrorKind::Empty {
            path: path.to_owned(),
        }
        .into()),
        _ => Ok(left_out),
    }
}
