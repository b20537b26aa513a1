use burn::config::Config;
use burn::module::{Content, DisplaySettings, Initializer, Module, ModuleDisplay, Param};
use burn::tensor::{Device, Int, Tensor};

use crate::error::ConfigError;
use crate::inputs::field_ids::FieldIds;
use crate::inputs::field_sizes::FieldSizes;
use crate::layers::lookup::{lookup, table};

/// Settings of [`LinearLogit`].
///
/// | name | default | purpose | range |
/// |---|---|---|---|
/// | `field_sizes` | – | number of table rows of each field | at least one field, `1..=u32::MAX` rows each |
/// | `bias` | false | a global bias `w0` | |
/// | `padding` | false | row 0 of each field is zero and never trained | |
/// | `initializer` | zeros | draws the weights | |
#[derive(Config, Debug, PartialEq)]
pub struct LinearLogitConfig {
    /// Number of table rows of each field.
    pub field_sizes: Vec<usize>,
    /// A global bias.
    #[config(default = false)]
    pub bias: bool,
    /// Row 0 of each field is zero and never trained.
    #[config(default = false)]
    pub padding: bool,
    /// Draws the weights.
    #[config(default = "Initializer::Zeros")]
    pub initializer: Initializer,
}

/// The linear part of a CTR model, one weight per field: `w0 + Σ_f w[offset_f + id_f] x_f`.
///
/// Alone it is logistic regression. The values `x_f`, multi-valued fields, `padding` and the warning
/// about ids are those of [`FeatureEmbedding`](crate::layers::FeatureEmbedding).
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Int, Tensor};
/// use fibinet_nn::inputs::FieldIds;
/// use fibinet_nn::layers::LinearLogitConfig;
///
/// let device = Device::flex();
/// let linear = LinearLogitConfig::new(vec![10, 20]).with_bias(true).init(&device);
/// let ids = Tensor::<2, Int>::from_data([[3, 19], [0, 7]], &device);
/// assert_eq!(linear.forward(FieldIds::new(ids)).dims(), [2]);
/// # }
/// ```
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct LinearLogit {
    /// The weights of all fields, `[V, 1]`.
    pub weight: Param<Tensor<2>>,
    /// The global bias `w0`, `[1]`.
    pub bias: Option<Param<Tensor<1>>>,
    offsets: Tensor<2, Int>,
    padding_rows: Option<Tensor<2>>,
}

impl LinearLogitConfig {
    /// Checks every setting and lays the fields out.
    ///
    /// # Errors
    ///
    /// [`ConfigError::OutOfRange`] for the first setting outside the table's ranges.
    pub fn validate(&self) -> Result<FieldSizes, ConfigError> {
        FieldSizes::new(self.field_sizes.clone())
    }

    /// Creates the layer on a device.
    ///
    /// # Errors
    ///
    /// The error of [`validate`](Self::validate).
    pub fn try_init(&self, device: &Device) -> Result<LinearLogit, ConfigError> {
        let fields = self.validate()?;
        let shape = [fields.num_rows(), 1];
        Ok(LinearLogit {
            weight: table(shape, &fields, self.padding, &self.initializer, device),
            bias: self.bias.then(|| Initializer::Zeros.init([1], device)),
            offsets: fields.offsets_tensor(device),
            padding_rows: self.padding.then(|| fields.padding_rows_tensor(device)),
        })
    }

    /// Creates the layer on a device.
    ///
    /// # Panics
    ///
    /// With the message of [`try_init`](Self::try_init).
    pub fn init(&self, device: &Device) -> LinearLogit {
        self.try_init(device)
            .unwrap_or_else(|error| panic!("{error}"))
    }
}

impl LinearLogit {
    /// The logits of a batch.
    ///
    /// # Shapes
    ///
    /// - ids: `[B, F]` slots, each id below its field's number of table rows
    /// - output: `[B]`
    ///
    /// # Panics
    ///
    /// If the ids have another number of fields.
    pub fn forward(&self, ids: FieldIds) -> Tensor<1> {
        let sum = self.terms(ids).sum_dim(1).squeeze_dim(1); // [B]
        match &self.bias {
            Some(bias) => sum + bias.val(),
            None => sum,
        }
    }

    /// The terms of the sum, without the bias.
    ///
    /// # Shapes
    ///
    /// - ids: `[B, F]` slots
    /// - output: `[B, F]`
    ///
    /// # Panics
    ///
    /// If the ids have another number of fields.
    pub fn terms(&self, ids: FieldIds) -> Tensor<2> {
        let padding_rows = self.padding_rows.as_ref();
        lookup(self.weight.val(), ids, &self.offsets, padding_rows).squeeze_dim(2)
    }
}

impl ModuleDisplay for LinearLogit {
    fn custom_settings(&self) -> Option<DisplaySettings> {
        DisplaySettings::new()
            .with_new_line_after_attribute(false)
            .optional()
    }

    fn custom_content(&self, content: Content) -> Option<Content> {
        content
            .add("num_fields", &self.offsets.dims()[1])
            .add("num_rows", &self.weight.shape()[0])
            .add("bias", &self.bias.is_some())
            .add("padding", &self.padding_rows.is_some())
            .optional()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inputs::Pooling;
    use crate::testing::{assert_close, cpu_devices, tensor, test_devices, through_a_record};

    /// Fields of 2, 1 and 3 rows with weights 1, 2 | 3 | 4, 5, 6.
    fn worked(config: &LinearLogitConfig, device: &Device) -> LinearLogit {
        let mut linear = config.init(device);
        let weights = tensor([[1.0], [2.0], [3.0], [4.0], [5.0], [6.0]], device);
        linear.weight = Param::from_tensor(weights);
        if let Some(bias) = &mut linear.bias {
            *bias = Param::from_tensor(tensor([100.0], device));
        }
        linear
    }

    fn ids(device: &Device) -> FieldIds {
        FieldIds::new(Tensor::from_data([[1, 0, 2], [0, 0, 0]], device))
    }

    #[test]
    fn output_and_gradient_match_the_case_worked_by_hand() {
        for device in test_devices() {
            let config = LinearLogitConfig::new(vec![2, 1, 3]).with_bias(true);
            let linear = worked(&config, &device);
            let values = tensor([[1.0, 0.5, 1.0], [1.0, -2.0, 1.0]], &device);
            let y = linear.forward(ids(&device).with_values(Some(values)));
            // 2 + 1.5 + 6, 1 - 6 + 4
            assert_close(y.clone(), &[109.5, 99.0], 1e-6);
            let gradient = linear.weight.val().grad(&y.sum().backward());
            let expected = [1.0, 1.0, -1.5, 1.0, 0.0, 1.0];
            assert_close(gradient.expect("a gradient"), &expected, 1e-6);
        }
    }

    #[test]
    fn the_weights_of_a_list_are_pooled() {
        for device in test_devices() {
            let config = LinearLogitConfig::new(vec![2, 1, 3]).with_bias(true);
            let linear = worked(&config, &device);
            for (pooling, pooled) in [
                (Pooling::Mean, 14.0 / 3.0),
                (Pooling::Sum, 14.0),
                (Pooling::Max, 5.0),
            ] {
                let pooling = [None, None, Some(pooling)];
                let ids = FieldIds::from_lists(
                    &[1, 0, 0, 1, 1, 0, 0, 2],
                    &[1, 2, 5, 6, 7, 8],
                    &pooling,
                    &device,
                );
                // 2 + 3 + (4 5 5), 1 + 3 + 6
                let logits = linear.forward(ids);
                assert_close(logits, &[105.0 + pooled, 110.0], 1e-6);
            }
        }
    }

    #[test]
    fn padding_rows_add_nothing() {
        for device in cpu_devices() {
            let config = LinearLogitConfig::new(vec![2, 1, 3]).with_padding(true);
            let linear = worked(&config, &device);
            assert_close(linear.forward(ids(&device)), &[11.0, 3.0], 1e-6);
        }
    }

    #[test]
    fn a_record_restores_the_weights() {
        for device in cpu_devices() {
            let config = LinearLogitConfig::new(vec![2, 1, 3]).with_bias(true);
            let restored = through_a_record(worked(&config, &device), config.init(&device));
            assert_close(restored.forward(ids(&device)), &[111.0, 108.0], 0.0);
        }
    }

    #[test]
    fn a_model_without_fields_is_refused() {
        assert_eq!(
            LinearLogitConfig::new(vec![])
                .validate()
                .unwrap_err()
                .to_string(),
            "field_sizes must be non-empty, but is empty"
        );
    }
}
