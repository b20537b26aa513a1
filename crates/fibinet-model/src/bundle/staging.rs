use std::path::Path;

use fibinet_storage::{AtomicDirectory, Replace, checksums};

use crate::error::BundleError;

/// Bundles and other directories with checksums may be replaced. Nothing else is ever replaced.
const REPLACE: Replace = Replace::IfItContains(checksums::FILE_NAME);

/// A bundle being written: an [`AtomicDirectory`] that gets checksums before it is moved into place.
#[derive(Debug)]
pub struct Staging {
    directory: AtomicDirectory,
}

impl Staging {
    /// Makes an empty directory for what will be the bundle `target`, which may exist if it is to be
    /// replaced.
    ///
    /// # Errors
    ///
    /// As [`AtomicDirectory::create`].
    pub fn create(target: &Path, replace: bool) -> Result<Self, BundleError> {
        let replace = if replace { REPLACE } else { Replace::Never };
        let directory = AtomicDirectory::create(target, replace)?;
        Ok(Self { directory })
    }

    /// The directory to write to.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Writes the checksums, syncs every file and moves the directory into place.
    ///
    /// # Errors
    ///
    /// If a file cannot be read or synced, or the directory cannot be moved. What was in its place
    /// before is then still there.
    pub fn commit(self) -> Result<(), BundleError> {
        checksums::write(self.path())?;
        Ok(self.directory.commit()?)
    }

    /// As [`commit`](Self::commit), but moves the directory to another target beside its own, where a
    /// bundle is replaced.
    ///
    /// # Errors
    ///
    /// As [`commit`](Self::commit).
    pub fn commit_as(self, target: &Path) -> Result<(), BundleError> {
        checksums::write(self.path())?;
        Ok(self.directory.commit_as(target, REPLACE)?)
    }
}
