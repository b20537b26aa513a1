use std::io;
use std::path::{Path, PathBuf};

use fibinet_data::{DataError, SchemaError};
use fibinet_model::BundleError;
use fibinet_nn::{BackendError, ConfigError};

/// Why a run ended without a bundle.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The run file is no run file.
    #[error("{0}")]
    RunFile(String),
    /// A setting of the `[train]` section.
    #[error("train: {0}")]
    Train(#[source] ConfigError),
    /// A setting of the `[data]` section.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// A setting of the `[model]` section.
    #[error("model: {0}")]
    Model(#[from] ConfigError),
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
    #[error("{path}: {source}", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The loss is no number any more.
    #[error(transparent)]
    NotFinite(Box<NotFinite>),
}

/// A loss that is infinite or no number.
#[derive(Debug, thiserror::Error)]
#[error(
    "the loss became {loss} {place}, at learning rate {learning_rate}; {kept}; \
     a lower train.learning_rate or a train.max_gradient_norm may help",
    kept = kept_text(.kept)
)]
pub struct NotFinite {
    /// The loss.
    pub loss: f64,
    /// Where: a step, or the validation rows after one.
    pub place: String,
    /// The learning rate.
    pub learning_rate: f64,
    /// The best weights before it: their epoch, and the bundle that has them.
    pub kept: Option<(usize, PathBuf)>,
}

fn kept_text(kept: &Option<(usize, PathBuf)>) -> String {
    match kept {
        Some((epoch, path)) => format!(
            "the best weights before, of epoch {epoch}, are in {}",
            path.display()
        ),
        None => "there was no checkpoint yet".to_owned(),
    }
}

impl TrainError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }

    /// Whether the fault is in what a person asked for rather than in a file or the machine.
    pub fn is_config(&self) -> bool {
        match self {
            Self::RunFile(_)
            | Self::Train(_)
            | Self::Schema(_)
            | Self::Model(_)
            | Self::Backend(_) => true,
            Self::Bundle(error) => error.is_config(),
            Self::Data(error) => error.is_config(),
            _ => false,
        }
    }
}
