use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::error::{ConfigError, require};
use crate::inputs::{CtrInputs, FieldInputs};
use crate::layers::feature_embedding::FeatureEmbedding;
use crate::layers::linear_logit::LinearLogit;
use crate::models::head::{Head, HeadConfig};
use crate::models::tables_config::TablesConfig;

/// Settings of a whole model: its tables and its head.
///
/// | name | default | purpose |
/// |---|---|---|
/// | `tables` | those that the head reads | settings of the embedding half |
/// | `head` | – | settings of the dense half |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CtrModelConfig<C> {
    /// The embedding half.
    pub tables: TablesConfig,
    /// The dense half.
    pub head: C,
}

/// A CTR model as an ordinary Burn module: tables in front of a [`Head`].
///
/// It trains in any training loop, with dense gradients over the tables. For large vocabularies
/// `fibinet-train` takes the head alone and updates the table rows that a batch touches.
#[derive(Module, Debug)]
pub struct CtrModel<H> {
    /// The embedding table; `None` if the tables have no embedding dimension.
    pub embedding: Option<FeatureEmbedding>,
    /// The linear weights; `None` without a linear part.
    pub linear: Option<LinearLogit>,
    /// The dense half.
    pub head: H,
}

impl<C: HeadConfig> CtrModelConfig<C> {
    /// A head with the tables that it reads.
    pub fn new(head: C) -> Self {
        let inputs = head.inputs();
        let tables = TablesConfig::new(inputs.embedding_dim).with_linear(inputs.linear);
        Self { tables, head }
    }

    /// Checks every setting, and that the tables have what the head reads.
    ///
    /// # Errors
    ///
    /// [`ConfigError::OutOfRange`] for the first setting outside its range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let inputs = self.head.inputs();
        self.head.validate()?;
        self.tables.validate()?;
        let dim = self.tables.embedding_dim;
        let fits = inputs.embedding_dim == 0 || inputs.embedding_dim == dim;
        require(fits, "embedding_dim", "the head's embedding_dim", dim)?;
        let fits = self.tables.linear || !inputs.linear;
        require(fits, "linear", "true for a head with a linear part", false)
    }

    /// The model on a device for fields of these sizes, or what is wrong with its settings.
    ///
    /// # Errors
    ///
    /// As [`validate`](Self::validate), and if the number of fields is not the head's.
    pub fn try_init(
        &self,
        field_sizes: Vec<usize>,
        device: &Device,
    ) -> Result<CtrModel<C::Head>, ConfigError> {
        self.validate()?;
        require(
            field_sizes.len() == self.head.inputs().num_fields,
            "field_sizes",
            "as many as num_fields",
            field_sizes.len(),
        )?;
        let embedding = self.tables.embedding(&field_sizes);
        let linear = self.tables.linear(&field_sizes);
        Ok(CtrModel {
            embedding: embedding.map(|table| table.try_init(device)).transpose()?,
            linear: linear.map(|table| table.try_init(device)).transpose()?,
            head: self.head.try_init(device)?,
        })
    }

    /// The model on a device for fields of these sizes.
    ///
    /// # Panics
    ///
    /// With the message of [`try_init`](Self::try_init).
    pub fn init(&self, field_sizes: Vec<usize>, device: &Device) -> CtrModel<C::Head> {
        self.try_init(field_sizes, device)
            .unwrap_or_else(|error| panic!("{error}"))
    }
}

impl<H: Head> CtrModel<H> {
    /// The logits of a batch.
    ///
    /// # Shapes
    ///
    /// - inputs: ids of `[B, F]` slots, each below its field's number of table rows, and raw numeric
    ///   inputs `[B, N]`, if the head reads them
    /// - output: `[B]`
    ///
    /// # Panics
    ///
    /// If a shape does not fit the fields, or an input that the head reads is missing.
    pub fn forward(&self, inputs: impl Into<CtrInputs>) -> Tensor<1> {
        let CtrInputs { ids, dense } = inputs.into();
        let linear = self.linear.as_ref().map(|table| table.terms(ids.clone()));
        let embeddings = self.embedding.as_ref().map(|table| table.forward(ids));
        self.head.forward(FieldInputs {
            embeddings,
            linear,
            dense,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::fibinet::{FiBiNetConfig, Preset};
    use crate::testing::cpu_devices;

    #[test]
    fn bars_at_criteo_x4_counts_the_published_parameters() {
        // BARS, FiBiNET on Criteo_x4_001: 910,708 features, K = 16, 2000 × 3: 71,104,747.
        let device = cpu_devices().remove(0);
        let mut field_sizes = vec![1; 38];
        field_sizes.push(910_708 - 38);
        let model = Preset::Bars.config(39, 16).init(field_sizes, &device);
        assert_eq!(model.num_params(), 71_104_747);
    }

    #[test]
    fn a_model_of_any_head_is_a_module_that_shows_its_head() {
        let device = cpu_devices().remove(0);
        let head = FiBiNetConfig::new(3, 2).with_hidden_units(vec![4]);
        let config = CtrModelConfig::new(head);
        let model = config.init(vec![4, 5, 6], &device);
        let any = config.into_any().init(vec![4, 5, 6], &device);
        assert_eq!(Module::num_params(&any), Module::num_params(&model));
        assert_eq!(any.head.to_string(), model.head.to_string());
        assert!(any.to_string().contains("head: FiBiNet {"), "{any}");
    }

    #[test]
    fn sizes_and_fields_must_agree() {
        let device = cpu_devices().remove(0);
        let config = CtrModelConfig::new(FiBiNetConfig::new(3, 2));
        let error = config.try_init(vec![4, 5], &device).unwrap_err();
        assert_eq!(
            error.to_string(),
            "field_sizes must be as many as num_fields, but is 2"
        );
    }

    #[test]
    fn tables_must_have_what_the_head_reads() {
        let message = |tables: TablesConfig| {
            let head = FiBiNetConfig::new(3, 2);
            let config = CtrModelConfig { tables, head };
            config.validate().unwrap_err().to_string()
        };
        assert_eq!(
            message(TablesConfig::new(4)),
            "embedding_dim must be the head's embedding_dim, but is 4"
        );
        assert_eq!(
            message(TablesConfig::new(2).with_linear(false)),
            "linear must be true for a head with a linear part, but is false"
        );
    }
}
