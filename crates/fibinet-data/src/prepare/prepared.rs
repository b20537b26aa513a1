use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::encode::encoder::Encoder;
use crate::error::DataError;
use crate::prepare::skipped::LeftOut;
use crate::shards::reader::Shards;

/// A fitted encoder and the encoded rows of each split.
#[derive(Debug)]
pub struct Prepared {
    /// Fitted on the training rows alone.
    pub encoder: Encoder,
    /// Rows to learn from.
    pub train: Arc<Shards>,
    /// Rows to stop early by.
    pub valid: Arc<Shards>,
    /// Rows to judge by, where the spec has some.
    pub test: Option<Arc<Shards>>,
    /// Rows that are in no split.
    pub left_out: LeftOut,
}

/// The file that is written last: a directory without it is no prepared one.
pub(crate) const MANIFEST: &str = "prepared.toml";
pub(crate) const ENCODER: &str = "encoder";
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    /// The files of the three splits.
    pub(crate) files: [Vec<String>; 3],
    pub(crate) left_out: LeftOut,
}

impl Prepared {
    /// Opens a directory that [`prepare`] wrote.
    ///
    /// # Errors
    ///
    /// Where a file is missing or is not what it should be.
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
        Ok(Self {
            train: Arc::new(open(train)?),
            valid: Arc::new(open(valid)?),
            test: Some(Arc::new(open(test)?)).filter(|shards| shards.num_rows() > 0),
            left_out: manifest.left_out,
            encoder,
        })
    }
}
