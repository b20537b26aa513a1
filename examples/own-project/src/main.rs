//! A model composed of layers (`my_model.rs`, which is also the README's), trained in a loop, and a whole
//! FiBiNET, an ordinary Burn module, trained by Burn's own `Learner`.

mod my_model;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use burn::data::dataloader::DataLoaderBuilder;
use burn::data::dataloader::batcher::Batcher;
use burn::data::dataset::InMemDataset;
use burn::module::Module;
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{DType, Device, Int, Tensor};
use burn::train::metric::LossMetric;
use burn::train::{
    InferenceStep, Learner, RegressionOutput, SupervisedTraining, TrainOutput, TrainStep,
};
use fibinet_nn::backend::has_kernels;
use fibinet_nn::inputs::{CtrInputs, FieldIds, Pooling};
use fibinet_nn::loss::{BceLoss, Reduction};
use fibinet_nn::models::fibinet::FiBiNetConfig;
use fibinet_nn::models::{CtrModel, CtrModelConfig, Head};

use self::my_model::MyModel;

/// Three fields with one id per row, and a field with a list of tags.
const FIELD_SIZES: [usize; 4] = [30, 20, 10, 5];

#[derive(Clone, Debug)]
struct Row {
    /// The ids of each field.
    ids: [Vec<u32>; 4],
    price: f32,
    click: f32,
}

#[derive(Clone, Debug)]
struct Rows {
    inputs: CtrInputs,
    clicks: Tensor<1>,
}

#[derive(Clone, Copy)]
struct RowBatcher {
    /// How the vectors of a row's tags become one.
    tags: Pooling,
}

impl Batcher<Row, Rows> for RowBatcher {
    fn batch(&self, rows: Vec<Row>, device: &Device) -> Rows {
        let (mut ids, mut ends) = (Vec::new(), Vec::new());
        for slot in rows.iter().flat_map(|row| &row.ids) {
            ids.extend(slot);
            ends.push(ids.len() as u32);
        }
        let pooling = [None, None, None, Some(self.tags)];
        let ids = FieldIds::from_lists(&ids, &ends, &pooling, device);
        let numbers = |of: fn(&Row) -> f32| {
            let numbers: Vec<f32> = rows.iter().map(of).collect();
            Tensor::<1>::from_data(numbers.as_slice(), device)
        };
        let prices = numbers(|row| row.price).unsqueeze_dim(1); // [B, 1]
        Rows {
            inputs: CtrInputs::new(ids).with_dense(Some(prices)),
            clicks: numbers(|row| row.click),
        }
    }
}

/// What Burn's `Learner` requires of a model, wrapped around ours.
#[derive(Module, Debug)]
struct Clicks<H> {
    model: CtrModel<H>,
}

impl<H: Head> Clicks<H> {
    fn evaluate(&self, rows: Rows) -> RegressionOutput {
        let logits = self.model.forward(rows.inputs);
        let loss = BceLoss::new(Reduction::Mean).forward(logits.clone(), rows.clicks.clone());
        RegressionOutput::new(loss, logits.unsqueeze_dim(1), rows.clicks.unsqueeze_dim(1))
    }

    /// The loss on rows that are kept apart.
    fn loss(&self, batcher: RowBatcher, device: &Device) -> f32 {
        let rows = batcher.batch(rows(500, 3000), device);
        self.evaluate(rows).loss.into_scalar()
    }
}

impl<H: Head> TrainStep for Clicks<H> {
    type Input = Rows;
    type Output = RegressionOutput;

    fn step(&self, rows: Rows) -> TrainOutput<RegressionOutput> {
        let output = self.evaluate(rows);
        TrainOutput::new(self, output.loss.backward(), output)
    }
}

impl<H: Head> InferenceStep for Clicks<H> {
    type Input = Rows;
    type Output = RegressionOutput;

    fn step(&self, rows: Rows) -> RegressionOutput {
        self.evaluate(rows)
    }
}

/// Random rows. The first tag or a high price makes a click, else two fields decide it together; nine times out
/// of ten.
fn rows(count: u64, start: u64) -> Vec<Row> {
    let row = |row: u64| {
        let draw = |i: u64| {
            let mut hash = DefaultHasher::new();
            (row, i).hash(&mut hash);
            hash.finish() as usize
        };
        let ids = [0, 1, 2].map(|field| draw(field as u64) % FIELD_SIZES[field]);
        let tags: Vec<u32> = (0..1 + draw(3) as u64 % 3)
            .map(|tag| (draw(4 + tag) % FIELD_SIZES[3]) as u32)
            .collect();
        let price = (draw(7) % 100) as f32 / 100.0;
        let click = tags.contains(&0) || price > 0.8 || (ids[0] < 15) == (ids[1] < 10);
        let noise = draw(8).is_multiple_of(10);
        let [a, b, c] = ids.map(|id| vec![id as u32]);
        Row {
            ids: [a, b, c, tags],
            price,
            click: f32::from(u8::from(click != noise)),
        }
    };
    (start..start + count).map(row).collect()
}

/// Trains a model on 3,000 rows, with what Burn logs in a directory.
fn train<H: Head + 'static>(
    model: Clicks<H>,
    batcher: RowBatcher,
    epochs: usize,
    directory: &Path,
) -> Clicks<H> {
    let builder = || DataLoaderBuilder::new(batcher).batch_size(64);
    let training = SupervisedTraining::new(
        directory,
        builder()
            .shuffle(2019)
            .build(InMemDataset::new(rows(3000, 0))),
        builder().build(InMemDataset::new(rows(500, 3000))),
    )
    .metric_train_numeric(LossMetric::new())
    .metric_valid_numeric(LossMetric::new())
    .num_epochs(epochs)
    .summary();
    let optimizer = AdamConfig::new().with_epsilon(1e-8).init();
    training.launch(Learner::new(model, optimizer, 1e-2)).model
}

/// Trains a model of one's own, and returns its loss in each step.
fn train_my_model(num_steps: usize, device: &Device) -> Vec<f32> {
    let rows = rows(500, 0);
    let ids: Vec<i64> = rows
        .iter()
        .flat_map(|row| row.ids[..3].iter().map(|ids| i64::from(ids[0])))
        .collect();
    let ids = Tensor::<1, Int>::from_data(ids.as_slice(), device).reshape([500, 3]);
    let clicks: Vec<f32> = rows.iter().map(|row| row.click).collect();
    let clicks = Tensor::<1>::from_data(clicks.as_slice(), device);
    let mut model = MyModel::new(FIELD_SIZES[..3].to_vec(), device);
    let mut optimizer = AdamConfig::new().with_epsilon(1e-8).init();
    let mut losses = Vec::new();
    for _ in 0..num_steps {
        let logits = model.forward(ids.clone());
        let loss = BceLoss::new(Reduction::Mean).forward(logits, clicks.clone());
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = optimizer.step(0.02, model, gradients);
        losses.push(loss.into_scalar());
    }
    losses
}

fn main() -> Result<(), Box<dyn Error>> {
    let device = Device::flex();
    println!(
        "kernels run on this device: {}",
        has_kernels(&device.clone().autodiff(), DType::F32)
    );
    device.seed(2019);
    let losses = train_my_model(50, &device.clone().autodiff());
    println!(
        "a model of one's own: log loss {:.4} before, {:.4} after 50 steps",
        losses[0], losses[49]
    );

    let fibinet = FiBiNetConfig::new(4, 8)
        .with_num_dense(1)
        .with_hidden_units(vec![32, 16]);
    let config = CtrModelConfig::new(fibinet);
    let model = Clicks {
        model: config.try_init(FIELD_SIZES.to_vec(), &device.clone().autodiff())?,
    };
    let batcher = RowBatcher {
        tags: Pooling::Mean,
    };
    let before = model.valid().loss(batcher, &device);
    let directory = std::env::temp_dir().join("fibinet-own-project");
    let model = train(model, batcher, 3, &directory);
    let after = model.valid().loss(batcher, &device);
    println!("log loss on 500 rows kept apart: {before:.4} before, {after:.4} after three epochs");
    // An example that stopped learning is a broken one. (The noise alone costs 0.325.)
    if after < 0.5 && losses[49] < losses[0] - 0.05 {
        return Ok(());
    }
    Err("training left the loss above 0.5".into())
}
