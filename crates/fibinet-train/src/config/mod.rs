use std::path::{Path, PathBuf};

use burn::module::Initializer;
use fibinet_data::{DataConfig, DataSpec, FieldEncoding, FieldSpec};
use fibinet_model::TableDtype;
use fibinet_nn::{
    Activation, BilinearKind, CombinationKind, CombinationOrder, ConfigError, EachMatrices,
    FiBiNetConfig, Numerics, PairProductKind, Preset, Squeeze, nearest,
};
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::error::TrainError;
use crate::metrics::calibration::CalibrationKind;
use crate::optim::rows::optimizer::RowRule;
use crate::optim::rows::segments::RowsTaken;

/// A run file, as it is written: `[data]`, `[model]` and `[train]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// Where rows come from and what is read of them.
    pub data: DataConfig,
    /// The model.
    #[serde(default)]
    pub model: ModelConfig,
    /// How it is trained.
    #[serde(default)]
    pub train: TrainConfig,
}

/// The `[model]` section: a preset, and what is to be otherwise. The keys are
/// [`FiBiNetConfig`]'s, whose table tells what each is; without a preset they start from its
/// defaults.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    missing_docs,
    reason = "the keys are FiBiNetConfig's, documented there"
)]
pub struct ModelConfig {
    pub preset: Option<String>,
    pub embedding_dim: Option<usize>,
    pub numerics: Option<Numerics>,
    pub linear: Option<bool>,
    pub bias: Option<bool>,
    pub reduction_ratio: Option<f64>,
    pub squeeze: Option<Squeeze>,
    pub senet_bias: Option<bool>,
    pub senet_hidden_activation: Option<Activation>,
    pub senet_activation: Option<Activation>,
    pub combination: Option<CombinationKind>,
    pub order: Option<CombinationOrder>,
    pub shared: Option<bool>,
    pub bilinear: Option<BilinearKind>,
    pub each_matrices: Option<EachMatrices>,
    pub product: Option<PairProductKind>,
    pub hidden_units: Option<Vec<usize>>,
    pub activation: Option<Activation>,
    pub batch_norm: Option<bool>,
    pub dropout: Option<f64>,
    pub output_bias: Option<bool>,
    pub padding: Option<bool>,
    /// Standard deviation of the normal distribution that embeddings are drawn from.
    pub embedding_std: Option<f64>,
}

/// What the optimizer of the dense parameters is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DenseOptimizer {
    /// Adam, with PyTorch's ε of 1e-8.
    Adam,
    /// Adam with decoupled weight decay, `weight_decay`.
    Adamw,
    /// Adagrad, with PyTorch's ε of 1e-10.
    Adagrad,
    /// Gradient descent, with `momentum`.
    Sgd,
}

/// Which rows of the tables an optimizer step moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowUpdate {
    /// Those the batch met; a step's cost does not grow with the vocabulary.
    Met,
    /// All, as dense training in PyTorch does, with L2 on all of them: for small vocabularies.
    All,
    /// All where the tables have at most 65,536 rows, else those met.
    Auto,
}

impl RowUpdate {
    /// Up to here a step over all rows costs less than the rest of the step.
    const MAX_ROWS: usize = 1 << 16;

    /// The rows that a step moves, of tables of `num_rows`.
    pub(crate) fn taken(self, num_rows: usize) -> RowsTaken {
        match self {
            Self::All => RowsTaken::All,
            Self::Auto if num_rows <= Self::MAX_ROWS => RowsTaken::All,
            Self::Met | Self::Auto => RowsTaken::Met,
        }
    }
}

/// What is done to the best weights' logits on the validation rows, and kept where it lowers their
/// log loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Calibration {
    /// Nothing.
    None,
    /// [`CalibrationKind::Temperature`]
    Temperature,
    /// [`CalibrationKind::Platt`]
    Platt,
}

impl Calibration {
    pub(crate) fn kind(self) -> Option<CalibrationKind> {
        match self {
            Self::None => None,
            Self::Temperature => Some(CalibrationKind::Temperature),
            Self::Platt => Some(CalibrationKind::Platt),
        }
    }
}

/// What early stopping watches on the validation rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Monitor {
    /// The area under the ROC curve, to rise.
    Auc,
    /// The logistic loss, to fall.
    Logloss,
    /// AUC less log loss, to rise.
    AucMinusLogloss,
}

/// The `[train]` section.
///
/// | key | default | purpose | range |
/// |---|---|---|---|
/// | `epochs` | 20 | passes over the training rows at most | at least 1 |
/// | `batch_size` | 1024 | rows a step | at least 1 |
/// | `learning_rate` | 0.001 | | above 0 |
/// | `optimizer` | adam | of the dense parameters: adam, adamw, adagrad, sgd | |
/// | `momentum` | 0 | of `sgd` | `[0, 1)` |
/// | `weight_decay` | 0.01 | of `adamw` | at least 0 |
/// | `row_optimizer` | exact_adam | of the tables: exact_adam, lazy_adam, adagrad, rowwise_adagrad, sgd | |
/// | `table_dtype` | f32 | what the embedding table is stored as: f32, bf16, f16; [`Tables`](crate::Tables) has the bytes a row | |
/// | `row_update` | met | rows of the tables that a step moves: met, all, auto | |
/// | `embedding_l2` | 0 | λ of `λ/2 ‖w‖²` over the tables' rows that a step moves | at least 0 |
/// | `net_l2` | 0 | λ of `λ/2 ‖W‖²` over the dense weights (not biases, not norms) | at least 0 |
/// | `max_gradient_norm` | 10 | bound on the global norm of all gradients; 0: none | at least 0 |
/// | `monitor` | auc | what early stopping watches: auc, logloss, auc_minus_logloss | |
/// | `evaluate_every` | 0 | steps between evaluations inside an epoch; 0: at its end alone | |
/// | `patience` | 2 | evaluations without a better value before it stops | at least 1 |
/// | `plateau_factor` | 1 | what the learning rate is multiplied by on a plateau; 1: none | `(0, 1]` |
/// | `plateau_patience` | 1 | evaluations without a better value that make a plateau | at least 1 |
/// | `min_learning_rate` | 1e-6 | where a plateau stops cutting | at least 0 |
/// | `calibration` | platt | of the logits by the validation rows: none, temperature, platt | |
/// | `seed` | 2019 | of draws and of the rows' order (`--seed`) | |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// Passes over the training rows at most.
    pub epochs: usize,
    /// Rows a step.
    pub batch_size: usize,
    /// Of both optimizers.
    pub learning_rate: f64,
    /// Of the dense parameters.
    pub optimizer: DenseOptimizer,
    /// Of `sgd`.
    pub momentum: f64,
    /// Of `adamw`.
    pub weight_decay: f64,
    /// Of the tables.
    pub row_optimizer: RowRule,
    /// What the embedding table's numbers are stored as; the linear weights and all that optimizers keep
    /// are f32. Each step of each rule, over the rows met or all, is computed in f32 and rounded
    /// stochastically ([`RowOptimizer`](crate::RowOptimizer)).
    pub table_dtype: TableDtype,
    /// Rows of the tables that a step moves.
    pub row_update: RowUpdate,
    /// λ of `λ/2 ‖w‖²` over the tables' rows that a step moves.
    pub embedding_l2: f64,
    /// λ of `λ/2 ‖W‖²` over the dense weights.
    pub net_l2: f64,
    /// Bound on the global norm of all gradients; 0: none.
    pub max_gradient_norm: f64,
    /// What early stopping watches.
    pub monitor: Monitor,
    /// Steps between evaluations inside an epoch; 0: at its end alone.
    pub evaluate_every: usize,
    /// Evaluations without a better value before it stops.
    pub patience: usize,
    /// What the learning rate is multiplied by on a plateau.
    pub plateau_factor: f64,
    /// Evaluations without a better value that make a plateau.
    pub plateau_patience: usize,
    /// Where a plateau stops cutting.
    pub min_learning_rate: f64,
    /// Of the logits by the validation rows.
    pub calibration: Calibration,
    /// Of draws and of the rows' order.
    pub seed: u64,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            epochs: 20,
            batch_size: 1024,
            learning_rate: 1e-3,
            optimizer: DenseOptimizer::Adam,
            momentum: 0.0,
            weight_decay: 0.01,
            row_optimizer: RowRule::ExactAdam,
            table_dtype: TableDtype::F32,
            row_update: RowUpdate::Met,
            embedding_l2: 0.0,
            net_l2: 0.0,
            max_gradient_norm: 10.0,
            monitor: Monitor::Auc,
            evaluate_every: 0,
            patience: 2,
            plateau_factor: 1.0,
            plateau_patience: 1,
            min_learning_rate: 1e-6,
            calibration: Calibration::Platt,
            seed: 2019,
        }
    }
}

impl RunConfig {
    /// Reads a run file. `overrides` are `section.key=value`, the value as TOML writes it (a bare
    /// word is a string). Paths of the file are relative to its directory.
    ///
    /// # Errors
    ///
    /// [`TrainError::RunFile`] for a file that cannot be read, with line and column for what is no
    /// TOML or no known key.
    pub fn read(path: &Path, overrides: &[String]) -> Result<Self, TrainError> {
        let error = |message: String| TrainError::RunFile(format!("{}: {message}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|io| error(io.to_string()))?;
        let mut config = Self::parse(&text, overrides).map_err(error)?;
        let directory = path.parent().unwrap_or(Path::new(""));
        let relative = |file: &mut PathBuf| *file = directory.join(&*file);
        relative(&mut config.data.train);
        config.data.valid.as_mut().map(relative);
        config.data.test.as_mut().map(relative);
        Ok(config)
    }

    fn parse(text: &str, overrides: &[String]) -> Result<Self, String> {
        // Read as it stands first: only then do messages have the file's lines.
        let config: Self = toml::from_str(text).map_err(|error| with_nearest(error.to_string()))?;
        if overrides.is_empty() {
            return Ok(config);
        }
        let mut table: Table = text
            .parse()
            .map_err(|error: toml::de::Error| error.to_string())?;
        for text in overrides {
            set(&mut table, text)?;
        }
        Value::Table(table)
            .try_into()
            .map_err(|error: toml::de::Error| {
                with_nearest(format!("with --set: {}", error.message()))
            })
    }

    /// Checks every section but what depends on the data.
    ///
    /// # Errors
    ///
    /// The first setting that is wrong.
    pub fn validate(&self) -> Result<DataSpec, TrainError> {
        let spec = self.data.clone().validate()?;
        self.train.validate()?;
        self.resolve_model(&spec)?.validate()?;
        Ok(spec)
    }

    /// The settings of the model for a schema's fields.
    pub(crate) fn resolve_model(&self, spec: &DataSpec) -> Result<FiBiNetConfig, ConfigError> {
        let is_value = |field: &&FieldSpec| matches!(field.encoding, FieldEncoding::Value { .. });
        let num_values = spec.fields.iter().filter(is_value).count();
        self.model
            .resolve(spec.fields.len() - num_values, num_values)
    }
}

/// Adds the nearest of the names that serde lists in "unknown field `x`, expected one of `y`, `z`".
fn with_nearest(message: String) -> String {
    let Some((_, names)) = message.split_once("unknown ") else {
        return message;
    };
    // Every second piece stands between backticks.
    let mut names = names.split('`').skip(1).step_by(2);
    let got = names.next().unwrap_or_default();
    let suggestion = nearest(got, names);
    format!("{}{suggestion}", message.trim_end())
}

fn set(table: &mut Table, text: &str) -> Result<(), String> {
    let rule = "--set takes section.key=value";
    let (key, value) = text
        .split_once('=')
        .ok_or_else(|| format!("{rule}, but got `{text}`"))?;
    let (section, key) = key
        .trim()
        .split_once('.')
        .ok_or_else(|| format!("{rule}, but got `{text}`"))?;
    let value = value.trim();
    let value = format!("value = {value}")
        .parse::<Table>()
        .ok()
        .and_then(|mut parsed| parsed.remove("value"))
        .unwrap_or_else(|| Value::String(value.to_owned()));
    let section_table = table
        .entry(section)
        .or_insert_with(|| Value::Table(Table::new()))
        .as_table_mut()
        .ok_or_else(|| format!("{rule}, but `{section}` is no section"))?;
    section_table.insert(key.to_owned(), value);
    Ok(())
}

impl ModelConfig {
    /// The settings of a model of fields with ids and of numeric values; the values are fields or
    /// raw inputs, as `numerics` says.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for an unknown preset, or a standard deviation below 0.
    pub fn resolve(
        &self,
        num_id_fields: usize,
        num_values: usize,
    ) -> Result<FiBiNetConfig, ConfigError> {
        let (all, dim) = (num_id_fields + num_values, self.embedding_dim.unwrap_or(10));
        let mut config = match &self.preset {
            Some(name) => name.parse::<Preset>()?.config(all, dim),
            None => FiBiNetConfig::new(all, dim),
        };
        macro_rules! replace {
            ($($field:ident),*) => {
                $(if let Some(value) = self.$field.clone() {
                    config.$field = value;
                })*
            };
        }
        replace!(
            numerics,
            linear,
            bias,
            reduction_ratio,
            squeeze,
            senet_bias,
            senet_hidden_activation,
            senet_activation,
            combination,
            order,
            shared,
            bilinear,
            each_matrices,
            product,
            hidden_units,
            activation,
            batch_norm,
            dropout,
            output_bias,
            padding
        );
        if config.numerics == Numerics::Dense {
            config.num_fields = num_id_fields;
            config.num_dense = num_values;
        }
        if let Some(std) = self.embedding_std {
            if !(std >= 0.0 && std.is_finite()) {
                return Err(ConfigError::OutOfRange {
                    setting: "embedding_std",
                    rule: "at least 0",
                    got: std.to_string(),
                });
            }
            config.embedding_initializer = Initializer::Normal { mean: 0.0, std };
        }
        Ok(config)
    }
}

impl TrainConfig {
    fn validate(&self) -> Result<(), TrainError> {
        let require = |holds: bool, setting, rule, got: String| match holds {
            true => Ok(()),
            false => Err(TrainError::Setting { setting, rule, got }),
        };
        let at_least_one =
            |setting, value: usize| require(value >= 1, setting, "at least 1", value.to_string());
        let not_negative = |setting, value: f64| {
            let holds = value >= 0.0 && value.is_finite();
            require(holds, setting, "at least 0", value.to_string())
        };
        at_least_one("epochs", self.epochs)?;
        at_least_one("batch_size", self.batch_size)?;
        at_least_one("patience", self.patience)?;
        at_least_one("plateau_patience", self.plateau_patience)?;
        let factor = self.plateau_factor;
        let holds = factor > 0.0 && factor <= 1.0;
        require(holds, "plateau_factor", "in (0, 1]", factor.to_string())?;
        let momentum = self.momentum;
        let holds = (0.0..1.0).contains(&momentum);
        require(holds, "momentum", "in [0, 1)", momentum.to_string())?;
        not_negative("min_learning_rate", self.min_learning_rate)?;
        not_negative("weight_decay", self.weight_decay)?;
        let rate = self.learning_rate;
        require(
            rate > 0.0 && rate.is_finite(),
            "learning_rate",
            "above 0",
            rate.to_string(),
        )?;
        not_negative("embedding_l2", self.embedding_l2)?;
        not_negative("net_l2", self.net_l2)?;
        not_negative("max_gradient_norm", self.max_gradient_norm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[data]\ntrain = 't.csv'\nlabel = 'y'\nsplit = { valid = 0.1 }\n\
        [[data.fields]]\nname = 'a'\nkind = 'categorical'\n\
        [[data.fields]]\nname = 'b'\nkind = 'categorical'\n";

    fn parse(more: &str, overrides: &[&str]) -> Result<RunConfig, String> {
        let overrides: Vec<String> = overrides.iter().map(|text| (*text).to_owned()).collect();
        let config = RunConfig::parse(&format!("{TEXT}{more}"), &overrides)?;
        config.validate().map_err(|error| error.to_string())?;
        Ok(config)
    }

    #[test]
    fn overrides_replace_what_the_file_says() {
        let more = "[model]\nembedding_dim = 4\n[train]\nepochs = 3\n";
        let overrides = [
            "model.embedding_dim=16",
            "model.combination=01",
            "model.hidden_units=[64, 32]",
            "train.learning_rate=1e-2",
            "data.label=z",
        ];
        let config = parse(more, &overrides[..1]).unwrap();
        assert_eq!(
            (config.model.embedding_dim, config.train.epochs),
            (Some(16), 3)
        );
        let config = parse(more, &overrides).unwrap();
        let fibinet = config.model.resolve(2, 0).unwrap();
        assert_eq!(fibinet.combination, CombinationKind::SenetBilinear);
        assert_eq!(fibinet.hidden_units, [64, 32]);
        assert_eq!(config.train.learning_rate, 0.01);
        assert_eq!(config.data.label.as_deref(), Some("z"));
    }

    #[test]
    fn combinations_are_read_as_numbers_and_as_words() {
        for (text, expected) in [
            ("11", CombinationKind::BothBilinear),
            ("01", CombinationKind::SenetBilinear),
            ("10", CombinationKind::RawBilinear),
            ("00", CombinationKind::NoneBilinear),
            ("'10'", CombinationKind::RawBilinear),
        ] {
            let config = parse("", &[&format!("model.combination={text}")]).unwrap();
            assert_eq!(config.model.combination, Some(expected), "{text}");
        }
        let error = parse("", &["model.combination=12"]).unwrap_err();
        assert!(error.contains("unknown combination `12`"), "{error}");
    }

    #[test]
    fn raw_numbers_are_no_fields_and_too_few_fields_show_before_the_data_is_read() {
        let value = "[[data.fields]]\nname = 'x'\nkind = 'numeric'\nencoding = 'value'\n";
        let config = parse(value, &["model.preset=deepctr"]).unwrap();
        let model = config.resolve_model(&config.validate().unwrap()).unwrap();
        assert_eq!((model.num_fields, model.num_dense), (2, 1));
        let config = parse(value, &["model.preset=fuxictr"]).unwrap();
        let model = config.resolve_model(&config.validate().unwrap()).unwrap();
        assert_eq!((model.num_fields, model.num_dense), (3, 0));
        let one = "data.fields=[{ name = 'a', kind = 'categorical' }, \
            { name = 'x', kind = 'numeric', encoding = 'value' }]";
        let error = parse("", &["model.preset=deepctr", one]).unwrap_err();
        assert!(
            error.contains("num_fields must be at least 2, but is 1"),
            "{error}"
        );
    }

    #[test]
    fn a_preset_is_changed_by_the_keys_beside_it() {
        let config = parse("[model]\npreset = 'deepctr'\nshared = true\n", &[]).unwrap();
        let fibinet = config.model.resolve(2, 3).unwrap();
        let expected = Preset::DeepCtr
            .config(2, 10)
            .with_shared(true)
            .with_num_dense(3);
        assert_eq!(format!("{fibinet:?}"), format!("{expected:?}"));
    }

    #[test]
    fn wrong_settings_are_named() {
        for (more, overrides, expected) in [
            ("[train]\nepocs = 3\n", &[][..], "unknown field `epocs`"),
            ("[trian]\nepochs = 3\n", &[], "unknown field `trian`"),
            (
                "[train]\nepochs = 0\n",
                &[],
                "`epochs` must be at least 1, but is 0",
            ),
            (
                "",
                &["train.learning_rate=0"],
                "`learning_rate` must be above 0, but is 0",
            ),
            (
                "",
                &["train.net_l2=-1.0"],
                "`net_l2` must be at least 0, but is -1",
            ),
            (
                "",
                &["model.preset=fuxi"],
                "unknown preset `fuxi`, did you mean `fuxictr`?",
            ),
            (
                "",
                &["model.embedding_dim=0"],
                "embedding_dim must be at least 1, but is 0",
            ),
            (
                "",
                &["train.table_dtype=fp16"],
                "unknown variant `fp16`, expected one of `f32`, `bf16`, `f16`, did you mean `f16`?",
            ),
            (
                "",
                &["model.bilinear=field_al"],
                "unknown variant `field_al`",
            ),
            (
                "",
                &["epochs=3"],
                "--set takes section.key=value, but got `epochs=3`",
            ),
            ("", &["train.epochs"], "--set takes section.key=value"),
        ] {
            let message = parse(more, overrides).unwrap_err();
            assert!(message.contains(expected), "{message}, expected {expected}");
        }
        let line = parse("[train]\nepocs = 3\n", &[]).unwrap_err();
        assert!(line.contains("line 12"), "{line}");
    }
}
