use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;

use crate::config::DataSpec;
use crate::config::split::SplitKind;
use crate::encode::RowEncoder;
use crate::encode::encoder::{Encoder, SeenBySplit, Unscaled};
use crate::encode::spill::Spill;
use crate::error::{DataError, DataErrorKind};
use crate::fields::cell_counts::SeenCells;
use crate::formats::blocks::{Block, Blocks};
use crate::formats::parts::open_rows;
use crate::formats::reader::Label;
use crate::position::{Location, Position};
use crate::prepare::labels::with_label_values;
use crate::prepare::scan::{BLOCKS_AHEAD, for_each_block};
use crate::shards::batch::Batch;
use crate::shards::prefetch::Prefetch;
use crate::shards::writer::ShardWriter;
use crate::skipped::SkippedRows;

/// Rows that a thread encodes at a time.
const CHUNK_ROWS: usize = 512;

/// Encodes and writes the rows of the training file.
///
/// # Errors
///
/// [`DataErrorKind::AllBad`] if none of them could be encoded, and whatever reading and writing gives.
pub(crate) fn write_fitted(
    spec: &DataSpec,
    encoder: &Encoder,
    rows: Spill,
    writers: &mut [ShardWriter; 3],
    skipped: &mut SkippedRows,
    seen: &mut SeenBySplit,
    progress: &mut impl FnMut(u64),
) -> Result<(), DataError> {
    let path = &spec.sources.train;
    let blocks = rows.into_blocks()?;
    let mut kept = 0;
    for rows in Prefetch::new(blocks, BLOCKS_AHEAD).map_err(DataError::io(path))? {
        let mut rows = rows?;
        let refused = encoder.encode_fitted(&mut rows.columns, &rows.kinds, seen);
        kept += rows.kinds.len() - refused.len();
        for &unscaled in &refused {
            // Only the first one is described: that may require reading the file again.
            if skipped.first_bad_row.is_some() {
                skipped.bad_rows += 1;
            } else {
                let error = bad_row(spec, encoder, rows.numbers[unscaled.row], unscaled)?;
                skipped.skip(spec.on_bad_row, error)?;
            }
        }
        let by_kind = rows_by_kind(&rows.kinds, &refused);
        for (writer, rows_of_kind) in writers.iter_mut().zip(&by_kind) {
            writer.add_columns(&rows.columns, rows_of_kind);
            writer.write_full_row_groups()?;
        }
        progress(rows.kinds.len() as u64);
    }
    match &skipped.first_bad_row {
        Some(first) if kept == 0 => Err(DataErrorKind::AllBad {
            path: path.clone(),
            first: first.clone(),
        }
        .into()),
        _ => Ok(()),
    }
}

/// The rows of each split, without those that could not be encoded.
fn rows_by_kind(kinds: &[SplitKind], refused: &[Unscaled]) -> [Vec<u32>; 3] {
    let mut by_kind = SplitKind::ALL.map(|_| Vec::new());
    for (row, kind) in (0..).zip(kinds) {
        by_kind[*kind as usize].push(row);
    }
    if !refused.is_empty() {
        let is_kept = |row: &u32| {
            let row = *row as usize;
            let found = refused.binary_search_by_key(&row, |unscaled| unscaled.row);
            found.is_err()
        };
        by_kind.iter_mut().for_each(|rows| rows.retain(is_kept));
    }
    by_kind
}

/// The error of a row of the training file that the encoder cannot encode. The row is read again for
/// its text and its line, if it can be.
fn bad_row(
    spec: &DataSpec,
    encoder: &Encoder,
    number: u64,
    unscaled: Unscaled,
) -> Result<DataError, DataError> {
    let path = &spec.sources.train;
    // A pipe cannot be read a second time.
    if !path.is_file() && !path.is_dir() {
        let position = Position {
            path: Arc::new(path.clone()),
            location: Location::Row(number + 1),
        };
        return Ok(encoder.unscaled(unscaled, &position));
    }
    let reader = open_rows(path, &spec.format, Label::Required)?;
    let mut rows = encoder.rows(reader.as_ref(), true)?;
    for block in Blocks::new(reader) {
        let block = block?;
        let mut those = (0..block.num_rows()).map(|at| block.row(at));
        if let Some(row) = those.find(|row| row.number() == number) {
            let encoded = rows.encode_cells(
                |column| row.cell(column),
                row.position(),
                &mut Batch::default(),
            );
            return Ok(encoded.err().unwrap_or(DataErrorKind::Changed.into()));
        }
    }
    Ok(DataErrorKind::Changed.into())
}

/// Encodes and writes a file that is a whole split.
pub(crate) fn write_file(
    spec: &DataSpec,
    encoder: &Encoder,
    path: &Path,
    writer: &mut ShardWriter,
    seen: &mut [SeenCells],
    progress: &mut impl FnMut(u64),
) -> Result<SkippedRows, DataError> {
    let reader = open_rows(path, &spec.format, Label::Required)?;
    let rows = encoder.rows(reader.as_ref(), true)?;
    let skipped = for_each_block(reader, path, spec.on_bad_row, |block| {
        let chunks = (0..block.num_rows().div_ceil(CHUNK_ROWS)).into_par_iter();
        let encode = |chunk| {
            let start = chunk * CHUNK_ROWS;
            let end = block.num_rows().min(start + CHUNK_ROWS);
            Chunk::encode(block, start..end, rows.clone())
        };
        let chunks: Vec<Chunk> = chunks.map(encode).collect();
        let mut bad = Vec::new();
        for chunk in chunks {
            (0..chunk.batch.num_rows).for_each(|row| writer.add(&chunk.batch, row));
            progress(chunk.batch.num_rows as u64);
            let fields = seen.iter_mut().zip(chunk.seen);
            fields.for_each(|(seen, later)| seen.merge(later));
            bad.extend(chunk.bad);
        }
        writer.write_full_row_groups()?;
        Ok(bad)
    });
    skipped.map_err(|error| with_label_values(error, path, &spec.format))
}

/// The encoded rows of a part of a block, and its malformed rows with their numbers.
#[derive(Default)]
struct Chunk {
    batch: Batch,
    /// What the rows show of each field's cells.
    seen: Vec<SeenCells>,
    bad: Vec<(u64, DataError)>,
}

impl Chunk {
    fn encode(block: &Block, rows: Range<usize>, mut encoder: RowEncoder<'_>) -> Self {
        let mut chunk = Self::default();
        for row in rows.map(|at| block.row(at)) {
            let cell = |column| row.cell(column);
            if let Err(error) = encoder.encode_cells(cell, row.position(), &mut chunk.batch) {
                chunk.bad.push((row.number(), error));
            }
        }
        chunk.seen = encoder.seen();
        chunk
    }
}
