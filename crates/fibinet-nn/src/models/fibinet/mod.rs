//! FiBiNET: SENET and bilinear pairs into a DNN.

mod preset;
mod spec;

pub use preset::Preset;
pub use spec::FiBiNetSpec;

use burn::config::Config;
use burn::module::{Initializer, Module, Param};
use burn::nn::Linear;
use burn::tensor::{Device, Tensor};

use crate::error::{ConfigError, require, require_dense};
use crate::inputs::{FieldInputs, InputShape};
use crate::layers::activation::Activation;
use crate::layers::bilinear::{EachMatrices, Fans};
use crate::layers::combination::{
    Combination, CombinationConfig, CombinationKind, CombinationOrder,
};
use crate::layers::dnn::{Dnn, DnnConfig};
use crate::layers::linear::linear;
use crate::layers::pair_product::PairProductKind;
use crate::layers::senet::{Senet, SenetConfig, Squeeze};
use crate::models::head::{Head, HeadConfig, HeadPart, PairBytes};
use crate::pairs::{BilinearKind, num_pairs};

/// Settings of [`FiBiNet`].
///
/// [`Preset`] has the known forms. The defaults are FuxiCTR's form with one matrix per
/// field, each matrix drawn by itself.
///
/// | name | default | purpose | range |
/// |---|---|---|---|
/// | `num_fields` | – | fields `F` | 2 to 65536 |
/// | `embedding_dim` | – | embedding dimension `K` | at least 1 |
/// | `num_dense` | 0 | raw numeric inputs `N` of the DNN and the linear part | |
/// | `linear` | true | linear part `Σ w_i x_i` | |
/// | `bias` | false | global bias `w0` | |
/// | `reduction_ratio` | 3 | SENET's `r` | above 0 |
/// | `squeeze` | mean | SENET's squeeze | |
/// | `senet_bias` | false | biases of SENET's maps | |
/// | `senet_hidden_activation` | ReLU | after SENET's first map | |
/// | `senet_activation` | ReLU | after SENET's second map | |
/// | `combination` | `11` | which of the raw and the SENET side are bilinear | |
/// | `order` | raw first | which side comes first | |
/// | `shared` | false | one set of matrices for both sides | |
/// | `bilinear` | field_each | the matrices' kind | |
/// | `each_matrices` | all | `F` matrices for field_each, or `F - 1` | |
/// | `product` | Hadamard | the product of a side that is not bilinear | |
/// | `hidden_units` | 400, 400, 400 | the DNN; empty: shallow, the plain sum of all pairs | at least 1 each |
/// | `activation` | ReLU | the DNN's activation | |
/// | `batch_norm` | false | batch norm in the DNN | |
/// | `dropout` | 0 | dropout in the DNN | `[0, 1)` |
/// | `output_bias` | true | bias of the DNN's output | |
/// | `senet_initializer` | Xavier normal | draws SENET's weights | |
/// | `bilinear_initializer`, `bilinear_fans` | Xavier normal per matrix | how the matrices are drawn | |
/// | `dnn_initializer`, `output_initializer` | Xavier normal | how the DNN's weights are drawn | |
#[derive(Config, Debug, PartialEq)]
pub struct FiBiNetConfig {
    /// Fields, `F`.
    pub num_fields: usize,
    /// Embedding dimension, `K`.
    pub embedding_dim: usize,
    /// Raw numeric inputs per batch row, `N`.
    #[config(default = 0)]
    pub num_dense: usize,
    /// Linear part.
    #[config(default = true)]
    pub linear: bool,
    /// Global bias.
    #[config(default = false)]
    pub bias: bool,
    /// SENET's `r`.
    #[config(default = 3.0)]
    pub reduction_ratio: f64,
    /// SENET's squeeze.
    #[config(default = "Squeeze::Mean")]
    pub squeeze: Squeeze,
    /// Biases of SENET's maps.
    #[config(default = false)]
    pub senet_bias: bool,
    /// After SENET's first map.
    #[config(default = "Activation::Relu")]
    pub senet_hidden_activation: Activation,
    /// After SENET's second map.
    #[config(default = "Activation::Relu")]
    pub senet_activation: Activation,
    /// Which sides are bilinear.
    #[config(default = "CombinationKind::BothBilinear")]
    pub combination: CombinationKind,
    /// Which side comes first.
    #[config(default = "CombinationOrder::RawFirst")]
    pub order: CombinationOrder,
    /// One set of matrices for both sides.
    #[config(default = false)]
    pub shared: bool,
    /// The matrices' kind.
    #[config(default = "BilinearKind::FieldEach")]
    pub bilinear: BilinearKind,
    /// How many matrices field_each keeps.
    #[config(default = "EachMatrices::All")]
    pub each_matrices: EachMatrices,
    /// The product of a side that is not bilinear.
    #[config(default = "PairProductKind::Hadamard")]
    pub product: PairProductKind,
    /// The DNN's hidden layers; empty for the shallow model.
    #[config(default = "vec![400, 400, 400]")]
    pub hidden_units: Vec<usize>,
    /// The DNN's activation.
    #[config(default = "Activation::Relu")]
    pub activation: Activation,
    /// Batch norm in the DNN.
    #[config(default = false)]
    pub batch_norm: bool,
    /// Dropout in the DNN.
    #[config(default = 0.0)]
    pub dropout: f64,
    /// Bias of the DNN's output.
    #[config(default = true)]
    pub output_bias: bool,
    /// Draws SENET's weights.
    #[config(default = "Initializer::XavierNormal { gain: 1.0 }")]
    pub senet_initializer: Initializer,
    /// Draws the matrices.
    #[config(default = "Initializer::XavierNormal { gain: 1.0 }")]
    pub bilinear_initializer: Initializer,
    /// Fans that the matrices' initializer scales by.
    #[config(default = "Fans::Matrix")]
    pub bilinear_fans: Fans,
    /// Draws the DNN's weights.
    #[config(default = "Initializer::XavierNormal { gain: 1.0 }")]
    pub dnn_initializer: Initializer,
    /// Draws the weight of the DNN's output; `None` means `dnn_initializer`.
    #[config(default = "None")]
    pub output_initializer: Option<Initializer>,
}

/// FiBiNET: SENET and bilinear pairs into a DNN, plus a linear part.
///
/// `logit = w0 + Σ w_i x_i + y`, where `y = DNN([p; q; dense])`, or the sum of `[p; q]` for the
/// shallow model; `p` are the pairs of the raw embeddings, `q` those of SENET's.
///
/// Huang, Zhang and Zhang, [FiBiNET](https://arxiv.org/abs/1905.09433), section 3, equations 10 to
/// 13. It is a [`Head`]: the tables in front are [`CtrModel`](crate::models::CtrModel)'s or the trainer's.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use fibinet_nn::inputs::FieldInputs;
/// use fibinet_nn::models::{Head, HeadConfig};
/// use fibinet_nn::models::fibinet::FiBiNetConfig;
///
/// let device = Device::flex();
/// let config = FiBiNetConfig::new(3, 4).with_linear(false).with_hidden_units(vec![8]);
/// let inputs = FieldInputs::new(Tensor::ones([2, 3, 4], &device));
/// assert_eq!(config.init(&device).forward(inputs).dims(), [2]);
/// # }
/// ```
#[derive(Module, Debug)]
pub struct FiBiNet {
    /// Re-weights the fields.
    pub senet: Senet,
    /// Crosses the pairs of both sides.
    pub combination: Combination,
    /// The deep part; `None` for the shallow model.
    pub dnn: Option<Dnn>,
    /// The linear part's weights of the raw numeric inputs.
    pub dense_linear: Option<Linear>,
    /// The global bias, `[1]`.
    pub bias: Option<Param<Tensor<1>>>,
    linear: bool,
    num_dense: usize,
}

impl FiBiNetConfig {
    /// The settings of the SENET layer.
    pub fn senet(&self) -> SenetConfig {
        SenetConfig::new(self.num_fields)
            .with_reduction_ratio(self.reduction_ratio)
            .with_squeeze(self.squeeze)
            .with_bias(self.senet_bias)
            .with_hidden_activation(self.senet_hidden_activation)
            .with_activation(self.senet_activation)
            .with_initializer(self.senet_initializer.clone())
    }

    /// The settings of the combination layer.
    pub fn combination(&self) -> CombinationConfig {
        CombinationConfig::new(self.num_fields, self.embedding_dim)
            .with_kind(self.combination)
            .with_order(self.order)
            .with_shared(self.shared)
            .with_bilinear_kind(self.bilinear)
            .with_each_matrices(self.each_matrices)
            .with_product_kind(self.product)
            .with_initializer(self.bilinear_initializer.clone())
            .with_fans(self.bilinear_fans)
    }

    /// The settings of the DNN; `None` for the shallow model.
    pub fn dnn(&self) -> Option<DnnConfig> {
        if self.hidden_units.is_empty() {
            return None;
        }
        let d_input = self.combination().d_output() + self.num_dense;
        let dnn = DnnConfig::new(d_input, self.hidden_units.clone())
            .with_d_output(Some(1))
            .with_output_bias(self.output_bias)
            .with_activation(self.activation)
            .with_batch_norm(self.batch_norm)
            .with_dropout(self.dropout)
            .with_initializer(self.dnn_initializer.clone())
            .with_output_initializer(self.output_initializer.clone());
        Some(dnn)
    }
}

impl HeadConfig for FiBiNetConfig {
    type Head = FiBiNet;

    fn inputs(&self) -> InputShape {
        InputShape {
            num_fields: self.num_fields,
            embedding_dim: self.embedding_dim,
            linear: self.linear,
            num_dense: self.num_dense,
        }
    }

    /// # Errors
    ///
    /// [`ConfigError::OutOfRange`] for the first setting outside the table's ranges, and for a
    /// dropout on a model without hidden units.
    fn validate(&self) -> Result<(), ConfigError> {
        self.combination().validate()?;
        self.senet().validate()?;
        require_dense(self.num_dense)?;
        match self.dnn() {
            Some(dnn) => dnn.validate(),
            None => require(
                self.dropout == 0.0,
                "dropout",
                "0 without hidden_units",
                self.dropout,
            ),
        }
    }

    fn try_init(&self, device: &Device) -> Result<FiBiNet, ConfigError> {
        self.validate()?;
        let dense_linear = (self.linear && self.num_dense > 0)
            .then(|| linear(self.num_dense, 1, false, &self.dnn_initializer, device));
        Ok(FiBiNet {
            senet: self.senet().try_init(device)?,
            combination: self.combination().try_init(device)?,
            dnn: match self.dnn() {
                Some(dnn) => Some(dnn.try_init(device)?),
                None => None,
            },
            dense_linear,
            bias: self.bias.then(|| Initializer::Zeros.init([1], device)),
            linear: self.linear,
            num_dense: self.num_dense,
        })
    }

    fn batch_normalized(&self) -> Self {
        self.clone().with_batch_norm(true)
    }

    fn parts(&self) -> Vec<HeadPart> {
        let [first, rest] = self.dnn().map_or([0, 0], |dnn| dnn.num_params());
        let dense_linear = if self.linear { self.num_dense } else { 0 };
        vec![
            HeadPart {
                name: "the DNN's first map, of all pairs of fields",
                num_params: first,
                settings: "`hidden_units`, `embedding_dim` or the number of fields",
            },
            HeadPart {
                name: "the DNN's later maps",
                num_params: rest,
                settings: "`hidden_units`",
            },
            HeadPart {
                name: "the matrices of the pairs",
                num_params: self.combination().num_params(),
                settings: "`embedding_dim` or the number of fields, or set `bilinear` to \"field_all\"",
            },
            HeadPart {
                name: "SENET",
                num_params: self.senet().num_params(),
                settings: "the number of fields, or raise `reduction_ratio`",
            },
            HeadPart {
                name: "the linear part",
                num_params: dense_linear + usize::from(self.bias),
                settings: "the number of fields",
            },
        ]
    }

    fn describe(&self) -> Vec<(&'static str, String)> {
        vec![
            ("bilinear", self.bilinear.to_string()),
            ("hidden units", format!("{:?}", self.hidden_units)),
        ]
    }

    /// ```
    /// use fibinet_nn::models::HeadConfig;
    /// use fibinet_nn::models::fibinet::FiBiNetConfig;
    ///
    /// let config = FiBiNetConfig::new(39, 10);
    /// let bytes = config.pair_bytes(2048, 2).expect("FiBiNET crosses pairs");
    /// assert_eq!(bytes.array, 2048 * 14_820 * 4);
    /// assert_eq!(bytes.fused, Some([2 * 256 * 384 * 4, 2048 * 4 * 384 * 4]));
    /// ```
    fn pair_bytes(&self, num_rows: usize, num_threads: usize) -> Option<PairBytes> {
        let columns = 2 * num_pairs(self.num_fields) * self.embedding_dim;
        let fused = self.combination().fused_bytes(num_rows, num_threads);
        Some(PairBytes {
            array: num_rows.saturating_mul(columns * size_of::<f32>()),
            fused: fused.filter(|_| !self.hidden_units.is_empty()),
        })
    }
}

impl Head for FiBiNet {
    /// # Panics
    ///
    /// If an input that the config asks for is missing or has another shape.
    fn forward(&self, mut inputs: FieldInputs) -> Tensor<1> {
        let embeddings = inputs.take_embeddings();
        let dense = inputs.take_dense(self.num_dense);
        let reweighted = self.senet.forward(embeddings.clone()); // [B, F, K]
        let mut logits = match &self.dnn {
            Some(dnn) => self.forward_deep(dnn, embeddings, reweighted, dense.clone()),
            None => self.combination.forward(embeddings, reweighted).sum_dim(1),
        }; // [B, 1]
        if self.linear {
            logits = logits + inputs.take_linear().sum_dim(1);
        }
        if let (Some(map), Some(dense)) = (&self.dense_linear, dense) {
            logits = logits + map.forward(dense);
        }
        let logits = logits.squeeze_dim(1);
        match &self.bias {
            Some(bias) => logits + bias.val(),
            None => logits,
        }
    }
}

impl FiBiNet {
    /// `DNN([p; q; dense])`, `[B, 1]`. If a kernel maps the pairs while forming them, the array
    /// `[B, 2 P K]` is never made.
    fn forward_deep(
        &self,
        dnn: &Dnn,
        raw: Tensor<3>,
        reweighted: Tensor<3>,
        dense: Option<Tensor<2>>,
    ) -> Tensor<2> {
        if let Some(first) = dnn.hidden.first() {
            let mapped = self
                .combination
                .forward_linear(raw, reweighted, dense, first);
            return dnn.forward_from_first(mapped);
        }
        let pairs = self.combination.forward(raw, reweighted); // [B, 2 P K]
        dnn.forward(match dense {
            Some(dense) => Tensor::cat(vec![pairs, dense], 1),
            None => pairs,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_close, cpu_devices, tensor, through_a_record};

    fn inputs(device: &Device) -> FieldInputs {
        let embeddings = tensor([[[1.0, 2.0], [3.0, -1.0], [0.0, 4.0]]], device);
        let linear: Tensor<2> = tensor([[0.25, 0.5, 1.0]], device);
        FieldInputs::new(embeddings).with_linear(Some(linear))
    }

    /// With matrices of identity and a silent SENET, q = 0 and p is the plain product.
    fn shallow(config: FiBiNetConfig, device: &Device) -> FiBiNet {
        let config = config
            .with_hidden_units(vec![])
            .with_combination(CombinationKind::SenetBilinear)
            .with_senet_initializer(Initializer::Zeros);
        config.init(device)
    }

    #[test]
    fn the_shallow_model_is_the_plain_sum_with_the_linear_part() {
        for device in cpu_devices() {
            let head = shallow(FiBiNetConfig::new(3, 2), &device);
            assert!(head.dnn.is_none());
            // p sums to 3 - 2 + 0 + 8 + 0 - 4 = 5
            assert_close(head.forward(inputs(&device)), &[6.75], 1e-6);
            let head = shallow(FiBiNetConfig::new(3, 2).with_linear(false), &device);
            assert_close(head.forward(inputs(&device)), &[5.0], 1e-6);
        }
    }

    #[test]
    fn raw_values_reach_the_dnn_and_the_linear_part() {
        for device in cpu_devices() {
            let config = FiBiNetConfig::new(3, 2).with_num_dense(2).with_bias(true);
            let mut head = shallow(config.clone(), &device);
            let weight = tensor([[10.0], [100.0]], &device);
            head.dense_linear.as_mut().expect("a map").weight = Param::from_tensor(weight);
            head.bias = Some(Param::from_tensor(tensor([0.5], &device)));
            let dense: Tensor<2> = tensor([[1.0, -2.0]], &device);
            let inputs = inputs(&device).with_dense(Some(dense));
            assert_close(head.forward(inputs), &[6.75 + 10.0 - 200.0 + 0.5], 1e-6);
            let dnn = config.dnn().expect("a DNN");
            assert_eq!(dnn.d_input, 2 * 3 * 2 + 2);
        }
    }

    #[test]
    fn permuting_the_batch_permutes_the_logits() {
        for device in cpu_devices() {
            device.seed(11);
            let head = FiBiNetConfig::new(5, 3).with_linear(false).init(&device);
            let x = Tensor::<3>::random([4, 5, 3], burn::tensor::Distribution::Default, &device);
            let order = Tensor::from_data([2, 0, 3, 1], &device);
            let logits = head.forward(FieldInputs::new(x.clone()));
            let expected: Vec<f32> = logits
                .select(0, order.clone())
                .into_data()
                .try_to_vec()
                .unwrap();
            let permuted = head.forward(FieldInputs::new(x.select(0, order)));
            assert_close(permuted, &expected, 1e-6);
        }
    }

    #[test]
    fn a_record_restores_the_head() {
        for device in cpu_devices() {
            let config = FiBiNetConfig::new(3, 2).with_hidden_units(vec![4]);
            let head = config.init(&device);
            let logits = head.forward(inputs(&device));
            let expected: Vec<f32> = logits.into_data().try_to_vec().unwrap();
            let restored = through_a_record(head, config.init(&device));
            assert_close(restored.forward(inputs(&device)), &expected, 0.0);
        }
    }

    #[test]
    fn wrong_settings_are_named_with_their_values() {
        let message = |config: FiBiNetConfig| config.validate().unwrap_err().to_string();
        let config = || FiBiNetConfig::new(3, 2);
        assert_eq!(
            message(FiBiNetConfig::new(1, 2)),
            "num_fields must be at least 2, but is 1"
        );
        assert_eq!(
            message(config().with_reduction_ratio(-1.0)),
            "reduction_ratio must be above 0, but is -1"
        );
        assert_eq!(
            message(config().with_hidden_units(vec![0])),
            "hidden_units must be at least 1, but is 0"
        );
        assert_eq!(
            message(config().with_hidden_units(vec![]).with_dropout(0.5)),
            "dropout must be 0 without hidden_units, but is 0.5"
        );
    }

    #[test]
    #[should_panic(expected = "linear terms")]
    fn missing_linear_terms_panic() {
        let device = cpu_devices().remove(0);
        let inputs = FieldInputs::new(Tensor::ones([1, 3, 2], &device));
        FiBiNetConfig::new(3, 2).init(&device).forward(inputs);
    }
}
