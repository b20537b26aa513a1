use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::error::StorageError;
use crate::hidden_names;
use crate::lock;
use crate::tree::{parent, sync_directory};

/// A file written aside, as `.NAME.fibinet-partial`, that [`commit`](Self::commit) renames into place.
///
/// Dropped without a commit, it is removed and the target stays as it was; what a killed process
/// left is overwritten by the next one. While it is written, a second writer of the same target gets
/// [`StorageError::Busy`]. A link is followed. A target that is not an ordinary file
/// (a pipe, `/dev/stdout`) is written to directly.
///
/// ```
/// use std::io::Write;
/// use fibinet_storage::AtomicFile;
///
/// let directory = tempfile::tempdir().unwrap();
/// let target = directory.path().join("scores.csv");
/// let mut file = AtomicFile::create(&target)?;
/// file.write_all(b"probability\n").unwrap();
/// assert!(!target.exists());
/// file.commit()?;
/// assert!(target.exists());
/// # Ok::<_, fibinet_storage::StorageError>(())
/// ```
#[derive(Debug)]
pub struct AtomicFile {
    target: PathBuf,
    /// `None` if the target is written to directly, or is in place already.
    partial: Option<PathBuf>,
    file: BufWriter<File>,
}

const STANDARD_OUTPUT: &str = "/dev/stdout";

#[cfg(unix)]
fn standard_output() -> io::Result<File> {
    use std::os::fd::AsFd;
    Ok(io::stdout().as_fd().try_clone_to_owned()?.into())
}

#[cfg(not(unix))]
fn standard_output() -> io::Result<File> {
    File::create(STANDARD_OUTPUT)
}

impl AtomicFile {
    /// Creates an empty file for what will be `target`.
    ///
    /// # Errors
    ///
    /// If the target is a directory or another process is writing it, or the file cannot be created.
    pub fn create(target: &Path) -> Result<Self, StorageError> {
        if target == Path::new(STANDARD_OUTPUT) {
            // Opened by its name it would lose what is in a file that it was redirected to.
            let file = standard_output().map_err(StorageError::io(target))?;
            return Ok(Self {
                file: BufWriter::new(file),
                target: target.to_owned(),
                partial: None,
            });
        }
        let target = target.canonicalize().unwrap_or_else(|_| target.to_owned());
        if target.is_dir() {
            let error = io::ErrorKind::IsADirectory.into();
            return Err(StorageError::io(&target)(error));
        }
        let is_special = target.metadata().is_ok_and(|there| !there.is_file());
        let partial = (!is_special).then(|| hidden_names::partial(&target));
        let path = partial.as_ref().unwrap_or(&target);
        let file = match &partial {
            Some(partial) => lock::create_locked(partial)
                .map_err(StorageError::io(&target))?
                .ok_or_else(|| StorageError::Busy {
                    path: target.clone(),
                })?,
            None => File::create(path).map_err(StorageError::io(path))?,
        };
        Ok(Self {
            file: BufWriter::new(file),
            target,
            partial,
        })
    }

    /// Writes a whole file: [`create`](Self::create), the bytes, [`commit`](Self::commit).
    ///
    /// # Errors
    ///
    /// If the file cannot be created, written or renamed.
    pub fn write(target: &Path, bytes: &[u8]) -> Result<(), StorageError> {
        let mut file = Self::create(target)?;
        let written = file.write_all(bytes);
        written.map_err(StorageError::io(file.path()))?;
        file.commit()
    }

    /// The file that is written to, for error messages: the partial one, or the target itself.
    pub fn path(&self) -> &Path {
        self.partial.as_ref().unwrap_or(&self.target)
    }

    /// Syncs the file to the disk and renames it into place.
    ///
    /// # Errors
    ///
    /// If what is buffered cannot be written, or the file cannot be synced or renamed. The target is
    /// then as it was.
    pub fn commit(self) -> Result<(), StorageError> {
        let target = self.target.clone();
        let renames = self.partial.is_some();
        self.finish(File::sync_all)?;
        if renames {
            sync_directory(parent(&target))
        } else {
            Ok(())
        }
    }

    /// As [`commit`](Self::commit), but leaves it to the system when the content reaches the disk:
    /// for a file of an [`AtomicDirectory`](crate::AtomicDirectory), which syncs all its files.
    ///
    /// # Errors
    ///
    /// As [`commit`](Self::commit).
    pub fn commit_unsynced(self) -> Result<(), StorageError> {
        self.finish(|_| Ok(()))
    }

    fn finish(mut self, sync: impl FnOnce(&File) -> io::Result<()>) -> Result<(), StorageError> {
        self.file.flush().map_err(StorageError::io(self.path()))?;
        let Some(partial) = &self.partial else {
            return Ok(());
        };
        sync(self.file.get_ref()).map_err(StorageError::io(partial))?;
        fs::rename(partial, &self.target).map_err(StorageError::io(&self.target))?;
        self.partial = None;
        Ok(())
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        if let Some(partial) = &self.partial {
            // The error that led here is the one to report.
            let _ = fs::remove_file(partial);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_as_it_was_until_the_commit() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("file");
        AtomicFile::write(&target, b"old").unwrap();
        let mut file = AtomicFile::create(&target).unwrap();
        file.write_all(b"half").unwrap();
        drop(file);
        assert_eq!(fs::read(&target).unwrap(), b"old");
        let mut file = AtomicFile::create(&target).unwrap();
        file.write_all(b"new").unwrap();
        assert_eq!(file.path(), directory.path().join(".file.fibinet-partial"));
        assert_eq!(fs::read(&target).unwrap(), b"old");
        file.commit_unsynced().unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_second_writer_is_refused_and_what_a_dead_one_left_is_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("file");
        fs::write(
            directory.path().join(".file.fibinet-partial"),
            "longer than new",
        )
        .unwrap();
        let mut file = AtomicFile::create(&target).unwrap();
        let error = AtomicFile::create(&target).unwrap_err();
        assert!(matches!(error, StorageError::Busy { .. }), "{error}");
        file.write_all(b"new").unwrap();
        file.commit().unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
        AtomicFile::write(&target, b"newer").unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"newer");
    }

    #[test]
    fn a_directory_is_not_a_target() {
        let directory = tempfile::tempdir().unwrap();
        let error = AtomicFile::create(directory.path()).unwrap_err();
        let is_directory = matches!(
            &error,
            StorageError::Io { error, .. } if error.kind() == io::ErrorKind::IsADirectory
        );
        assert!(is_directory, "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_followed_and_a_special_file_written_directly() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(at("file"), "old").unwrap();
        std::os::unix::fs::symlink(at("file"), at("link")).unwrap();
        AtomicFile::write(&at("link"), b"new").unwrap();
        assert_eq!(fs::read(at("file")).unwrap(), b"new");
        assert!(at("link").is_symlink());
        AtomicFile::write(Path::new("/dev/null"), b"lost").unwrap();
        assert!(!Path::new("/dev/null").is_file());
    }
}
