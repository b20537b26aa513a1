//! A DNN over the embeddings of all fields.

use burn::config::Config;
use burn::module::{Initializer, Module};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::error::{ConfigError, require_dense, require_width};
use crate::inputs::{FieldInputs, InputShape};
use crate::layers::activation::Activation;
use crate::layers::dnn::{Dnn, DnnConfig};
use crate::models::ctr_model::CtrModelConfig;
use crate::models::head::{Head, HeadConfig, HeadPart};
use crate::models::spec::{FieldCounts, ModelSpec};
use crate::models::tables_config::Numerics;

/// Settings of [`DnnModel`].
///
/// | name | default | purpose | range |
/// |---|---|---|---|
/// | `num_fields` | – | fields `F` | at least 1 |
/// | `embedding_dim` | – | embedding dimension `K` | at least 1 |
/// | `num_dense` | 0 | raw numeric inputs `N` | |
/// | `hidden_units` | 400, 400, 400 | width of each hidden layer; empty: a linear map | at least 1 each |
/// | `activation` | ReLU | of the hidden layers | |
/// | `batch_norm` | false | between a hidden layer's map and its activation | |
/// | `dropout` | 0 | probability of dropping a hidden unit | `[0, 1)` |
/// | `initializer` | Xavier normal | draws the weights | |
#[derive(Config, Debug, PartialEq)]
pub struct DnnModelConfig {
    /// Fields, `F`.
    pub num_fields: usize,
    /// Embedding dimension, `K`.
    pub embedding_dim: usize,
    /// Raw numeric inputs, `N`.
    #[config(default = 0)]
    pub num_dense: usize,
    /// Width of each hidden layer.
    #[config(default = "vec![400, 400, 400]")]
    pub hidden_units: Vec<usize>,
    /// Activation of the hidden layers.
    #[config(default = "Activation::Relu")]
    pub activation: Activation,
    /// Batch norm between a hidden layer's map and its activation.
    #[config(default = false)]
    pub batch_norm: bool,
    /// Probability of dropping a hidden unit.
    #[config(default = 0.0)]
    pub dropout: f64,
    /// Draws the weights.
    #[config(default = "Initializer::XavierNormal { gain: 1.0 }")]
    pub initializer: Initializer,
}

/// A DNN over the embeddings of all fields: `logit = DNN([e_1; …; e_F; dense])`.
///
/// The deep part of Wide & Deep, Cheng et al., [Wide & Deep Learning for Recommender
/// Systems](https://arxiv.org/abs/1606.07792), alone; FuxiCTR's `DNN`. There is no linear part.
/// `dense` are raw numeric inputs, as in DeepCTR; FuxiCTR embeds them (value × vector) instead.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use fibinet_nn::models::dnn::DnnModelConfig;
/// use fibinet_nn::inputs::FieldInputs;
/// use fibinet_nn::models::{Head, HeadConfig};
///
/// let device = Device::flex();
/// let head = DnnModelConfig::new(3, 4).with_hidden_units(vec![8]).init(&device);
/// let inputs = FieldInputs::new(Tensor::ones([2, 3, 4], &device)); // [B, F, K]
/// assert_eq!(head.forward(inputs).dims(), [2]);
/// # }
/// ```
#[derive(Module, Debug)]
pub struct DnnModel {
    /// The layers.
    pub dnn: Dnn,
    num_dense: usize,
}

impl DnnModelConfig {
    /// The settings of the layers.
    pub fn dnn(&self) -> DnnConfig {
        let d_input = self.num_fields * self.embedding_dim + self.num_dense;
        DnnConfig::new(d_input, self.hidden_units.clone())
            .with_d_output(Some(1))
            .with_activation(self.activation)
            .with_batch_norm(self.batch_norm)
            .with_dropout(self.dropout)
            .with_initializer(self.initializer.clone())
    }
}

impl HeadConfig for DnnModelConfig {
    type Head = DnnModel;

    fn inputs(&self) -> InputShape {
        InputShape {
            num_fields: self.num_fields,
            embedding_dim: self.embedding_dim,
            linear: false,
            num_dense: self.num_dense,
        }
    }

    fn validate(&self) -> Result<(), ConfigError> {
        require_width("num_fields", self.num_fields)?;
        require_width("embedding_dim", self.embedding_dim)?;
        require_dense(self.num_dense)?;
        self.dnn().validate()
    }

    fn try_init(&self, device: &Device) -> Result<DnnModel, ConfigError> {
        self.validate()?;
        Ok(DnnModel {
            dnn: self.dnn().try_init(device)?,
            num_dense: self.num_dense,
        })
    }

    fn batch_normalized(&self) -> Self {
        self.clone().with_batch_norm(true)
    }

    fn parts(&self) -> Vec<HeadPart> {
        let [first, rest] = self.dnn().num_params();
        vec![
            HeadPart {
                name: "the DNN's first map, of all fields' vectors",
                num_params: first,
                settings: "`hidden_units`, `embedding_dim` or the number of fields",
            },
            HeadPart {
                name: "the DNN's later maps",
                num_params: rest,
                settings: "`hidden_units`",
            },
        ]
    }

    fn describe(&self) -> Vec<(&'static str, String)> {
        vec![("hidden units", format!("{:?}", self.hidden_units))]
    }
}

impl Head for DnnModel {
    /// # Panics
    ///
    /// If the embeddings or raw numeric inputs are missing or have another shape.
    fn forward(&self, mut inputs: FieldInputs) -> Tensor<1> {
        let dense = inputs.take_dense(self.num_dense);
        let embeddings = inputs.take_embeddings().flatten::<2>(1, 2); // [B, F K]
        let input = match dense {
            Some(dense) => Tensor::cat(vec![embeddings, dense], 1), // [B, F K + N]
            None => embeddings,
        };
        self.dnn.forward(input).squeeze_dim(1)
    }
}

/// A DNN over embeddings in a run file.
///
/// | key | default | purpose |
/// |---|---|---|
/// | `embedding_dim` | 10 | embedding dimension |
/// | `hidden_units` | 400, 400, 400 | width of each hidden layer |
/// | `activation` | relu | of the hidden layers |
/// | `batch_norm` | false | between a hidden layer's map and its activation |
/// | `dropout` | 0 | probability of dropping a hidden unit |
/// | `numerics` | embedded | numeric fields: `embedded`, value × vector, or `dense`, raw inputs |
/// | `padding` | false | row 0 of each field is zero and never trained |
/// | `embedding_std` | 0.05 | standard deviation that embeddings are drawn with |
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DnnModelSpec {
    /// Embedding dimension. Default: 10.
    pub embedding_dim: Option<usize>,
    /// Width of each hidden layer. Default: 400, 400, 400.
    pub hidden_units: Option<Vec<usize>>,
    /// Activation of the hidden layers. Default: relu.
    pub activation: Option<Activation>,
    /// Batch norm between a hidden layer's map and its activation. Default: false.
    pub batch_norm: Option<bool>,
    /// Probability of dropping a hidden unit, from 0 to below 1. Default: 0.
    pub dropout: Option<f64>,
    /// How a numeric field is read. Default: embedded.
    pub numerics: Option<Numerics>,
    /// Row 0 of each field is zero and never trained. Default: false.
    pub padding: Option<bool>,
    /// Standard deviation that embeddings are drawn with. Default: 0.05.
    pub embedding_std: Option<f64>,
}

impl ModelSpec for DnnModelSpec {
    type Config = DnnModelConfig;

    const TEMPLATE: &'static str = "embedding_dim = 16
hidden_units = [128, 64]
dropout = 0.2
";

    /// # Errors
    ///
    /// [`ConfigError::OutOfRange`] for a negative standard deviation.
    fn resolve(&self, fields: FieldCounts) -> Result<CtrModelConfig<DnnModelConfig>, ConfigError> {
        let numerics = self.numerics.unwrap_or(Numerics::Embedded);
        let (num_fields, num_dense) = fields.read_as(numerics);
        let mut head = DnnModelConfig::new(num_fields, self.embedding_dim.unwrap_or(10))
            .with_num_dense(num_dense)
            .with_activation(self.activation.unwrap_or(Activation::Relu))
            .with_batch_norm(self.batch_norm.unwrap_or(false))
            .with_dropout(self.dropout.unwrap_or(0.0));
        if let Some(units) = &self.hidden_units {
            head.hidden_units.clone_from(units);
        }
        let mut model = CtrModelConfig::new(head);
        model.tables.numerics = numerics;
        model.tables.padding = self.padding.unwrap_or(false);
        if let Some(std) = self.embedding_std {
            model.tables.set_embedding_std(std)?;
        }
        Ok(model)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, cpu_devices, tensor, through_a_record};
    use burn::module::Param;

    fn inputs(device: &Device) -> FieldInputs {
        let dense: Tensor<2> = tensor([[0.5]], device);
        FieldInputs::new(tensor([[[1.0, 2.0], [3.0, -1.0]]], device)).with_dense(Some(dense))
    }

    fn config() -> DnnModelConfig {
        DnnModelConfig::new(2, 2)
            .with_num_dense(1)
            .with_hidden_units(vec![2])
    }

    /// One hidden unit sums what it reads, the other is dead.
    fn head(device: &Device) -> DnnModel {
        let mut head = config().init(device);
        let weight = [
            [1.0, -1.0],
            [1.0, -1.0],
            [1.0, -1.0],
            [1.0, -1.0],
            [2.0, -2.0],
        ];
        head.dnn.hidden[0].weight = Param::from_tensor(tensor(weight, device));
        let output = head.dnn.output.as_mut().expect("an output");
        output.weight = Param::from_tensor(tensor([[3.0], [100.0]], device));
        head
    }

    #[test]
    fn vectors_and_values_go_through_the_layers() {
        for device in cpu_devices() {
            // 3 · (1 + 2 + 3 - 1 + 2 · 0.5)
            assert_close(head(&device).forward(inputs(&device)), &[18.0], 1e-6);
        }
    }

    #[test]
    fn a_record_restores_the_head() {
        for device in cpu_devices() {
            let restored = through_a_record(head(&device), config().init(&device));
            assert_close(restored.forward(inputs(&device)), &[18.0], 1e-6);
        }
    }

    #[test]
    fn parameters_are_known_before_the_head_is_made() {
        let device = cpu_devices().remove(0);
        for batch_norm in [false, true] {
            let config = config()
                .with_hidden_units(vec![4, 3])
                .with_batch_norm(batch_norm);
            let parts = config
                .parts()
                .iter()
                .map(|part| part.num_params)
                .sum::<usize>();
            assert_eq!(parts, config.init(&device).num_params());
        }
        let large = DnnModelConfig::new(1 << 16, 1 << 24).with_hidden_units(vec![1 << 24]);
        assert_eq!(large.parts()[0].num_params, usize::MAX);
    }

    #[test]
    fn wrong_settings_are_named_with_their_values() {
        let message = |config: DnnModelConfig| config.validate().unwrap_err().to_string();
        assert_eq!(
            message(DnnModelConfig::new(0, 2)),
            "num_fields must be at least 1, but is 0"
        );
        assert_eq!(
            message(DnnModelConfig::new(2, 0)),
            "embedding_dim must be at least 1, but is 0"
        );
        assert_eq!(
            message(config().with_dropout(1.0)),
            "dropout must be in [0, 1), but is 1"
        );
        assert_eq!(
            message(config().with_hidden_units(vec![0])),
            "hidden_units must be at least 1, but is 0"
        );
    }

    #[test]
    #[should_panic(expected = "this head reads embeddings, but its inputs have none")]
    fn missing_embeddings_panic() {
        let device = cpu_devices().remove(0);
        config()
            .with_num_dense(0)
            .init(&device)
            .forward(FieldInputs::default());
    }
}
