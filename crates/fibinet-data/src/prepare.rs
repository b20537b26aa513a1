use std::path::Path;

use csv::ByteRecord;

use crate::encoder::Encoder;
use crate::error::DataError;
use crate::fit::EncoderFit;
use crate::reader::{Label, open_rows};
use crate::schema::DataSpec;
use crate::shards::{ShardWriter, Shards};

/// What rows are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SplitKind {
    /// To learn from.
    Train,
    /// To stop early by.
    Valid,
    /// To judge by, once.
    Test,
}

impl SplitKind {
    /// The name in files and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Valid => "valid",
            Self::Test => "test",
        }
    }
}

/// How far [`prepare`] has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Rows of the training file read to fit the encoder.
    Fitting(u64),
    /// Rows of all files encoded.
    Encoding(u64),
}

/// A fitted encoder and the encoded rows of each split.
#[derive(Debug)]
pub struct Prepared {
    /// Fitted on the training rows alone.
    pub encoder: Encoder,
    /// Rows to learn from.
    pub train: Shards,
    /// Rows to stop early by.
    pub valid: Shards,
    /// Rows to judge by, where the spec has some.
    pub test: Option<Shards>,
}

/// Reports come every so many rows.
const REPORT_ROWS: u64 = 1 << 14;

/// Fits an encoder on the training rows and writes every split encoded into a directory.
///
/// # Errors
///
/// Where a file cannot be read or written, a row is not what the spec says, or no row goes to the
/// training or the validation split.
pub fn prepare(
    spec: &DataSpec,
    directory: &Path,
    mut progress: impl FnMut(Progress),
) -> Result<Prepared, DataError> {
    let encoder = fit(spec, |rows| progress(Progress::Fitting(rows)))?;

    let writer = |kind: SplitKind| {
        ShardWriter::create(directory, kind.name(), &spec.format.label, encoder.layout())
    };
    let mut writers = [
        writer(SplitKind::Train)?,
        writer(SplitKind::Valid)?,
        writer(SplitKind::Test)?,
    ];
    let sources = &spec.sources;
    let files = [
        (Some(&sources.train), None),
        (sources.valid.as_ref(), Some(SplitKind::Valid)),
        (sources.test.as_ref(), Some(SplitKind::Test)),
    ];
    let mut encoded = 0;
    for (path, whole) in files {
        let Some(path) = path else { continue };
        let mut reader = open_rows(path, &spec.format, Label::Required)?;
        let mut rows = encoder.rows(reader.as_ref(), true)?;
        let mut row = ByteRecord::new();
        let mut number = 0;
        while reader.read_row(&mut row)? {
            let kind = whole.unwrap_or_else(|| assign(spec, number));
            number += 1;
            let writer = &mut writers[kind as usize];
            rows.encode(&row, reader.as_ref(), writer.buffer())?;
            writer.row_added()?;
            encoded += 1;
            if encoded % REPORT_ROWS == 0 {
                progress(Progress::Encoding(encoded));
            }
        }
        if number == 0 {
            return Err(DataError::Empty { path: path.clone() });
        }
    }
    progress(Progress::Encoding(encoded));

    let [train, valid, test] = writers;
    let prepared = Prepared {
        encoder,
        train: train.finish()?,
        valid: valid.finish()?,
        test: Some(test.finish()?).filter(|shards| shards.num_rows() > 0),
    };
    if prepared.valid.num_rows() == 0 {
        return Err(DataError::EmptySplit {
            split: SplitKind::Valid.name(),
            reason: "the training file is too small for the share of `data.split`",
        });
    }
    Ok(prepared)
}

fn fit(spec: &DataSpec, mut progress: impl FnMut(u64)) -> Result<Encoder, DataError> {
    let path = &spec.sources.train;
    let mut reader = open_rows(path, &spec.format, Label::Required)?;
    let mut fit = EncoderFit::new(&spec.format, &spec.fields, reader.as_ref())?;
    let mut row = ByteRecord::new();
    let (mut number, mut fitted) = (0, 0_u64);
    while reader.read_row(&mut row)? {
        if assign(spec, number) == SplitKind::Train {
            fit.add(&row, reader.as_ref())?;
            fitted += 1;
        }
        number += 1;
        if number % REPORT_ROWS == 0 {
            progress(number);
        }
    }
    progress(number);
    if number == 0 {
        return Err(DataError::Empty { path: path.clone() });
    }
    if fitted == 0 {
        return Err(DataError::EmptySplit {
            split: SplitKind::Train.name(),
            reason: "the training file is too small for the shares of `data.split`",
        });
    }
    Ok(fit.finish())
}

/// The split of a row of the training file.
fn assign(spec: &DataSpec, row: u64) -> SplitKind {
    match &spec.sources.split {
        Some(split) => split.assign(row),
        None => SplitKind::Train,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Batch;
    use crate::schema::DataConfig;
    use std::fs;

    fn spec(directory: &Path, rest: &str) -> DataSpec {
        let text = format!(
            "train = {:?}\nlabel = 'y'\n{rest}\n[[fields]]\nname = 'a'\nkind = 'categorical'",
            directory.join("train.csv")
        );
        toml::from_str::<DataConfig>(&text)
            .unwrap()
            .validate()
            .unwrap()
    }

    fn rows(shards: &Shards) -> Batch {
        let mut batch = Batch::default();
        (0..shards.num_groups()).for_each(|group| shards.read_group(group, &mut batch).unwrap());
        batch
    }

    #[test]
    fn the_encoder_sees_training_rows_alone() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        // Every token is met once: those of other splits must be out of the vocabulary.
        let text: String = (0..1000).map(|i| format!("{},token{i}\n", i % 2)).collect();
        fs::write(directory.join("train.csv"), format!("y,a\n{text}")).unwrap();
        let spec = spec(directory, "split = { valid = 0.2, test = 0.1 }");
        let mut reports = Vec::new();
        let prepared = prepare(&spec, directory, |report| reports.push(report)).unwrap();
        assert_eq!(reports, [Progress::Fitting(1000), Progress::Encoding(1000)]);

        let (train, valid) = (rows(&prepared.train), rows(&prepared.valid));
        let test = rows(prepared.test.as_ref().unwrap());
        assert_eq!(train.num_rows + valid.num_rows + test.num_rows, 1000);
        assert!((650..750).contains(&train.num_rows), "{}", train.num_rows);
        assert!(train.ids.iter().all(|id| *id >= Encoder::FIRST_TOKEN));
        for other in [&valid.ids, &test.ids] {
            assert!(other.iter().all(|id| *id == Encoder::OUT_OF_VOCABULARY));
        }
    }

    #[test]
    fn separate_files_are_whole_splits() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        fs::write(directory.join("train.csv"), "y,a\n1,p\n0,q\n0,p\n").unwrap();
        fs::write(directory.join("valid.csv"), "a,y\nq,1\nr,0\n").unwrap();
        let valid = format!("valid = {:?}", directory.join("valid.csv"));
        let prepared = prepare(&spec(directory, &valid), directory, |_| ()).unwrap();
        assert_eq!(rows(&prepared.train).ids, [3, 4, 3]);
        assert_eq!(rows(&prepared.valid).ids, [4, 1]);
        assert_eq!(rows(&prepared.valid).labels, [1.0, 0.0]);
        assert!(prepared.test.is_none());
    }

    #[test]
    fn a_split_without_rows_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        fs::write(directory.join("train.csv"), "y,a\n1,p\n").unwrap();
        let spec = spec(directory, "split = { valid = 0.0001 }");
        let error = prepare(&spec, directory, |_| ()).unwrap_err().to_string();
        assert!(error.contains("no rows in the valid split"), "{error}");
        fs::write(directory.join("train.csv"), "y,a\n").unwrap();
        let error = prepare(&spec, directory, |_| ()).unwrap_err().to_string();
        assert!(
            error.ends_with("train.csv: the file has no rows"),
            "{error}"
        );
    }
}
