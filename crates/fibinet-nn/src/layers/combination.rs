use burn::config::Config;
use burn::module::{Content, DisplaySettings, Initializer, Module, ModuleDisplay};
use burn::nn::Linear;
use burn::tensor::{Device, Tensor, assert_shape};
use serde::{Deserialize, Serialize};

use crate::error::{ConfigError, require_pairs, require_width};
use crate::kernels::{self, Side};
use crate::layers::bilinear::{BilinearInteraction, BilinearInteractionConfig, EachMatrices, Fans};
use crate::layers::pair_product::{PairProduct, PairProductConfig, PairProductKind};
use crate::pairs::{BilinearKind, num_pairs};

/// Which of the two sides is crossed through matrices, as one digit per side (raw, then SENET): 1 is
/// bilinear, 0 is the plain product.
///
/// The paper's deep models do best with `01`, its shallow ones with `11` (tables 6 and 7). FuxiCTR and
/// DeepCTR only have `11`.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(try_from = "Digits", into = "String")]
pub enum CombinationKind {
    /// `11`: both sides bilinear.
    BothBilinear,
    /// `01`: raw by the plain product, SENET bilinear.
    SenetBilinear,
    /// `10`: raw bilinear, SENET by the plain product.
    RawBilinear,
    /// `00`: both by the plain product.
    NoneBilinear,
}

/// The two digits as a config file may write them: `"01"`, or the number 11.
#[derive(Deserialize)]
#[serde(untagged)]
enum Digits {
    Text(String),
    Number(i64),
}

impl TryFrom<Digits> for CombinationKind {
    type Error = ConfigError;

    fn try_from(digits: Digits) -> Result<Self, ConfigError> {
        let digits = match digits {
            Digits::Text(text) => text,
            Digits::Number(number) => format!("{number:02}"),
        };
        match digits.as_str() {
            "11" => Ok(Self::BothBilinear),
            "01" => Ok(Self::SenetBilinear),
            "10" => Ok(Self::RawBilinear),
            "00" => Ok(Self::NoneBilinear),
            _ => Err(ConfigError::UnknownName {
                setting: "combination",
                got: digits,
                suggestion: String::new(),
                known: "11, 01, 10, 00".to_owned(),
            }),
        }
    }
}

impl From<CombinationKind> for String {
    fn from(kind: CombinationKind) -> Self {
        match kind {
            CombinationKind::BothBilinear => "11",
            CombinationKind::SenetBilinear => "01",
            CombinationKind::RawBilinear => "10",
            CombinationKind::NoneBilinear => "00",
        }
        .to_owned()
    }
}

/// Which side comes first in the output.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum CombinationOrder {
    /// `[p; q]`, raw first (the paper, FuxiCTR).
    RawFirst,
    /// `[q; p]`, SENET first (DeepCTR).
    SenetFirst,
}

/// Settings of [`Combination`].
///
/// | name | default | purpose | range |
/// |---|---|---|---|
/// | `num_fields` | – | number of fields `F` | 2 to 65536 |
/// | `embedding_dim` | – | embedding dimension `K` | at least 1 |
/// | `kind` | `11` | which sides are bilinear | |
/// | `order` | raw first | which side comes first | |
/// | `shared` | false | one set of matrices for both sides (DeepCTR-Torch, BARS); only has an effect with `11` | |
/// | `bilinear_kind` | interaction | the matrices of the bilinear sides | |
/// | `each_matrices` | `F` | see [`BilinearInteractionConfig`] | |
/// | `product_kind` | Hadamard | the product of the other sides | |
/// | `initializer`, `fans` | Xavier normal per matrix | see [`BilinearInteractionConfig`] | |
#[derive(Config, Debug, PartialEq)]
pub struct CombinationConfig {
    /// Number of fields, `F`.
    pub num_fields: usize,
    /// Embedding dimension, `K`.
    pub embedding_dim: usize,
    /// Which sides are bilinear.
    #[config(default = "CombinationKind::BothBilinear")]
    pub kind: CombinationKind,
    /// Which side comes first.
    #[config(default = "CombinationOrder::RawFirst")]
    pub order: CombinationOrder,
    /// One set of matrices for both sides.
    #[config(default = false)]
    pub shared: bool,
    /// The matrices of the bilinear sides.
    #[config(default = "BilinearKind::FieldInteraction")]
    pub bilinear_kind: BilinearKind,
    /// How many matrices field_each keeps.
    #[config(default = "EachMatrices::All")]
    pub each_matrices: EachMatrices,
    /// The product of the other sides.
    #[config(default = "PairProductKind::Hadamard")]
    pub product_kind: PairProductKind,
    /// Draws each matrix.
    #[config(default = "Initializer::XavierNormal { gain: 1.0 }")]
    pub initializer: Initializer,
    /// Fans that the initializer scales by.
    #[config(default = "Fans::Matrix")]
    pub fans: Fans,
}

/// How one side crosses its pairs.
#[derive(Module, Debug)]
pub enum Interaction {
    /// Through matrices.
    Bilinear(BilinearInteraction),
    /// By the plain product.
    Product(PairProduct),
}

/// FiBiNET's combination layer: the pairs of the raw embeddings, followed by those of the re-weighted
/// ones, `c = [p; q]`.
///
/// Huang, Zhang and Zhang, [FiBiNET](https://arxiv.org/abs/1905.09433), section 3.4.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use fibinet_nn::layers::CombinationConfig;
///
/// let device = Device::flex();
/// let combination = CombinationConfig::new(39, 10).init(&device);
/// let raw = Tensor::<3>::ones([2, 39, 10], &device);
/// let reweighted = raw.clone() * 0.5;
/// assert_eq!(combination.forward(raw, reweighted).dims(), [2, 2 * 741 * 10]);
/// # }
/// ```
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct Combination {
    /// The interaction of the raw side.
    pub raw: Interaction,
    /// The interaction of the SENET side. `None` if it shares the raw side's matrices.
    pub senet: Option<Interaction>,
    #[module(skip)]
    order: CombinationOrder,
}

impl CombinationConfig {
    fn sides(&self) -> [bool; 2] {
        match self.kind {
            CombinationKind::BothBilinear => [true, true],
            CombinationKind::SenetBilinear => [false, true],
            CombinationKind::RawBilinear => [true, false],
            CombinationKind::NoneBilinear => [false, false],
        }
    }

    /// The width of the output, `2 P K` if no side is an inner product.
    pub fn d_output(&self) -> usize {
        let dim = self.embedding_dim;
        let pair_dim = |bilinear| {
            if bilinear {
                dim
            } else {
                self.product_kind.pair_dim(dim)
            }
        };
        let dims: usize = self.sides().map(pair_dim).iter().sum();
        num_pairs(self.num_fields) * dims
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

    /// The number of parameters; `usize::MAX` for more than that.
    pub(crate) fn num_params(&self) -> usize {
        let [raw, senet] = self.sides();
        let one_set = self.shared && raw && senet;
        let sets = if one_set {
            1
        } else {
            usize::from(raw) + usize::from(senet)
        };
        let matrix = self.embedding_dim.saturating_mul(self.embedding_dim);
        let matrices = self.bilinear().num_matrices();
        sets.saturating_mul(matrices).saturating_mul(matrix)
    }

    /// The most bytes of pairs that exist at once, in scoring and in training, where flex's kernel fuses the layer with
    /// a linear map; `None` if no kernel takes it, as a side is an inner product.
    pub(crate) fn fused_bytes(&self, num_rows: usize, num_threads: usize) -> Option<[usize; 2]> {
        let is_inner = self.product_kind == PairProductKind::Inner && self.sides() != [true; 2];
        let shape = [num_rows, self.num_fields, self.embedding_dim];
        (!is_inner).then(|| kernels::bytes_at_once(self.bilinear_kind, shape, num_threads))
    }

    /// Creates the layer on a device.
    ///
    /// # Errors
    ///
    /// The error of [`validate`](Self::validate).
    pub fn try_init(&self, device: &Device) -> Result<Combination, ConfigError> {
        self.validate()?;
        let [raw, senet] = self.sides();
        let shared = self.shared && raw && senet;
        Ok(Combination {
            raw: self.interaction(raw, device)?,
            senet: if shared {
                None
            } else {
                Some(self.interaction(senet, device)?)
            },
            order: self.order,
        })
    }

    /// Creates the layer on a device.
    ///
    /// # Panics
    ///
    /// With the message of [`try_init`](Self::try_init).
    pub fn init(&self, device: &Device) -> Combination {
        self.try_init(device)
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// The settings of a bilinear side.
    pub fn bilinear(&self) -> BilinearInteractionConfig {
        BilinearInteractionConfig::new(self.num_fields, self.embedding_dim)
            .with_kind(self.bilinear_kind)
            .with_each_matrices(self.each_matrices)
            .with_initializer(self.initializer.clone())
            .with_fans(self.fans)
    }

    fn interaction(&self, bilinear: bool, device: &Device) -> Result<Interaction, ConfigError> {
        if bilinear {
            return Ok(Interaction::Bilinear(self.bilinear().try_init(device)?));
        }
        let product = PairProductConfig::new(self.num_fields).with_kind(self.product_kind);
        Ok(Interaction::Product(product.try_init(device)?))
    }
}

impl Interaction {
    /// Crosses every pair by the layer inside.
    ///
    /// # Shapes
    ///
    /// - embeddings: `[B, F, K]`
    /// - output: `[B, P, K]`, or `[B, P, 1]` for the inner product
    ///
    /// # Panics
    ///
    /// If the input has another number of fields or another embedding dimension.
    pub fn forward(&self, embeddings: Tensor<3>) -> Tensor<3> {
        match self {
            Self::Bilinear(bilinear) => bilinear.forward(embeddings),
            Self::Product(product) => product.forward(embeddings),
        }
    }

    /// [`forward`](Self::forward) and a linear map over all pairs, by the layer inside:
    /// [`BilinearInteraction::forward_linear`], [`PairProduct::forward_linear`].
    pub fn forward_linear(
        &self,
        embeddings: Tensor<3>,
        dense: Option<Tensor<2>>,
        map: &Linear,
    ) -> Tensor<2> {
        match self {
            Self::Bilinear(bilinear) => bilinear.forward_linear(embeddings, dense, map),
            Self::Product(product) => product.forward_linear(embeddings, dense, map),
        }
    }
}

impl Combination {
    /// Crosses the pairs of both sides.
    ///
    /// # Shapes
    ///
    /// - raw: `[B, F, K]`
    /// - reweighted: `[B, F, K]`, SENET's output
    /// - output: `[B, d_output]`, ordered by side, pair and `K`, where `d_output = 2 P K` if no side is
    ///   an inner product
    ///
    /// # Panics
    ///
    /// If the two inputs differ in shape or have another number of fields or another embedding
    /// dimension.
    pub fn forward(&self, raw: Tensor<3>, reweighted: Tensor<3>) -> Tensor<2> {
        let inputs = self.in_order(raw, reweighted);
        match sides(&inputs) {
            Some(sides) => kernels::pairs(&sides),
            None => Tensor::cat(pair_columns(inputs).into(), 1),
        }
    }

    /// [`forward`](Self::forward) and a linear map over all pairs, `[p; q; dense] W + b`.
    ///
    /// Where there is a kernel ([`has_kernels`](crate::backend::has_kernels)) and no side is an inner product, the
    /// pairs are computed as the map's input, and on flex their array is never made, forward or backward: this is how
    /// [`FiBiNet`](crate::models::fibinet::FiBiNet) runs the first layer of its DNN.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::nn::LinearConfig;
    /// use burn::tensor::{Device, Tensor};
    /// use fibinet_nn::layers::{CombinationConfig, SenetConfig};
    ///
    /// let device = Device::flex();
    /// let senet = SenetConfig::new(39).init(&device);
    /// let config = CombinationConfig::new(39, 10);
    /// let combination = config.init(&device);
    /// let hidden = LinearConfig::new(config.d_output(), 16).init(&device);
    ///
    /// let raw = Tensor::<3>::ones([2, 39, 10], &device);
    /// let reweighted = senet.forward(raw.clone());
    /// let mapped = combination.forward_linear(raw, reweighted, None, &hidden);
    /// assert_eq!(mapped.dims(), [2, 16]);
    /// # }
    /// ```
    ///
    /// # Shapes
    ///
    /// - raw, reweighted: `[B, F, K]`
    /// - dense: `[B, N]`
    /// - the map's weight: `[d_output + N, H]`
    /// - output: `[B, H]`
    ///
    /// # Panics
    ///
    /// If [`forward`](Self::forward) would panic, or the weight has another number of rows.
    pub fn forward_linear(
        &self,
        raw: Tensor<3>,
        reweighted: Tensor<3>,
        dense: Option<Tensor<2>>,
        map: &Linear,
    ) -> Tensor<2> {
        let inputs = self.in_order(raw, reweighted);
        if let Some(sides) = sides(&inputs) {
            return kernels::pairs_linear(&sides, dense.as_ref(), map);
        }
        let columns = pair_columns(inputs).into_iter().chain(dense);
        map.forward(Tensor::cat(columns.collect(), 1))
    }

    /// The interaction and the embeddings of each side, in the order of the output.
    fn in_order(&self, raw: Tensor<3>, reweighted: Tensor<3>) -> [(&Interaction, Tensor<3>); 2] {
        let [batch, num_fields, embedding_dim] = raw.dims();
        assert_shape!(reweighted, [batch, num_fields, embedding_dim]);
        let p = (&self.raw, raw);
        let q = (self.senet.as_ref().unwrap_or(&self.raw), reweighted);
        match self.order {
            CombinationOrder::RawFirst => [p, q],
            CombinationOrder::SenetFirst => [q, p],
        }
    }

    /// Both sides as the kernels take them. `None` if one is an inner product.
    #[cfg(test)]
    pub(crate) fn kernel_sides(&self, raw: Tensor<3>, reweighted: Tensor<3>) -> Option<[Side; 2]> {
        sides(&self.in_order(raw, reweighted))
    }
}

/// The pairs of each side, `[B, P K]`, or `[B, P]` of an inner product.
fn pair_columns(inputs: [(&Interaction, Tensor<3>); 2]) -> [Tensor<2>; 2] {
    inputs.map(|(interaction, embeddings)| interaction.forward(embeddings).flatten(1, 2))
}

/// Both sides as the kernels take them. `None` if one is an inner product.
fn sides(inputs: &[(&Interaction, Tensor<3>); 2]) -> Option<[Side; 2]> {
    let side = |(interaction, embeddings): &(&Interaction, Tensor<3>)| match interaction {
        Interaction::Bilinear(bilinear) => Some(bilinear.side(embeddings.clone())),
        Interaction::Product(product) if product.kind() == PairProductKind::Inner => None,
        Interaction::Product(product) => Some(product.side(embeddings.clone())),
    };
    let [first, second] = inputs.each_ref().map(side);
    Some([first?, second?])
}

impl ModuleDisplay for Combination {
    fn custom_settings(&self) -> Option<DisplaySettings> {
        DisplaySettings::new()
            .with_new_line_after_attribute(false)
            .optional()
    }

    fn custom_content(&self, content: Content) -> Option<Content> {
        content
            .add("raw", &self.raw)
            .add("senet", &self.senet)
            .add("shared", &self.senet.is_none())
            .add_debug_attribute("order", &self.order)
            .optional()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, cpu_devices, tensor, test_devices, through_a_record};
    use burn::module::Param;

    /// F = 3, K = 2. The raw side's matrix doubles, the SENET side's triples.
    fn worked(config: CombinationConfig, device: &Device) -> Combination {
        let config = config.with_bilinear_kind(BilinearKind::FieldAll);
        let mut combination = config.init(device);
        let scale = |interaction: &mut Interaction, factor: f32| {
            if let Interaction::Bilinear(bilinear) = interaction {
                let weight = tensor([[[factor, 0.0], [0.0, factor]]], device);
                bilinear.weight = Param::from_tensor(weight);
            }
        };
        scale(&mut combination.raw, 2.0);
        if let Some(senet) = &mut combination.senet {
            scale(senet, 3.0);
        }
        combination
    }

    fn output(config: CombinationConfig, device: &Device) -> Tensor<2> {
        let raw = tensor([[[1.0, 2.0], [3.0, -1.0], [0.0, 4.0]]], device);
        let reweighted = tensor([[[1.0, 2.0], [3.0, -1.0], [0.0, 0.0]]], device);
        worked(config, device).forward(raw, reweighted)
    }

    #[test]
    fn one_digit_per_side_chooses_between_matrices_and_the_plain_product() {
        for device in test_devices() {
            let p = [3.0, -2.0, 0.0, 8.0, 0.0, -4.0];
            let q = [3.0, -2.0, 0.0, 0.0, 0.0, 0.0];
            let expected = |raw: f32, senet: f32| {
                let p = p.map(|x| x * raw);
                let q = q.map(|x| x * senet);
                [p, q].concat()
            };
            for (kind, raw, senet) in [
                (CombinationKind::BothBilinear, 2.0, 3.0),
                (CombinationKind::SenetBilinear, 1.0, 3.0),
                (CombinationKind::RawBilinear, 2.0, 1.0),
                (CombinationKind::NoneBilinear, 1.0, 1.0),
            ] {
                let config = CombinationConfig::new(3, 2).with_kind(kind);
                assert_close(output(config, &device), &expected(raw, senet), 1e-6);
            }
        }
    }

    #[test]
    fn senet_first_swaps_the_sides_and_sharing_uses_the_raw_matrices() {
        for device in cpu_devices() {
            let config = CombinationConfig::new(3, 2)
                .with_order(CombinationOrder::SenetFirst)
                .with_shared(true);
            let expected = [
                6.0, -4.0, 0.0, 0.0, 0.0, 0.0, 6.0, -4.0, 0.0, 16.0, 0.0, -8.0,
            ];
            assert_close(output(config, &device), &expected, 1e-6);
        }
    }

    #[test]
    fn an_inner_side_gives_one_number_per_pair() {
        for device in cpu_devices() {
            let config = CombinationConfig::new(3, 2)
                .with_kind(CombinationKind::SenetBilinear)
                .with_product_kind(PairProductKind::Inner);
            assert_eq!(config.d_output(), 3 + 6);
            let expected = [1.0, 8.0, -4.0, 9.0, -6.0, 0.0, 0.0, 0.0, 0.0];
            assert_close(output(config, &device), &expected, 1e-6);
        }
    }

    #[test]
    fn two_fields_one_row_and_one_dimension_work() {
        for device in cpu_devices() {
            let config =
                CombinationConfig::new(2, 1).with_initializer(Initializer::Constant { value: 0.5 });
            let raw = tensor([[[3.0], [-2.0]]], &device);
            let reweighted = tensor([[[1.0], [4.0]]], &device);
            let y = config.init(&device).forward(raw, reweighted);
            assert_close(y, &[-3.0, 2.0], 1e-6);
        }
    }

    #[test]
    fn sharing_halves_the_matrices() {
        for device in cpu_devices() {
            let config = CombinationConfig::new(39, 10);
            assert_eq!(config.init(&device).num_params(), 2 * 741 * 100);
            let shared = config.with_shared(true);
            assert_eq!(shared.init(&device).num_params(), 741 * 100);
        }
    }

    #[test]
    fn a_record_restores_the_layer() {
        for device in cpu_devices() {
            let config = CombinationConfig::new(3, 2);
            let x: Tensor<3> = tensor([[[1.0, 2.0], [3.0, -1.0], [0.0, 4.0]]], &device);
            let combination = config.init(&device);
            let y = combination.forward(x.clone(), x.clone());
            let expected: Vec<f32> = y.into_data().try_to_vec().unwrap();
            let restored = through_a_record(combination, config.init(&device));
            assert_close(restored.forward(x.clone(), x), &expected, 0.0);
        }
    }

    #[test]
    fn wrong_settings_are_named_with_their_values() {
        let message = |fields, dim| {
            let config = CombinationConfig::new(fields, dim);
            config.validate().unwrap_err().to_string()
        };
        assert_eq!(message(1, 4), "num_fields must be at least 2, but is 1");
        assert_eq!(message(3, 0), "embedding_dim must be at least 1, but is 0");
    }
}
