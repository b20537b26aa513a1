use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// A file written aside and renamed into place by [`commit`](Self::commit): a failure leaves what
/// was there.
pub(super) struct AsideFile<'a> {
    target: &'a Path,
    partial: PathBuf,
    file: BufWriter<File>,
    committed: bool,
}

impl<'a> AsideFile<'a> {
    pub(super) fn create(target: &'a Path) -> Result<Self> {
        let mut name = target.file_name().unwrap_or_default().to_owned();
        name.push(format!(".partial-{}", std::process::id()));
        let partial = target.with_file_name(name);
        let file = File::create(&partial).with_context(|| partial.display().to_string())?;
        Ok(Self {
            target,
            partial,
            file: BufWriter::new(file),
            committed: false,
        })
    }

    pub(super) fn commit(mut self) -> Result<()> {
        let moved = self
            .file
            .flush()
            .and_then(|()| self.file.get_ref().sync_all())
            .and_then(|()| fs::rename(&self.partial, self.target));
        self.committed = moved.is_ok();
        moved.with_context(|| self.target.display().to_string())
    }
}

impl Write for AsideFile<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for AsideFile<'_> {
    fn drop(&mut self) {
        if !self.committed {
            // Best effort: the error that led here is the one to tell.
            let _ = fs::remove_file(&self.partial);
        }
    }
}
