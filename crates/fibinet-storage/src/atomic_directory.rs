use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::StorageError;
use crate::hidden_names;
use crate::lock::Lock;
use crate::tree::{self, parent, sync_directory};

/// What to do with a target that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replace {
    /// Refuse it.
    Never,
    /// Replace a directory that contains a file of this name, and refuse anything else.
    IfItContains(&'static str),
    /// Replace whatever exists: for generated names.
    Any,
}

/// A directory written aside, as `.NAME.fibinet-partial`, that [`commit`](Self::commit) moves into place.
///
/// A lock file beside it stops a second process from writing to the same target. Dropped without a
/// commit, the directory is removed; leftovers of a killed process are removed by the next one that
/// writes to the same target, or by [`remove_abandoned`](Self::remove_abandoned).
///
/// ```
/// use fibinet_storage::{AtomicDirectory, Replace, StorageError, checksums};
///
/// let parent = tempfile::tempdir().unwrap();
/// let target = parent.path().join("run");
/// let directory = AtomicDirectory::create(&target, Replace::Never)?;
/// std::fs::write(directory.path().join("weights"), "1 2 3").unwrap();
/// checksums::write(directory.path())?;
/// assert!(!target.exists());
/// directory.commit()?;
/// checksums::verify(&target, None)?;
/// # Ok::<_, StorageError>(())
/// ```
#[derive(Debug)]
pub struct AtomicDirectory {
    target: PathBuf,
    partial: PathBuf,
    replace: Replace,
    /// Removed after `partial` is.
    _lock: Lock,
}

impl AtomicDirectory {
    /// Makes an empty directory for what will be `target`.
    ///
    /// # Errors
    ///
    /// [`StorageError::Busy`] if another process writes to the target, [`StorageError::Exists`] or
    /// [`StorageError::NotReplaceable`] if the target exists and `replace` does not allow to replace
    /// it, and the system's errors.
    pub fn create(target: &Path, replace: Replace) -> Result<Self, StorageError> {
        Self::create_with(target, replace, |path| {
            Lock::try_take(path)
                .map_err(StorageError::io(path))?
                .ok_or_else(|| StorageError::Busy {
                    path: target.to_owned(),
                })
        })
    }

    /// As [`create`](Self::create), but waits while another process writes to the target. If that process
    /// commits, the target exists when this returns.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create), except [`StorageError::Busy`].
    pub fn wait_and_create(target: &Path, replace: Replace) -> Result<Self, StorageError> {
        Self::create_with(target, replace, |path| {
            Lock::wait(path).map_err(StorageError::io(path))
        })
    }

    fn create_with(
        target: &Path,
        replace: Replace,
        lock: impl Fn(&Path) -> Result<Lock, StorageError>,
    ) -> Result<Self, StorageError> {
        check_target(target, replace)?;
        let parent = parent(target);
        fs::create_dir_all(parent).map_err(StorageError::io(parent))?;
        let lock = lock(&hidden_names::lock(target))?;
        // Checked again, because the last holder of the lock may have created the target.
        check_target(target, replace)?;
        let partial = hidden_names::partial(target);
        match fs::remove_dir_all(&partial) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(StorageError::io(&partial)(error));
            }
            _ => {}
        }
        fs::create_dir(&partial).map_err(StorageError::io(&partial))?;
        Ok(Self {
            target: target.to_owned(),
            partial,
            replace,
            _lock: lock,
        })
    }

    /// The directory to write to.
    pub fn path(&self) -> &Path {
        &self.partial
    }

    /// Syncs every file to the disk and moves the directory into place.
    ///
    /// # Errors
    ///
    /// If a file cannot be synced or the directory cannot be moved. What was in its place before is
    /// then still there.
    pub fn commit(self) -> Result<(), StorageError> {
        self.sync_and_move(&self.target, self.replace)
    }

    /// As [`commit`](Self::commit), but moves the directory to another target beside its own.
    ///
    /// # Errors
    ///
    /// As [`commit`](Self::commit), and if the other target may not be replaced.
    pub fn commit_as(self, target: &Path, replace: Replace) -> Result<(), StorageError> {
        check_target(target, replace)?;
        self.sync_and_move(target, replace)
    }

    /// As [`commit`](Self::commit), but leaves it to the system when the files reach the disk: for a
    /// directory that is checked when it is read and can be made again.
    ///
    /// # Errors
    ///
    /// If the directory cannot be moved.
    pub fn commit_unsynced(self) -> Result<(), StorageError> {
        self.move_to(&self.target, self.replace)
    }

    /// Removes what killed processes left in a directory. What cannot be removed stays.
    ///
    /// A concurrent [`create`](Self::create) may fail with [`StorageError::Busy`]. A concurrent
    /// [`wait_and_create`](Self::wait_and_create) is not affected.
    ///
    /// # Errors
    ///
    /// If the directory cannot be read.
    pub fn remove_abandoned(directory: &Path) -> Result<(), StorageError> {
        for entry in fs::read_dir(directory).map_err(StorageError::io(directory))? {
            let partial = entry.map_err(StorageError::io(directory))?.path();
            // An `AtomicFile` that is written has such a name too, but no lock.
            let target = hidden_names::target_of_partial(&partial).filter(|_| partial.is_dir());
            let Some(target) = target else { continue };
            if let Ok(Some(_lock)) = Lock::try_take(&hidden_names::lock(&target)) {
                let _ = fs::remove_dir_all(&partial);
            }
        }
        Ok(())
    }

    fn sync_and_move(&self, target: &Path, replace: Replace) -> Result<(), StorageError> {
        make_readable(&self.partial)?;
        sync(&self.partial)?;
        self.move_to(target, replace)?;
        sync_directory(parent(target))
    }

    fn move_to(&self, target: &Path, replace: Replace) -> Result<(), StorageError> {
        if replace != Replace::Never && target.symlink_metadata().is_ok() {
            // The old directory is then where the new one was written, and dropping removes it.
            exchange(&self.partial, target).map_err(StorageError::io(target))
        } else {
            check_target(target, Replace::Never)?;
            fs::rename(&self.partial, target).map_err(StorageError::io(target))
        }
    }
}

impl Drop for AtomicDirectory {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next process that writes to the target.
        let _ = fs::remove_dir_all(&self.partial);
    }
}

fn check_target(target: &Path, replace: Replace) -> Result<(), StorageError> {
    let path = target.to_owned();
    if target.file_name().is_none() {
        return Err(StorageError::NoName { path });
    }
    match (target.symlink_metadata(), replace) {
        (Err(error), _) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        (Err(error), _) => Err(StorageError::io(target)(error)),
        (Ok(_), Replace::Any) => Ok(()),
        (Ok(_), Replace::Never) => Err(StorageError::Exists { path }),
        (Ok(_), Replace::IfItContains(marker)) => {
            if target.join(marker).is_file() {
                Ok(())
            } else {
                Err(StorageError::NotReplaceable { path, marker })
            }
        }
    }
}

/// Exchanges two directories, in one step where the system can.
fn exchange(new: &Path, old: &Path) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_vendor = "apple"))]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        if renameat_with(CWD, new, CWD, old, RenameFlags::EXCHANGE).is_ok() {
            return Ok(());
        }
    }
    // If the file system cannot exchange them, the target is missing for a moment.
    let replaced = hidden_names::replaced(old);
    fs::rename(old, &replaced)?;
    fs::rename(new, old).inspect_err(|_| {
        let _ = fs::rename(&replaced, old);
    })?;
    fs::rename(&replaced, new)
}

/// Makes every file as readable as the directory is. Some writers create files that only their
/// owner may read, whatever the process's mask says.
#[cfg(unix)]
fn make_readable(directory: &Path) -> Result<(), StorageError> {
    use std::os::unix::fs::PermissionsExt;
    let metadata = fs::metadata(directory).map_err(StorageError::io(directory))?;
    let mode = metadata.permissions().mode() & 0o666;
    for file in tree::files(directory)? {
        let path = directory.join(file);
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))
            .map_err(StorageError::io(&path))?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn make_readable(_: &Path) -> Result<(), StorageError> {
    Ok(())
}

fn sync(directory: &Path) -> Result<(), StorageError> {
    for entry in fs::read_dir(directory).map_err(StorageError::io(directory))? {
        let path = entry.map_err(StorageError::io(directory))?.path();
        if path.is_dir() {
            sync(&path)?;
        } else {
            let file = File::open(&path).map_err(StorageError::io(&path))?;
            file.sync_all().map_err(StorageError::io(&path))?;
        }
    }
    sync_directory(directory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checksums;

    const SEALED: Replace = Replace::IfItContains(checksums::FILE_NAME);

    fn write(target: &Path, replace: Replace, text: &str) -> Result<(), StorageError> {
        let directory = AtomicDirectory::create(target, replace)?;
        fs::create_dir(directory.path().join("sub")).unwrap();
        fs::write(directory.path().join("sub/file"), text).unwrap();
        fs::write(directory.path().join("other"), "same").unwrap();
        checksums::write(directory.path())?;
        directory.commit()
    }

    fn entries(directory: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn a_target_is_replaced_only_on_request_and_nothing_stays_beside_it() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("run");
        write(&target, Replace::Never, "one").unwrap();
        checksums::verify(&target, None).unwrap();
        let error = write(&target, Replace::Never, "two").unwrap_err();
        assert!(matches!(error, StorageError::Exists { .. }), "{error}");
        assert!(error.is_refused_target());
        assert_eq!(fs::read_to_string(target.join("sub/file")).unwrap(), "one");
        write(&target, SEALED, "two").unwrap();
        checksums::verify(&target, None).unwrap();
        assert_eq!(fs::read_to_string(target.join("sub/file")).unwrap(), "two");
        assert_eq!(entries(directory.path()), ["run"]);
    }

    #[test]
    fn what_lacks_the_marker_is_never_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let other = directory.path().join("photos");
        fs::create_dir(&other).unwrap();
        fs::write(other.join("one"), "dear").unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "dear").unwrap();
        for target in [&other, &file] {
            let error = AtomicDirectory::create(target, SEALED).unwrap_err();
            assert!(
                matches!(error, StorageError::NotReplaceable { .. }),
                "{error}"
            );
            let free = directory.path().join("free");
            let error = AtomicDirectory::create(&free, SEALED)
                .unwrap()
                .commit_as(target, SEALED)
                .unwrap_err();
            assert!(
                matches!(error, StorageError::NotReplaceable { .. }),
                "{error}"
            );
        }
        let error = AtomicDirectory::create(Path::new(".."), SEALED).unwrap_err();
        assert!(matches!(error, StorageError::NoName { .. }), "{error}");
        assert_eq!(entries(directory.path()), ["file", "photos"]);
        assert_eq!(fs::read_to_string(other.join("one")).unwrap(), "dear");
    }

    #[test]
    fn what_is_not_committed_is_removed_and_leaves_the_old() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("run");
        write(&target, Replace::Never, "one").unwrap();
        let aside = AtomicDirectory::create(&target, SEALED).unwrap();
        fs::write(aside.path().join("file"), "half").unwrap();
        drop(aside);
        assert_eq!(entries(directory.path()), ["run"]);
        checksums::verify(&target, None).unwrap();
    }

    #[test]
    fn a_second_writer_is_told_and_a_dead_ones_leavings_are_removed() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("run");
        let first = AtomicDirectory::create(&target, Replace::Never).unwrap();
        let error = AtomicDirectory::create(&target, Replace::Never).unwrap_err();
        assert!(matches!(error, StorageError::Busy { .. }), "{error}");
        drop(first);
        fs::create_dir(directory.path().join(".run.fibinet-partial")).unwrap();
        fs::write(directory.path().join(".run.fibinet-partial/leaving"), "").unwrap();
        write(&target, Replace::Never, "one").unwrap();
        assert_eq!(entries(&target), [checksums::FILE_NAME, "other", "sub"]);
    }

    #[test]
    fn who_waits_is_told_what_the_first_writer_left() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("run");
        let first = AtomicDirectory::create(&target, Replace::Never).unwrap();
        let error = std::thread::scope(|scope| {
            let wait = || AtomicDirectory::wait_and_create(&target, Replace::Never);
            let second = scope.spawn(wait);
            std::thread::sleep(std::time::Duration::from_millis(20));
            assert!(!second.is_finished());
            first.commit().unwrap();
            second.join().unwrap().unwrap_err()
        });
        assert!(matches!(error, StorageError::Exists { .. }), "{error}");
        assert_eq!(entries(directory.path()), ["run"]);
    }

    #[test]
    fn only_what_no_living_process_writes_is_abandoned() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let alive = AtomicDirectory::create(&at("alive"), Replace::Never).unwrap();
        // What a killed process left, with its lock file and after somebody removed that.
        fs::create_dir(at(".dead.fibinet-partial")).unwrap();
        fs::write(at(".dead.fibinet-lock"), "").unwrap();
        fs::create_dir(at(".other.fibinet-partial")).unwrap();
        // A file that is being written, and a finished directory.
        fs::write(at(".scores.fibinet-partial"), "half").unwrap();
        fs::create_dir(at("finished")).unwrap();
        AtomicDirectory::remove_abandoned(directory.path()).unwrap();
        assert_eq!(
            entries(directory.path()),
            [
                ".alive.fibinet-lock",
                ".alive.fibinet-partial",
                ".scores.fibinet-partial",
                "finished"
            ]
        );
        alive.commit_unsynced().unwrap();
        assert!(at("alive").is_dir());
    }

    #[cfg(unix)]
    #[test]
    fn files_of_their_owner_alone_become_as_readable_as_the_directory() {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o666;
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("run");
        let aside = AtomicDirectory::create(&target, Replace::Never).unwrap();
        let (secret, plain) = (aside.path().join("secret"), aside.path().join("plain"));
        fs::write(&secret, "").unwrap();
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&plain, "").unwrap();
        let usual = mode(&plain);
        aside.commit().unwrap();
        assert_eq!(mode(&target.join("secret")), usual);
        assert_eq!(mode(&target.join("plain")), usual);
    }
}
