use crate::config::DataSpec;
use crate::config::split::SplitKind;
use crate::encode::encoder::Encoder;
use crate::encode::fit::EncoderFit;
use crate::encode::spill::Spill;
use crate::error::{DataError, DataErrorKind};
use crate::formats::parts::open_rows;
use crate::formats::reader::{Label, RowReader};
use crate::prepare::scan::for_each_block;
use crate::prepare::split::Assigner;
use crate::skipped::SkippedRows;

/// Counts the rows of the training file, malformed ones included.
pub(crate) fn count(spec: &DataSpec, mut progress: impl FnMut(u64)) -> Result<u64, DataError> {
    let path = &spec.sources.train;
    let reader = open_rows(path, &spec.format, Label::Required)?;
    let mut count = 0;
    let bad = for_each_block(reader, path, spec.on_bad_row, |block| {
        count += block.num_rows() as u64;
        progress(count);
        Ok(Vec::new())
    })?;
    Ok(count + bad.bad_rows)
}

/// A fitted encoder, and the rows that wait to be encoded with it.
pub(crate) struct Fitted {
    pub(crate) encoder: Encoder,
    /// The rows of the training file.
    pub(crate) rows: Spill,
    /// The number of rows that the encoder was fitted on.
    pub(crate) num_train: u64,
    /// Rows of the training file that are not among `rows`.
    pub(crate) skipped: SkippedRows,
}

/// Fits the encoder. The training file is read once: its rows wait in `spill` until their tokens have
/// ids. `count` is only used by splits that need it.
pub(crate) fn fit(
    spec: &DataSpec,
    base: Option<&Encoder>,
    count: u64,
    mut spill: Spill,
    mut progress: impl FnMut(u64),
) -> Result<Fitted, DataError> {
    let path = &spec.sources.train;
    let reader = open_rows(path, &spec.format, Label::Required)?;
    let mut fit = EncoderFit::new(&spec.format, &spec.fields, reader.as_ref())?;
    let split = assigner(spec, reader.as_ref(), count)?;
    let (mut read, mut num_train, mut of_no_split) = (0, 0, 0);
    let skipped = for_each_block(reader, path, spec.on_bad_row, |block| {
        let rows = 0..block.num_rows();
        let rows: Vec<_> = rows
            .filter_map(|at| Some((at, split.assign(block.row(at))?)))
            .collect();
        let (waiting, bad) = fit.add(block, &rows);
        spill.write(&waiting)?;
        let kinds = waiting.kinds.iter();
        num_train += kinds.filter(|kind| **kind == SplitKind::Train).count() as u64;
        of_no_split += (block.num_rows() - rows.len()) as u64;
        read += block.num_rows() as u64;
        progress(read);
        Ok(bad)
    })?;
    if num_train == 0 {
        return Err(DataErrorKind::EmptySplit {
            split: SplitKind::Train.name(),
            reason: "the training file has no rows for it: see `data.split`",
        }
        .into());
    }
    Ok(Fitted {
        encoder: fit.finish(base),
        rows: spill,
        num_train,
        skipped: SkippedRows {
            of_no_split,
            ..skipped
        },
    })
}

/// Decides the split of each row of the training file.
fn assigner<'a>(
    spec: &'a DataSpec,
    reader: &dyn RowReader,
    count: u64,
) -> Result<Assigner<'a>, DataError> {
    match &spec.sources.split {
        Some(split) => Assigner::new(split, reader, count),
        None => Ok(Assigner::Whole(SplitKind::Train)),
    }
}
