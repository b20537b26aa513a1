use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// A file written aside and renamed into place by [`commit`](Self::commit): a failure leaves what
/// was there. What a killed process left is written over by the next one.
///
/// A link is followed, and what is no ordinary file (a pipe, `/dev/stdout`) is written to as it is.
pub(super) struct AsideFile {
    target: PathBuf,
    /// None where the target is written to as it is, or is in place already.
    partial: Option<PathBuf>,
    file: BufWriter<File>,
}

impl AsideFile {
    pub(super) fn create(target: &Path) -> Result<Self> {
        let target = target.canonicalize().unwrap_or_else(|_| target.to_owned());
        let is_special = target
            .metadata()
            .is_ok_and(|there| !there.is_file() && !there.is_dir());
        let partial = (!is_special).then(|| {
            let mut name = std::ffi::OsString::from(".");
            name.push(target.file_name().unwrap_or_default());
            name.push(".fibinet-partial");
            target.with_file_name(name)
        });
        let path = partial.as_ref().unwrap_or(&target);
        if target.is_dir() {
            return Err(io::Error::from(io::ErrorKind::IsADirectory))
                .with_context(|| target.display().to_string());
        }
        let file = File::create(path).with_context(|| path.display().to_string())?;
        Ok(Self {
            file: BufWriter::new(file),
            target,
            partial,
        })
    }

    pub(super) fn commit(mut self) -> Result<()> {
        let mut moved = self.file.flush();
        if let Some(partial) = &self.partial {
            moved = moved
                .and_then(|()| self.file.get_ref().sync_all())
                .and_then(|()| fs::rename(partial, &self.target));
        }
        if moved.is_ok() {
            self.partial = None;
        }
        moved.with_context(|| self.target.display().to_string())
    }
}

impl Write for AsideFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for AsideFile {
    fn drop(&mut self) {
        if let Some(partial) = &self.partial {
            // Best effort: the error that led here is the one to tell.
            let _ = fs::remove_file(partial);
        }
    }
}
