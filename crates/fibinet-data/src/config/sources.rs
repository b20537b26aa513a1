use std::path::PathBuf;

use crate::config::split::{Split, SplitKind};
use crate::schema_error::SplitError;

/// Where the rows of each split come from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sources {
    /// The training file.
    pub(crate) train: PathBuf,
    /// The validation file; `None` if they are taken from the training file.
    pub(crate) valid: Option<PathBuf>,
    /// The test file; `None` if they are taken from the training file, which may give none.
    pub(crate) test: Option<PathBuf>,
    /// How the training file is cut into the splits that have no file.
    pub(crate) split: Option<Split>,
}

impl Sources {
    pub(crate) fn validate(&self) -> Result<(), SplitError> {
        let gives = |kind| self.split.as_ref().is_some_and(|split| split.gives(kind));
        if self.valid.is_some() && gives(SplitKind::Valid) {
            return Err(SplitError::TwoSources("valid"));
        }
        if self.test.is_some() && gives(SplitKind::Test) {
            return Err(SplitError::TwoSources("test"));
        }
        if self.valid.is_none() && !gives(SplitKind::Valid) {
            return Err(SplitError::NoValidation);
        }
        Ok(())
    }
}
