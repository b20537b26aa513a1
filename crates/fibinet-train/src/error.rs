use std::io;
use std::path::{Path, PathBuf};

use fibinet_data::config::SchemaError;
use fibinet_data::{DataError, ErrorClass};
use fibinet_model::bundle::BundleError;
use fibinet_nn::ConfigError;
use fibinet_nn::backend::BackendError;

/// Why a run ended without a bundle.
///
/// The message contains that of the cause, so that `source` returns nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The run file cannot be read, or is not a run file.
    #[error("{0}")]
    RunFile(String),
    /// A setting of the `[train]` section.
    #[error("train: {0}")]
    Train(ConfigError),
    /// A setting of the `[data]` section.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// A setting of the `[model]` section.
    #[error("model: {0}")]
    Model(ConfigError),
    /// The device.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// The data.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The bundle.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// A file of the run could not be written.
    #[error("{path}: {error}", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        error: io::Error,
    },
    /// A split whose rows are all clicks, or of which none is.
    #[error("the {split} rows are of one class: {clicks} clicks in {rows} rows; {hint}")]
    OneClass {
        /// What the rows are for.
        split: &'static str,
        /// The number of its rows.
        rows: usize,
        /// The number of clicks among them.
        clicks: usize,
        /// Which settings to look at.
        hint: String,
    },
    /// A model that the machine has too little memory to train.
    #[error(
        "the model takes at least {needed} of memory to train, and this machine has {machine}; most of it \
         is for {part}: lower \
         {settings}"
    )]
    Memory {
        /// What it takes, in words.
        needed: String,
        /// What there is.
        machine: String,
        /// The part that takes most.
        part: String,
        /// What that part grows with.
        settings: String,
    },
    /// The loss became NaN or infinite.
    #[error(transparent)]
    NotFinite(Box<NotFinite>),
}

/// A loss that is NaN or infinite.
#[derive(Debug, thiserror::Error)]
#[error(
    "the loss became {loss} {place}, at learning rate {learning_rate}; {kept}; \
     try a lower train.learning_rate or train.max_gradient_norm",
    kept = kept_text(.kept)
)]
pub struct NotFinite {
    /// The loss.
    pub loss: f64,
    /// The step, or the evaluation after it.
    pub place: String,
    /// The learning rate.
    pub learning_rate: f64,
    /// The epoch of the best weights before it, and the bundle that holds them; `None` if there was no
    /// checkpoint yet.
    pub kept: Option<(usize, PathBuf)>,
}

fn kept_text(kept: &Option<(usize, PathBuf)>) -> String {
    match kept {
        Some((epoch, path)) => format!(
            "the best weights so far, of epoch {epoch}, are in {}",
            path.display()
        ),
        None => "no checkpoint had been saved yet".to_owned(),
    }
}

impl TrainError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::Io { path, error }
    }

    /// Whose fault it is: [`Usage`](ErrorClass::Usage) if the run file or an argument is wrong.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::RunFile(_)
            | Self::Train(_)
            | Self::Schema(_)
            | Self::Model(_)
            | Self::Memory { .. }
            | Self::Backend(_) => ErrorClass::Usage,
            Self::Bundle(error) => error.class(),
            Self::Data(error) => error.class(),
            Self::Io { .. } | Self::OneClass { .. } | Self::NotFinite(_) => ErrorClass::Failure,
        }
    }
}

impl From<ConfigError> for TrainError {
    fn from(error: ConfigError) -> Self {
        Self::Model(error)
    }
}
