use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::StorageError;

/// Every file below a directory, by its path relative to it, sorted.
pub(crate) fn files(directory: &Path) -> Result<Vec<PathBuf>, StorageError> {
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
    walk(directory, directory, &mut found).map_err(StorageError::io(directory))?;
    found.sort_unstable();
    Ok(found)
}
