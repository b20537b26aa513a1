//! The checksums of a directory's files, in the form that `sha256sum -c` reads.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::error::StorageError;
use crate::tree;

/// The file of checksums.
pub const FILE_NAME: &str = "SHA256SUMS";

/// Writes the checksum of every file below a directory into its `SHA256SUMS`.
///
/// # Errors
///
/// If a file cannot be read, or the checksums cannot be written.
pub fn write(directory: &Path) -> Result<(), StorageError> {
    let mut text = String::new();
    for file in summed_files(directory)? {
        let sum = sha256(&directory.join(&file))?;
        text += &format!("{sum}  {}\n", file.display());
    }
    let path = directory.join(FILE_NAME);
    fs::write(&path, text).map_err(StorageError::io(&path))
}

/// Checks that a directory has exactly the files of its `SHA256SUMS`, each with its checksum. The
/// content of files named `skipped`, in whatever subdirectory, is not read, but they must exist.
///
/// # Errors
///
/// [`StorageError::Damaged`] if a file has another checksum or is not listed, and
/// [`StorageError::Io`] if one is missing or cannot be read.
pub fn verify(directory: &Path, skipped: Option<&str>) -> Result<(), StorageError> {
    let path = directory.join(FILE_NAME);
    let text = fs::read(&path).map_err(StorageError::io(&path))?;
    let text = String::from_utf8(text).map_err(|error| StorageError::damaged(&path, error))?;
    let mut listed = Vec::new();
    for line in text.lines() {
        let (sum, file) = line
            .split_once("  ")
            .ok_or_else(|| StorageError::damaged(&path, format!("no checksum in `{line}`")))?;
        let file = PathBuf::from(file);
        if skipped.is_none_or(|skipped| file.file_name() != Some(OsStr::new(skipped))) {
            verify_file(&directory.join(&file), sum)?;
        }
        listed.push(file);
    }
    let present = summed_files(directory)?;
    if listed != present {
        return Err(StorageError::damaged(
            &path,
            format!("it lists {listed:?}, but the directory has {present:?}"),
        ));
    }
    Ok(())
}

/// Every file of a directory except the checksums.
fn summed_files(directory: &Path) -> Result<Vec<PathBuf>, StorageError> {
    let mut files = tree::files(directory)?;
    files.retain(|path| path != Path::new(FILE_NAME));
    Ok(files)
}

fn verify_file(path: &Path, sum: &str) -> Result<(), StorageError> {
    let actual = sha256(path)?;
    if actual == sum {
        return Ok(());
    }
    let reason = format!("its SHA-256 is {actual}, but {FILE_NAME} has {sum}");
    Err(StorageError::damaged(path, reason))
}

fn sha256(path: &Path) -> Result<String, StorageError> {
    let mut file = File::open(path).map_err(StorageError::io(path))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut buffer).map_err(StorageError::io(path))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_byte_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path();
        fs::create_dir(target.join("sub")).unwrap();
        fs::write(target.join("sub/file"), "one").unwrap();
        fs::write(target.join("other"), "same").unwrap();
        write(target).unwrap();
        for file in ["sub/file", "other", FILE_NAME] {
            let path = target.join(file);
            let bytes = fs::read(&path).unwrap();
            for i in 0..bytes.len() {
                let mut flipped = bytes.clone();
                flipped[i] ^= 1;
                fs::write(&path, flipped).unwrap();
                assert!(verify(target, None).is_err(), "byte {i} of {file}");
            }
            fs::write(&path, bytes).unwrap();
        }
        verify(target, None).unwrap();
    }

    #[test]
    fn a_skipped_file_may_be_damaged_but_neither_missing_nor_unlisted() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path();
        fs::write(target.join("one"), "1").unwrap();
        fs::write(target.join("other"), "same").unwrap();
        write(target).unwrap();
        fs::write(target.join("other"), "damaged").unwrap();
        assert!(verify(target, Some("one")).is_err());
        verify(target, Some("other")).unwrap();
        fs::create_dir(target.join("sub")).unwrap();
        fs::write(target.join("sub/other"), "same").unwrap();
        write(target).unwrap();
        fs::write(target.join("sub/other"), "damaged").unwrap();
        assert!(verify(target, None).is_err());
        verify(target, Some("other")).unwrap();
        fs::remove_dir_all(target.join("sub")).unwrap();
        assert!(verify(target, Some("other")).is_err());
        write(target).unwrap();
        fs::remove_file(target.join("other")).unwrap();
        assert!(verify(target, Some("other")).is_err());
        fs::write(target.join("other"), "damaged").unwrap();
        fs::write(target.join("more"), "").unwrap();
        assert!(verify(target, Some("other")).is_err());
    }

    #[test]
    fn sums_are_those_of_sha256sum() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("abc"), "abc").unwrap();
        write(directory.path()).unwrap();
        // FIPS 180-2, appendix B.1.
        assert_eq!(
            fs::read_to_string(directory.path().join(FILE_NAME)).unwrap(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  abc\n"
        );
    }
}
