use serde::{Deserialize, Serialize};

use crate::error::ConfigError;
use crate::layers::activation::Activation;
use crate::layers::bilinear::EachMatrices;
use crate::layers::combination::{CombinationKind, CombinationOrder};
use crate::layers::pair_product::PairProductKind;
use crate::layers::senet::Squeeze;
use crate::models::ctr_model::CtrModelConfig;
use crate::models::fibinet::FiBiNetConfig;
use crate::models::fibinet::preset::Preset;
use crate::models::spec::{FieldCounts, ModelSpec};
use crate::models::tables_config::Numerics;
use crate::pairs::BilinearKind;

/// FiBiNET in a run file: a preset, and the keys that replace parts of it.
///
/// The keys are those of [`FiBiNetConfig`] and [`TablesConfig`](crate::models::TablesConfig), whose tables say
/// what each one does. Without a preset they start from the defaults there, with an embedding dimension
/// of 10.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    missing_docs,
    reason = "the keys are those of FiBiNetConfig and TablesConfig, documented there"
)]
pub struct FiBiNetSpec {
    pub preset: Option<Preset>,
    pub embedding_dim: Option<usize>,
    pub numerics: Option<Numerics>,
    pub linear: Option<bool>,
    pub bias: Option<bool>,
    pub reduction_ratio: Option<f64>,
    pub squeeze: Option<Squeeze>,
    pub senet_bias: Option<bool>,
    pub senet_hidden_activation: Option<Activation>,
    pub senet_activation: Option<Activation>,
    pub combination: Option<CombinationKind>,
    pub order: Option<CombinationOrder>,
    pub shared: Option<bool>,
    pub bilinear: Option<BilinearKind>,
    pub each_matrices: Option<EachMatrices>,
    pub product: Option<PairProductKind>,
    pub hidden_units: Option<Vec<usize>>,
    pub activation: Option<Activation>,
    pub batch_norm: Option<bool>,
    pub dropout: Option<f64>,
    pub output_bias: Option<bool>,
    pub padding: Option<bool>,
    /// Standard deviation of the normal distribution that embeddings are drawn from.
    pub embedding_std: Option<f64>,
}

impl ModelSpec for FiBiNetSpec {
    type Config = FiBiNetConfig;

    /// Chosen on the validation rows of Frappe, MovieLens and Adult together.
    const TEMPLATE: &'static str = r#"embedding_dim = 16
bilinear = "field_each" # field_all, field_interaction
hidden_units = [128, 64]
dropout = 0.2
"#;

    /// # Errors
    ///
    /// [`ConfigError::OutOfRange`] for a negative standard deviation.
    fn resolve(&self, fields: FieldCounts) -> Result<CtrModelConfig<FiBiNetConfig>, ConfigError> {
        let dim = self.embedding_dim.unwrap_or(10);
        let mut model = match self.preset {
            Some(preset) => preset.config(0, dim),
            None => CtrModelConfig::new(FiBiNetConfig::new(0, dim)),
        };
        let CtrModelConfig { tables, head } = &mut model;
        macro_rules! replace {
            ($of:ident: $($key:ident),*) => {
                $(if let Some(value) = self.$key.clone() {
                    $of.$key = value;
                })*
            };
        }
        replace!(tables: numerics, padding, linear);
        replace!(
            head: linear,
            bias,
            reduction_ratio,
            squeeze,
            senet_bias,
            senet_hidden_activation,
            senet_activation,
            combination,
            order,
            shared,
            bilinear,
            each_matrices,
            product,
            hidden_units,
            activation,
            batch_norm,
            dropout,
            output_bias
        );
        if let Some(std) = self.embedding_std {
            tables.set_embedding_std(std)?;
        }
        (head.num_fields, head.num_dense) = fields.read_as(tables.numerics);
        Ok(model)
    }
}
