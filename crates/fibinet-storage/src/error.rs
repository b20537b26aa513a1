use std::io;
use std::path::{Path, PathBuf};

/// Why a file or directory could not be read, written or moved into place.
///
/// A message holds what the system said, so `source` gives nothing more.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// A file could not be opened, read, written or moved.
    #[error("{path}: {error}", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The target exists, and replacing it was not asked for.
    #[error("{path} exists", path = .path.display())]
    Exists {
        /// The target.
        path: PathBuf,
    },
    /// The target exists and is not what may be replaced.
    #[error("{path} exists and cannot be replaced: it does not contain {marker}", path = .path.display())]
    NotReplaceable {
        /// The target.
        path: PathBuf,
        /// The file that it would have to contain.
        marker: &'static str,
    },
    /// A target that nothing can be moved to, such as `..`.
    #[error("{path} cannot be the name of a new directory", path = .path.display())]
    NoName {
        /// The target.
        path: PathBuf,
    },
    /// Another process writes to the same target.
    #[error("{path} is being written by another process", path = .path.display())]
    Busy {
        /// The target.
        path: PathBuf,
    },
    /// A file that is not what it was when it was written.
    #[error("{path} is damaged: {reason}", path = .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

impl StorageError {
    /// The error of a file, to be given what the system said.
    pub fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::Io { path, error }
    }

    /// A damaged file.
    pub fn damaged(path: &Path, reason: impl ToString) -> Self {
        Self::Damaged {
            path: path.to_owned(),
            reason: reason.to_string(),
        }
    }

    /// Whether the target itself was refused: the caller gave a wrong target, while every file
    /// and the machine are in order.
    pub fn is_refused_target(&self) -> bool {
        matches!(
            self,
            Self::Exists { .. } | Self::NotReplaceable { .. } | Self::NoName { .. }
        )
    }

    /// Whether what was to be read is missing or damaged, so that writing it again mends it.
    ///
    /// `false` for a file that may well be intact and could only not be read now: no permission, too
    /// many open files, a failing disk or network.
    pub fn is_missing_or_damaged(&self) -> bool {
        match self {
            Self::Io { error, .. } => means_missing_or_damaged(error),
            Self::Damaged { .. } => true,
            _ => false,
        }
    }
}

/// Whether an error of reading a file says that it is missing, or that its content is not what it
/// should be.
pub(crate) fn means_missing_or_damaged(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound
            // A directory instead of a file, or a file instead of a directory.
            | io::ErrorKind::IsADirectory
            | io::ErrorKind::NotADirectory
            // The file ends too early, or is not UTF-8.
            | io::ErrorKind::UnexpectedEof
            | io::ErrorKind::InvalidData
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_writing_again_mends_is_missing_or_damaged() {
        let means =
            |error: io::Error| StorageError::io(Path::new("x"))(error).is_missing_or_damaged();
        for kind in [
            io::ErrorKind::NotFound,
            io::ErrorKind::IsADirectory,
            io::ErrorKind::NotADirectory,
            io::ErrorKind::UnexpectedEof,
            io::ErrorKind::InvalidData,
        ] {
            assert!(means(kind.into()), "{kind:?}");
        }
        for kind in [
            io::ErrorKind::PermissionDenied,
            io::ErrorKind::OutOfMemory,
            io::ErrorKind::Interrupted,
            io::ErrorKind::TimedOut,
            io::ErrorKind::StaleNetworkFileHandle,
            io::ErrorKind::Other,
        ] {
            assert!(!means(kind.into()), "{kind:?}");
        }
        // EIO, ENFILE and EMFILE have no kind of their own.
        #[cfg(unix)]
        for number in [5, 23, 24] {
            assert!(!means(io::Error::from_raw_os_error(number)), "{number}");
        }
        let path = PathBuf::from("x");
        assert!(StorageError::damaged(&path, "cut short").is_missing_or_damaged());
        assert!(!StorageError::Busy { path }.is_missing_or_damaged());
    }
}
