use core::fmt;
use core::str::FromStr;

use burn::module::Initializer;
use serde::{Deserialize, Serialize};

use crate::error::ConfigError;
use crate::layers::activation::Activation;
use crate::layers::bilinear::{EachMatrices, Fans};
use crate::layers::combination::{CombinationKind, CombinationOrder};
use crate::models::ctr_model::CtrModelConfig;
use crate::models::fibinet::FiBiNetConfig;
use crate::models::tables_config::{Numerics, TablesConfig};
use crate::pairs::BilinearKind;

/// The known forms of FiBiNET.
///
/// | | W for p and q | pairs | SENET | numerics | bias | field_each | DNN |
/// |---|---|---|---|---|---|---|---|
/// | `paper-deep` | separate | `01` | ReLU, ReLU | embedded | `w0` | F | 400×3, dropout .5 |
/// | `paper-shallow` | separate | `11` | ReLU, ReLU | embedded | `w0` | F | no DNN: the sum |
/// | `article-keras` | separate | `11` | biases, ReLU, sigmoid | embedded | `w0` | F | 400×3, dropout .5 |
/// | `fuxictr` | separate | `11` | ReLU, ReLU | embedded | DNN's | F | 400×3 |
/// | `bars` | shared | `11` | ReLU, ReLU | embedded | DNN's | F | 2000×3 |
/// | `deepctr` | separate | `11`, SENET first | ReLU, ReLU | dense | global | F − 1 | 128×2 |
/// | `deepctr-torch` | shared | `11`, SENET first | ReLU, ReLU | dense | global | F | 128×2 |
///
/// `fuxictr` and `bars` keep row 0 of each field as a padding row of zeros. They, `deepctr` and
/// `deepctr-torch` draw weights as the original implementations do (embeddings from N(0, 1e-4)). The article
/// has two layers without a network around them, which `article-keras` puts into the paper's deep model.
/// FuxiCTR's own default has no hidden units and maps the pairs linearly, which this model does not: the preset
/// has the hidden units of FuxiCTR's published configurations.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(try_from = "String", into = "String")]
pub enum Preset {
    /// The paper's deep model.
    PaperDeep,
    /// The paper's shallow model.
    PaperShallow,
    /// The Keras layers of the article this project starts from.
    ArticleKeras,
    /// FuxiCTR 2.0 and later.
    FuxiCtr,
    /// FuxiCTR 1.x as the BARS benchmark ran it on Criteo.
    Bars,
    /// DeepCTR (TensorFlow).
    DeepCtr,
    /// DeepCTR-Torch.
    DeepCtrTorch,
}

impl Preset {
    /// All presets.
    pub const ALL: [Self; 7] = [
        Self::PaperDeep,
        Self::PaperShallow,
        Self::ArticleKeras,
        Self::FuxiCtr,
        Self::Bars,
        Self::DeepCtr,
        Self::DeepCtrTorch,
    ];

    /// The name in run files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PaperDeep => "paper-deep",
            Self::PaperShallow => "paper-shallow",
            Self::ArticleKeras => "article-keras",
            Self::FuxiCtr => "fuxictr",
            Self::Bars => "bars",
            Self::DeepCtr => "deepctr",
            Self::DeepCtrTorch => "deepctr-torch",
        }
    }

    /// The form's settings for `num_fields` fields and an embedding dimension.
    ///
    /// ```
    /// use fibinet_nn::layers::BilinearKind;
    /// use fibinet_nn::models::fibinet::Preset;
    ///
    /// let bars = Preset::Bars.config(39, 16);
    /// assert_eq!((bars.head.bilinear, bars.head.shared), (BilinearKind::FieldInteraction, true));
    /// assert!(bars.tables.padding);
    /// ```
    pub fn config(self, num_fields: usize, embedding_dim: usize) -> CtrModelConfig<FiBiNetConfig> {
        let base = FiBiNetConfig::new(num_fields, embedding_dim)
            .with_bilinear(BilinearKind::FieldInteraction);
        let head = match self {
            Self::PaperDeep => paper_deep(base),
            Self::PaperShallow => paper_deep(base)
                .with_combination(CombinationKind::BothBilinear)
                .with_hidden_units(vec![])
                .with_dropout(0.0),
            Self::ArticleKeras => paper_deep(base)
                .with_combination(CombinationKind::BothBilinear)
                .with_senet_bias(true)
                .with_senet_activation(Activation::Sigmoid),
            Self::FuxiCtr => base.with_bilinear_fans(Fans::WholeTensor),
            Self::Bars => base
                .with_bilinear_fans(Fans::WholeTensor)
                .with_shared(true)
                .with_hidden_units(vec![2000; 3]),
            Self::DeepCtr => deepctr(base).with_each_matrices(EachMatrices::LeftFields),
            Self::DeepCtrTorch => deepctr(base)
                .with_shared(true)
                .with_senet_initializer(torch_linear())
                .with_bilinear_initializer(torch_linear())
                .with_dnn_initializer(normal(1e-4))
                .with_output_initializer(Some(torch_linear())),
        };
        CtrModelConfig {
            tables: self.tables(embedding_dim),
            head,
        }
    }

    /// What the form asks of its tables.
    fn tables(self, embedding_dim: usize) -> TablesConfig {
        let tables = TablesConfig::new(embedding_dim);
        match self {
            Self::PaperDeep | Self::PaperShallow | Self::ArticleKeras => tables,
            Self::FuxiCtr | Self::Bars => tables
                .with_padding(true)
                .with_embedding_initializer(normal(1e-4))
                .with_linear_initializer(normal(1e-4)),
            Self::DeepCtr => tables
                .with_numerics(Numerics::Dense)
                .with_embedding_initializer(normal(1e-4)),
            Self::DeepCtrTorch => tables
                .with_numerics(Numerics::Dense)
                .with_embedding_initializer(normal(1e-4))
                .with_linear_initializer(normal(1e-4)),
        }
    }
}

fn paper_deep(base: FiBiNetConfig) -> FiBiNetConfig {
    base.with_combination(CombinationKind::SenetBilinear)
        .with_bias(true)
        .with_output_bias(false)
        .with_dropout(0.5)
}

fn deepctr(base: FiBiNetConfig) -> FiBiNetConfig {
    base.with_order(CombinationOrder::SenetFirst)
        .with_bias(true)
        .with_output_bias(false)
        .with_hidden_units(vec![128; 2])
}

fn normal(std: f64) -> Initializer {
    Initializer::Normal { mean: 0.0, std }
}

/// What `torch.nn.Linear` draws its weight from, U(-1/√d, 1/√d) with `d` inputs.
fn torch_linear() -> Initializer {
    Initializer::KaimingUniform {
        gain: 1.0 / 3.0_f64.sqrt(),
        fan_out_only: false,
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Preset {
    type Err = ConfigError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let names = Self::ALL.map(Self::name);
        Self::ALL
            .into_iter()
            .find(|preset| preset.name() == name)
            .ok_or_else(|| ConfigError::UnknownName {
                setting: "preset",
                got: name.to_owned(),
                suggestion: crate::nearest(name, names),
                known: names.join(", "),
            })
    }
}

impl TryFrom<String> for Preset {
    type Error = ConfigError;

    fn try_from(name: String) -> Result<Self, ConfigError> {
        name.parse()
    }
}

impl From<Preset> for String {
    fn from(preset: Preset) -> Self {
        preset.name().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inputs::CtrInputs;
    use crate::models::HeadConfig;
    use crate::testing::cpu_devices;
    use burn::module::Module;
    use burn::tensor::{Int, Tensor};

    #[test]
    fn every_preset_gives_one_logit_per_batch_row() {
        for device in cpu_devices() {
            for preset in Preset::ALL {
                let mut config = preset.config(3, 4);
                config.head.num_dense = 2;
                let model = config.init(vec![4, 5, 6], &device);
                let ids = Tensor::<2, Int>::from_data([[1, 2, 3], [3, 0, 5]], &device);
                let dense = Tensor::<2>::ones([2, 2], &device);
                assert_eq!(
                    model
                        .forward(CtrInputs::new(ids.into()).with_dense(Some(dense)))
                        .dims(),
                    [2],
                    "{preset}"
                );
            }
        }
    }

    #[test]
    fn parameters_of_the_heads_are_the_originals() {
        let device = cpu_devices().remove(0);
        let count = |preset: Preset, kind| {
            let config = preset
                .config(4, 5)
                .head
                .with_bilinear(kind)
                .with_hidden_units(vec![8]);
            config.init(&device).num_params()
        };
        // F = 4, K = 5, P = 6, R = 1, 2 P K = 60. SENET 8, DNN 60 · 8 + 8 + 8.
        let (senet, dnn) = (8, 496);
        let interaction = BilinearKind::FieldInteraction;
        assert_eq!(
            count(Preset::PaperDeep, interaction),
            senet + 6 * 25 + dnn + 1
        );
        assert_eq!(
            count(Preset::ArticleKeras, interaction),
            senet + 5 + 2 * 6 * 25 + dnn + 1
        );
        assert_eq!(
            count(Preset::FuxiCtr, interaction),
            senet + 2 * 6 * 25 + dnn + 1
        );
        assert_eq!(count(Preset::Bars, interaction), senet + 6 * 25 + dnn + 1);
        let each = BilinearKind::FieldEach;
        assert_eq!(count(Preset::FuxiCtr, each), senet + 2 * 4 * 25 + dnn + 1);
        assert_eq!(count(Preset::DeepCtr, each), senet + 2 * 3 * 25 + dnn + 1);
        assert_eq!(count(Preset::DeepCtrTorch, each), senet + 4 * 25 + dnn + 1);
        // The shallow model: SENET, matrices of both sides, w0.
        let shallow = Preset::PaperShallow.config(4, 5).head;
        let shallow = shallow.init(&device).num_params();
        assert_eq!(shallow, senet + 2 * 6 * 25 + 1);
    }

    #[test]
    fn parameters_are_known_before_a_head_is_made() {
        let device = cpu_devices().remove(0);
        for preset in Preset::ALL {
            for kind in [
                BilinearKind::FieldAll,
                BilinearKind::FieldEach,
                BilinearKind::FieldInteraction,
            ] {
                let head = preset
                    .config(7, 5)
                    .head
                    .with_bilinear(kind)
                    .with_num_dense(3);
                let parts = head
                    .parts()
                    .iter()
                    .map(|part| part.num_params)
                    .sum::<usize>();
                assert_eq!(parts, head.init(&device).num_params(), "{preset} {kind:?}");
            }
        }
    }

    #[test]
    fn every_name_parses_and_an_unknown_one_names_the_nearest() {
        for preset in Preset::ALL {
            assert_eq!(preset.name().parse(), Ok(preset));
        }
        let message = "fuxi-ctr".parse::<Preset>().unwrap_err().to_string();
        assert!(message.contains("did you mean `fuxictr`?"), "{message}");
    }
}
