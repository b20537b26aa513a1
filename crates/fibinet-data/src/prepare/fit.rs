use crate::config::DataSpec;
use crate::config::split::{Split, SplitKind};
use crate::encode::encoder::Encoder;
use crate::encode::fit::EncoderFit;
use crate::encode::spill::Spill;
use crate::error::{DataError, DataErrorKind};
use crate::formats::blocks::Block;
use crate::formats::parts::open_rows;
use crate::formats::reader::{Label, RowReader};
use crate::prepare::labels::with_label_values;
use crate::prepare::scan::for_each_block;
use crate::prepare::split::{Assigner, FirstPass};
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
/// ids.
pub(crate) fn fit(
    spec: &DataSpec,
    base: Option<&Encoder>,
    first_pass: &FirstPass,
    mut spill: Spill,
    mut progress: impl FnMut(u64),
) -> Result<Fitted, DataError> {
    let path = &spec.sources.train;
    let reader = open_rows(path, &spec.format, Label::Required)?;
    let mut fit = EncoderFit::new(&spec.format, &spec.fields, base, reader.as_ref())?;
    let split = assigner(spec, reader.as_ref(), first_pass)?;
    let (mut read, mut num_train, mut of_no_split) = (0, 0, 0);
    let skipped = for_each_block(reader, path, spec.on_bad_row, |block| {
        let Assigned { rows, mut bad } = assign(&split, block);
        of_no_split += (block.num_rows() - rows.len() - bad.len()) as u64;
        let (waiting, unreadable) = fit.add(block, &rows);
        bad.extend(unreadable);
        spill.write(&waiting)?;
        let kinds = waiting.kinds.iter();
        num_train += kinds.filter(|kind| **kind == SplitKind::Train).count() as u64;
        read += block.num_rows() as u64;
        progress(read);
        Ok(bad)
    });
    let skipped = skipped.map_err(|error| with_label_values(error, path, &spec.format))?;
    if num_train == 0 {
        return Err(DataErrorKind::EmptySplit {
            split: SplitKind::Train.name(),
            reason: why_empty(spec),
        }
        .into());
    }
    Ok(Fitted {
        encoder: fit.finish(),
        rows: spill,
        num_train,
        skipped: SkippedRows {
            of_no_split,
            ..skipped
        },
    })
}

/// Why no row of the training file is a training row.
fn why_empty(spec: &DataSpec) -> &'static str {
    match &spec.sources.split {
        Some(Split::Time(_)) => {
            "rows of the same time are in the same split, and there are too few different times: see \
             `data.split`"
        }
        _ => "the training file has no rows for it: see `data.split`",
    }
}

/// The rows of a block that are in a split, each by its index in the block, and the malformed ones, each by its
/// number.
struct Assigned {
    rows: Vec<(usize, SplitKind)>,
    bad: Vec<(u64, DataError)>,
}

fn assign(split: &Assigner<'_>, block: &Block) -> Assigned {
    let (mut rows, mut bad) = (Vec::new(), Vec::new());
    for at in 0..block.num_rows() {
        let row = block.row(at);
        match split.assign(row) {
            Ok(Some(kind)) => rows.push((at, kind)),
            Ok(None) => {}
            Err(error) => bad.push((row.number(), error)),
        }
    }
    Assigned { rows, bad }
}

/// Decides the split of each row of the training file.
fn assigner<'a>(
    spec: &'a DataSpec,
    reader: &dyn RowReader,
    first_pass: &'a FirstPass,
) -> Result<Assigner<'a>, DataError> {
    match &spec.sources.split {
        Some(split) => Assigner::new(split, reader, first_pass),
        None => Ok(Assigner::Whole(SplitKind::Train)),
    }
}
