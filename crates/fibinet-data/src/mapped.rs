use std::fs::File;
use std::io;
use std::ops::Deref;
use std::path::Path;

use memmap2::Mmap;

/// A file mapped into memory: read as it is used, and shared between processes.
///
/// The file must not change while it is mapped. Files of a bundle do not: a new bundle is written
/// aside and renamed into place, which leaves the old files to those who mapped them.
#[derive(Debug)]
pub struct MappedFile {
    map: Mmap,
}

impl MappedFile {
    /// Maps a file.
    ///
    /// # Errors
    ///
    /// Where it cannot be opened or mapped.
    #[expect(
        unsafe_code,
        reason = "mapping is what makes start-up free of reading tables"
    )]
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        // SAFETY: by the contract above nobody writes to the file while it is mapped.
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
