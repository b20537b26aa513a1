//! The same training on every device.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, Tensor, TensorData};
use fibinet_model::inputs::RowInputs;
use fibinet_model::tables::TableDtype;
use fibinet_nn::inputs::FieldSizes;
use fibinet_nn::layers::BilinearKind;
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
            let (shape, device) = (weights.shape(), weights.device());
            let numbers = numbers(shape.num_elements());
            let numbers = TensorData::new(numbers, shape);
            Tensor::from_data(numbers, &device.inner()).to_device(&weights.device())
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

#[test]
fn losses_follow_those_of_the_first_device_and_a_second_run_has_the_same_bits() {
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
