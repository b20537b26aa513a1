use burn::config::Config;
use burn::module::{Content, DisplaySettings, Initializer, Module, ModuleDisplay, Param};
use burn::nn::Linear;
use burn::tensor::{Device, Int, Tensor, assert_shape};
use serde::{Deserialize, Serialize};

use crate::error::{ConfigError, require_pairs, require_width};
use crate::kernels::{self, Side};
use crate::pairs::{BilinearKind, num_pairs, pair_indices};

/// How many matrices [`BilinearKind::FieldEach`] keeps.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum EachMatrices {
    /// `F`, as in the article, FuxiCTR and DeepCTR-Torch. The last one is never used, because the last
    /// field is the left field of no pair, and gets a zero gradient.
    All,
    /// `F - 1`, as in DeepCTR.
    LeftFields,
}

/// The fans for an initializer that scales by them (Xavier, Kaiming).
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Fans {
    /// Those of one matrix, `K` and `K`, however many matrices there are.
    Matrix,
    /// Those that PyTorch derives from the whole weight, `[n, K, K]` for `n` matrices, `K²` and `n K`
    /// (FuxiCTR). The more matrices, the smaller they start: with Xavier normal at `K = 10`, `F = 39` the
    /// standard deviation is .064 for field_each and .016 for field_interaction. For field_all, whose weight
    /// has two dimensions in FuxiCTR, it is .316.
    WholeTensor,
}

/// Settings of [`BilinearInteraction`].
///
/// | name | default | purpose | range |
/// |---|---|---|---|
/// | `num_fields` | – | number of fields `F` | 2 to 65536 |
/// | `embedding_dim` | – | embedding dimension `K` | at least 1 |
/// | `kind` | interaction | one matrix for all pairs, one per left field, or one per pair | |
/// | `each_matrices` | `F` | number of matrices that field_each keeps | |
/// | `initializer` | Xavier normal | draws each matrix | |
/// | `fans` | matrix | fans that the initializer scales by | |
#[derive(Config, Debug, PartialEq)]
pub struct BilinearInteractionConfig {
    /// Number of fields, `F`.
    pub num_fields: usize,
    /// Embedding dimension, `K`.
    pub embedding_dim: usize,
    /// How many matrices cross the pairs.
    #[config(default = "BilinearKind::FieldInteraction")]
    pub kind: BilinearKind,
    /// How many matrices field_each keeps.
    #[config(default = "EachMatrices::All")]
    pub each_matrices: EachMatrices,
    /// Draws each matrix.
    #[config(default = "Initializer::XavierNormal { gain: 1.0 }")]
    pub initializer: Initializer,
    /// Fans that the initializer scales by.
    #[config(default = "Fans::Matrix")]
    pub fans: Fans,
}

/// Crosses every pair of fields through a matrix: `p_ij = (v_i W) ⊙ v_j`, `i < j`.
///
/// All pairs share one `W`, or each left field has its `W_i`, or each pair its `W_ij`
/// ([`BilinearKind`]). Huang, Zhang and Zhang, [FiBiNET](https://arxiv.org/abs/1905.09433), section
/// 3.3, equations 7 to 9.
///
/// Matrices have the layout `[in, out]`, as in `v_i @ W`. Those of DeepCTR-Torch are transposed.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use fibinet_nn::layers::{BilinearInteractionConfig, BilinearKind};
///
/// let device = Device::flex();
/// let bilinear = BilinearInteractionConfig::new(39, 10)
///     .with_kind(BilinearKind::FieldEach)
///     .init(&device);
/// let pairs = bilinear.forward(Tensor::ones([2, 39, 10], &device));
/// assert_eq!(pairs.dims(), [2, 741, 10]);
/// # }
/// ```
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct BilinearInteraction {
    /// The matrices, `[1 | F | F - 1 | P, K, K]`.
    pub weight: Param<Tensor<3>>,
    left: Tensor<1, Int>,
    right: Tensor<1, Int>,
    num_fields: usize,
    #[module(skip)]
    kind: BilinearKind,
}

impl BilinearInteractionConfig {
    /// The number of matrices, which is the weight's first dimension. 0 if there are too few fields for a
    /// pair, which [`validate`](Self::validate) refuses.
    pub fn num_matrices(&self) -> usize {
        match (self.kind, self.each_matrices) {
            (BilinearKind::FieldAll, _) => 1,
            (BilinearKind::FieldEach, EachMatrices::All) => self.num_fields,
            (BilinearKind::FieldEach, EachMatrices::LeftFields) => {
                self.num_fields.saturating_sub(1)
            }
            (BilinearKind::FieldInteraction, _) => num_pairs(self.num_fields),
        }
    }

    /// The fans `(in, out)` for the initializer.
    fn fans(&self) -> (usize, usize) {
        let dim = self.embedding_dim;
        match (self.fans, self.kind) {
            (Fans::Matrix, _) | (_, BilinearKind::FieldAll) => (dim, dim),
            (Fans::WholeTensor, _) => (dim * dim, self.num_matrices() * dim),
        }
    }

    /// Checks every setting.
    ///
    /// # Errors
    ///
    /// [`ConfigError::OutOfRange`] for the first setting outside the table's ranges.
    pub fn validate(&self) -> Result<(), ConfigError> {
        require_pairs(self.num_fields)?;
        require_width("embedding_dim", self.embedding_dim)
    }

    /// Creates the layer on a device.
    ///
    /// # Errors
    ///
    /// The error of [`validate`](Self::validate).
    pub fn try_init(&self, device: &Device) -> Result<BilinearInteraction, ConfigError> {
        self.validate()?;
        let dim = self.embedding_dim;
        let (fan_in, fan_out) = self.fans();
        let (left, right) = pair_indices(self.num_fields, device);
        Ok(BilinearInteraction {
            weight: self.initializer.init_with(
                [self.num_matrices(), dim, dim],
                Some(fan_in),
                Some(fan_out),
                device,
            ),
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
    pub fn init(&self, device: &Device) -> BilinearInteraction {
        self.try_init(device)
            .unwrap_or_else(|error| panic!("{error}"))
    }
}

impl BilinearInteraction {
    /// Crosses every pair.
    ///
    /// # Shapes
    ///
    /// - embeddings: `[B, F, K]`
    /// - output: `[B, P, K]`
    ///
    /// # Panics
    ///
    /// If the input has another number of fields or another embedding dimension.
    pub fn forward(&self, embeddings: Tensor<3>) -> Tensor<3> {
        let [batch, ..] = embeddings.dims();
        let side = self.side(embeddings);
        let [_, embedding_dim, _] = self.weight.shape().dims();
        kernels::pairs(&[side]).reshape([batch, num_pairs(self.num_fields), embedding_dim])
    }

    /// [`forward`](Self::forward) and a linear map over all pairs, `[p; dense] W + b`.
    ///
    /// Where there is a kernel ([`has_kernels`](crate::backend::has_kernels)), the pairs are computed as the map's
    /// input, and on flex their array is never made, forward or backward: this is how to put a hidden layer behind
    /// the pairs.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::nn::LinearConfig;
    /// use burn::tensor::{Device, Tensor};
    /// use fibinet_nn::layers::BilinearInteractionConfig;
    ///
    /// let device = Device::flex();
    /// let bilinear = BilinearInteractionConfig::new(39, 10).init(&device);
    /// let embeddings = Tensor::<3>::ones([2, 39, 10], &device);
    /// // 741 pairs of 10 numbers, and three numbers of one's own.
    /// let hidden = LinearConfig::new(7410 + 3, 16).init(&device);
    /// let dense = Tensor::<2>::ones([2, 3], &device);
    /// assert_eq!(bilinear.forward_linear(embeddings, Some(dense), &hidden).dims(), [2, 16]);
    /// # }
    /// ```
    ///
    /// # Shapes
    ///
    /// - embeddings: `[B, F, K]`
    /// - dense: `[B, N]`
    /// - the map's weight: `[P K + N, H]`
    /// - output: `[B, H]`
    ///
    /// # Panics
    ///
    /// If [`forward`](Self::forward) would panic, or the weight has another number of rows.
    pub fn forward_linear(
        &self,
        embeddings: Tensor<3>,
        dense: Option<Tensor<2>>,
        map: &Linear,
    ) -> Tensor<2> {
        kernels::pairs_linear(&[self.side(embeddings)], dense.as_ref(), map)
    }

    /// The inputs of [`forward`](Self::forward) as the kernels take them.
    pub(crate) fn side(&self, embeddings: Tensor<3>) -> Side {
        let weight = self.weight.val();
        let num_fields = self.num_fields;
        let [_, embedding_dim, _] = weight.dims();
        assert_shape!(embeddings, [_, num_fields, embedding_dim]);
        Side {
            embeddings,
            matrices: Some((self.kind, weight)),
            fields: [self.left.clone(), self.right.clone()],
        }
    }
}

impl ModuleDisplay for BilinearInteraction {
    fn custom_settings(&self) -> Option<DisplaySettings> {
        DisplaySettings::new()
            .with_new_line_after_attribute(false)
            .optional()
    }

    fn custom_content(&self, content: Content) -> Option<Content> {
        let [num_matrices, embedding_dim, _] = self.weight.shape().dims();
        content
            .add("num_fields", &self.num_fields)
            .add("embedding_dim", &embedding_dim)
            .add("num_matrices", &num_matrices)
            .add_debug_attribute("kind", &self.kind)
            .optional()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, cpu_devices, tensor, test_devices, through_a_record};

    const KINDS: [BilinearKind; 3] = [
        BilinearKind::FieldAll,
        BilinearKind::FieldEach,
        BilinearKind::FieldInteraction,
    ];

    /// Three different matrices: identity, swap, [[1, 1], [0, 2]].
    fn matrices(device: &Device) -> Tensor<3> {
        tensor(
            [
                [[1.0, 0.0], [0.0, 1.0]],
                [[0.0, 1.0], [1.0, 0.0]],
                [[1.0, 1.0], [0.0, 2.0]],
            ],
            device,
        )
    }

    fn fields(device: &Device) -> Tensor<3> {
        tensor([[[1.0, 2.0], [3.0, -1.0], [0.0, 4.0]]], device)
    }

    fn worked(kind: BilinearKind, weight: Tensor<3>, device: &Device) -> BilinearInteraction {
        let config = BilinearInteractionConfig::new(3, 2).with_kind(kind);
        let mut bilinear = config.init(device);
        bilinear.weight = Param::from_tensor(weight);
        bilinear
    }

    #[test]
    fn field_all_matches_the_case_worked_by_hand() {
        for device in test_devices() {
            let weight = matrices(&device).narrow(0, 2, 1);
            let bilinear = worked(BilinearKind::FieldAll, weight, &device);
            // v0 W = [1, 5], v1 W = [3, 1]: pairs (0,1), (0,2), (1,2)
            let expected = [3.0, -5.0, 0.0, 20.0, 0.0, 4.0];
            assert_close(bilinear.forward(fields(&device)), &expected, 1e-6);
        }
    }

    #[test]
    fn field_each_uses_the_matrix_of_the_left_field_and_never_the_last() {
        for device in test_devices() {
            let weight = matrices(&device).require_grad();
            let bilinear = worked(BilinearKind::FieldEach, weight.clone(), &device);
            let y = bilinear.forward(fields(&device));
            // v0 I = [1, 2], v1 swapped = [-1, 3]
            assert_close(y.clone(), &[3.0, -2.0, 0.0, 8.0, 0.0, 12.0], 1e-6);
            // dW_0 = v0ᵀ (v1 + v2) = [1, 2]ᵀ [3, 3]; dW_1 = v1ᵀ v2 = [3, -1]ᵀ [0, 4]; dW_2 = 0
            let gradient = bilinear.weight.val().grad(&y.sum().backward());
            let expected = [3.0, 3.0, 6.0, 6.0, 0.0, 12.0, 0.0, -4.0, 0.0, 0.0, 0.0, 0.0];
            assert_close(gradient.expect("a gradient"), &expected, 1e-6);
        }
    }

    #[test]
    fn field_each_gives_the_same_with_one_matrix_per_left_field() {
        for device in cpu_devices() {
            let config = BilinearInteractionConfig::new(3, 2)
                .with_kind(BilinearKind::FieldEach)
                .with_each_matrices(EachMatrices::LeftFields);
            assert_eq!(config.num_matrices(), 2);
            let mut bilinear = config.init(&device);
            bilinear.weight = Param::from_tensor(matrices(&device).narrow(0, 0, 2));
            let y = bilinear.forward(fields(&device));
            assert_close(y, &[3.0, -2.0, 0.0, 8.0, 0.0, 12.0], 1e-6);
        }
    }

    #[test]
    fn field_interaction_uses_the_matrix_of_the_pair() {
        for device in test_devices() {
            let bilinear = worked(BilinearKind::FieldInteraction, matrices(&device), &device);
            let x = fields(&device).require_grad();
            let y = bilinear.forward(x.clone());
            // v0 I = [1, 2], v0 swapped = [2, 1], v1 [[1, 1], [0, 2]] = [3, 1]
            assert_close(y.clone(), &[3.0, -2.0, 0.0, 4.0, 0.0, 4.0], 1e-6);
            // d/dv0 = I v1 + swap v2 = [3, -1] + [4, 0]; d/dv1 = v0 + [[1, 1], [0, 2]] v2
            // = [1, 2] + [4, 8]; d/dv2 = [2, 1] + [3, 1]
            let gradient = x.grad(&y.sum().backward()).expect("a gradient");
            assert_close(gradient, &[7.0, -1.0, 5.0, 10.0, 5.0, 2.0], 1e-6);
        }
    }

    #[test]
    fn equal_matrices_make_the_three_kinds_equal() {
        for device in cpu_devices() {
            let one = matrices(&device).narrow(0, 2, 1);
            let same: Vec<Tensor<3>> = KINDS
                .into_iter()
                .map(|kind| {
                    let copies = if kind == BilinearKind::FieldAll { 1 } else { 3 };
                    let weight = one.clone().repeat_dim(0, copies);
                    worked(kind, weight, &device).forward(fields(&device))
                })
                .collect();
            let expected = [3.0, -5.0, 0.0, 20.0, 0.0, 4.0];
            for pairs in same {
                assert_close(pairs, &expected, 1e-6);
            }
        }
    }

    #[test]
    fn two_fields_one_row_and_one_dimension_work() {
        for device in cpu_devices() {
            for kind in KINDS {
                let config = BilinearInteractionConfig::new(2, 1)
                    .with_kind(kind)
                    .with_initializer(Initializer::Constant { value: 0.5 });
                let x = tensor([[[3.0], [-2.0]]], &device);
                assert_close(config.init(&device).forward(x), &[-3.0], 1e-6);
            }
        }
    }

    #[test]
    fn fans_of_the_whole_tensor_shrink_the_start_as_in_fuxictr() {
        for device in cpu_devices() {
            device.seed(3);
            let std = |kind, fans| {
                let config = BilinearInteractionConfig::new(39, 10).with_kind(kind);
                let weight = config.with_fans(fans).init(&device).weight.val();
                weight.flatten::<1>(0, 2).var(0).sqrt().into_scalar::<f32>()
            };
            for (kind, whole_tensor) in KINDS.into_iter().zip([0.316, 0.0639, 0.0163]) {
                // field_all has 100 draws, a standard error of 7%.
                let ratio = std(kind, Fans::WholeTensor) / whole_tensor;
                assert!((0.75..1.25).contains(&ratio), "{kind:?}: {ratio}");
                let ratio = std(kind, Fans::Matrix) / 0.316;
                assert!((0.75..1.25).contains(&ratio), "{kind:?}: {ratio}");
            }
        }
    }

    #[test]
    fn too_few_fields_for_a_pair_are_counted_without_underflow_and_refused() {
        for num_fields in [0, 1] {
            let config = BilinearInteractionConfig::new(num_fields, 2);
            assert_eq!(config.num_matrices(), 0);
            let each = config.clone().with_kind(BilinearKind::FieldEach);
            assert_eq!(each.num_matrices(), num_fields);
            let left = each.with_each_matrices(EachMatrices::LeftFields);
            assert_eq!(left.num_matrices(), 0);
            assert_eq!(
                left.validate().unwrap_err().to_string(),
                format!("num_fields must be at least 2, but is {num_fields}")
            );
        }
    }

    #[test]
    fn a_record_restores_the_layer() {
        for device in cpu_devices() {
            for kind in KINDS {
                let config = BilinearInteractionConfig::new(3, 2).with_kind(kind);
                let bilinear = config.init(&device);
                let x = fields(&device);
                let y = bilinear.forward(x.clone());
                let expected: Vec<f32> = y.into_data().try_to_vec().unwrap();
                let restored = through_a_record(bilinear, config.init(&device));
                assert_close(restored.forward(x), &expected, 0.0);
            }
        }
    }

    #[test]
    fn wrong_settings_are_named_with_their_values() {
        let message = |fields, dim| {
            let config = BilinearInteractionConfig::new(fields, dim);
            config.validate().unwrap_err().to_string()
        };
        assert_eq!(message(1, 4), "num_fields must be at least 2, but is 1");
        assert_eq!(message(3, 0), "embedding_dim must be at least 1, but is 0");
    }

    #[test]
    fn display_tells_the_sizes() {
        for device in cpu_devices() {
            let text = BilinearInteractionConfig::new(39, 10)
                .init(&device)
                .to_string();
            assert!(
                text.contains("num_matrices: 741") && text.contains("embedding_dim: 10"),
                "{text}"
            );
        }
    }

    #[test]
    #[should_panic(expected = "expected 2, got 4")]
    fn another_dimension_panics_with_the_shape() {
        let device = cpu_devices().remove(0);
        let bilinear = BilinearInteractionConfig::new(3, 2).init(&device);
        bilinear.forward(Tensor::ones([1, 3, 4], &device));
    }
}
