use burn::config::Config;
use burn::module::{Content, DisplaySettings, Initializer, Module, ModuleDisplay, Param};
use burn::tensor::{Device, Int, Tensor};

use crate::error::{ConfigError, require_width};
use crate::inputs::field_ids::FieldIds;
use crate::inputs::field_sizes::FieldSizes;
use crate::layers::lookup::{lookup, table};

/// Settings of [`FeatureEmbedding`].
///
/// | name | default | purpose | range |
/// |---|---|---|---|
/// | `field_sizes` | – | number of table rows of each field | at least one field, `1..=u32::MAX` rows each |
/// | `embedding_dim` | – | embedding dimension `K` | at least 1 |
/// | `padding` | false | row 0 of each field is zero and never trained | |
/// | `initializer` | N(0, 0.05) | draws the table | |
///
/// FuxiCTR and DeepCTR-Torch draw from N(0, 1e-4), and so do their [presets](crate::models::fibinet::Preset). Small
/// logs train better from the wider default.
#[derive(Config, Debug, PartialEq)]
pub struct FeatureEmbeddingConfig {
    /// Number of table rows of each field.
    pub field_sizes: Vec<usize>,
    /// Embedding dimension, `K`.
    pub embedding_dim: usize,
    /// Row 0 of each field is zero and never trained.
    #[config(default = false)]
    pub padding: bool,
    /// Draws the table.
    #[config(default = "Initializer::Normal { mean: 0.0, std: 0.05 }")]
    pub initializer: Initializer,
}

/// One vector per field, from one table in which each field has its own range of rows:
/// `e_f = x_f T[offset_f + id_f]`.
///
/// `x_f` is the field's value, 1 for a categorical field. A numeric field has one table row, id 0,
/// which its value multiplies (FuxiCTR's value × vector). In a multi-valued field the mean, the sum
/// or the maximum of its ids' vectors stands in for `T[…]` ([`FieldIds::from_lists`]).
///
/// With `padding`, id 0 of every field of more than one row is a zero vector without gradient, as
/// FuxiCTR's padding row. A padding id in a list counts in the mean's denominator and takes part in
/// the maximum as zeros.
///
/// Ids are not checked on the device, and a GPU reads out of range silently: check them with
/// [`FieldSizes::check_ids`] first. Gradients are dense, the size of the table: for large
/// vocabularies train with `fibinet-train`'s row optimizers.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Int, Tensor};
/// use fibinet_nn::inputs::FieldIds;
/// use fibinet_nn::layers::FeatureEmbeddingConfig;
///
/// let device = Device::flex();
/// // Two categorical fields and a numeric one.
/// let embedding = FeatureEmbeddingConfig::new(vec![10, 20, 1], 4).init(&device);
/// let ids = Tensor::<2, Int>::from_data([[3, 19, 0]], &device);
/// let values = Tensor::<2>::from_data([[1.0, 1.0, 0.25]], &device);
/// let ids = FieldIds::new(ids).with_values(Some(values));
/// assert_eq!(embedding.forward(ids).dims(), [1, 3, 4]);
/// # }
/// ```
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct FeatureEmbedding {
    /// The rows of all fields, `[V, K]`.
    pub weight: Param<Tensor<2>>,
    offsets: Tensor<2, Int>,
    padding_rows: Option<Tensor<2>>,
}

impl FeatureEmbeddingConfig {
    /// Checks every setting and lays the fields out.
    ///
    /// # Errors
    ///
    /// [`ConfigError::OutOfRange`] for the first setting outside the table's ranges.
    pub fn validate(&self) -> Result<FieldSizes, ConfigError> {
        require_width("embedding_dim", self.embedding_dim)?;
        FieldSizes::new(self.field_sizes.clone())
    }

    /// Creates the layer on a device.
    ///
    /// # Errors
    ///
    /// The error of [`validate`](Self::validate).
    pub fn try_init(&self, device: &Device) -> Result<FeatureEmbedding, ConfigError> {
        let fields = self.validate()?;
        let shape = [fields.num_rows(), self.embedding_dim];
        Ok(FeatureEmbedding {
            weight: table(shape, &fields, self.padding, &self.initializer, device),
            offsets: fields.offsets_tensor(device),
            padding_rows: self.padding.then(|| fields.padding_rows_tensor(device)),
        })
    }

    /// Creates the layer on a device.
    ///
    /// # Panics
    ///
    /// With the message of [`try_init`](Self::try_init).
    pub fn init(&self, device: &Device) -> FeatureEmbedding {
        self.try_init(device)
            .unwrap_or_else(|error| panic!("{error}"))
    }
}

impl FeatureEmbedding {
    /// Looks up the vector of every slot.
    ///
    /// # Shapes
    ///
    /// - ids: `[B, F]` slots, each id below its field's number of table rows
    /// - output: `[B, F, K]`
    ///
    /// # Panics
    ///
    /// If the ids have another number of fields.
    pub fn forward(&self, ids: FieldIds) -> Tensor<3> {
        let padding_rows = self.padding_rows.as_ref();
        lookup(self.weight.val(), ids, &self.offsets, padding_rows)
    }
}

impl ModuleDisplay for FeatureEmbedding {
    fn custom_settings(&self) -> Option<DisplaySettings> {
        DisplaySettings::new()
            .with_new_line_after_attribute(false)
            .optional()
    }

    fn custom_content(&self, content: Content) -> Option<Content> {
        let [num_rows, embedding_dim] = self.weight.shape().dims();
        content
            .add("num_fields", &self.offsets.dims()[1])
            .add("num_rows", &num_rows)
            .add("embedding_dim", &embedding_dim)
            .add("padding", &self.padding_rows.is_some())
            .optional()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inputs::Pooling;
    use crate::testing::{assert_close, cpu_devices, tensor, test_devices, through_a_record};

    /// Fields of 2, 1 and 3 rows, K = 2: the table's rows are 0 1, 2 3, …, 10 11.
    fn worked(config: &FeatureEmbeddingConfig, device: &Device) -> FeatureEmbedding {
        let mut embedding = config.init(device);
        let rows: Vec<f32> = (0..12_u8).map(f32::from).collect();
        let rows = Tensor::<1>::from_data(rows.as_slice(), device).reshape([6, 2]);
        embedding.weight = Param::from_tensor(rows);
        embedding
    }

    fn config() -> FeatureEmbeddingConfig {
        FeatureEmbeddingConfig::new(vec![2, 1, 3], 2)
    }

    fn ids(device: &Device) -> FieldIds {
        FieldIds::new(Tensor::from_data([[1, 0, 2], [0, 0, 0]], device))
    }

    #[test]
    fn each_field_reads_its_own_rows() {
        for device in cpu_devices() {
            let y = worked(&config(), &device).forward(ids(&device));
            let expected = [2.0, 3.0, 4.0, 5.0, 10.0, 11.0, 0.0, 1.0, 4.0, 5.0, 6.0, 7.0];
            assert_close(y, &expected, 0.0);
        }
    }

    #[test]
    fn values_scale_vectors_and_their_gradients() {
        for device in test_devices() {
            let embedding = worked(&config(), &device);
            let values = tensor([[1.0, 0.5, 1.0], [1.0, -2.0, 1.0]], &device);
            let y = embedding.forward(ids(&device).with_values(Some(values)));
            let expected = [
                2.0, 3.0, 2.0, 2.5, 10.0, 11.0, 0.0, 1.0, -8.0, -10.0, 6.0, 7.0,
            ];
            assert_close(y.clone(), &expected, 1e-6);
            let gradient = embedding.weight.val().grad(&y.sum().backward());
            let expected = [1.0, 1.0, 1.0, 1.0, -1.5, -1.5, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0];
            assert_close(gradient.expect("a gradient"), &expected, 1e-6);
        }
    }

    /// Two batch rows of a list, a number and an id: the lists are 1 2 1 with value -1, and 0 2 with value 2.
    /// The fields have 3, 1 and 2 table rows: 0 1, 2 3, 4 5 | 6 7 | 8 9, 10 11.
    fn lists(pooling: Pooling, device: &Device) -> FieldIds {
        let pooling = [Some(pooling), None, None];
        let ids = FieldIds::from_lists(
            &[1, 2, 1, 0, 1, 0, 2, 0, 0],
            &[3, 4, 5, 7, 8, 9],
            &pooling,
            device,
        );
        let values = tensor([[-1.0, 0.5, 1.0], [2.0, 1.0, 1.0]], device);
        ids.with_values(Some(values))
    }

    #[test]
    fn the_vectors_of_a_list_are_pooled_and_so_are_their_gradients() {
        let config = FeatureEmbeddingConfig::new(vec![3, 1, 2], 2).with_padding(true);
        let (third, two_thirds) = (-1.0 / 3.0, -2.0 / 3.0);
        #[rustfmt::skip]
        let cases = [
            // 2 3 + 4 5 + 2 3 over 3; 0 0 + 4 5 over 2.
            (Pooling::Mean, [-8.0 / 3.0, -11.0 / 3.0, 4.0, 5.0], [two_thirds, two_thirds, third + 1.0, third + 1.0]),
            (Pooling::Sum, [-8.0, -11.0, 8.0, 10.0], [-2.0, -2.0, 1.0, 1.0]),
            (Pooling::Max, [-4.0, -5.0, 8.0, 10.0], [0.0, 0.0, 1.0, 1.0]),
        ];
        for device in test_devices() {
            let embedding = worked(&config, &device);
            for (pooling, [a, b, c, d], [e, f, g, h]) in cases {
                let y = embedding.forward(lists(pooling, &device));
                let expected = [a, b, 3.0, 3.5, 10.0, 11.0, c, d, 6.0, 7.0, 0.0, 0.0];
                assert_close(y.clone(), &expected, 1e-6);
                let gradient = embedding.weight.val().grad(&y.sum().backward());
                let expected = [0.0, 0.0, e, f, g, h, 1.5, 1.5, 0.0, 0.0, 1.0, 1.0];
                assert_close(gradient.expect("a gradient"), &expected, 1e-6);
            }
        }
    }

    #[test]
    fn padding_in_a_list_is_the_maximum_of_negative_vectors() {
        for device in test_devices() {
            let config = FeatureEmbeddingConfig::new(vec![3], 2).with_padding(true);
            let mut embedding = config.init(&device);
            let table = tensor([[9.0, 9.0], [-1.0, 2.0], [-3.0, -4.0]], &device);
            embedding.weight = Param::from_tensor(table);
            let pooling = [Some(Pooling::Max)];
            let ids = FieldIds::from_lists(&[1, 2, 0, 2, 1], &[2, 5], &pooling, &device);
            let y = embedding.forward(ids);
            assert_close(y.clone(), &[-1.0, 2.0, 0.0, 2.0], 0.0);
            let gradient = embedding.weight.val().grad(&y.sum().backward());
            let expected = [0.0, 0.0, 1.0, 2.0, 0.0, 0.0];
            assert_close(gradient.expect("a gradient"), &expected, 0.0);
        }
    }

    #[test]
    fn without_padding_id_0_of_a_list_is_an_id_like_any_other() {
        for device in cpu_devices() {
            let embedding = worked(&FeatureEmbeddingConfig::new(vec![6], 2), &device);
            let pooling = [Some(Pooling::Sum)];
            let ids = FieldIds::from_lists(&[0, 5, 1], &[2, 3], &pooling, &device);
            assert_close(embedding.forward(ids), &[10.0, 12.0, 2.0, 3.0], 0.0);
        }
    }

    #[test]
    #[should_panic(expected = "expected ids of 3 fields")]
    fn lists_of_another_number_of_fields_panic() {
        let device = cpu_devices().remove(0);
        let pooling = [Some(Pooling::Sum), None];
        let ids = FieldIds::from_lists(&[0, 1, 0], &[2, 3], &pooling, &device);
        worked(&config(), &device).forward(ids);
    }

    #[test]
    fn padding_rows_are_zero_without_gradient_but_a_numeric_field_has_none() {
        for device in cpu_devices() {
            let config = config().with_padding(true);
            let embedding = worked(&config, &device);
            let y = embedding.forward(ids(&device));
            let expected = [2.0, 3.0, 4.0, 5.0, 10.0, 11.0, 0.0, 0.0, 4.0, 5.0, 0.0, 0.0];
            assert_close(y.clone(), &expected, 0.0);
            let gradient = embedding.weight.val().grad(&y.sum().backward());
            let expected = [0.0, 0.0, 1.0, 1.0, 2.0, 2.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0];
            assert_close(gradient.expect("a gradient"), &expected, 0.0);

            let ones = config.with_initializer(Initializer::Ones).init(&device);
            let expected = [0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0];
            assert_close(ones.weight.val(), &expected, 0.0);
        }
    }

    #[test]
    fn a_record_restores_the_table() {
        for device in cpu_devices() {
            let embedding = worked(&config(), &device);
            let restored = through_a_record(embedding, config().init(&device));
            let y = restored.forward(ids(&device)).narrow(0, 0, 1);
            assert_close(y, &[2.0, 3.0, 4.0, 5.0, 10.0, 11.0], 0.0);
        }
    }

    #[test]
    fn wrong_settings_are_named_with_their_values() {
        let message = |sizes: &[usize], dim| {
            let config = FeatureEmbeddingConfig::new(sizes.to_vec(), dim);
            config.validate().unwrap_err().to_string()
        };
        assert_eq!(
            message(&[], 4),
            "field_sizes must be non-empty, but is empty"
        );
        assert_eq!(
            message(&[3, 0], 4),
            "field_sizes must be in 1..=4294967295 each, but is 0"
        );
        assert_eq!(
            message(&[3, 2], 0),
            "embedding_dim must be at least 1, but is 0"
        );
    }

    #[test]
    fn display_tells_the_sizes() {
        for device in cpu_devices() {
            let text = config().init(&device).to_string();
            assert!(
                text.contains("num_rows: 6") && text.contains("num_fields: 3"),
                "{text}"
            );
        }
    }
}
