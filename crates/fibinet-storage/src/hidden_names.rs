//! The names of temporary files beside a target. Other programs must not use them.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Where a target is written, `.NAME.fibinet-partial`.
pub(crate) fn partial(target: &Path) -> PathBuf {
    hidden(target, ".fibinet-partial")
}

/// The lock of the process that writes it, `.NAME.fibinet-lock`.
pub(crate) fn lock(target: &Path) -> PathBuf {
    hidden(target, ".fibinet-lock")
}

/// Where an old target is for a moment, `.NAME.fibinet-replaced`, on a file system that cannot
/// exchange two directories.
pub(crate) fn replaced(target: &Path) -> PathBuf {
    hidden(target, ".fibinet-replaced")
}

/// The target that is written at a path; `None` if the path is not one that
/// [`partial`](self::partial) gives.
pub(crate) fn target_of_partial(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let name = name.strip_prefix('.')?.strip_suffix(".fibinet-partial")?;
    Some(path.with_file_name(name))
}

fn hidden(target: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(target.file_name().unwrap_or_default());
    name.push(ending);
    target.with_file_name(name)
}
