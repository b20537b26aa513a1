//! Logistic regression.

use burn::config::Config;
use burn::module::{Initializer, Module, Param};
use burn::nn::Linear;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::error::{ConfigError, require_dense, require_width};
use crate::inputs::{FieldInputs, InputShape};
use crate::layers::linear::linear;
use crate::models::ctr_model::CtrModelConfig;
use crate::models::head::{Head, HeadConfig, HeadPart};
use crate::models::spec::{FieldCounts, ModelSpec};
use crate::models::tables_config::Numerics;

/// Settings of [`Lr`].
///
/// | name | default | purpose | range |
/// |---|---|---|---|
/// | `num_fields` | – | fields `F` | at least 1 |
/// | `num_dense` | 0 | raw numeric inputs `N` | |
/// | `bias` | true | global bias `w0` | |
#[derive(Config, Debug, PartialEq)]
pub struct LrConfig {
    /// Fields, `F`.
    pub num_fields: usize,
    /// Raw numeric inputs, `N`.
    #[config(default = 0)]
    pub num_dense: usize,
    /// Global bias.
    #[config(default = true)]
    pub bias: bool,
}

/// Logistic regression: `logit = w0 + Σ w_i x_i`.
///
/// It reads the linear terms and the raw numeric inputs, and no embeddings, so its tables have one
/// number per row. Raw numeric inputs have one weight each, which starts at 0.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use fibinet_nn::models::lr::LrConfig;
/// use fibinet_nn::inputs::FieldInputs;
/// use fibinet_nn::models::{Head, HeadConfig};
///
/// let device = Device::flex();
/// let terms = Tensor::from_data([[0.5, -0.25], [1.0, 1.0]], &device); // [B, F]
/// let inputs = FieldInputs::default().with_linear(Some(terms));
/// let logits = LrConfig::new(2).init(&device).forward(inputs);
/// assert_eq!(logits.into_data().try_to_vec::<f32>().unwrap(), [0.25, 2.0]);
/// # }
/// ```
#[derive(Module, Debug)]
pub struct Lr {
    /// The weights of the raw numeric inputs.
    pub dense: Option<Linear>,
    /// The global bias, `[1]`.
    pub bias: Option<Param<Tensor<1>>>,
    num_dense: usize,
}

impl HeadConfig for LrConfig {
    type Head = Lr;

    fn inputs(&self) -> InputShape {
        InputShape {
            num_fields: self.num_fields,
            embedding_dim: 0,
            linear: true,
            num_dense: self.num_dense,
        }
    }

    fn validate(&self) -> Result<(), ConfigError> {
        require_width("num_fields", self.num_fields)?;
        require_dense(self.num_dense)
    }

    fn parts(&self) -> Vec<HeadPart> {
        vec![HeadPart {
            name: "the weights of raw numeric inputs",
            num_params: self.num_dense + usize::from(self.bias),
            settings: "the number of fields",
        }]
    }

    fn try_init(&self, device: &Device) -> Result<Lr, ConfigError> {
        self.validate()?;
        let dense = (self.num_dense > 0)
            .then(|| linear(self.num_dense, 1, false, &Initializer::Zeros, device));
        Ok(Lr {
            dense,
            bias: self.bias.then(|| Initializer::Zeros.init([1], device)),
            num_dense: self.num_dense,
        })
    }
}

impl Head for Lr {
    /// # Panics
    ///
    /// If the linear terms or raw numeric inputs are missing.
    fn forward(&self, mut inputs: FieldInputs) -> Tensor<1> {
        let dense = inputs.take_dense(self.num_dense);
        let mut logits = inputs.take_linear().sum_dim(1); // [B, 1]
        if let (Some(map), Some(dense)) = (&self.dense, dense) {
            logits = logits + map.forward(dense);
        }
        let logits = logits.squeeze_dim(1);
        match &self.bias {
            Some(bias) => logits + bias.val(),
            None => logits,
        }
    }
}

/// Logistic regression in a run file.
///
/// | key | default | purpose |
/// |---|---|---|
/// | `bias` | true | global bias |
/// | `numerics` | embedded | numeric fields: `embedded`, a weight in the table, or `dense`, a weight of the head |
/// | `padding` | false | row 0 of each field is zero and never trained |
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LrSpec {
    /// Global bias. Default: true.
    pub bias: Option<bool>,
    /// How a numeric field is read. Default: embedded.
    pub numerics: Option<Numerics>,
    /// Row 0 of each field is zero and never trained. Default: false.
    pub padding: Option<bool>,
}

impl ModelSpec for LrSpec {
    type Config = LrConfig;

    const TEMPLATE: &'static str = "";

    fn resolve(&self, fields: FieldCounts) -> Result<CtrModelConfig<LrConfig>, ConfigError> {
        let numerics = self.numerics.unwrap_or(Numerics::Embedded);
        let (num_fields, num_dense) = fields.read_as(numerics);
        let head = LrConfig::new(num_fields)
            .with_num_dense(num_dense)
            .with_bias(self.bias.unwrap_or(true));
        let mut model = CtrModelConfig::new(head);
        model.tables.numerics = numerics;
        model.tables.padding = self.padding.unwrap_or(false);
        Ok(model)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, cpu_devices, tensor, through_a_record};

    fn inputs(device: &Device) -> FieldInputs {
        let dense: Tensor<2> = tensor([[2.0, -1.0]], device);
        FieldInputs::default()
            .with_linear(Some(tensor([[0.25, 0.5, 1.0]], device)))
            .with_dense(Some(dense))
    }

    fn head(device: &Device) -> Lr {
        let mut head = LrConfig::new(3).with_num_dense(2).init(device);
        head.dense.as_mut().expect("a map").weight =
            Param::from_tensor(tensor([[10.0], [4.0]], device));
        head.bias = Some(Param::from_tensor(tensor([0.5], device)));
        head
    }

    #[test]
    fn terms_values_and_bias_add_up() {
        for device in cpu_devices() {
            assert_close(
                head(&device).forward(inputs(&device)),
                &[1.75 + 20.0 - 4.0 + 0.5],
                1e-6,
            );
        }
    }

    #[test]
    fn a_record_restores_the_head() {
        for device in cpu_devices() {
            let config = LrConfig::new(3).with_num_dense(2);
            let restored = through_a_record(head(&device), config.init(&device));
            assert_close(restored.forward(inputs(&device)), &[18.25], 0.0);
        }
    }

    #[test]
    fn it_needs_a_field_and_no_embedding_table() {
        let config = CtrModelConfig::new(LrConfig::new(0));
        assert_eq!(
            config.validate().unwrap_err().to_string(),
            "num_fields must be at least 1, but is 0"
        );
        let device = cpu_devices().remove(0);
        let model = CtrModelConfig::new(LrConfig::new(2)).init(vec![4, 5], &device);
        assert!(model.embedding.is_none());
        assert_eq!(model.num_params(), 4 + 5 + 1);
    }
}
