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
/// The keys are those of [`FiBiNetConfig`] and [`TablesConfig`](crate::models::TablesConfig), whose tables give their
/// ranges. The defaults below are those without a preset.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FiBiNetSpec {
    /// The known form to start from. Default: none, the defaults of [`FiBiNetConfig`].
    pub preset: Option<Preset>,
    /// Embedding dimension. Default: 10.
    pub embedding_dim: Option<usize>,
    /// How a numeric field is read. Default: embedded.
    pub numerics: Option<Numerics>,
    /// Linear part. Default: true.
    pub linear: Option<bool>,
    /// Global bias. Default: false.
    pub bias: Option<bool>,
    /// SENET's `r`, the number of fields per hidden unit. Default: 3.
    pub reduction_ratio: Option<f64>,
    /// SENET's squeeze. Default: mean.
    pub squeeze: Option<Squeeze>,
    /// Biases of SENET's maps. Default: false.
    pub senet_bias: Option<bool>,
    /// Activation after SENET's first map. Default: relu.
    pub senet_hidden_activation: Option<Activation>,
    /// Activation after SENET's second map. Default: relu.
    pub senet_activation: Option<Activation>,
    /// Which of the raw and the SENET side are bilinear. Default: `11`, both.
    pub combination: Option<CombinationKind>,
    /// Which side comes first. Default: raw_first.
    pub order: Option<CombinationOrder>,
    /// One set of matrices for both sides. Default: false.
    pub shared: Option<bool>,
    /// Which pairs share a matrix. Default: field_each.
    pub bilinear: Option<BilinearKind>,
    /// How many matrices field_each keeps. Default: all, one per field.
    pub each_matrices: Option<EachMatrices>,
    /// The product of a side that is not bilinear. Default: hadamard.
    pub product: Option<PairProductKind>,
    /// Width of each hidden layer of the DNN; empty for the shallow model. Default: 400, 400, 400.
    pub hidden_units: Option<Vec<usize>>,
    /// Activation of the DNN's hidden layers. Default: relu.
    pub activation: Option<Activation>,
    /// Batch norm between a hidden layer's map and its activation. Default: false.
    pub batch_norm: Option<bool>,
    /// Probability of dropping a hidden unit of the DNN, from 0 to below 1. Default: 0.
    pub dropout: Option<f64>,
    /// Bias of the DNN's output. Default: true.
    pub output_bias: Option<bool>,
    /// Row 0 of each field is zero and never trained. Default: false.
    pub padding: Option<bool>,
    /// Standard deviation of the normal distribution that embeddings are drawn from. Default: 0.05.
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
