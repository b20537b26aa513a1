use burn::config::Config;
use burn::module::{Content, DisplaySettings, Module, ModuleDisplay};
use burn::nn::Linear;
use burn::tensor::{Device, Int, Tensor, assert_shape};
use serde::{Deserialize, Serialize};

use crate::error::{ConfigError, require_pairs};
use crate::kernels::{self, Side};
use crate::pairs::{num_pairs, pair_indices};

/// How two fields' vectors are multiplied.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum PairProductKind {
    /// Elementwise, `v_i ⊙ v_j`: `K` numbers per pair.
    Hadamard,
    /// The inner product, `v_i · v_j`: one number per pair.
    Inner,
}

impl PairProductKind {
    /// How many numbers each pair gives, for embeddings of `embedding_dim`.
    pub const fn pair_dim(self, embedding_dim: usize) -> usize {
        match self {
            Self::Hadamard => embedding_dim,
            Self::Inner => 1,
        }
    }
}

/// Settings of [`PairProduct`].
///
/// | name | default | purpose | range |
/// |---|---|---|---|
/// | `num_fields` | – | number of fields `F` | 2 to 65536 |
/// | `kind` | Hadamard | the product | |
#[derive(Config, Debug, PartialEq)]
pub struct PairProductConfig {
    /// Number of fields, `F`.
    pub num_fields: usize,
    /// The product.
    #[config(default = "PairProductKind::Hadamard")]
    pub kind: PairProductKind,
}

/// The product of every pair of fields, without weights: `p_ij = v_i ⊙ v_j` or `v_i · v_j`, `i < j`.
///
/// Huang, Zhang and Zhang, [FiBiNET](https://arxiv.org/abs/1905.09433), section 3.3, call these the
/// traditional ways of interaction. In FiBiNET's [`Combination`](crate::layers::Combination) they are the side
/// whose digit is 0.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use fibinet_nn::layers::PairProductConfig;
///
/// let device = Device::flex();
/// let pairs = PairProductConfig::new(39).init(&device);
/// assert_eq!(pairs.forward(Tensor::ones([2, 39, 10], &device)).dims(), [2, 741, 10]);
/// # }
/// ```
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct PairProduct {
    left: Tensor<1, Int>,
    right: Tensor<1, Int>,
    num_fields: usize,
    #[module(skip)]
    kind: PairProductKind,
}

impl PairProductConfig {
    /// Checks every setting.
    ///
    /// # Errors
    ///
    /// [`ConfigError::OutOfRange`] for fewer than 2 fields or more than 65536.
    pub fn validate(&self) -> Result<(), ConfigError> {
        require_pairs(self.num_fields)
    }

    /// Creates the layer on a device.
    ///
    /// # Errors
    ///
    /// The error of [`validate`](Self::validate).
    pub fn try_init(&self, device: &Device) -> Result<PairProduct, ConfigError> {
        self.validate()?;
        let (left, right) = pair_indices(self.num_fields, device);
        Ok(PairProduct {
            left,
            right,
            num_fields: self.num_fields,
            kind: self.kind,
        })
    }

    /// Creates the layer on a device.
    ///
    /// # Panics
    ///
    /// With the message of [`try_init`](Self::try_init).
    pub fn init(&self, device: &Device) -> PairProduct {
        self.try_init(device)
            .unwrap_or_else(|error| panic!("{error}"))
    }
}

impl PairProduct {
    /// Multiplies every pair.
    ///
    /// # Shapes
    ///
    /// - embeddings: `[B, F, K]`
    /// - output: `[B, P, K]`, or `[B, P, 1]` for the inner product
    ///
    /// # Panics
    ///
    /// If the input has another number of fields.
    pub fn forward(&self, embeddings: Tensor<3>) -> Tensor<3> {
        let num_fields = self.num_fields;
        assert_shape!(embeddings, [_, num_fields, _]);
        let [batch, _, embedding_dim] = embeddings.dims();
        let pairs = match self.kind {
            PairProductKind::Hadamard => kernels::pairs(&[self.side(embeddings)]),
            PairProductKind::Inner => kernels::inner_products(embeddings, self.fields()),
        };
        let pair_dim = self.kind.pair_dim(embedding_dim);
        pairs.reshape([batch, num_pairs(num_fields), pair_dim])
    }

    /// [`forward`](Self::forward) and a linear map over all pairs, `[p; dense] W + b`, as in
    /// [`BilinearInteraction::forward_linear`](crate::layers::BilinearInteraction::forward_linear). The array of
    /// inner products, one number per pair, is made.
    ///
    /// # Shapes
    ///
    /// - embeddings: `[B, F, K]`
    /// - dense: `[B, N]`
    /// - the map's weight: `[P K + N, H]`, or `[P + N, H]` for the inner product
    /// - output: `[B, H]`
    ///
    /// # Panics
    ///
    /// If the input has another number of fields, or the weight has another number of rows.
    pub fn forward_linear(
        &self,
        embeddings: Tensor<3>,
        dense: Option<Tensor<2>>,
        map: &Linear,
    ) -> Tensor<2> {
        if self.kind == PairProductKind::Hadamard {
            return kernels::pairs_linear(&[self.side(embeddings)], dense.as_ref(), map);
        }
        let products = self.forward(embeddings).squeeze_dim(2); // [B, P]
        map.forward(match dense {
            Some(dense) => Tensor::cat(vec![products, dense], 1),
            None => products,
        })
    }

    /// The input of [`forward`](Self::forward) as the kernels take it, for the Hadamard product.
    pub(crate) fn side(&self, embeddings: Tensor<3>) -> Side {
        let num_fields = self.num_fields;
        assert_shape!(embeddings, [_, num_fields, _]);
        Side {
            embeddings,
            matrices: None,
            fields: self.fields(),
        }
    }

    pub(crate) fn kind(&self) -> PairProductKind {
        self.kind
    }

    /// The left and the right field of every pair.
    fn fields(&self) -> [Tensor<1, Int>; 2] {
        [self.left.clone(), self.right.clone()]
    }
}

impl ModuleDisplay for PairProduct {
    fn custom_settings(&self) -> Option<DisplaySettings> {
        DisplaySettings::new()
            .with_new_line_after_attribute(false)
            .optional()
    }

    fn custom_content(&self, content: Content) -> Option<Content> {
        content
            .add("num_fields", &self.num_fields)
            .add("num_pairs", &num_pairs(self.num_fields))
            .add_debug_attribute("kind", &self.kind)
            .optional()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, cpu_devices, tensor, test_devices};

    #[test]
    fn output_and_gradient_match_the_case_worked_by_hand() {
        for device in test_devices() {
            let x: Tensor<3> = tensor([[[1.0, 2.0], [3.0, -1.0], [0.0, 4.0]]], &device);
            let x = x.require_grad();
            let pairs = PairProductConfig::new(3).init(&device);
            let y = pairs.forward(x.clone());
            assert_close(y.clone(), &[3.0, -2.0, 0.0, 8.0, 0.0, -4.0], 1e-6);
            // d sum(y) / d x_i is the sum of the other two fields.
            let gradient = x.grad(&y.sum().backward()).expect("a gradient");
            assert_close(gradient, &[3.0, 3.0, 1.0, 6.0, 4.0, 1.0], 1e-6);
        }
    }

    #[test]
    fn the_inner_product_is_the_sum_of_the_hadamard_product() {
        for device in cpu_devices() {
            let x = tensor([[[1.0, 2.0], [3.0, -1.0], [0.0, 4.0]]], &device);
            let config = PairProductConfig::new(3).with_kind(PairProductKind::Inner);
            assert_close(config.init(&device).forward(x), &[1.0, 8.0, -4.0], 1e-6);
        }
    }

    #[test]
    fn two_fields_one_row_and_one_dimension_work() {
        for device in cpu_devices() {
            let pairs = PairProductConfig::new(2).init(&device);
            assert_close(
                pairs.forward(tensor([[[3.0], [-2.0]]], &device)),
                &[-6.0],
                1e-6,
            );
        }
    }

    #[test]
    fn one_field_has_no_pair_and_too_many_have_more_than_can_be_counted() {
        let message = |num_fields| {
            let error = PairProductConfig::new(num_fields).validate().unwrap_err();
            error.to_string()
        };
        assert_eq!(message(1), "num_fields must be at least 2, but is 1");
        assert_eq!(
            message(usize::MAX),
            format!("num_fields must be at most 65536, but is {}", usize::MAX)
        );
        assert_eq!(PairProductConfig::new(1 << 16).validate(), Ok(()));
    }

    #[test]
    fn display_tells_the_sizes() {
        for device in cpu_devices() {
            let text = PairProductConfig::new(39).init(&device).to_string();
            assert!(
                text.contains("num_fields: 39") && text.contains("num_pairs: 741"),
                "{text}"
            );
        }
    }
}
