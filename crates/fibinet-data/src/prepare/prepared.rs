use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::config::split::SplitKind;
use crate::encode::FieldCells;
use crate::encode::encoder::{Encoder, SeenBySplit};
use crate::error::{DataError, DataErrorKind};
use crate::shards::reader::Shards;
use crate::skipped::SkippedRows;

/// The file that is written last: a directory without it is not a prepared one.
pub(crate) const MANIFEST: &str = "prepared.toml";
/// The directory of the encoder.
pub(crate) const ENCODER: &str = "encoder";

/// A fitted encoder and the encoded rows of each split.
#[derive(Debug)]
pub struct Prepared {
    /// Fitted on the training rows alone.
    pub encoder: Encoder,
    /// Rows to learn from.
    pub train: Arc<Shards>,
    /// Rows that decide when training stops.
    pub valid: Arc<Shards>,
    /// Rows to evaluate the trained model on; `None` if there are none.
    pub test: Option<Arc<Shards>>,
    /// Rows that are not in any split.
    pub skipped: SkippedRows,
    seen: SeenBySplit,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    /// The files of the three splits.
    files: [Vec<String>; 3],
    #[serde(rename = "left_out")]
    skipped: SkippedRows,
    seen: SeenBySplit,
}

impl Prepared {
    /// What the validation rows show of each field's cells.
    pub fn valid_cells(&self) -> Vec<FieldCells> {
        self.encoder.field_cells(&self.seen[0])
    }

    /// What the test rows show of each field's cells.
    pub fn test_cells(&self) -> Vec<FieldCells> {
        self.encoder.field_cells(&self.seen[1])
    }

    /// Opens a directory that [`prepare`](crate::prepare::prepare()) wrote.
    ///
    /// # Errors
    ///
    /// If a file is missing or is not what it should be.
    pub fn open(directory: &Path) -> Result<Self, DataError> {
        let path = directory.join(MANIFEST);
        let text = fs::read_to_string(&path).map_err(DataError::io(&path))?;
        let manifest: Manifest =
            toml::from_str(&text).map_err(|error| DataError::corrupt(&path, error))?;
        let encoder = Encoder::open(&directory.join(ENCODER))?;
        let open = |files: Vec<String>| {
            let files = files.iter().map(|name| directory.join(name)).collect();
            Shards::open(files, encoder.shard_layout())
        };
        let [train, valid, test] = manifest.files;
        let shards = [open(train)?, open(valid)?, open(test)?];
        Ok(Self::new(encoder, shards, manifest.skipped, manifest.seen))
    }

    /// Writes the manifest, once everything else is in the directory.
    ///
    /// # Errors
    ///
    /// If the training or the validation split has no rows, or the manifest cannot be written.
    pub(crate) fn finish(
        directory: &Path,
        encoder: Encoder,
        shards: [Shards; 3],
        skipped: SkippedRows,
        seen: SeenBySplit,
    ) -> Result<Self, DataError> {
        check_rows(&shards)?;
        let names = |shards: &Shards| {
            let names = shards.files().iter().filter_map(|path| path.file_name());
            names
                .map(|name| name.to_string_lossy().into_owned())
                .collect()
        };
        let manifest = Manifest {
            files: shards.each_ref().map(names),
            skipped,
            seen,
        };
        let path = directory.join(MANIFEST);
        let text = toml::to_string(&manifest).map_err(|error| DataError::corrupt(&path, error))?;
        fs::write(&path, text).map_err(DataError::io(&path))?;
        Ok(Self::new(encoder, shards, manifest.skipped, manifest.seen))
    }

    fn new(
        mut encoder: Encoder,
        shards: [Shards; 3],
        skipped: SkippedRows,
        seen: SeenBySplit,
    ) -> Self {
        let [train, valid, test] = shards.map(Arc::new);
        encoder.set_valid_counts(seen[0].iter().map(|seen| seen.counts).collect());
        Self {
            encoder,
            train,
            valid,
            test: Some(test).filter(|shards| shards.num_rows() > 0),
            skipped,
            seen,
        }
    }
}

fn check_rows([train, valid, _]: &[Shards; 3]) -> Result<(), DataError> {
    if train.num_rows() == 0 {
        return Err(DataErrorKind::EmptySplit {
            split: SplitKind::Train.name(),
            reason: "all rows of the training file that belong to it are malformed",
        }
        .into());
    }
    if valid.num_rows() == 0 {
        return Err(DataErrorKind::EmptySplit {
            split: SplitKind::Valid.name(),
            reason: "the training file has no rows for it: see `data.split`",
        }
        .into());
    }
    Ok(())
}
