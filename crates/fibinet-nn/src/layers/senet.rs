use burn::config::Config;
use burn::module::{Content, DisplaySettings, Initializer, Module, ModuleDisplay};
use burn::nn::Linear;
use burn::tensor::{Device, Tensor, assert_shape};
use serde::{Deserialize, Serialize};

use crate::error::{ConfigError, MAX_WIDTH, require};
use crate::layers::activation::Activation;
use crate::layers::linear::linear;

/// How a field's vector becomes one number.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Squeeze {
    /// The mean over the embedding dimension (the paper, FuxiCTR, DeepCTR).
    Mean,
    /// The maximum over the embedding dimension (the paper's alternative).
    Max,
}

/// Settings of [`Senet`].
///
/// | name | default | purpose | range |
/// |---|---|---|---|
/// | `num_fields` | – | number of fields `F` | at least 1 |
/// | `reduction_ratio` | 3 | `r` in the bottleneck's size `R = max(1, ⌊F / r⌋)`; may be fractional | above 0 |
/// | `squeeze` | mean | how a field's vector becomes one number | |
/// | `bias` | false | biases of both linear maps (the article's Keras layer has them) | |
/// | `hidden_activation` | ReLU | activation after the first linear map | |
/// | `activation` | ReLU | activation after the second | |
/// | `initializer` | Xavier normal | draws both weights; biases start at 0 | |
#[derive(Config, Debug, PartialEq)]
pub struct SenetConfig {
    /// Number of fields, `F`.
    pub num_fields: usize,
    /// `r`, by which `F` is divided to get the size of the bottleneck.
    #[config(default = 3.0)]
    pub reduction_ratio: f64,
    /// How a field's vector becomes one number.
    #[config(default = "Squeeze::Mean")]
    pub squeeze: Squeeze,
    /// Biases of both linear maps.
    #[config(default = false)]
    pub bias: bool,
    /// Activation of the bottleneck.
    #[config(default = "Activation::Relu")]
    pub hidden_activation: Activation,
    /// Activation of the fields' weights.
    #[config(default = "Activation::Relu")]
    pub activation: Activation,
    /// Draws both weights.
    #[config(default = "Initializer::XavierNormal { gain: 1.0 }")]
    pub initializer: Initializer,
}

/// Squeeze-and-excitation over fields: scales each field's embedding by how much it matters for the
/// example.
///
/// - squeeze: `z_f = mean_k e_fk`
/// - excitation: `a = σ2(W2 σ1(W1 z))`, with a bottleneck of `R = max(1, ⌊F / r⌋)`
/// - re-weight: `v_f = a_f e_f`
///
/// Huang, Zhang and Zhang, [FiBiNET](https://arxiv.org/abs/1905.09433), section 3.2.
///
/// The defaults, ReLU twice and no biases, are those of the paper, FuxiCTR and DeepCTR. The Keras layer
/// of the article that this project started from has biases and ends with a sigmoid. If the last
/// activation is ReLU, a field with a negative pre-activation is silenced, and an example can come out
/// as all zeros. That is correct, and likely at `R = 1`.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use fibinet_nn::layers::SenetConfig;
///
/// let device = Device::flex();
/// let senet = SenetConfig::new(39).init(&device);
/// let embeddings = Tensor::<3>::ones([2, 39, 10], &device);
/// assert_eq!(senet.forward(embeddings.clone()).dims(), [2, 39, 10]);
/// assert_eq!(senet.excitation(embeddings).dims(), [2, 39]); // the weight of each field
/// # }
/// ```
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct Senet {
    /// `W1`, from `F` to `R`.
    pub reduce: Linear,
    /// `W2`, from `R` to `F`.
    pub expand: Linear,
    #[module(skip)]
    squeeze: Squeeze,
    #[module(skip)]
    hidden_activation: Activation,
    #[module(skip)]
    activation: Activation,
}

impl SenetConfig {
    /// The size of the bottleneck, `R = max(1, ⌊F / r⌋)`.
    pub fn reduced_size(&self) -> usize {
        ((self.num_fields as f64 / self.reduction_ratio) as usize).max(1)
    }

    /// Checks every setting.
    ///
    /// # Errors
    ///
    /// [`ConfigError::OutOfRange`] for the first setting outside the table's ranges.
    pub fn validate(&self) -> Result<(), ConfigError> {
        require(
            self.num_fields >= 1,
            "num_fields",
            "at least 1",
            self.num_fields,
        )?;
        require(
            self.reduction_ratio > 0.0 && self.reduction_ratio.is_finite(),
            "reduction_ratio",
            "above 0",
            self.reduction_ratio,
        )?;
        // A ratio below 1 makes the bottleneck wider than F, and far below 1 wider than memory.
        require(
            self.reduced_size() <= MAX_WIDTH,
            "reduction_ratio",
            "at least F / 16777216",
            self.reduction_ratio,
        )
    }

    /// The number of parameters.
    pub(crate) fn num_params(&self) -> usize {
        let (fields, reduced) = (self.num_fields, self.reduced_size());
        let biases = if self.bias { fields + reduced } else { 0 };
        2 * fields * reduced + biases
    }

    /// Creates the layer on a device.
    ///
    /// # Errors
    ///
    /// The error of [`validate`](Self::validate).
    pub fn try_init(&self, device: &Device) -> Result<Senet, ConfigError> {
        self.validate()?;
        let (fields, reduced) = (self.num_fields, self.reduced_size());
        Ok(Senet {
            reduce: linear(fields, reduced, self.bias, &self.initializer, device),
            expand: linear(reduced, fields, self.bias, &self.initializer, device),
            squeeze: self.squeeze,
            hidden_activation: self.hidden_activation,
            activation: self.activation,
        })
    }

    /// Creates the layer on a device.
    ///
    /// # Panics
    ///
    /// With the message of [`try_init`](Self::try_init).
    pub fn init(&self, device: &Device) -> Senet {
        self.try_init(device)
            .unwrap_or_else(|error| panic!("{error}"))
    }
}

impl Senet {
    /// Re-weights the fields.
    ///
    /// # Shapes
    ///
    /// - embeddings: `[B, F, K]`
    /// - output: `[B, F, K]`
    ///
    /// # Panics
    ///
    /// If the input has another number of fields.
    pub fn forward(&self, embeddings: Tensor<3>) -> Tensor<3> {
        let weights = self.excitation(embeddings.clone());
        embeddings * weights.unsqueeze_dim(2)
    }

    /// The weight of each field of each example, `a`.
    ///
    /// # Shapes
    ///
    /// - embeddings: `[B, F, K]`
    /// - output: `[B, F]`
    ///
    /// # Panics
    ///
    /// If the input has another number of fields.
    pub fn excitation(&self, embeddings: Tensor<3>) -> Tensor<2> {
        let [num_fields, _] = self.reduce.weight.shape().dims();
        assert_shape!(embeddings, [.., num_fields, _]);
        let squeezed = match self.squeeze {
            Squeeze::Mean => embeddings.mean_dim(2),
            Squeeze::Max => embeddings.max_dim(2),
        }
        .squeeze_dim(2); // [B, F]
        let hidden = self
            .hidden_activation
            .forward(self.reduce.forward(squeezed)); // [B, R]
        self.activation.forward(self.expand.forward(hidden))
    }
}

impl ModuleDisplay for Senet {
    fn custom_settings(&self) -> Option<DisplaySettings> {
        DisplaySettings::new()
            .with_new_line_after_attribute(false)
            .optional()
    }

    fn custom_content(&self, content: Content) -> Option<Content> {
        let [num_fields, reduced_size] = self.reduce.weight.shape().dims();
        content
            .add("num_fields", &num_fields)
            .add("reduced_size", &reduced_size)
            .add("bias", &self.reduce.bias.is_some())
            .add_debug_attribute("squeeze", &self.squeeze)
            .add_debug_attribute("activation", &self.activation)
            .optional()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, cpu_devices, tensor, test_devices, through_a_record};
    use burn::module::Param;

    /// F = 3, K = 2, R = 1, W1 = [1, 1, 1], W2 = [1, -1, 2]ᵀ. Means 1, 3, -2, so W1 z = 2.
    fn worked(config: &SenetConfig, device: &Device) -> (Senet, Tensor<3>) {
        let mut senet = config.init(device);
        senet.reduce.weight = Param::from_tensor(tensor([[1.0], [1.0], [1.0]], device));
        senet.expand.weight = Param::from_tensor(tensor([[1.0, -1.0, 2.0]], device));
        let x = tensor([[[0.0, 2.0], [3.0, 3.0], [-3.0, -1.0]]], device);
        (senet, x)
    }

    #[test]
    fn output_and_gradient_match_the_case_worked_by_hand() {
        for device in test_devices() {
            let (senet, x) = worked(&SenetConfig::new(3), &device);
            let x = x.require_grad();
            let y = senet.forward(x.clone());
            // a = relu(2 · [1, -1, 2]) = [2, 0, 4]
            assert_close(y.clone(), &[0.0, 4.0, 0.0, 0.0, -12.0, -4.0], 1e-6);
            // d sum(y) / d a = [2, 6, -4]; through W2, alive in fields 0 and 2: 2 · 1 - 4 · 2 = -6;
            // through W1 and the mean: -3 for each x; and directly a: [2, 0, 4].
            let gradient = x.grad(&y.sum().backward()).expect("a gradient");
            assert_close(gradient, &[-1.0, -1.0, -3.0, -3.0, 1.0, 1.0], 1e-6);
        }
    }

    #[test]
    fn squeeze_and_activation_are_choices() {
        for device in cpu_devices() {
            let config = SenetConfig::new(3)
                .with_squeeze(Squeeze::Max)
                .with_activation(Activation::None);
            let (senet, x) = worked(&config, &device);
            // maxima 2, 3, -1: W1 z = 4
            assert_close(senet.excitation(x), &[4.0, -4.0, 8.0], 1e-6);
            let (senet, x) = worked(&config.with_activation(Activation::Sigmoid), &device);
            assert_close(
                senet.excitation(x),
                &[0.982_013_8, 0.017_986_2, 0.999_664_6],
                1e-6,
            );
        }
    }

    #[test]
    fn zero_excitation_silences_the_field() {
        for device in cpu_devices() {
            let (mut senet, x) = worked(&SenetConfig::new(3), &device);
            senet.expand.weight = Param::from_tensor(Tensor::zeros([1, 3], &device));
            assert_close(senet.forward(x), &[0.0; 6], 0.0);
        }
    }

    #[test]
    fn bias_is_added_before_each_activation() {
        for device in cpu_devices() {
            let (mut senet, x) = worked(&SenetConfig::new(3).with_bias(true), &device);
            assert_close(senet.excitation(x.clone()), &[2.0, 0.0, 4.0], 1e-6);
            senet.reduce.bias = Some(Param::from_tensor(tensor([1.0], &device)));
            senet.expand.bias = Some(Param::from_tensor(tensor([0.0, 5.0, -7.0], &device)));
            // hidden 3: [3, -3 + 5, 6 - 7]
            assert_close(senet.excitation(x), &[3.0, 2.0, 0.0], 1e-6);
        }
    }

    #[test]
    fn bottleneck_is_never_empty_and_takes_fractional_ratios() {
        let reduced = |fields, ratio| {
            SenetConfig::new(fields)
                .with_reduction_ratio(ratio)
                .reduced_size()
        };
        assert_eq!(reduced(39, 3.0), 13);
        assert_eq!(reduced(5, 8.0), 1);
        assert_eq!(reduced(6, 1.0), 6);
        assert_eq!(reduced(10, 2.5), 4);
    }

    #[test]
    fn two_fields_one_row_and_one_dimension_work() {
        for device in cpu_devices() {
            let senet = SenetConfig::new(2).init(&device);
            let x = Tensor::<3>::ones([1, 2, 1], &device);
            assert_eq!(senet.forward(x).dims(), [1, 2, 1]);
        }
    }

    #[test]
    fn a_record_restores_the_layer() {
        for device in cpu_devices() {
            let config = SenetConfig::new(3).with_bias(true);
            let (senet, x) = worked(&config, &device);
            let restored = through_a_record(senet.clone(), config.init(&device));
            let expected: Vec<f32> = senet.forward(x.clone()).into_data().try_to_vec().unwrap();
            assert_close(restored.forward(x), &expected, 0.0);
        }
    }

    #[test]
    fn wrong_settings_are_named_with_their_values() {
        let message = |config: SenetConfig| config.validate().unwrap_err().to_string();
        assert_eq!(
            message(SenetConfig::new(0)),
            "num_fields must be at least 1, but is 0"
        );
        for ratio in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let error = message(SenetConfig::new(3).with_reduction_ratio(ratio));
            assert_eq!(
                error,
                format!("reduction_ratio must be above 0, but is {ratio}")
            );
        }
    }

    #[test]
    fn display_tells_the_sizes() {
        for device in cpu_devices() {
            let text = SenetConfig::new(39).init(&device).to_string();
            assert!(
                text.contains("num_fields: 39") && text.contains("reduced_size: 13"),
                "{text}"
            );
        }
    }

    #[test]
    #[should_panic(expected = "expected 3, got 4")]
    fn another_number_of_fields_panics_with_the_shape() {
        let device = cpu_devices().remove(0);
        SenetConfig::new(3)
            .init(&device)
            .forward(Tensor::ones([2, 4, 5], &device));
    }
}
