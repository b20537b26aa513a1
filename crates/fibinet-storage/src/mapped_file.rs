use std::fs::File;
use std::ops::Deref;
use std::path::Path;

use memmap2::Mmap;

use crate::error::StorageError;

/// A file mapped into memory: read as it is used, and shared between processes.
#[derive(Debug)]
pub struct MappedFile {
    map: Mmap,
}

impl MappedFile {
    /// Maps a file.
    ///
    /// # Safety
    ///
    /// The file must not be written to or truncated while it is mapped. Files that are only ever
    /// written through [`AtomicFile`](crate::AtomicFile) and
    /// [`AtomicDirectory`](crate::AtomicDirectory) keep this: a new file gets the name, and the old
    /// one stays with the processes that mapped it.
    ///
    /// # Errors
    ///
    /// If the file cannot be opened or mapped.
    #[expect(
        unsafe_code,
        reason = "mapping is what lets tables be used without reading them whole"
    )]
    pub unsafe fn open(path: &Path) -> Result<Self, StorageError> {
        let file = File::open(path).map_err(StorageError::io(path))?;
        // SAFETY: the caller's promise.
        let map = unsafe { Mmap::map(&file) }.map_err(StorageError::io(path))?;
        Ok(Self { map })
    }
}

impl Deref for MappedFile {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.map
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AtomicFile;

    #[test]
    fn a_mapped_file_stays_as_it_was_when_another_gets_its_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        AtomicFile::write(&path, b"the old content").unwrap();
        // SAFETY: the file is only written through `AtomicFile`.
        #[expect(unsafe_code, reason = "see `MappedFile::open`")]
        let mapped = unsafe { MappedFile::open(&path) }.unwrap();
        AtomicFile::write(&path, b"new").unwrap();
        assert_eq!(&mapped[..], b"the old content");
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
    }
}
