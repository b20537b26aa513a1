use burn::config::Config;
use burn::module::Initializer;
use serde::{Deserialize, Serialize};

use crate::error::{ConfigError, MAX_WIDTH, require};
use crate::layers::feature_embedding::FeatureEmbeddingConfig;
use crate::layers::linear_logit::LinearLogitConfig;

/// How a model reads a numeric field that is not cut into buckets.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Numerics {
    /// As a field: its value times a learned vector, which joins the pairs (FuxiCTR).
    Embedded,
    /// As a raw input of the DNN and of the linear part (DeepCTR).
    Dense,
}

/// What a model asks of the tables in front of its head.
///
/// | name | default | purpose | range |
/// |---|---|---|---|
/// | `embedding_dim` | – | embedding dimension `K`; 0: no embedding table | at most 16777216 |
/// | `linear` | true | a table of linear weights, one per table row | |
/// | `padding` | false | row 0 of each field is zero and never trained | |
/// | `numerics` | embedded | how a numeric field is read | |
/// | `embedding_initializer` | N(0, 0.05) | draws the embedding table | |
/// | `linear_initializer` | zeros | draws the linear weights | |
#[derive(Config, Debug, PartialEq)]
pub struct TablesConfig {
    /// Embedding dimension, `K`; 0: no embedding table.
    pub embedding_dim: usize,
    /// A table of linear weights.
    #[config(default = true)]
    pub linear: bool,
    /// Row 0 of each field is zero and never trained.
    #[config(default = false)]
    pub padding: bool,
    /// How a numeric field is read.
    #[config(default = "Numerics::Embedded")]
    pub numerics: Numerics,
    /// Draws the embedding table.
    #[config(default = "Initializer::Normal { mean: 0.0, std: 0.05 }")]
    pub embedding_initializer: Initializer,
    /// Draws the linear weights.
    #[config(default = "Initializer::Zeros")]
    pub linear_initializer: Initializer,
}

impl TablesConfig {
    /// Checks every setting.
    ///
    /// # Errors
    ///
    /// [`ConfigError::OutOfRange`] for the first setting outside the table's ranges.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let dim = self.embedding_dim;
        require(dim <= MAX_WIDTH, "embedding_dim", "at most 16777216", dim)?;
        let has_table = dim > 0 || self.linear;
        require(
            has_table,
            "embedding_dim",
            "at least 1 without `linear`",
            dim,
        )
    }

    /// The settings of the embedding table for fields of these sizes; `None` without one.
    pub fn embedding(&self, field_sizes: &[usize]) -> Option<FeatureEmbeddingConfig> {
        (self.embedding_dim > 0).then(|| {
            FeatureEmbeddingConfig::new(field_sizes.to_vec(), self.embedding_dim)
                .with_padding(self.padding)
                .with_initializer(self.embedding_initializer.clone())
        })
    }

    /// The settings of the linear weights for fields of these sizes; `None` without a linear part.
    pub fn linear(&self, field_sizes: &[usize]) -> Option<LinearLogitConfig> {
        self.linear.then(|| {
            LinearLogitConfig::new(field_sizes.to_vec())
                .with_padding(self.padding)
                .with_initializer(self.linear_initializer.clone())
        })
    }

    /// Sets the standard deviation that embeddings are drawn with.
    ///
    /// # Errors
    ///
    /// [`ConfigError::OutOfRange`] if it is negative, infinite or NaN.
    pub(crate) fn set_embedding_std(&mut self, std: f64) -> Result<(), ConfigError> {
        let holds = std >= 0.0 && std.is_finite();
        require(holds, "embedding_std", "at least 0", std)?;
        self.embedding_initializer = Initializer::Normal { mean: 0.0, std };
        Ok(())
    }
}
