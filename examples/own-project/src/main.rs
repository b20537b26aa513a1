//! A whole FiBiNET, an ordinary Burn module, trained by Burn's own `Learner`.

use std::error::Error;
use std::hash::{DefaultHasher, Hash, Hasher};

use burn::data::dataloader::DataLoaderBuilder;
use burn::data::dataloader::batcher::Batcher;
use burn::data::dataset::InMemDataset;
use burn::module::Module;
use burn::optim::AdamConfig;
use burn::tensor::{Device, Int, Tensor};
use burn::train::metric::LossMetric;
use burn::train::{
    InferenceStep, Learner, RegressionOutput, SupervisedTraining, TrainOutput, TrainStep,
};
use fibinet_nn::backend::Backend;
use fibinet_nn::inputs::FieldIds;
use fibinet_nn::loss::{BceLoss, Reduction};
use fibinet_nn::models::fibinet::{FiBiNet, FiBiNetConfig};
use fibinet_nn::models::{CtrModel, CtrModelConfig};

const FIELD_SIZES: [usize; 4] = [30, 20, 10, 5];

#[derive(Clone, Debug)]
struct Row {
    ids: [i64; 4],
    click: f32,
}

#[derive(Clone, Debug)]
struct Rows {
    ids: Tensor<2, Int>,
    clicks: Tensor<1>,
}

struct RowBatcher;

impl Batcher<Row, Rows> for RowBatcher {
    fn batch(&self, rows: Vec<Row>, device: &Device) -> Rows {
        let ids: Vec<i64> = rows.iter().flat_map(|row| row.ids).collect();
        let clicks: Vec<f32> = rows.iter().map(|row| row.click).collect();
        Rows {
            ids: Tensor::<1, Int>::from_data(ids.as_slice(), device).reshape([rows.len(), 4]),
            clicks: Tensor::from_data(clicks.as_slice(), device),
        }
    }
}

/// What Burn's `Learner` requires of a model, wrapped around ours.
#[derive(Module, Debug)]
struct Clicks {
    model: CtrModel<FiBiNet>,
}

impl Clicks {
    fn evaluate(&self, rows: Rows) -> RegressionOutput {
        let logits = self.model.forward(FieldIds::new(rows.ids));
        let loss = BceLoss::new(Reduction::Mean).forward(logits.clone(), rows.clicks.clone());
        RegressionOutput::new(loss, logits.unsqueeze_dim(1), rows.clicks.unsqueeze_dim(1))
    }
}

impl TrainStep for Clicks {
    type Input = Rows;
    type Output = RegressionOutput;

    fn step(&self, rows: Rows) -> TrainOutput<RegressionOutput> {
        let output = self.evaluate(rows);
        TrainOutput::new(self, output.loss.backward(), output)
    }
}

impl InferenceStep for Clicks {
    type Input = Rows;
    type Output = RegressionOutput;

    fn step(&self, rows: Rows) -> RegressionOutput {
        self.evaluate(rows)
    }
}

/// Random rows in which two fields decide the click together, nine times out of ten.
fn rows(count: u64, start: u64) -> Vec<Row> {
    let row = |row: u64| {
        let draw = |i: u64| {
            let mut hash = DefaultHasher::new();
            (row, i).hash(&mut hash);
            hash.finish() as usize
        };
        let ids = [0, 1, 2, 3].map(|field| draw(field as u64) % FIELD_SIZES[field]);
        let noise = draw(4).is_multiple_of(10);
        let click = ((ids[0] < 15) == (ids[1] < 10)) != noise;
        Row {
            ids: ids.map(|id| id as i64),
            click: f32::from(u8::from(click)),
        }
    };
    (start..start + count).map(row).collect()
}

fn loss(model: &Clicks, device: &Device) -> f32 {
    let rows = RowBatcher.batch(rows(500, 3000), device);
    model.evaluate(rows).loss.into_scalar()
}

fn main() -> Result<(), Box<dyn Error>> {
    println!(
        "backends that fibinet-nn was told of: {}",
        Backend::compiled().count()
    );
    let device = Device::flex();
    device.seed(2019);
    let fibinet = FiBiNetConfig::new(4, 8).with_hidden_units(vec![32, 16]);
    let config = CtrModelConfig::new(fibinet);
    let model = Clicks {
        model: config.try_init(FIELD_SIZES.to_vec(), &device.clone().autodiff())?,
    };
    let before = loss(&model.valid(), &device);

    let loader = |rows, shuffle| {
        let dataset = InMemDataset::new(rows);
        let builder = DataLoaderBuilder::new(RowBatcher).batch_size(64);
        match shuffle {
            true => builder.shuffle(2019).build(dataset),
            false => builder.build(dataset),
        }
    };
    let directory = std::env::temp_dir().join("fibinet-own-project");
    let training = SupervisedTraining::new(
        &directory,
        loader(rows(3000, 0), true),
        loader(rows(500, 3000), false),
    )
    .metric_train_numeric(LossMetric::new())
    .metric_valid_numeric(LossMetric::new())
    .num_epochs(3)
    .summary();
    let optimizer = AdamConfig::new().with_epsilon(1e-8).init();
    let result = training.launch(Learner::new(model, optimizer, 1e-2));

    let after = loss(&result.model.valid(), &device);
    println!("log loss on 500 rows kept apart: {before:.4} before, {after:.4} after three epochs");
    // An example that stopped learning is a broken one. (The noise alone costs 0.325.)
    if after < 0.5 {
        return Ok(());
    }
    Err("training left the loss above 0.5".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::module::Param;
    use fibinet_nn::layers::{BilinearInteractionConfig, BilinearKind, SenetConfig};

    /// The numbers are worked by hand in the layers' own tests.
    #[test]
    fn layers_give_the_right_numbers_on_a_backend_they_do_not_know() {
        assert_eq!(
            Backend::compiled().count(),
            0,
            "fibinet-nn has a backend feature on"
        );
        let device = Device::flex();
        let x = Tensor::<3>::from_data([[[0.0, 2.0], [3.0, 3.0], [-3.0, -1.0]]], &device);
        let mut senet = SenetConfig::new(3).init(&device);
        let weight = Tensor::from_data([[1.0], [1.0], [1.0]], &device);
        senet.reduce.weight = Param::from_tensor(weight);
        senet.expand.weight = Param::from_tensor(Tensor::from_data([[1.0, -1.0, 2.0]], &device));
        let y: Vec<f32> = senet.forward(x).into_data().try_to_vec().expect("f32");
        assert_eq!(y, [0.0, 4.0, 0.0, 0.0, -12.0, -4.0]);

        let x = Tensor::<3>::from_data([[[1.0, 2.0], [3.0, -1.0], [0.0, 4.0]]], &device);
        let mut bilinear = BilinearInteractionConfig::new(3, 2)
            .with_kind(BilinearKind::FieldAll)
            .init(&device);
        let weight = Tensor::from_data([[[1.0, 1.0], [0.0, 2.0]]], &device);
        bilinear.weight = Param::from_tensor(weight);
        let y: Vec<f32> = bilinear.forward(x).into_data().try_to_vec().expect("f32");
        assert_eq!(y, [3.0, -5.0, 0.0, 20.0, 0.0, 4.0]);
    }
}
