//! The same training on every device.

use burn::module::{Module, ModuleMapper, Param};
use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Int, Tensor, TensorData};
use fibinet_model::inputs::RowInputs;
use fibinet_model::tables::TableDtype;
use fibinet_nn::inputs::{FieldIds, FieldSizes};
use fibinet_nn::layers::{
    BilinearInteraction, BilinearInteractionConfig, BilinearKind, FeatureEmbedding,
    FeatureEmbeddingConfig, num_pairs,
};
use fibinet_nn::loss::{BceLoss, Reduction};
use fibinet_nn::models::fibinet::FiBiNetConfig;
use fibinet_nn::models::{HeadConfig, TablesConfig};
use fibinet_testing::test_devices;
use fibinet_train::Trainer;
use fibinet_train::config::TrainConfig;
use fibinet_train::optim::Tables;

const NUM_FIELDS: usize = 4;
const EMBEDDING_DIM: usize = 4;
const ROWS_PER_FIELD: usize = 8;
const BATCH: usize = 32;
const STEPS: usize = 20;

/// The fractions of the multiples of the golden ratio, moved to `[-.5, .5)`: the same on every device.
fn numbers(count: usize) -> Vec<f32> {
    let fractions = (1..=count).map(|n| (n as f32 * 0.618_034).fract() - 0.5);
    fractions.collect()
}

/// Replaces every weight.
struct Fill;

impl ModuleMapper for Fill {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|weights| {
            let numbers = numbers(weights.shape().num_elements());
            let numbers = TensorData::new(numbers, weights.shape());
            let numbers = Tensor::from_data(numbers, &weights.device());
            numbers.set_require_grad(weights.is_require_grad())
        })
    }
}

/// Rows whose label their first field tells.
fn batch(step: usize) -> RowInputs {
    let ids = (0..BATCH * NUM_FIELDS).map(|at| (at * 7 + step * 5 + at / 3) % ROWS_PER_FIELD);
    let ids: Vec<u32> = ids.map(|id| id as u32).collect();
    let clicked = ids.chunks_exact(NUM_FIELDS).map(|row| row[0] < 3);
    RowInputs {
        labels: clicked
            .map(|clicked| f32::from(u8::from(clicked)))
            .collect(),
        ids,
        num_rows: BATCH,
        ..RowInputs::default()
    }
}

/// The losses of a FiBiNET that trains for some steps.
fn losses(kind: BilinearKind, device: &Device) -> Vec<f32> {
    let config = FiBiNetConfig::new(NUM_FIELDS, EMBEDDING_DIM)
        .with_bilinear(kind)
        .with_hidden_units(vec![8]);
    let sizes = FieldSizes::new(vec![ROWS_PER_FIELD; NUM_FIELDS]).expect("proper sizes");
    let tables = TablesConfig::new(EMBEDDING_DIM);
    let tables = Tables::new(&tables, sizes, 1, TableDtype::F32).expect("proper initializers");
    let train = TrainConfig {
        learning_rate: 0.01,
        ..TrainConfig::default()
    };
    let train = train.validate().expect("proper settings");
    let head = config.init(device).map(&mut Fill);
    let mut trainer = Trainer::from_parts(tables, head, &train, device);
    (0..STEPS).map(|step| trainer.step(&batch(step))).collect()
}

/// A model of one's own: embeddings, the pairs of one side with the map behind them, and an output.
#[derive(Module, Debug)]
struct Composed {
    embedding: FeatureEmbedding,
    bilinear: BilinearInteraction,
    hidden: Linear,
    output: Linear,
}

impl Composed {
    fn forward(&self, ids: Tensor<2, Int>) -> Tensor<1> {
        let embeddings = self.embedding.forward(FieldIds::new(ids));
        let hidden = self.bilinear.forward_linear(embeddings, None, &self.hidden);
        self.output.forward(relu(hidden)).squeeze_dim(1)
    }
}

/// The losses of a composed model that trains for some steps.
fn losses_of_composed(kind: BilinearKind, device: &Device) -> Vec<f32> {
    let bilinear = BilinearInteractionConfig::new(NUM_FIELDS, EMBEDDING_DIM).with_kind(kind);
    let num_columns = num_pairs(NUM_FIELDS) * EMBEDDING_DIM;
    let field_sizes = vec![ROWS_PER_FIELD; NUM_FIELDS];
    let model = Composed {
        embedding: FeatureEmbeddingConfig::new(field_sizes, EMBEDDING_DIM).init(device),
        bilinear: bilinear.init(device),
        hidden: LinearConfig::new(num_columns, 8).init(device),
        output: LinearConfig::new(8, 1).init(device),
    };
    let mut model = model.map(&mut Fill);
    let mut optimizer = AdamConfig::new().init();
    let mut losses = Vec::new();
    for step in 0..STEPS {
        let RowInputs { ids, labels, .. } = batch(step);
        let ids = ids.into_iter().map(i64::from).collect();
        let ids = TensorData::new::<i64, _>(ids, [BATCH, NUM_FIELDS]);
        let logits = model.forward(Tensor::from_data(ids, device));
        let labels = Tensor::<1>::from_data(labels.as_slice(), device);
        let loss = BceLoss::new(Reduction::Mean).forward(logits, labels);
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = optimizer.step(0.05, model, gradients);
        losses.push(loss.into_scalar::<f32>());
    }
    losses
}

/// Trains on every device, twice.
fn assert_losses_follow(losses: impl Fn(BilinearKind, &Device) -> Vec<f32>) {
    for kind in [
        BilinearKind::FieldAll,
        BilinearKind::FieldEach,
        BilinearKind::FieldInteraction,
    ] {
        let devices = test_devices();
        let expected = losses(kind, &devices[0].1);
        assert!(expected[STEPS - 1] < 0.95 * expected[0], "{expected:?}");
        for (backend, device) in &devices {
            let losses_here = losses(kind, device);
            for (step, (loss, expected)) in losses_here.iter().zip(&expected).enumerate() {
                let difference = (loss - expected).abs();
                assert!(
                    difference < 1e-3,
                    "{backend}, {kind}, step {step}: {loss}, {expected}"
                );
            }
            assert_eq!(losses(kind, device), losses_here, "{backend}, {kind}");
        }
    }
}

#[test]
fn losses_follow_those_of_the_first_device_and_a_second_run_has_the_same_bits() {
    assert_losses_follow(losses);
}

#[test]
fn so_do_those_of_a_composed_model() {
    assert_losses_follow(losses_of_composed);
}
