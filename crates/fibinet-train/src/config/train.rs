use std::ops::Deref;

use fibinet_data::mix_seed;
use fibinet_model::tables::TableDtype;
use fibinet_nn::ConfigError;
use serde::{Deserialize, Serialize};

use crate::metrics::calibration::CalibrationKind;
use crate::optim::head::rule::{DenseOptimizer, DenseSettings};
use crate::optim::rows::rule::RowRule;
use crate::optim::rows::segments::RowSelection;

/// Keeps the members' seeds apart from other draws of the same seed.
const MEMBER: u64 = 0x004d_454d_4245_5253;

/// Which table rows an optimizer step updates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowUpdate {
    /// The rows that the batch touches. The cost of a step does not grow with the vocabulary.
    /// Earlier versions wrote `met`.
    #[serde(alias = "met")]
    Touched,
    /// All rows, as in dense training in PyTorch, with L2 on all of them. For small vocabularies.
    All,
    /// All rows if the tables have at most 65,536 of them, else the touched ones.
    Auto,
}

impl RowUpdate {
    /// Up to this many rows, a step over all rows costs less than the rest of the step.
    const MAX_ROWS: usize = 1 << 16;

    /// The rows that a step updates, for tables of `num_rows` rows.
    pub(crate) fn selection(self, num_rows: usize) -> RowSelection {
        match self {
            Self::All => RowSelection::All,
            Self::Auto if num_rows <= Self::MAX_ROWS => RowSelection::All,
            Self::Touched | Self::Auto => RowSelection::Touched,
        }
    }
}

/// How the logits of the best weights are calibrated on the validation rows. A calibration is kept if it
/// lowers their log loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Calibration {
    /// No calibration.
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
    /// The area under the ROC curve; higher is better. AUCs within .0001 of the highest so far are equal, and
    /// among them the lower log loss is better.
    Auc,
    /// The log loss; lower is better.
    Logloss,
    /// AUC minus log loss; higher is better.
    AucMinusLogloss,
}

/// The `[train]` section of a run file.
///
/// | key | default | purpose | range |
/// |---|---|---|---|
/// | `epochs` | 20 | most passes over the training rows | at least 1 |
/// | `batch_size` | 1024 | rows per step | at least 1 |
/// | `learning_rate` | 0.001 | learning rate of both optimizers | above 0 |
/// | `optimizer` | adam | optimizer of the dense parameters: adam, adamw, adagrad, sgd | |
/// | `momentum` | 0 | momentum of `sgd` | `[0, 1)` |
/// | `weight_decay` | 0.01 | weight decay of `adamw` | at least 0 |
/// | `row_optimizer` | exact_adam | optimizer of the table rows: exact_adam, lazy_adam, adagrad, rowwise_adagrad, sgd | |
/// | `table_dtype` | f32 | type of the embedding table: f32, bf16, f16; [`Tables`](crate::optim::Tables) has the bytes per row | |
/// | `row_update` | touched | table rows that a step updates: touched, all, auto | |
/// | `embedding_l2` | 0 | λ of `λ/2 ‖w‖²` over the table rows that a step updates | at least 0 |
/// | `embedding_dropout` | 0 | share of the embeddings' numbers that a step sets to zero, to the nearest 2⁻¹⁶ | `[0, 1)` |
/// | `net_l2` | 0 | λ of `λ/2 ‖W‖²` over the dense weights (not biases, not norms) | at least 0 |
/// | `max_gradient_norm` | 10 | bound on the global norm of all gradients; 0: no bound | at least 0 |
/// | `monitor` | auc | what early stopping watches: auc (of AUCs within .0001 the lower log loss), logloss, auc_minus_logloss | |
/// | `evaluate_every` | 0 | steps between evaluations within an epoch; 0: only at its end | |
/// | `patience` | 2 | evaluations without a better value before it stops | at least 1 |
/// | `plateau_factor` | 1 | what the learning rate is multiplied by on a plateau; 1: no change | `(0, 1]` |
/// | `plateau_patience` | 1 | evaluations without a better value after which the learning rate is cut | at least 1 |
/// | `min_learning_rate` | 1e-6 | the learning rate is not cut below it | at least 0 |
/// | `calibration` | platt | calibration of the logits on the validation rows: none, temperature, platt | |
/// | `seed` | 2019 | seed of the drawn weights and of the rows' order | |
/// | `members` | 1 | separate models, each with a seed of its own, whose probabilities are averaged | 1 to 64 |
/// | `alternate_batch_norm` | false | whether every second member has batch norm in its hidden layers, whatever the model's settings say | |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// The most passes over the training rows.
    pub epochs: usize,
    /// Rows per step.
    pub batch_size: usize,
    /// The learning rate of both optimizers.
    pub learning_rate: f64,
    /// The optimizer of the dense parameters.
    pub optimizer: DenseOptimizer,
    /// The momentum of `sgd`.
    pub momentum: f64,
    /// The weight decay of `adamw`.
    pub weight_decay: f64,
    /// The optimizer of the table rows.
    pub row_optimizer: RowRule,
    /// The type that the embedding table is stored in. Linear weights and optimizer state are f32. Updates
    /// are computed in f32, and 16-bit numbers are then rounded stochastically
    /// ([`RowOptimizer`](crate::optim::RowOptimizer)).
    pub table_dtype: TableDtype,
    /// The table rows that a step updates.
    pub row_update: RowUpdate,
    /// λ of `λ/2 ‖w‖²` over the table rows that a step updates.
    pub embedding_l2: f64,
    /// The share of the numbers in a batch's embeddings that a step sets to zero. The others are divided by 1 minus
    /// it. Linear weights are not dropped.
    pub embedding_dropout: f64,
    /// λ of `λ/2 ‖W‖²` over the dense weights.
    pub net_l2: f64,
    /// Bound on the global norm of all gradients; 0: no bound.
    pub max_gradient_norm: f64,
    /// What early stopping watches.
    pub monitor: Monitor,
    /// Steps between evaluations within an epoch; 0: only at its end.
    pub evaluate_every: usize,
    /// Evaluations without a better value before it stops. With several members, those with the lowest log
    /// loss so far do not count.
    pub patience: usize,
    /// What the learning rate is multiplied by on a plateau.
    pub plateau_factor: f64,
    /// Evaluations without a better value after which the learning rate is cut.
    pub plateau_patience: usize,
    /// The learning rate is not cut below it.
    pub min_learning_rate: f64,
    /// The calibration of the logits on the validation rows.
    pub calibration: Calibration,
    /// The seed of the drawn weights and of the rows' order.
    pub seed: u64,
    /// The number of separate models whose probabilities are averaged. They see the same batches; weights and
    /// dropout are drawn from a seed of each, the first one's being `seed`. Early stopping and calibration see
    /// the mean.
    pub members: usize,
    /// Whether every second member has batch norm in its hidden layers, whatever the model's settings say
    /// ([`member_config`](fibinet_model::bundle::member_config)).
    pub alternate_batch_norm: bool,
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
            row_update: RowUpdate::Touched,
            embedding_l2: 0.0,
            embedding_dropout: 0.0,
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
            members: 1,
            alternate_batch_norm: false,
        }
    }
}

impl TrainConfig {
    /// The most members that a run may have.
    pub const MAX_MEMBERS: usize = 64;

    /// The settings of some dense rules besides the learning rate.
    pub(crate) fn dense_settings(&self) -> DenseSettings {
        DenseSettings {
            momentum: self.momentum,
            weight_decay: self.weight_decay,
        }
    }

    /// Checks every setting.
    ///
    /// # Errors
    ///
    /// [`ConfigError::OutOfRange`] for the first setting outside the table's ranges.
    pub fn validate(&self) -> Result<TrainSettings, ConfigError> {
        at_least_one("epochs", self.epochs)?;
        at_least_one("batch_size", self.batch_size)?;
        let holds = (1..=Self::MAX_MEMBERS).contains(&self.members);
        require(holds, "members", "from 1 to 64", self.members)?;
        at_least_one("patience", self.patience)?;
        at_least_one("plateau_patience", self.plateau_patience)?;
        let factor = self.plateau_factor;
        let holds = factor > 0.0 && factor <= 1.0;
        require(holds, "plateau_factor", "in (0, 1]", factor)?;
        let holds = (0.0..1.0).contains(&self.momentum);
        require(holds, "momentum", "in [0, 1)", self.momentum)?;
        not_negative("min_learning_rate", self.min_learning_rate)?;
        not_negative("weight_decay", self.weight_decay)?;
        let rate = self.learning_rate;
        let holds = rate > 0.0 && rate.is_finite();
        require(holds, "learning_rate", "above 0 and finite", rate)?;
        not_negative("embedding_l2", self.embedding_l2)?;
        let holds = (0.0..1.0).contains(&self.embedding_dropout);
        require(
            holds,
            "embedding_dropout",
            "in [0, 1)",
            self.embedding_dropout,
        )?;
        not_negative("net_l2", self.net_l2)?;
        not_negative("max_gradient_norm", self.max_gradient_norm)?;
        Ok(TrainSettings(self.clone()))
    }
}

/// A [`TrainConfig`] whose settings are all in range: what a [`Trainer`](crate::Trainer) takes.
///
/// ```
/// use fibinet_train::config::TrainConfig;
///
/// let settings = TrainConfig::default().validate()?;
/// assert_eq!(settings.epochs, 20);
/// let config = TrainConfig { learning_rate: f64::NAN, ..TrainConfig::default() };
/// let message = config.validate().unwrap_err().to_string();
/// assert_eq!(message, "learning_rate must be above 0 and finite, but is NaN");
/// # Ok::<(), fibinet_nn::ConfigError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct TrainSettings(TrainConfig);

impl TrainSettings {
    /// The settings of a member: those of the run, with a seed of its own. Members count from 0.
    pub(crate) fn of_member(&self, member: usize) -> Self {
        let mut settings = self.clone();
        if member > 0 {
            settings.0.seed = mix_seed(self.seed ^ MEMBER, member as u64);
        }
        settings
    }

    /// 2 if every second member has batch norm and there are several, else 1.
    pub(crate) fn member_kinds(&self) -> usize {
        if self.alternate_batch_norm && self.members > 1 {
            2
        } else {
            1
        }
    }

    /// Replaces the learning rate, which is above 0 already.
    pub(crate) fn set_learning_rate(&mut self, rate: f64) {
        self.0.learning_rate = rate;
    }
}

impl Deref for TrainSettings {
    type Target = TrainConfig;

    fn deref(&self) -> &TrainConfig {
        &self.0
    }
}

fn require(
    holds: bool,
    setting: &'static str,
    rule: &'static str,
    got: impl ToString,
) -> Result<(), ConfigError> {
    if holds {
        return Ok(());
    }
    Err(ConfigError::OutOfRange {
        setting,
        rule,
        got: got.to_string(),
    })
}

fn at_least_one(setting: &'static str, value: usize) -> Result<(), ConfigError> {
    require(value >= 1, setting, "at least 1", value)
}

fn not_negative(setting: &'static str, value: f64) -> Result<(), ConfigError> {
    let holds = value >= 0.0 && value.is_finite();
    require(holds, setting, "at least 0 and finite", value)
}
