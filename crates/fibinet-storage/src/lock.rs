use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// A lock file held by this process; dropping it removes the file.
///
/// The system frees the lock of a process that is killed, while its file stays.
#[derive(Debug)]
pub(crate) struct Lock {
    path: PathBuf,
    /// Held while open.
    _file: File,
}

impl Lock {
    /// Takes a lock; `None` if another process holds it.
    pub(crate) fn try_take(path: &Path) -> io::Result<Option<Self>> {
        Self::take_with(path, |file| match file.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        })
    }

    /// Waits until no other process holds the lock, and takes it.
    pub(crate) fn wait(path: &Path) -> io::Result<Self> {
        loop {
            let lock = Self::take_with(path, |file| file.lock().map(|()| true))?;
            if let Some(lock) = lock {
                return Ok(lock);
            }
        }
    }

    fn take_with(
        path: &Path,
        take: impl Fn(&File) -> io::Result<bool>,
    ) -> io::Result<Option<Self>> {
        loop {
            let file = File::create(path)?;
            if !take(&file)? {
                return Ok(None);
            }
            // The last holder may have removed the file after we opened it; a third process could
            // then lock a new one.
            if is_at(&file, path) {
                return Ok(Some(Self {
                    path: path.to_owned(),
                    _file: file,
                }));
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // A file that stays is taken by the next process.
        let _ = fs::remove_file(&self.path);
    }
}

/// Creates an empty file and locks it while it is open; `None` if another process has it locked. A file
/// that is already there is emptied.
pub(crate) fn create_locked(path: &Path) -> io::Result<Option<File>> {
    loop {
        let mut options = File::options();
        let file = options
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // Its last holder may have renamed it after we opened it, and it is then somebody's target.
        if is_at(&file, path) {
            if file.metadata()?.len() > 0 {
                file.set_len(0)?;
            }
            return Ok(Some(file));
        }
    }
}

#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let inode = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    let (held, there) = (file.metadata().map(inode), fs::metadata(path).map(inode));
    matches!((held, there), (Ok(held), Ok(there)) if held == there)
}

#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> bool {
    // An open file cannot be removed.
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    #[test]
    fn a_lock_is_held_by_one_and_freed_when_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let first = Lock::try_take(&path).unwrap().unwrap();
        assert!(Lock::try_take(&path).unwrap().is_none());
        let freed = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let _second = Lock::wait(&path).unwrap();
                assert!(freed.load(Ordering::SeqCst));
            });
            std::thread::sleep(Duration::from_millis(20));
            freed.store(true, Ordering::SeqCst);
            drop(first);
        });
        assert!(!path.exists());
    }
}
