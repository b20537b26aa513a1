use std::io;
use std::path::{Path, PathBuf};

use fibinet_data::{DataError, ErrorClass};
use fibinet_nn::ConfigError;

/// Why a bundle cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// A file could not be opened, read, written or moved.
    #[error("{path}: {source}", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The place is taken.
    #[error("{path} exists; write elsewhere, or replace it with --force", path = .path.display())]
    Exists {
        /// The place.
        path: PathBuf,
    },
    /// The place is taken by something that is not replaced even on request.
    #[error("{path} exists and is no bundle; --force replaces bundles alone", path = .path.display())]
    NotReplaceable {
        /// The place.
        path: PathBuf,
    },
    /// A place that no directory can be moved to, as `..`.
    #[error("{path} is no name for a new directory", path = .path.display())]
    NoName {
        /// The place.
        path: PathBuf,
    },
    /// Another process writes to the same place.
    #[error("{path} is being written by another process", path = .path.display())]
    Busy {
        /// The place.
        path: PathBuf,
    },
    /// A directory that is no bundle.
    #[error("{path} is no bundle: {reason}", path = .path.display())]
    NotABundle {
        /// The directory.
        path: PathBuf,
        /// What it lacks.
        reason: String,
    },
    /// A bundle of a newer program.
    #[error(
        "{path} has format {got}, which is newer than this program reads ({known}); \
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
    /// A file that is not what it was when it was written.
    #[error("{path} is damaged: {reason}", path = .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A file that could not be written.
    #[error("{path} cannot be written: {reason}", path = .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// A score that is no number, as of values far outside what training met.
    #[error("the score of row {row} is no number: are its values those of training?")]
    NotFinite {
        /// The row, from 1.
        row: u64,
    },
    /// The encoder.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The model's settings.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

impl BundleError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }

    pub(crate) fn write(path: &Path) -> impl FnOnce(&dyn std::fmt::Display) -> Self {
        let path = path.to_owned();
        move |reason| Self::Write {
            path,
            reason: reason.to_string(),
        }
    }

    pub(crate) fn damaged(path: &Path, reason: impl ToString) -> Self {
        Self::Damaged {
            path: path.to_owned(),
            reason: reason.to_string(),
        }
    }

    /// Whose fault it is: [`Usage`](ErrorClass::Usage) if a target or a setting is wrong.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Exists { .. }
            | Self::NotReplaceable { .. }
            | Self::NoName { .. }
            | Self::Config(_) => ErrorClass::Usage,
            Self::Data(error) => error.class(),
            _ => ErrorClass::Failure,
        }
    }
}
