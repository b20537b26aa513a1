use burn::config::Config;
use burn::module::{Content, DisplaySettings, Initializer, Module, ModuleDisplay};
use burn::nn::{BatchNorm, BatchNormConfig, Dropout, DropoutConfig, Linear};
use burn::tensor::{Device, Tensor, assert_shape};

use crate::error::{ConfigError, require, require_width};
use crate::kernels;
use crate::layers::activation::Activation;
use crate::layers::linear::linear;

/// Settings of [`Dnn`].
///
/// | name | default | purpose | range |
/// |---|---|---|---|
/// | `d_input` | – | width of the input | at least 1 |
/// | `hidden_units` | – | width of each hidden layer | at least 1 each; may be empty if there is an output |
/// | `d_output` | none | width of a final linear map without activation | at least 1 |
/// | `output_bias` | true | bias of that map | |
/// | `activation` | ReLU | activation of the hidden layers | |
/// | `batch_norm` | false | batch norm between a hidden layer's map and its activation | |
/// | `dropout` | 0 | probability of dropping a hidden unit, after the activation | `[0, 1)` |
/// | `initializer` | Xavier normal | draws the weights; biases start at 0 | |
/// | `output_initializer` | `initializer` | draws the weight of the final map | |
#[derive(Config, Debug, PartialEq)]
pub struct DnnConfig {
    /// Width of the input.
    pub d_input: usize,
    /// Width of each hidden layer.
    pub hidden_units: Vec<usize>,
    /// Width of a final linear map without activation. `None` if there is no such map.
    #[config(default = "None")]
    pub d_output: Option<usize>,
    /// Whether the final map has a bias.
    #[config(default = true)]
    pub output_bias: bool,
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
    /// Draws the weight of the final map. `None` uses `initializer`.
    #[config(default = "None")]
    pub output_initializer: Option<Initializer>,
}

/// A stack of hidden layers, `h = dropout(σ(norm(W h + b)))`, and an optional linear output.
///
/// Map, norm, activation and dropout come in the order of FuxiCTR and DeepCTR. Dropout only acts in
/// training, that is on tensors with autodiff.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use fibinet_nn::layers::DnnConfig;
///
/// let device = Device::flex();
/// let dnn = DnnConfig::new(20, vec![16, 8]).with_d_output(Some(1)).init(&device);
/// assert_eq!(dnn.forward(Tensor::ones([4, 20], &device)).dims(), [4, 1]);
/// # }
/// ```
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct Dnn {
    /// The linear maps of the hidden layers.
    pub hidden: Vec<Linear>,
    /// The norms of the hidden layers. Empty without batch norm.
    pub norms: Vec<BatchNorm>,
    /// The final map.
    pub output: Option<Linear>,
    dropout: Dropout,
    #[module(skip)]
    activation: Activation,
}

impl DnnConfig {
    /// Checks every setting.
    ///
    /// # Errors
    ///
    /// [`ConfigError::OutOfRange`] for the first setting outside the table's ranges.
    pub fn validate(&self) -> Result<(), ConfigError> {
        require(self.d_input >= 1, "d_input", "at least 1", self.d_input)?;
        for &units in &self.hidden_units {
            require_width("hidden_units", units)?;
        }
        require(
            !self.hidden_units.is_empty() || self.d_output.is_some(),
            "hidden_units",
            "non-empty without an output",
            "empty",
        )?;
        if let Some(d_output) = self.d_output {
            require(d_output >= 1, "d_output", "at least 1", d_output)?;
        }
        require(
            (0.0..1.0).contains(&self.dropout),
            "dropout",
            "in [0, 1)",
            self.dropout,
        )
    }

    /// The numbers of parameters of the first map and of all that follows it; `usize::MAX` for more than that.
    pub(crate) fn num_params(&self) -> [usize; 2] {
        let mut width = self.d_input;
        let mut maps = Vec::new();
        for &units in &self.hidden_units {
            // Weights and bias, and the scale, shift, mean and variance of a norm.
            let per_unit = 1 + if self.batch_norm { 4 } else { 0 };
            maps.push(units.saturating_mul(width.saturating_add(per_unit)));
            width = units;
        }
        let bias = usize::from(self.output_bias);
        let output = self
            .d_output
            .map(|d_output| d_output.saturating_mul(width + bias));
        maps.extend(output);
        let rest = maps
            .iter()
            .skip(1)
            .fold(0_usize, |sum, map| sum.saturating_add(*map));
        [maps.first().copied().unwrap_or(0), rest]
    }

    /// Creates the layer on a device.
    ///
    /// # Errors
    ///
    /// The error of [`validate`](Self::validate).
    pub fn try_init(&self, device: &Device) -> Result<Dnn, ConfigError> {
        self.validate()?;
        let mut width = self.d_input;
        let mut hidden = Vec::with_capacity(self.hidden_units.len());
        for &units in &self.hidden_units {
            hidden.push(linear(width, units, true, &self.initializer, device));
            width = units;
        }
        let norms = self
            .hidden_units
            .iter()
            .filter(|_| self.batch_norm)
            .map(|&units| BatchNormConfig::new(units).init(device))
            .collect();
        let initializer = self
            .output_initializer
            .as_ref()
            .unwrap_or(&self.initializer);
        let output = self
            .d_output
            .map(|d_output| linear(width, d_output, self.output_bias, initializer, device));
        Ok(Dnn {
            hidden,
            norms,
            output,
            dropout: DropoutConfig::new(self.dropout).init(),
            activation: self.activation,
        })
    }

    /// Creates the layer on a device.
    ///
    /// # Panics
    ///
    /// With the message of [`try_init`](Self::try_init).
    pub fn init(&self, device: &Device) -> Dnn {
        self.try_init(device)
            .unwrap_or_else(|error| panic!("{error}"))
    }
}

impl Dnn {
    /// Applies the layers.
    ///
    /// # Shapes
    ///
    /// - input: `[B, d_input]`
    /// - output: `[B, d_output]`, or `[B, H]` of the last hidden layer if there is no output
    ///
    /// # Panics
    ///
    /// If the input has another width.
    pub fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        let d_input = self.d_input();
        assert_shape!(input, [_, d_input]);
        match self.hidden.first() {
            Some(first) => self.forward_from_first(first.forward(input)),
            None => self.forward_output(input),
        }
    }

    /// [`forward`](Self::forward) from the output of the first hidden layer's map on. A model computes that map
    /// together with its pairs, by `forward_linear` of their layer on `hidden[0]`.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Device, Tensor};
    /// use fibinet_nn::layers::{BilinearInteractionConfig, DnnConfig, num_pairs};
    ///
    /// let device = Device::flex();
    /// let bilinear = BilinearInteractionConfig::new(39, 10).init(&device);
    /// let dnn = DnnConfig::new(num_pairs(39) * 10, vec![64, 32]).init(&device);
    ///
    /// let embeddings = Tensor::<3>::ones([2, 39, 10], &device);
    /// let mapped = bilinear.forward_linear(embeddings, None, &dnn.hidden[0]);
    /// assert_eq!(dnn.forward_from_first(mapped).dims(), [2, 32]);
    /// # }
    /// ```
    ///
    /// # Shapes
    ///
    /// - mapped: `[B, H]` of the first hidden layer
    /// - output: as of [`forward`](Self::forward)
    ///
    /// # Panics
    ///
    /// If there is no hidden layer, or the input has another width.
    pub fn forward_from_first(&self, mapped: Tensor<2>) -> Tensor<2> {
        let [_, width] = self.hidden[0].weight.dims();
        assert_shape!(mapped, [_, width]);
        let mut x = self.forward_mapped(0, mapped);
        for (i, layer) in self.hidden.iter().enumerate().skip(1) {
            let mapped = kernels::small_batch_linear(&x, layer).unwrap_or_else(|| layer.forward(x));
            x = self.forward_mapped(i, mapped);
        }
        self.forward_output(x)
    }

    /// Norm, activation and dropout of one hidden layer, applied to the output of its map.
    fn forward_mapped(&self, layer: usize, mapped: Tensor<2>) -> Tensor<2> {
        let x = match self.norms.get(layer) {
            Some(norm) => norm.forward(mapped),
            None => mapped,
        };
        self.dropout.forward(self.activation.forward(x))
    }

    fn forward_output(&self, x: Tensor<2>) -> Tensor<2> {
        match &self.output {
            Some(output) => output.forward(x),
            None => x,
        }
    }

    fn d_input(&self) -> usize {
        let mut layers = self.hidden.iter().chain(&self.output);
        layers.next().map_or(0, |first| first.weight.shape()[0])
    }
}

impl ModuleDisplay for Dnn {
    fn custom_settings(&self) -> Option<DisplaySettings> {
        DisplaySettings::new()
            .with_new_line_after_attribute(false)
            .optional()
    }

    fn custom_content(&self, content: Content) -> Option<Content> {
        let widths: Vec<usize> = core::iter::once(self.d_input())
            .chain(self.hidden.iter().map(|layer| layer.weight.shape()[1]))
            .chain(self.output.iter().map(|layer| layer.weight.shape()[1]))
            .collect();
        content
            .add_debug_attribute("widths", &widths)
            .add_debug_attribute("activation", &self.activation)
            .add("batch_norm", &!self.norms.is_empty())
            .add("dropout", &self.dropout.prob)
            .optional()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, cpu_devices, tensor, test_devices, through_a_record};
    use burn::module::Param;

    fn worked(config: &DnnConfig, device: &Device) -> (Dnn, Tensor<2>) {
        let mut dnn = config.init(device);
        dnn.hidden[0].weight = Param::from_tensor(tensor([[1.0, -1.0], [2.0, 1.0]], device));
        if let Some(output) = &mut dnn.output {
            output.weight = Param::from_tensor(tensor([[1.0], [10.0]], device));
        }
        (dnn, tensor([[1.0, 1.0], [-1.0, 2.0]], device))
    }

    #[test]
    fn output_matches_the_case_worked_by_hand() {
        for device in test_devices() {
            let config = DnnConfig::new(2, vec![2]).with_d_output(Some(1));
            let (mut dnn, x) = worked(&config, &device);
            // x W: [3, 0], [3, 3]
            assert_close(dnn.forward(x.clone()), &[3.0, 33.0], 1e-6);
            dnn.hidden[0].bias = Some(Param::from_tensor(tensor([-4.0, 0.5], &device)));
            // [relu(-1), 0.5], [relu(-1), 3.5]
            assert_close(dnn.forward(x), &[5.0, 35.0], 1e-6);
        }
    }

    #[test]
    fn biases_start_at_zero() {
        for device in cpu_devices() {
            let dnn = DnnConfig::new(3, vec![4])
                .with_d_output(Some(1))
                .init(&device);
            assert_close(dnn.forward(Tensor::zeros([1, 3], &device)), &[0.0], 0.0);
        }
    }

    #[test]
    fn without_a_final_map_the_output_is_the_last_hidden_layer() {
        for device in cpu_devices() {
            let (dnn, x) = worked(&DnnConfig::new(2, vec![2]), &device);
            assert_close(dnn.forward(x), &[3.0, 0.0, 3.0, 3.0], 1e-6);
        }
    }

    #[test]
    fn dropout_only_acts_in_training_and_keeps_the_mean() {
        for device in cpu_devices() {
            device.seed(7);
            let config = DnnConfig::new(2, vec![2]).with_dropout(0.5);
            let (dnn, _) = worked(&config, &device);
            let x = Tensor::<2>::ones([4000, 2], &device); // x W: [3, 0]
            let trained: Vec<f32> = dnn.forward(x.clone()).into_data().try_to_vec().unwrap();
            let dropped = trained.iter().step_by(2).filter(|v| **v == 0.0).count();
            let kept = trained.iter().step_by(2).filter(|v| **v == 6.0).count();
            assert_eq!(dropped + kept, 4000);
            assert!((1800..2200).contains(&dropped), "{dropped} of 4000 dropped");

            let served = dnn.valid().forward(x.without_autodiff());
            assert_close(served.narrow(0, 0, 1), &[3.0, 0.0], 1e-6);
        }
    }

    #[test]
    fn batch_norm_normalises_before_the_activation() {
        for device in cpu_devices() {
            let config = DnnConfig::new(2, vec![2])
                .with_batch_norm(true)
                .with_activation(Activation::None);
            let (dnn, x) = worked(&config, &device);
            // columns (3, 3) and (0, 3): variance 0 and 2.25
            assert_close(dnn.train().forward(x), &[0.0, -1.0, 0.0, 1.0], 1e-4);
        }
    }

    #[test]
    fn a_record_restores_the_layer_with_its_norms() {
        for device in cpu_devices() {
            let config = DnnConfig::new(2, vec![2])
                .with_batch_norm(true)
                .with_d_output(Some(1));
            let (dnn, x) = worked(&config, &device);
            dnn.forward(x.clone()); // moves the running statistics
            // Burn holds the last update back until `valid`, so a record of the module in training
            // would lack it.
            let (served, x) = (dnn.valid(), x.without_autodiff());
            let y = served.forward(x.clone());
            let expected: Vec<f32> = y.into_data().try_to_vec().unwrap();
            let restored = through_a_record(served, config.init(&device.inner()));
            assert_close(restored.forward(x), &expected, 0.0);
            assert!(
                (expected[0] - 3.0).abs() > 0.1,
                "the statistics moved: {expected:?}"
            );
        }
    }

    #[test]
    fn wrong_settings_are_named_with_their_values() {
        let message = |config: DnnConfig| config.validate().unwrap_err().to_string();
        let config = || DnnConfig::new(4, vec![3]);
        assert_eq!(
            message(DnnConfig::new(0, vec![3])),
            "d_input must be at least 1, but is 0"
        );
        assert_eq!(
            message(DnnConfig::new(4, vec![3, 0])),
            "hidden_units must be at least 1, but is 0"
        );
        assert_eq!(
            message(DnnConfig::new(4, vec![])),
            "hidden_units must be non-empty without an output, but is empty"
        );
        assert_eq!(
            message(config().with_d_output(Some(0))),
            "d_output must be at least 1, but is 0"
        );
        assert_eq!(
            message(config().with_dropout(1.0)),
            "dropout must be in [0, 1), but is 1"
        );
    }

    #[test]
    #[should_panic(expected = "expected 2, got 3")]
    fn another_width_panics_with_the_shape() {
        let device = cpu_devices().remove(0);
        DnnConfig::new(2, vec![2])
            .init(&device)
            .forward(Tensor::ones([2, 3], &device));
    }
}
