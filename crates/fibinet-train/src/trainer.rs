use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use fibinet_data::mix_seed;
use fibinet_model::inputs::RowInputs;
use fibinet_model::tables::{FinishedRows, TableRows, TableView, score};
use fibinet_nn::ConfigError;
use fibinet_nn::inputs::{FieldInputs, FieldSizes};
use fibinet_nn::loss::{BceLoss, Reduction};
use fibinet_nn::models::{AnyHead, CtrModelConfig, Head, HeadConfig};

use crate::config::TrainSettings;
use crate::optim::head::optimizer::{HeadOptimizer, HeadStep};
use crate::optim::rows::batch_tables::batch_tables;
use crate::optim::rows::gradients::{LeafGradients, RowGradients};
use crate::optim::rows::optimizer::RowOptimizer;
use crate::optim::rows::segments::{RowSelection, Segments};
use crate::optim::rows::tables::Tables;
use crate::step_times::{Laps, StepTimes};

/// One model in training: its head on a device, its tables on the host, and an optimizer for each.
pub struct Trainer<H = AnyHead> {
    /// Some rows may be stale.
    tables: Tables,
    /// `None` only while a step updates it.
    head: Option<H>,
    dense: HeadOptimizer,
    rows: RowOptimizer,
    /// Scratch buffers, reused between steps.
    segments: Segments,
    row_gradients: RowGradients,
    config: TrainSettings,
    device: Device,
    steps: u64,
    /// Where the time of the last step went.
    times: StepTimes,
}

impl<H: Head> Trainer<H> {
    /// A model with drawn weights. The same config, fields and seed draw the same ones.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for the first setting that no model can be built with.
    pub fn new<C: HeadConfig<Head = H>>(
        model: &CtrModelConfig<C>,
        sizes: FieldSizes,
        config: &TrainSettings,
        device: &Device,
    ) -> Result<Self, ConfigError> {
        let device = device.clone().inner();
        model.validate()?;
        let (expected, got) = (model.head.inputs().num_fields, sizes.num_fields());
        if got != expected {
            return Err(ConfigError::OutOfRange {
                setting: "num_fields",
                rule: "the number of fields of the tables",
                got: expected.to_string(),
            });
        }
        let seed = mix_seed(config.seed, 0);
        let tables = Tables::new(&model.tables, sizes, seed, config.table_dtype)?;
        device.seed(mix_seed(config.seed, 1));
        let head = model.head.try_init(&device.clone().autodiff())?;
        draw_in_order(&head);
        Ok(Self::from_parts(tables, head, config, &device))
    }

    /// A model with given weights, of any head; the head is on the autodiff side of `device`. The tables'
    /// numbers keep their type, whatever the config says.
    pub fn from_parts(tables: Tables, head: H, config: &TrainSettings, device: &Device) -> Self {
        let optimizer = match config.row_update.selection(tables.sizes.num_rows()) {
            RowSelection::Touched => RowOptimizer::new,
            RowSelection::All => RowOptimizer::of_all_rows,
        };
        let rounding_seed = mix_seed(config.seed ^ ROUNDING, 0);
        Self {
            rows: optimizer(config.row_optimizer, &tables, rounding_seed),
            segments: Segments::default(),
            row_gradients: RowGradients::default(),
            tables,
            head: Some(head),
            dense: HeadOptimizer::new(config.optimizer.rule(config.dense_settings()), device),
            config: config.clone(),
            device: device.clone().inner(),
            steps: 0,
            times: StepTimes::default(),
        }
    }

    /// The head in training.
    pub fn head(&self) -> &H {
        self.head.as_ref().expect("a step puts the head back")
    }

    /// Replaces the head by another one with the same config, on the autodiff side of the device. Its
    /// optimizer restarts.
    pub fn set_head(&mut self, head: H) {
        self.head = Some(head);
        let rule = self.config.optimizer.rule(self.config.dense_settings());
        self.dense = HeadOptimizer::new(rule, &self.device);
    }

    /// A copy of the head for inference. Drop it before the next step: while it exists, a step copies the
    /// weights instead of updating them in place.
    pub fn valid_head(&self) -> H {
        self.head().valid()
    }

    /// Where the time of the last step went; zeros before the first one.
    pub fn times(&self) -> StepTimes {
        self.times
    }

    /// The learning rate of the next step.
    pub fn learning_rate(&self) -> f64 {
        self.config.learning_rate
    }

    /// Changes the learning rate from the next step on.
    pub(crate) fn set_learning_rate(&mut self, rate: f64) {
        self.config.set_learning_rate(rate);
    }

    /// The logits of a batch, `[B]`, by a head from [`valid_head`](Self::valid_head). Stale rows are replayed in a
    /// copy, so that the state of training does not change.
    ///
    /// # Panics
    ///
    /// If the batch has other fields.
    pub fn score(&self, head: &H, rows: &RowInputs) -> Vec<f32> {
        if !self.rows.leaves_stale_rows() || rows.num_rows == 0 {
            return score(head, &self.tables, rows, &self.device);
        }
        let (tables, rows) = batch_tables(&self.tables, &self.rows, rows);
        score(head, &tables, &rows, &self.device)
    }

    /// The number of table rows of each field.
    pub fn sizes(&self) -> &FieldSizes {
        &self.tables.sizes
    }

    /// The tables in their current state. With [`RowRule::ExactAdam`](crate::optim::RowRule::ExactAdam) some rows may be stale, which
    /// they are not in [`current_tables`](Self::current_tables).
    pub fn view(&self) -> TableView<'_> {
        self.tables.view()
    }

    /// A copy of the tables without stale rows.
    pub fn current_tables(&self) -> Tables {
        self.rows.current(&self.tables)
    }

    /// Copies the rows of other tables, as [`Tables::copy_rows`] does, and returns their number. The other rows
    /// keep their replayed weights, and the optimizer of the rows restarts.
    ///
    /// # Panics
    ///
    /// As [`Tables::copy_rows`].
    pub fn copy_rows(&mut self, base: &TableView<'_>) -> usize {
        self.rows.replay_all(&mut self.tables);
        self.rows.restart();
        self.tables.copy_rows(base)
    }

    /// The finished rows of the tables; `None` if no row can be stale.
    pub(crate) fn finished_rows(&self) -> Option<&dyn FinishedRows> {
        let leaves = self.rows.leaves_stale_rows();
        leaves.then_some(&self.rows as &dyn FinishedRows)
    }

    /// Updates the model by one batch and returns the mean loss before the update, without L2. A batch whose
    /// loss is NaN or infinite updates nothing.
    ///
    /// # Panics
    ///
    /// If the batch has no rows, no labels or other fields.
    pub fn step(&mut self, rows: &RowInputs) -> f32 {
        assert!(
            rows.num_rows > 0 && rows.labels.len() == rows.num_rows,
            "labelled rows"
        );
        let mut laps = Laps::start();
        // Dropout draws from a process-wide generator whose state cannot be saved, so it is seeded per step.
        self.device.seed(mix_seed(self.config.seed, 2 + self.steps));
        self.steps += 1;

        let num_rows = self.tables.sizes.num_rows();
        let selection = self.config.row_update.selection(num_rows);
        self.segments.fill(&self.tables, rows, selection);
        self.rows.replay(&mut self.tables, self.segments.rows());
        self.times = StepTimes {
            row_optimizer: laps.lap(),
            ..StepTimes::default()
        };
        let inputs = self.tables.field_inputs(rows, &self.device);
        self.times.gather = laps.lap();
        let embeddings = inputs
            .embeddings
            .map(|vectors| Tensor::<3>::from_inner(vectors).require_grad());
        let linear = inputs
            .linear
            .map(|terms| Tensor::<2>::from_inner(terms).require_grad());
        let labels = TensorData::new(rows.labels.clone(), [rows.num_rows]);
        let labels = Tensor::from_inner(Tensor::<1>::from_data(labels, &self.device));
        let logits = self.head().forward(FieldInputs {
            embeddings: embeddings.clone(),
            linear: linear.clone(),
            dense: inputs.dense.map(Tensor::from_inner),
        });
        let loss = BceLoss::new(Reduction::Mean).forward(logits, labels);
        self.times.forward = laps.lap();
        // Before the loss is read: reading waits for the device, and should do so once.
        let mut gradients = loss.backward();
        let value = loss.into_scalar::<f32>();
        if !value.is_finite() {
            self.times.backward = laps.lap();
            return value;
        }
        // A leaf that the head does not read has no gradient.
        let embedding = embeddings
            .and_then(|vectors| vectors.grad_remove(&mut gradients))
            .map(to_vec);
        let linear = linear
            .and_then(|terms| terms.grad_remove(&mut gradients))
            .map(to_vec);
        let dense = GradientsParams::from_grads(gradients, self.head());
        self.times.backward = laps.lap();
        let leaves = LeafGradients {
            embedding: embedding.as_deref(),
            linear: linear.as_deref(),
        };
        self.apply(rows, leaves, dense, laps);
        value
    }

    /// Applies L2, clips the global norm over table rows and dense parameters, and runs both optimizers.
    fn apply(
        &mut self,
        rows: &RowInputs,
        leaves: LeafGradients<'_>,
        dense: GradientsParams,
        mut laps: Laps,
    ) {
        let config = &self.config;
        let l2 = config.embedding_l2;
        self.row_gradients
            .sum(&self.tables, rows, &self.segments, leaves, l2);
        self.times.row_optimizer += laps.lap();
        let head = self.head.take().expect("a step puts the head back");
        let row_squares = || self.row_gradients.squared_norm();
        let step = HeadStep {
            learning_rate: config.learning_rate,
            l2: config.net_l2,
            max_norm: config.max_gradient_norm,
        };
        let (head, factor) = self.dense.step(head, dense, step, row_squares);
        self.head = Some(head);
        self.times.dense_optimizer = laps.lap();
        let rate = config.learning_rate;
        self.rows
            .step(&mut self.tables, &self.row_gradients, rate, factor);
        self.times.row_optimizer += laps.lap();
    }
}

/// Separates the random bits of rounding from other draws of the same seed.
const ROUNDING: u64 = 0x524f_554e_4449_4e47;

fn to_vec<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor
        .into_data()
        .try_into_vec()
        .expect("gradients are f32")
}

/// Draws every parameter now, in the module's order. Burn draws a parameter when it is first read, so that
/// the order of reading would decide the draws.
fn draw_in_order(head: &impl Module) {
    struct Draw;
    impl ModuleVisitor for Draw {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            param.val();
        }
    }
    head.visit(&mut Draw);
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use crate::optim::rows::rule::RowRule;
    use std::collections::HashSet;
    use std::ops::Range;

    use crate::config::TrainConfig;
    use fibinet_model::bundle::{Bundle, BundleParts, LogitMap};
    use fibinet_model::tables::TableDtype;
    use fibinet_nn::models::fibinet::FiBiNetConfig;
    use fibinet_testing::id_encoder;

    const FIELDS: usize = 2;
    /// More rows than a checkpoint writes at once.
    const FIELD_ROWS: usize = 10_000;

    /// A batch whose ids follow Zipf's law.
    fn rows(step: u64) -> RowInputs {
        const BATCH: usize = 8;
        let id = |place| {
            let draw = mix_seed(step, place) as f64 / u64::MAX as f64;
            (FIELD_ROWS as f64).powf(draw) as u32 - 1
        };
        RowInputs {
            ids: (0..(BATCH * FIELDS) as u64).map(id).collect(),
            labels: (0..BATCH).map(|row| (row % 2) as f32).collect(),
            num_rows: BATCH,
            ..RowInputs::default()
        }
    }

    fn numbers(head: &AnyHead) -> Vec<f32> {
        struct Numbers(Vec<f32>);
        impl ModuleVisitor for Numbers {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                self.0.extend(to_vec(param.val()));
            }
        }
        let mut numbers = Numbers(Vec::new());
        head.visit(&mut numbers);
        numbers.0
    }

    #[test]
    fn tables_of_another_number_of_fields_are_refused() {
        let model = CtrModelConfig::new(FiBiNetConfig::new(3, 2));
        let sizes = FieldSizes::new(vec![4; 2]).unwrap();
        let train = TrainConfig::default().validate().unwrap();
        let error = Trainer::new(&model, sizes, &train, &Device::flex()).err();
        assert_eq!(
            error.unwrap().to_string(),
            "num_fields must be the number of fields of the tables, but is 3"
        );
    }

    #[test]
    fn a_checkpoint_of_exact_adam_is_what_would_be_read_and_changes_no_bit() {
        const STEPS: u64 = 400;
        const EVERY: u64 = 40;
        let ids =
            |steps: Range<u64>| -> HashSet<u32> { steps.flat_map(|step| rows(step).ids).collect() };
        let untouched = ids(0..EVERY).difference(&ids(EVERY..STEPS)).count();
        assert!(untouched > 0, "some row should stay untouched for long");

        let device = Device::flex();
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        let encoder = id_encoder(directory, FIELDS, FIELD_ROWS as u32 - 3, 1);
        let head = FiBiNetConfig::new(FIELDS, 2).with_hidden_units(vec![4]);
        let model = CtrModelConfig::new(head).into_any();
        let sizes = FieldSizes::new(vec![FIELD_ROWS; FIELDS]).unwrap();
        let initial = model.head.try_init(&device.clone().autodiff()).unwrap();
        draw_in_order(&initial);
        for dtype in [TableDtype::F32, TableDtype::Bf16, TableDtype::F16] {
            let train = TrainConfig {
                learning_rate: 0.01,
                row_optimizer: RowRule::ExactAdam,
                table_dtype: dtype,
                ..TrainConfig::default()
            };
            let train = train.validate().unwrap();
            let [mut written, mut unwritten] = [(); 2].map(|()| {
                let tables = Tables::new(&model.tables, sizes.clone(), 7, dtype).unwrap();
                Trainer::from_parts(tables, initial.clone(), &train, &device)
            });
            for step in 1..=STEPS {
                let batch = rows(step - 1);
                written.step(&batch);
                unwritten.step(&batch);
                if !step.is_multiple_of(EVERY) {
                    continue;
                }
                let head = written.valid_head();
                let parts = BundleParts {
                    encoder: &encoder,
                    model: &model,
                    head: &head,
                    tables: written.view(),
                    finished: written.finished_rows(),
                    output: LogitMap::IDENTITY,
                    negative_rate: 1.0,
                };
                if step == EVERY {
                    parts.write_encoder(directory).unwrap();
                    parts.write_settings(directory).unwrap();
                }
                parts.write_weights(directory).unwrap();

                let bundle = Bundle::open_unchecked(directory).unwrap();
                let (tables, current) = (bundle.tables(), unwritten.current_tables());
                let lies = unwritten.view().embedding;
                assert!(
                    lies != current.embedding.as_slice(),
                    "{dtype}, {step}: no row is stale"
                );
                assert!(
                    tables.embedding == current.embedding.as_slice(),
                    "{dtype}, {step}"
                );
                assert!(
                    tables.linear == current.linear.as_deref(),
                    "{dtype}, {step}"
                );
                let head = bundle.head(&device).unwrap();
                assert_eq!(
                    numbers(&head),
                    numbers(&unwritten.valid_head()),
                    "{dtype}, {step}"
                );
            }
            let (tables, other) = (written.view(), unwritten.view());
            assert!(tables.embedding == other.embedding, "{dtype}");
            assert!(tables.linear == other.linear, "{dtype}");
            assert_eq!(
                numbers(written.head()),
                numbers(unwritten.head()),
                "{dtype}"
            );
        }
    }
}
