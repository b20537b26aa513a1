mod dropout;
#[cfg(all(test, feature = "flex"))]
mod tests;

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use fibinet_data::mix_seed;
use fibinet_model::inputs::RowInputs;
use fibinet_model::tables::{FinishedRows, TableView, score};
use fibinet_nn::ConfigError;
use fibinet_nn::inputs::{FieldInputs, FieldSizes};
use fibinet_nn::loss::{BceLoss, Reduction};
use fibinet_nn::models::{AnyHead, CtrModelConfig, Head, HeadConfig};

use crate::config::TrainSettings;
use crate::optim::head::optimizer::{HeadOptimizer, HeadStep};
use crate::optim::rows::host_rows::{FieldGradients, HostRows};
use crate::optim::rows::tables::Tables;
use crate::step_times::{Laps, StepTimes};

/// Separates the random bits of rounding from other draws of the same seed.
const ROUNDING: u64 = 0x524f_554e_4449_4e47;
/// The same for those of dropout on embeddings.
const DROPOUT: u64 = 0x4452_4f50_2d4f_5554;

/// One model in training: its head on a device, its table rows on the host, and an optimizer for each.
pub struct Trainer<H = AnyHead> {
    rows: HostRows,
    /// `None` only while a step updates it.
    head: Option<H>,
    head_optimizer: HeadOptimizer,
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
        let selection = config.row_update.selection(tables.sizes.num_rows());
        let rounding_seed = mix_seed(config.seed ^ ROUNDING, 0);
        Self {
            rows: HostRows::new(tables, config.row_optimizer, selection, rounding_seed),
            head: Some(head),
            head_optimizer: head_optimizer(config, device),
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
        self.head_optimizer = head_optimizer(&self.config, &self.device);
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
        score(head, &self.rows, rows, &self.device)
    }

    /// The number of table rows of each field.
    pub fn sizes(&self) -> &FieldSizes {
        self.rows.sizes()
    }

    /// The tables as they are. With [`RowRule::ExactAdam`](crate::optim::RowRule::ExactAdam) some rows may be
    /// stale; [`current_tables`](Self::current_tables) replays them.
    pub fn view(&self) -> TableView<'_> {
        self.rows.view()
    }

    /// A copy of the tables without stale rows.
    pub fn current_tables(&self) -> Tables {
        self.rows.current()
    }

    /// Copies the rows of other tables, as [`Tables::copy_rows`] does, and returns their number. The other rows
    /// keep their replayed weights, and the optimizer of the rows restarts.
    ///
    /// # Panics
    ///
    /// As [`Tables::copy_rows`].
    pub fn copy_rows(&mut self, base: &TableView<'_>) -> usize {
        self.rows.copy_rows(base)
    }

    /// The finished rows of the tables; `None` if no row can be stale.
    pub(crate) fn finished_rows(&self) -> Option<&dyn FinishedRows> {
        self.rows.finished()
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
            "expected one label per batch row"
        );
        let mut laps = Laps::start();
        // Dropout draws from a process-wide generator whose state cannot be saved, so it is seeded per step.
        self.device.seed(mix_seed(self.config.seed, 2 + self.steps));
        self.steps += 1;
        self.rows.begin_step(rows);
        self.times = StepTimes {
            row_optimizer: laps.lap(),
            ..StepTimes::default()
        };
        let inputs = as_leaves(self.rows.gather(rows, &self.device));
        self.times.gather = laps.lap();
        let loss = self.loss(&rows.labels, inputs.clone());
        self.times.forward = laps.lap();
        let mut gradients = loss.backward();
        let of_fields = FieldGradients::take(inputs, &mut gradients);
        let of_head = GradientsParams::from_grads(gradients, self.head());
        // Reading waits for the device, which has everything to do by now.
        let loss = loss.into_scalar::<f32>();
        self.times.backward = laps.lap();
        if loss.is_finite() {
            self.update(rows, of_fields, of_head, laps);
        }
        loss
    }

    /// The mean loss of a batch.
    fn loss(&self, labels: &[f32], mut inputs: FieldInputs) -> Tensor<1> {
        let labels = TensorData::new(labels.to_vec(), [labels.len()]);
        let labels = Tensor::from_inner(Tensor::<1>::from_data(labels, &self.device));
        let rate = self.config.embedding_dropout;
        if rate > 0.0 {
            let seed = mix_seed(self.config.seed ^ DROPOUT, self.steps);
            let embeddings = inputs.embeddings.take();
            inputs.embeddings = embeddings.map(|vectors| dropout::drop_out(vectors, rate, seed));
        }
        let logits = self.head().forward(inputs);
        BceLoss::new(Reduction::Mean).forward(logits, labels)
    }

    /// Applies L2, clips the global norm over table rows and dense parameters, and runs both optimizers.
    fn update(
        &mut self,
        rows: &RowInputs,
        of_fields: FieldGradients,
        of_head: GradientsParams,
        mut laps: Laps,
    ) {
        let config = &self.config;
        self.rows
            .sum_gradients(rows, of_fields, config.embedding_l2);
        self.times.row_optimizer += laps.lap();
        let head = self.head.take().expect("a step puts the head back");
        let row_squares = || self.rows.squared_norm();
        let step = HeadStep {
            learning_rate: config.learning_rate,
            l2: config.net_l2,
            max_norm: config.max_gradient_norm,
        };
        let (head, factor) = self.head_optimizer.step(head, of_head, step, row_squares);
        self.head = Some(head);
        self.times.dense_optimizer = laps.lap();
        self.rows.update(config.learning_rate, factor);
        self.times.row_optimizer += laps.lap();
    }
}

fn head_optimizer(config: &TrainSettings, device: &Device) -> HeadOptimizer {
    HeadOptimizer::new(config.optimizer.rule(config.dense_settings()), device)
}

/// The inputs on the autodiff side of their device. Those that come from table rows get a gradient.
fn as_leaves(inputs: FieldInputs) -> FieldInputs {
    FieldInputs {
        embeddings: inputs
            .embeddings
            .map(|vectors| Tensor::from_inner(vectors).require_grad()),
        linear: inputs
            .linear
            .map(|terms| Tensor::from_inner(terms).require_grad()),
        dense: inputs.dense.map(Tensor::from_inner),
    }
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
