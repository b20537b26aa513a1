use burn::tensor::Device;
use fibinet_data::shards::FieldLayout;
use fibinet_model::inputs::FieldPlan;
use fibinet_model::tables::TableDtype;
use fibinet_nn::models::{AnyHeadConfig, CtrModelConfig, HeadConfig, TablesConfig};

use crate::config::TrainSettings;
use crate::error::TrainError;
use crate::optim::head::rule::DenseOptimizer;
use crate::optim::rows::segments::RowSelection;
use crate::run::machine;

/// Rows that an evaluation scores at once.
pub(super) const EVALUATION_ROWS: usize = 4096;
/// Bytes of a number in memory.
const NUMBER: u64 = size_of::<f32>() as u64;

/// The least memory that training takes, estimated before any of it is allocated.
#[derive(Debug, Default)]
pub(super) struct MemoryEstimate {
    parts: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    name: String,
    bytes: u64,
    /// The settings that it grows with, as words of a sentence.
    settings: String,
}

impl Part {
    /// The part as an error names it where there are several members.
    fn in_members(mut self, members: usize) -> Self {
        if members > 1 {
            self.name += &format!(", in {members} members");
            self.settings = format!("`train.members`, {}", self.settings);
        }
        self
    }
}

impl MemoryEstimate {
    /// The memory of the members' heads: their weights and optimizer state, the gradients of one member, as members
    /// train one after the other, and the pairs of a batch as the device keeps them.
    pub(super) fn of_head(
        model: &CtrModelConfig<AnyHeadConfig>,
        train: &TrainSettings,
        device: &Device,
    ) -> Self {
        let per_param = 1 + train.members as u64 * (1 + dense_state(train));
        let mut parts: Vec<Part> = model
            .head
            .parts()
            .into_iter()
            .map(|part| Part {
                name: part.name.to_owned(),
                bytes: (part.num_params as u64).saturating_mul(per_param * NUMBER),
                settings: part.settings.to_owned(),
            })
            .map(|part| part.in_members(train.members))
            .collect();
        parts.extend(batch(&model.head, train, device));
        Self { parts }
    }

    /// Adds each member's tables of a log's fields: the weights of their rows and the optimizer's state.
    pub(super) fn add_tables(
        &mut self,
        tables: &TablesConfig,
        plan: &FieldPlan,
        layout: &[FieldLayout],
        train: &TrainSettings,
    ) {
        let rows = plan.sizes().num_rows() as u64;
        let ids = |field: &&FieldLayout| field.shape.num_ids().unwrap_or(0);
        let largest = layout.iter().max_by_key(ids);
        let largest = largest.map_or(String::new(), |field| {
            format!(" (`{}` has {} of {rows})", field.name, ids(&field))
        });
        let part = Part {
            name: "the tables".to_owned(),
            bytes: rows.saturating_mul(row_bytes(tables, train, rows)),
            settings: format!(
                "`model.embedding_dim`, or the fields' ids by `min_count` or `hash_buckets`{largest}, or \
                 choose another `train.row_optimizer` or `train.table_dtype`"
            ),
        };
        let part = Part {
            bytes: part.bytes.saturating_mul(train.members as u64),
            ..part
        };
        self.parts.push(part.in_members(train.members));
    }

    /// All of it.
    pub(super) fn bytes(&self) -> u64 {
        let bytes = self.parts.iter().map(|part| part.bytes);
        bytes.fold(0, u64::saturating_add)
    }

    /// Checks that the machine has as much memory.
    ///
    /// # Errors
    ///
    /// [`TrainError::Memory`] if it has less.
    pub(super) fn check(&self) -> Result<(), TrainError> {
        self.check_against(machine::memory().unwrap_or(u64::MAX))
    }

    fn check_against(&self, machine: u64) -> Result<(), TrainError> {
        let bytes = self.bytes();
        let largest = self.parts.iter().max_by_key(|part| part.bytes);
        match largest.filter(|_| bytes > machine) {
            None => Ok(()),
            Some(part) => Err(TrainError::Memory {
                needed: in_words(bytes),
                machine: in_words(machine),
                part: format!("{} ({})", part.name, in_words(part.bytes)),
                settings: part.settings.clone(),
            }),
        }
    }
}

/// The pairs of a batch in training, or of one in an evaluation if they take more.
fn batch(head: &AnyHeadConfig, train: &TrainSettings, device: &Device) -> Option<Part> {
    let threads = rayon::current_num_threads();
    let [_, training] = head.pair_bytes(train.batch_size, threads)?.at_once(device);
    let [scoring, _] = head.pair_bytes(EVALUATION_ROWS, threads)?.at_once(device);
    let (name, bytes, settings) = if training >= scoring {
        let settings = "`train.batch_size`, `embedding_dim` or the number of fields";
        ("the pairs of fields of a batch", training, settings)
    } else {
        let settings = "`embedding_dim` or the number of fields";
        ("the pairs of fields in an evaluation", scoring, settings)
    };
    Some(Part {
        name: name.to_owned(),
        bytes: bytes as u64,
        settings: settings.to_owned(),
    })
}

/// Numbers of the dense optimizer's state per parameter.
fn dense_state(train: &TrainSettings) -> u64 {
    match train.optimizer {
        DenseOptimizer::Adam | DenseOptimizer::Adamw => 2,
        DenseOptimizer::Adagrad => 1,
        DenseOptimizer::Sgd => u64::from(train.momentum > 0.0),
    }
}

/// Bytes of a table row, as the table in the docs of [`Tables`](crate::optim::Tables) has them.
fn row_bytes(tables: &TablesConfig, train: &TrainSettings, rows: u64) -> u64 {
    let number = match train.table_dtype {
        TableDtype::F32 => NUMBER,
        TableDtype::Bf16 | TableDtype::F16 => NUMBER / 2,
    };
    let rule = train.row_optimizer.rule();
    let (dim, linear) = (tables.embedding_dim, usize::from(tables.linear));
    let mut state = linear * rule.state_width(1);
    if dim > 0 {
        state += rule.state_width(dim);
    }
    // The step in which the row was last touched.
    state += usize::from(rule.replay().is_some());
    let gradients = match train.row_update.selection(rows as usize) {
        RowSelection::All => dim + linear,
        RowSelection::Touched => 0,
    };
    dim as u64 * number + (linear + state + gradients) as u64 * NUMBER
}

/// `3.2 GiB`
fn in_words(bytes: u64) -> String {
    let mut amount = bytes as f64;
    for unit in ["bytes", "KiB", "MiB", "GiB", "TiB"] {
        if amount < 1024.0 {
            return format!("{amount:.1} {unit}");
        }
        amount /= 1024.0;
    }
    format!("{amount:.1} PiB")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{RowUpdate, TrainConfig};
    use crate::optim::rows::rule::RowRule;
    use fibinet_nn::models::fibinet::FiBiNetConfig;
    use fibinet_testing::test_devices;

    fn settings(config: TrainConfig) -> TrainSettings {
        config.validate().unwrap()
    }

    fn model(num_fields: usize) -> CtrModelConfig<AnyHeadConfig> {
        CtrModelConfig::new(FiBiNetConfig::new(num_fields, 10)).into_any()
    }

    #[test]
    fn table_rows_take_what_the_docs_of_tables_say() {
        let tables = TablesConfig::new(10);
        for (rule, f32, bf16) in [
            (RowRule::Sgd, 44, 24),
            (RowRule::RowwiseAdagrad, 52, 32),
            (RowRule::Adagrad, 88, 68),
            (RowRule::LazyAdam, 132, 112),
            (RowRule::ExactAdam, 136, 116),
        ] {
            for (dtype, expected) in [(TableDtype::F32, f32), (TableDtype::Bf16, bf16)] {
                let train = settings(TrainConfig {
                    row_optimizer: rule,
                    table_dtype: dtype,
                    row_update: RowUpdate::Touched,
                    ..TrainConfig::default()
                });
                assert_eq!(
                    row_bytes(&tables, &train, 1),
                    expected,
                    "{rule:?} {dtype:?}"
                );
            }
        }
    }

    #[test]
    fn a_wide_log_is_refused_by_its_largest_part() {
        let train = settings(TrainConfig::default());
        // 1,999,000 pairs of 2 · 10 columns, times 400 hidden units, 16 bytes each.
        let estimate = MemoryEstimate::of_head(&model(2000), &train, &Device::flex());
        assert!(
            estimate.bytes() >= 1_999_000 * 20 * 400 * 16,
            "{estimate:?}"
        );
        let error = estimate.check_against(64 << 30).unwrap_err();
        assert_eq!(error.class(), fibinet_data::ErrorClass::Usage);
        let text = error.to_string();
        assert!(
            text.contains("this machine has 64.0 GiB; most of it is for the DNN's first map"),
            "{text}"
        );
        assert!(
            text.contains("lower `hidden_units`, `embedding_dim` or the number of fields"),
            "{text}"
        );
        assert!(estimate.check_against(1 << 40).is_ok());
    }

    #[test]
    fn members_have_their_own_weights_and_optimizer_state_but_share_the_gradients() {
        let bytes = |members| {
            let train = settings(TrainConfig {
                members,
                ..TrainConfig::default()
            });
            let estimate = MemoryEstimate::of_head(&model(10), &train, &Device::flex());
            let pairs =
                batch(&model(10).head, &train, &Device::flex()).map_or(0, |part| part.bytes);
            (estimate.bytes() - pairs, estimate)
        };
        let ((one, _), (three, estimate)) = (bytes(1), bytes(3));
        // Adam: a weight, its gradient and two numbers of state.
        assert_eq!(4 * three, 10 * one);
        let text = estimate.check_against(1).unwrap_err().to_string();
        let part = "of all pairs of fields, in 3 members (";
        assert!(text.contains(part), "{text}");
        assert!(text.contains("lower `train.members`, `hidden"), "{text}");
    }

    #[test]
    fn ten_fields_fit_in_little() {
        let train = settings(TrainConfig::default());
        assert!(
            MemoryEstimate::of_head(&model(10), &train, &Device::flex())
                .check_against(64 << 20)
                .is_ok()
        );
    }

    /// An evaluation has 4,096 rows of 14,820 columns. In training the pairs' gradient takes as much as the pairs.
    #[test]
    fn pairs_are_counted_as_the_device_keeps_them() {
        let array = |num_rows: u64| num_rows * 14_820 * 4;
        for (name, device) in test_devices() {
            let bytes = |batch_size| {
                let train = TrainConfig {
                    batch_size,
                    ..TrainConfig::default()
                };
                let part = batch(&model(39).head, &settings(train), &device);
                part.expect("FiBiNET crosses pairs").bytes
            };
            let [small, large] = [1024, 65_536].map(bytes);
            match name {
                "flex" => assert!(small < array(256), "{small}"),
                "ndarray" => assert_eq!([small, large], [array(4096), 2 * array(65_536)]),
                _ => assert_eq!([small, large], [array(4096), 2 << 28], "{name}"),
            }
        }
    }

    #[test]
    fn what_overflows_is_refused() {
        let train = settings(TrainConfig::default());
        let head = FiBiNetConfig::new(1 << 16, 1 << 24).with_hidden_units(vec![1 << 24]);
        let model = CtrModelConfig::new(head).into_any();
        let estimate = MemoryEstimate::of_head(&model, &train, &Device::flex());
        assert_eq!(estimate.bytes(), u64::MAX);
        assert!(estimate.check_against(1 << 50).is_err());
    }
}
