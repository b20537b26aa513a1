use burn::config::Config;
use burn::module::{Content, DisplaySettings, Initializer, Module, ModuleDisplay, Param};
use burn::tensor::{Device, Int, Tensor, assert_shape};

use crate::error::{ConfigError, require_width};
use crate::fields::FieldSizes;

/// Settings of [`FeatureEmbedding`].
///
/// | name | default | purpose | range |
/// |---|---|---|---|
/// | `field_sizes` | – | rows of each field | at least one field, `1..=u32::MAX` rows each |
/// | `embedding_dim` | – | embedding dimension `K` | at least 1 |
/// | `padding` | false | row 0 of each field is zero and never trained | |
/// | `initializer` | N(0, 0.05) | draws the rows | |
///
/// FuxiCTR and DeepCTR-Torch draw from N(0, 1e-4), which their [presets](crate::Preset) keep; small
/// logs train better from the larger start.
#[derive(Config, Debug)]
pub struct FeatureEmbeddingConfig {
    /// Rows of each field.
    pub field_sizes: Vec<usize>,
    /// Embedding dimension, `K`.
    pub embedding_dim: usize,
    /// Row 0 of each field is zero and never trained.
    #[config(default = false)]
    pub padding: bool,
    /// Draws the rows.
    #[config(default = "Initializer::Normal { mean: 0.0, std: 0.05 }")]
    pub initializer: Initializer,
}

/// A vector for each field of a row, from one table in which each field has its range of rows:
/// `e_f = x_f T[offset_f + id_f]`.
///
/// `x_f` is 1 for a categorical field. A numeric field is one row, id 0, times its value (FuxiCTR's
/// value × vector). With `padding`, id 0 of every field of more than one row is a zero vector
/// without gradient, as FuxiCTR's padding row.
///
/// Ids are not checked on the device (a GPU reads out of range without a word): check them with
/// [`FieldSizes::check_ids`] first. Gradients are dense, the size of the table: for large
/// vocabularies train with `fibinet-train`'s row optimizers.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Int, Tensor};
/// use fibinet_nn::FeatureEmbeddingConfig;
///
/// let device = Device::flex();
/// // Two categorical fields and a numeric one.
/// let embedding = FeatureEmbeddingConfig::new(vec![10, 20, 1], 4).init(&device);
/// let ids = Tensor::<2, Int>::from_data([[3, 19, 0]], &device);
/// let values = Tensor::<2>::from_data([[1.0, 1.0, 0.25]], &device);
/// assert_eq!(embedding.forward(ids, Some(values)).dims(), [1, 3, 4]);
/// # }
/// ```
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct FeatureEmbedding {
    /// All fields' rows, `[V, K]`.
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

    /// The layer on a device, or what is wrong with its settings.
    ///
    /// # Errors
    ///
    /// As [`validate`](Self::validate).
    pub fn try_init(&self, device: &Device) -> Result<FeatureEmbedding, ConfigError> {
        let fields = self.validate()?;
        let shape = [fields.num_rows(), self.embedding_dim];
        Ok(FeatureEmbedding {
            weight: table(shape, &fields, self.padding, &self.initializer, device),
            offsets: fields.offsets_tensor(device),
            padding_rows: self.padding.then(|| fields.padding_rows_tensor(device)),
        })
    }

    /// The layer on a device.
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
    /// Looks up every field of every row.
    ///
    /// # Shapes
    ///
    /// - ids: `[B, F]`, each below its field's rows
    /// - values: `[B, F]`, what each vector is multiplied by; none is 1 everywhere
    /// - output: `[B, F, K]`
    ///
    /// # Panics
    ///
    /// If ids or values have another number of fields.
    pub fn forward(&self, ids: Tensor<2, Int>, values: Option<Tensor<2>>) -> Tensor<3> {
        let [_, num_fields] = self.offsets.dims();
        let [batch, _] = ids.dims();
        assert_shape!(ids, [_, num_fields]);
        let weight = self.weight.val();
        let [_, embedding_dim] = weight.dims();
        let factors = factors(&ids, values, self.padding_rows.as_ref());
        let rows = (ids + self.offsets.clone()).flatten::<1>(0, 1); // [B F]
        let vectors = weight
            .select(0, rows)
            .reshape([batch, num_fields, embedding_dim]);
        match factors {
            Some(factors) => vectors * factors.unsqueeze_dim(2),
            None => vectors,
        }
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

/// What each looked-up row is multiplied by: its value, and 0 where it is a padding row. None where
/// that is 1 everywhere.
pub(crate) fn factors(
    ids: &Tensor<2, Int>,
    values: Option<Tensor<2>>,
    padding_rows: Option<&Tensor<2>>,
) -> Option<Tensor<2>> {
    if let Some(values) = &values {
        let [batch, num_fields] = ids.dims();
        assert_shape!(values, [batch, num_fields]);
    }
    let kept = padding_rows.map(|padding_rows| {
        let is_zero = ids.clone().equal_elem(0).float();
        (is_zero * padding_rows.clone()).neg().add_scalar(1.0)
    });
    match (values, kept) {
        (Some(values), Some(kept)) => Some(values * kept),
        (values, kept) => values.or(kept),
    }
}

/// A table of drawn rows, its padding rows zero.
pub(crate) fn table(
    shape: [usize; 2],
    fields: &FieldSizes,
    padding: bool,
    initializer: &Initializer,
    device: &Device,
) -> Param<Tensor<2>> {
    let drawn = initializer.init(shape, device);
    if !padding {
        return drawn;
    }
    let rows: Vec<i64> = (0..fields.num_fields())
        .filter(|&field| fields.has_padding_row(field))
        .map(|field| fields.offset(field) as i64)
        .collect();
    drawn.init_mapper(move |table| {
        let device = table.device();
        let rows = Tensor::<1, Int>::from_data(rows.as_slice(), &device);
        let padding = table.clone().select(0, rows.clone());
        table.select_assign(0, rows, -padding, burn::tensor::IndexingUpdateOp::Add)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, cpu_devices, tensor, through_a_record};

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

    fn ids(device: &Device) -> Tensor<2, Int> {
        Tensor::from_data([[1, 0, 2], [0, 0, 0]], device)
    }

    #[test]
    fn each_field_reads_its_own_rows() {
        for device in cpu_devices() {
            let y = worked(&config(), &device).forward(ids(&device), None);
            let expected = [2.0, 3.0, 4.0, 5.0, 10.0, 11.0, 0.0, 1.0, 4.0, 5.0, 6.0, 7.0];
            assert_close(y, &expected, 0.0);
        }
    }

    #[test]
    fn values_scale_vectors_and_their_gradients() {
        for device in cpu_devices() {
            let embedding = worked(&config(), &device);
            let values = tensor([[1.0, 0.5, 1.0], [1.0, -2.0, 1.0]], &device);
            let y = embedding.forward(ids(&device), Some(values));
            let expected = [
                2.0, 3.0, 2.0, 2.5, 10.0, 11.0, 0.0, 1.0, -8.0, -10.0, 6.0, 7.0,
            ];
            assert_close(y.clone(), &expected, 1e-6);
            let gradient = embedding.weight.val().grad(&y.sum().backward());
            let expected = [1.0, 1.0, 1.0, 1.0, -1.5, -1.5, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0];
            assert_close(gradient.expect("a gradient"), &expected, 1e-6);
        }
    }

    #[test]
    fn padding_rows_are_zero_without_gradient_but_a_numeric_field_has_none() {
        for device in cpu_devices() {
            let config = config().with_padding(true);
            let embedding = worked(&config, &device);
            let y = embedding.forward(ids(&device), None);
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
            let y = restored.forward(ids(&device), None).narrow(0, 0, 1);
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
            "field_sizes must be not empty, but is empty"
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
