use std::fs::File;
use std::io;
use std::ops::Deref;
use std::path::Path;

use memmap2::Mmap;

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
    /// Nobody may write to the file while it is mapped. Files of a bundle are never written to: new
    /// ones are written aside and renamed into place, which leaves the old ones to those who mapped
    /// them.
    ///
    /// # Errors
    ///
    /// Where it cannot be opened or mapped.
    #[expect(
        unsafe_code,
        reason = "mapping is what lets tables be used without reading them whole"
    )]
    pub unsafe fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        // SAFETY: the caller's promise.
        let map = unsafe { Mmap::map(&file)? };
        Ok(Self { map })
    }
}

impl Deref for MappedFile {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.map
    }
}
