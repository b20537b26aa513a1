use std::io;
use std::path::{Path, PathBuf};

use fibinet_data::{DataError, ErrorClass};
use fibinet_nn::ConfigError;
use fibinet_storage::StorageError;

/// Why a bundle cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// A file or the bundle's directory, which could not be read, written or moved into place, or is
    /// damaged.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A directory that is not a bundle.
    #[error("{path} is not a bundle: {reason}", path = .path.display())]
    NotABundle {
        /// The directory.
        path: PathBuf,
        /// What it lacks.
        reason: String,
    },
    /// A bundle whose format is newer than this program knows.
    #[error(
        "{path} has format {got}, which is newer than this program can read ({known}); \
         score it with the program that wrote it, or a newer one",
        path = .path.display()
    )]
    Newer {
        /// The bundle.
        path: PathBuf,
        /// Its format.
        got: i64,
        /// The newest format that this program reads.
        known: i64,
    },
    /// A file that could not be written.
    #[error("{path} cannot be written: {reason}", path = .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// A score that is not a finite number, which values far outside those of the training rows can
    /// give.
    #[error(
        "the score of row {row} is NaN or infinite: are its values far outside those of the \
         training rows?"
    )]
    NotFinite {
        /// The row, from 1.
        row: u64,
    },
    /// The encoder or the data.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The model's settings.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

impl BundleError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let error = StorageError::io(path);
        move |source| Self::Storage(error(source))
    }

    pub(crate) fn write(path: &Path) -> impl FnOnce(&dyn std::fmt::Display) -> Self {
        let path = path.to_owned();
        move |reason| Self::Write {
            path,
            reason: reason.to_string(),
        }
    }

    pub(crate) fn damaged(path: &Path, reason: impl ToString) -> Self {
        Self::Storage(StorageError::damaged(path, reason))
    }

    /// Whose fault it is: [`Usage`](ErrorClass::Usage) if a target or a setting is wrong.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Storage(error) if error.is_refused_target() => ErrorClass::Usage,
            Self::Config(_) => ErrorClass::Usage,
            Self::Data(error) => error.class(),
            _ => ErrorClass::Failure,
        }
    }
}
