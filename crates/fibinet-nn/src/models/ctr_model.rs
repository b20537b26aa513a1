use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::error::{ConfigError, require};
use crate::field_ids::FieldIds;
use crate::fields::FieldInputs;
use crate::layers::feature_embedding::{FeatureEmbedding, FeatureEmbeddingConfig};
use crate::layers::linear_logit::{LinearLogit, LinearLogitConfig};
use crate::models::fibinet::{FiBiNet, FiBiNetConfig};
use crate::models::head::Head;

/// Settings of a whole FiBiNET, [`CtrModel<FiBiNet>`](CtrModel).
///
/// | name | default | purpose | range |
/// |---|---|---|---|
/// | `field_sizes` | – | rows of each field | as many as `fibinet.num_fields` |
/// | `fibinet` | – | everything else | |
#[derive(Config, Debug)]
pub struct CtrModelConfig {
    /// Rows of each field.
    pub field_sizes: Vec<usize>,
    /// Everything else.
    pub fibinet: FiBiNetConfig,
}

/// A CTR model as an ordinary Burn module: tables in front of a [`Head`].
///
/// It trains in anybody's loop, with dense gradients over the tables. For large vocabularies
/// `fibinet-train` takes the head alone and updates the rows that a batch meets.
#[derive(Module, Debug)]
pub struct CtrModel<H> {
    /// The embedding table.
    pub embedding: FeatureEmbedding,
    /// The linear weights.
    pub linear: Option<LinearLogit>,
    /// The dense half.
    pub head: H,
}

impl CtrModelConfig {
    /// The settings of the embedding table.
    pub fn embedding(&self) -> FeatureEmbeddingConfig {
        FeatureEmbeddingConfig::new(self.field_sizes.clone(), self.fibinet.embedding_dim)
            .with_padding(self.fibinet.padding)
            .with_initializer(self.fibinet.embedding_initializer.clone())
    }

    /// The settings of the linear weights; none without a linear part.
    pub fn linear(&self) -> Option<LinearLogitConfig> {
        self.fibinet.linear.then(|| {
            LinearLogitConfig::new(self.field_sizes.clone())
                .with_padding(self.fibinet.padding)
                .with_initializer(self.fibinet.linear_initializer.clone())
        })
    }

    /// The model on a device, or what is wrong with its settings.
    ///
    /// # Errors
    ///
    /// [`ConfigError::OutOfRange`] for the first setting outside its range.
    pub fn try_init(&self, device: &Device) -> Result<CtrModel<FiBiNet>, ConfigError> {
        require(
            self.field_sizes.len() == self.fibinet.num_fields,
            "field_sizes",
            "as many as num_fields",
            self.field_sizes.len(),
        )?;
        Ok(CtrModel {
            embedding: self.embedding().try_init(device)?,
            linear: match self.linear() {
                Some(linear) => Some(linear.try_init(device)?),
                None => None,
            },
            head: self.fibinet.try_init(device)?,
        })
    }

    /// The model on a device.
    ///
    /// # Panics
    ///
    /// With the message of [`try_init`](Self::try_init).
    pub fn init(&self, device: &Device) -> CtrModel<FiBiNet> {
        self.try_init(device)
            .unwrap_or_else(|error| panic!("{error}"))
    }
}

impl<H: Head> CtrModel<H> {
    /// The logits of a batch.
    ///
    /// # Shapes
    ///
    /// - ids: `[B, F]` slots, each id below its field's number of table rows
    /// - dense: `[B, N]`, raw numeric inputs, if the head reads them
    /// - output: `[B]`
    ///
    /// # Panics
    ///
    /// If a shape does not fit the fields, or an input that the head reads is missing.
    pub fn forward(&self, ids: FieldIds, dense: Option<Tensor<2>>) -> Tensor<1> {
        let linear = self.linear.as_ref().map(|linear| linear.terms(ids.clone()));
        let embeddings = self.embedding.forward(ids);
        let inputs = FieldInputs::new(embeddings)
            .with_linear(linear)
            .with_dense(dense);
        self.head.forward(inputs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Preset;
    use crate::testing::cpu_devices;

    #[test]
    fn bars_at_criteo_x4_counts_the_published_parameters() {
        // BARS, FiBiNET on Criteo_x4_001: 910,708 features, K = 16, 2000 × 3: 71,104,747.
        let device = cpu_devices().remove(0);
        let fibinet = Preset::Bars.config(39, 16);
        let mut field_sizes = vec![1; 38];
        field_sizes.push(910_708 - 38);
        let model = CtrModelConfig::new(field_sizes, fibinet).init(&device);
        assert_eq!(model.num_params(), 71_104_747);
    }

    #[test]
    fn sizes_and_fields_must_agree() {
        let device = cpu_devices().remove(0);
        let config = CtrModelConfig::new(vec![4, 5], FiBiNetConfig::new(3, 2));
        assert_eq!(
            config.try_init(&device).unwrap_err().to_string(),
            "field_sizes must be as many as num_fields, but is 2"
        );
    }
}
