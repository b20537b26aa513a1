use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::StorageError;

/// Every file below a directory, by its path relative to it, sorted.
pub(crate) fn files(directory: &Path) -> Result<Vec<PathBuf>, StorageError> {
    fn walk(root: &Path, at: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
        for entry in fs::read_dir(at)? {
            let entry = entry?;
            let path = entry.path();
            // A link to a directory is an entry, not a part of the tree.
            if entry.file_type()?.is_dir() {
                walk(root, &path, files)?;
            } else if let Ok(relative) = path.strip_prefix(root) {
                files.push(relative.to_owned());
            }
        }
        Ok(())
    }
    let mut found = Vec::new();
    walk(directory, directory, &mut found).map_err(StorageError::io(directory))?;
    found.sort_unstable();
    Ok(found)
}

/// The directory that a target is in.
pub(crate) fn parent(target: &Path) -> &Path {
    let parent = target.parent();
    let parent = parent.filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

/// Syncs the entries of a directory to the disk, such as a rename.
pub(crate) fn sync_directory(directory: &Path) -> Result<(), StorageError> {
    // Elsewhere directories cannot be opened as files, and renames are journalled.
    if cfg!(unix) {
        let file = File::open(directory).map_err(StorageError::io(directory))?;
        file.sync_all().map_err(StorageError::io(directory))?;
    }
    Ok(())
}
