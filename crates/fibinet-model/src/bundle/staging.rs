use std::fs::{self, File, TryLockError};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::error::BundleError;

/// The file of checksums, as `sha256sum -c` reads it.
pub(crate) const CHECKSUMS: &str = "SHA256SUMS";

/// A directory written aside, `.NAME.fibinet-partial`, that [`commit`](Self::commit) checksums, syncs and
/// moves into place. Dropped before, it is removed; what a killed process left is removed by the
/// next one that writes to the same place.
#[derive(Debug)]
pub struct Staging {
    target: PathBuf,
    partial: PathBuf,
    replace: bool,
    /// Held while the process lives, so that a second one knows.
    _lock: File,
    lock_path: PathBuf,
}

impl Staging {
    /// A directory for what will be `target`.
    ///
    /// # Errors
    ///
    /// [`BundleError::Exists`] where the target exists and is not to be replaced,
    /// [`BundleError::Busy`] where another process writes to it.
    pub fn create(target: &Path, replace: bool) -> Result<Self, BundleError> {
        check_place(target, replace)?;
        if let Some(parent) = target
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
        {
            fs::create_dir_all(parent).map_err(BundleError::io(parent))?;
        }
        let partial = beside(target, "partial");
        let lock_path = beside(target, "lock");
        let lock = lock(&lock_path, target)?;
        match fs::remove_dir_all(&partial) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(BundleError::io(&partial)(error));
            }
            _ => {}
        }
        fs::create_dir(&partial).map_err(BundleError::io(&partial))?;
        Ok(Self {
            target: target.to_owned(),
            partial,
            replace,
            _lock: lock,
            lock_path,
        })
    }

    /// Where to write.
    pub fn path(&self) -> &Path {
        &self.partial
    }

    /// Checksums and syncs every file and moves the directory into place.
    ///
    /// # Errors
    ///
    /// Where a file cannot be read or synced, or the directory cannot be moved; what was in its
    /// place before is then still there.
    pub fn commit(self) -> Result<(), BundleError> {
        let target = self.target.clone();
        self.commit_to(&target, self.replace)
    }

    /// [`commit`](Self::commit) into another place beside, where a bundle is replaced.
    ///
    /// # Errors
    ///
    /// As [`commit`](Self::commit).
    pub fn commit_as(self, target: &Path) -> Result<(), BundleError> {
        check_place(target, true)?;
        self.commit_to(target, true)
    }

    fn commit_to(&self, target: &Path, replace: bool) -> Result<(), BundleError> {
        write_checksums(&self.partial)?;
        // Some writers make files that their owner alone may read; a bundle is as readable as the
        // process makes its files.
        let readable = self.partial.join(CHECKSUMS);
        let readable = fs::metadata(&readable).map_err(BundleError::io(&readable))?;
        for file in files(&self.partial)? {
            let path = self.partial.join(file);
            fs::set_permissions(&path, readable.permissions()).map_err(BundleError::io(&path))?;
        }
        sync(&self.partial)?;
        if replace && target.symlink_metadata().is_ok() {
            exchange(&self.partial, target).map_err(BundleError::io(target))?;
            // The old one is now where the new one was written; dropping removes it.
        } else {
            check_place(target, false)?;
            fs::rename(&self.partial, target).map_err(BundleError::io(target))?;
        }
        let parent = target
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        sync_directory(parent.unwrap_or(Path::new(".")))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next process that writes here.
        let _ = fs::remove_dir_all(&self.partial);
        let _ = fs::remove_file(&self.lock_path);
    }
}

/// `.NAME.fibinet-ENDING` in the same directory: a name that nobody else gives.
fn beside(target: &Path, ending: &str) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(target.file_name().unwrap_or_default());
    name.push(format!(".fibinet-{ending}"));
    target.with_file_name(name)
}

/// A bundle may be replaced on request; nothing else that stands in the place ever is.
fn check_place(target: &Path, replace: bool) -> Result<(), BundleError> {
    let path = target.to_owned();
    if target.file_name().is_none() {
        return Err(BundleError::NoName { path });
    }
    match target.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(BundleError::io(target)(error)),
        Ok(_) if !replace => Err(BundleError::Exists { path }),
        Ok(_) if target.join(CHECKSUMS).is_file() => Ok(()),
        Ok(_) => Err(BundleError::NotReplaceable { path }),
    }
}

/// The lock file, held. One that its holder removed while we opened it is no lock.
fn lock(path: &Path, target: &Path) -> Result<File, BundleError> {
    loop {
        let file = File::create(path).map_err(BundleError::io(path))?;
        match file.try_lock() {
            Ok(()) if is_at(&file, path) => return Ok(file),
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(BundleError::Busy {
                    path: target.to_owned(),
                });
            }
            Err(TryLockError::Error(error)) => return Err(BundleError::io(path)(error)),
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

/// Puts `new` in the place of `old` and the other way round, at once where the system can.
fn exchange(new: &Path, old: &Path) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_vendor = "apple"))]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        if renameat_with(CWD, new, CWD, old, RenameFlags::EXCHANGE).is_ok() {
            return Ok(());
        }
    }
    // A file system without exchange: for a moment there is none in place.
    let aside = beside(old, "replaced");
    fs::rename(old, &aside)?;
    fs::rename(new, old).inspect_err(|_| {
        let _ = fs::rename(&aside, old);
    })?;
    fs::rename(&aside, new)
}

/// Every file below a directory but the checksums, by relative path, in order.
fn files(directory: &Path) -> Result<Vec<PathBuf>, BundleError> {
    fn walk(root: &Path, at: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
        for entry in fs::read_dir(at)? {
            let path = entry?.path();
            if path.is_dir() {
                walk(root, &path, files)?;
            } else if let Ok(relative) = path.strip_prefix(root) {
                files.push(relative.to_owned());
            }
        }
        Ok(())
    }
    let mut found = Vec::new();
    walk(directory, directory, &mut found).map_err(BundleError::io(directory))?;
    found.retain(|path| path != Path::new(CHECKSUMS));
    found.sort_unstable();
    Ok(found)
}

fn sha256(path: &Path) -> Result<String, BundleError> {
    let mut file = File::open(path).map_err(BundleError::io(path))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut buffer).map_err(BundleError::io(path))?;
        if read == 0 {
            break;
        }
        hash.update(&buffer[..read]);
    }
    Ok(hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

fn write_checksums(directory: &Path) -> Result<(), BundleError> {
    let mut text = String::new();
    for file in files(directory)? {
        let sum = sha256(&directory.join(&file))?;
        text += &format!("{sum}  {}\n", file.display());
    }
    let path = directory.join(CHECKSUMS);
    fs::write(&path, text).map_err(BundleError::io(&path))
}

/// Checks that a directory has the files of its checksums, each with its sum, and no other. The sum of
/// `unread` is left out, where a file is named.
pub(crate) fn verify(directory: &Path, unread: Option<&str>) -> Result<(), BundleError> {
    let path = directory.join(CHECKSUMS);
    let text = fs::read(&path).map_err(BundleError::io(&path))?;
    let text = String::from_utf8(text).map_err(|error| BundleError::damaged(&path, error))?;
    let mut listed = Vec::new();
    for line in text.lines() {
        let (sum, file) = line
            .split_once("  ")
            .ok_or_else(|| BundleError::damaged(&path, format!("no checksum in `{line}`")))?;
        if unread != Some(file) {
            verify_file(&directory.join(file), sum)?;
        }
        listed.push(PathBuf::from(file));
    }
    let present = files(directory)?;
    if listed != present {
        return Err(BundleError::damaged(
            &path,
            format!("it lists {listed:?}, but the directory has {present:?}"),
        ));
    }
    Ok(())
}

fn verify_file(path: &Path, sum: &str) -> Result<(), BundleError> {
    let actual = sha256(path)?;
    if actual == sum {
        return Ok(());
    }
    let reason = format!("its SHA-256 is {actual}, but {CHECKSUMS} has {sum}");
    Err(BundleError::damaged(path, reason))
}

fn sync(directory: &Path) -> Result<(), BundleError> {
    for entry in fs::read_dir(directory).map_err(BundleError::io(directory))? {
        let path = entry.map_err(BundleError::io(directory))?.path();
        if path.is_dir() {
            sync(&path)?;
        } else {
            let file = File::open(&path).map_err(BundleError::io(&path))?;
            file.sync_all().map_err(BundleError::io(&path))?;
        }
    }
    sync_directory(directory)
}

fn sync_directory(directory: &Path) -> Result<(), BundleError> {
    // Elsewhere directories cannot be opened as files, and renames are journalled.
    if cfg!(unix) {
        let file = File::open(directory).map_err(BundleError::io(directory))?;
        file.sync_all().map_err(BundleError::io(directory))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(target: &Path, replace: bool, text: &str) -> Result<(), BundleError> {
        let staging = Staging::create(target, replace)?;
        fs::create_dir(staging.path().join("sub")).unwrap();
        fs::write(staging.path().join("sub/file"), text).unwrap();
        fs::write(staging.path().join("other"), "same").unwrap();
        staging.commit()
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
        write(&target, false, "one").unwrap();
        verify(&target, None).unwrap();
        let error = write(&target, false, "two").unwrap_err();
        assert!(matches!(error, BundleError::Exists { .. }), "{error}");
        assert_eq!(fs::read_to_string(target.join("sub/file")).unwrap(), "one");
        write(&target, true, "two").unwrap();
        verify(&target, None).unwrap();
        assert_eq!(fs::read_to_string(target.join("sub/file")).unwrap(), "two");
        assert_eq!(entries(directory.path()), ["run"]);
    }

    #[test]
    fn what_is_no_bundle_is_never_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let other = directory.path().join("photos");
        fs::create_dir(&other).unwrap();
        fs::write(other.join("one"), "dear").unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "dear").unwrap();
        for target in [&other, &file] {
            let error = Staging::create(target, true).unwrap_err();
            assert!(
                matches!(error, BundleError::NotReplaceable { .. }),
                "{error}"
            );
        }
        let error = Staging::create(Path::new(".."), true).unwrap_err();
        assert!(matches!(error, BundleError::NoName { .. }), "{error}");
        assert_eq!(entries(directory.path()), ["file", "photos"]);
        assert_eq!(fs::read_to_string(other.join("one")).unwrap(), "dear");
    }

    #[test]
    fn what_is_not_committed_is_removed_and_leaves_the_old() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("run");
        write(&target, false, "one").unwrap();
        let staging = Staging::create(&target, true).unwrap();
        fs::write(staging.path().join("file"), "half").unwrap();
        drop(staging);
        assert_eq!(entries(directory.path()), ["run"]);
        verify(&target, None).unwrap();
    }

    #[test]
    fn a_second_writer_is_told_and_a_dead_ones_leavings_are_removed() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("run");
        let first = Staging::create(&target, false).unwrap();
        let error = Staging::create(&target, false).unwrap_err();
        assert!(matches!(error, BundleError::Busy { .. }), "{error}");
        drop(first);
        fs::create_dir(directory.path().join(".run.fibinet-partial")).unwrap();
        fs::write(directory.path().join(".run.fibinet-partial/leaving"), "").unwrap();
        write(&target, false, "one").unwrap();
        assert_eq!(entries(&target), [CHECKSUMS, "other", "sub"]);
    }

    #[test]
    fn every_flipped_byte_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("run");
        write(&target, false, "one").unwrap();
        for file in ["sub/file", "other", CHECKSUMS] {
            let path = target.join(file);
            let bytes = fs::read(&path).unwrap();
            for i in 0..bytes.len() {
                let mut flipped = bytes.clone();
                flipped[i] ^= 1;
                fs::write(&path, flipped).unwrap();
                assert!(verify(&target, None).is_err(), "byte {i} of {file}");
            }
            fs::write(&path, bytes).unwrap();
        }
        verify(&target, None).unwrap();
        fs::write(target.join("other"), "damaged").unwrap();
        assert!(verify(&target, Some("sub/file")).is_err());
        verify(&target, Some("other")).unwrap();
        fs::remove_file(target.join("other")).unwrap();
        assert!(verify(&target, Some("other")).is_err());
        fs::write(target.join("other"), "damaged").unwrap();
        fs::write(target.join("more"), "").unwrap();
        assert!(verify(&target, Some("other")).is_err());
    }
}
