//! Training by table rows against dense training through the module, and backends against each other.

use burn::module::{Initializer, Module, ModuleMapper, Param};
use burn::optim::{AdamConfig, GradientsParams, SgdConfig};
use burn::tensor::{Device, Tensor, TensorData};
use fibinet::data::shards::Pooling;
use fibinet::model::inputs::{RowInputs, SlotLists};
use fibinet::nn::inputs::FieldSizes;
use fibinet::nn::loss::{BceLoss, Reduction};
use fibinet::nn::models::fibinet::{FiBiNet, FiBiNetConfig};
use fibinet::nn::models::{CtrModel, CtrModelConfig, TablesConfig};
use fibinet::train::Trainer;
use fibinet::train::config::{RowUpdate, TrainConfig};
use fibinet::train::optim::{DenseOptimizer, RowRule, Tables, clip_by_global_norm};
use fibinet_testing::{assert_close, cpu_devices, skipped, to_vec};

const FIELD_SIZES: [usize; 4] = [5, 7, 1, 3];
const ROWS: usize = 16;
/// The seed of the weights. None of their gradients is almost zero, which the tests that need it assert.
const SEED: u64 = 40;

fn config() -> CtrModelConfig<FiBiNetConfig> {
    let head = FiBiNetConfig::new(FIELD_SIZES.len(), 3)
        .with_hidden_units(vec![8, 4])
        .with_bias(true);
    let tables = TablesConfig::new(3)
        .with_padding(true)
        // Weights that are large enough for large gradients.
        .with_embedding_initializer(Initializer::Normal {
            mean: 0.0,
            std: 0.5,
        });
    CtrModelConfig { tables, head }
}

/// A model whose weights are the same in every run. Burn draws from a state of the whole process, which other
/// tests draw from as well.
fn model(device: &Device) -> CtrModel<FiBiNet> {
    /// Draws uniformly from [-.6, .6), and keeps zeros.
    struct Draw(u64);
    impl ModuleMapper for Draw {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            self.0 += 1;
            let seed = self.0;
            param.map(|tensor| {
                let (shape, device) = (tensor.dims(), tensor.device());
                let draw = |i| (fibinet::data::mix_seed(seed, i) >> 40) as f32 / (1 << 24) as f32;
                let drawn = (0..).zip(to_vec(tensor)).map(|(i, old)| match old {
                    0.0 => 0.0,
                    _ => 1.2 * draw(i) - 0.6,
                });
                let drawn = TensorData::new(drawn.collect::<Vec<f32>>(), shape);
                Tensor::from_data(drawn, &device).require_grad()
            })
        }
    }
    config()
        .init(FIELD_SIZES.to_vec(), device)
        .map(&mut Draw(SEED))
}

/// The batch of a step. The third field is numeric: a value that multiplies its embedding.
fn rows(step: usize) -> RowInputs {
    let slots = (0..ROWS).flat_map(|row| (0..FIELD_SIZES.len()).map(move |field| (row, field)));
    let ids = slots.clone().map(|(row, field)| {
        let draw = (row * 7 + field * 13 + step * 5) % 101;
        (draw % FIELD_SIZES[field]) as u32
    });
    let values = slots.map(|(row, field)| match field {
        2 => (row as f32 - 8.0) / 4.0,
        _ => 1.0,
    });
    RowInputs {
        ids: ids.collect(),
        values: Some(values.collect()),
        dense: None,
        labels: (0..ROWS)
            .map(|row| f32::from(u8::from((row + step).is_multiple_of(3))))
            .collect(),
        num_rows: ROWS,
        lists: None,
    }
}

fn forward(model: &CtrModel<FiBiNet>, rows: &RowInputs, device: &Device) -> Tensor<1> {
    model.forward(rows.field_ids(device))
}

fn tables(model: &CtrModel<FiBiNet>) -> Tables {
    let embedding = model.embedding.as_ref().expect("embeddings");
    let linear = model.linear.as_ref().expect("a linear part");
    Tables {
        embedding: to_vec(embedding.weight.val().inner()).into(),
        linear: Some(to_vec(linear.weight.val().inner())),
        sizes: FieldSizes::new(FIELD_SIZES.to_vec()).expect("sizes"),
        embedding_dim: 3,
        padding: true,
    }
}

/// The gradients of the module's loss on a batch, tables included.
fn gradients(model: &CtrModel<FiBiNet>, rows: &RowInputs, device: &Device) -> GradientsParams {
    let labels = Tensor::from_data(rows.labels.as_slice(), device);
    let loss = BceLoss::new(Reduction::Mean).forward(forward(model, rows, device), labels);
    GradientsParams::from_grads(loss.backward(), model)
}

/// The rows of [`rows`], with a list of one to three ids in the first, second and last field.
fn lists(step: usize) -> RowInputs {
    let single = rows(step);
    let (mut ids, mut ends) = (Vec::new(), Vec::new());
    for (slot, id) in single.ids.iter().copied().enumerate() {
        let (row, field) = (slot / FIELD_SIZES.len(), slot % FIELD_SIZES.len());
        let length = if field == 2 { 1 } else { 1 + (row + field) % 3 };
        ids.extend((0..length).map(|i| (id as usize + 2 * i) as u32 % FIELD_SIZES[field] as u32));
        ends.push(ids.len() as u32);
    }
    let pooling = [
        Some(Pooling::Mean),
        Some(Pooling::Max),
        None,
        Some(Pooling::Sum),
    ];
    RowInputs {
        ids,
        lists: Some(SlotLists {
            ends,
            pooling: pooling.into(),
        }),
        ..single
    }
}

#[test]
fn sgd_by_rows_gives_the_weights_of_dense_sgd_through_the_module() {
    dense_sgd(rows, 30);
}

#[test]
fn sgd_by_rows_on_lists_of_ids_gives_the_weights_of_dense_sgd_through_the_module() {
    // Not every id of a list is the maximum of its slot.
    dense_sgd(lists, 20);
}

/// Twenty steps of both, in which more than `num_moved` weights of the table move.
fn dense_sgd(rows: fn(usize) -> RowInputs, num_moved: usize) {
    const RATE: f64 = 1.0;
    const MAX_NORM: f64 = 0.1;
    for (backend, device) in cpu_devices() {
        let mut model = model(&device);
        let before = tables(&model);
        let train = TrainConfig {
            learning_rate: RATE,
            optimizer: DenseOptimizer::Sgd,
            row_optimizer: RowRule::Sgd,
            row_update: RowUpdate::Touched,
            max_gradient_norm: MAX_NORM,
            ..TrainConfig::default()
        };
        let train = train.validate().expect("proper settings");
        let mut trainer = Trainer::from_parts(before.clone(), model.head.clone(), &train, &device);
        let mut dense = SgdConfig::new().init();
        let mut clipped = 0;
        for step in 0..20 {
            let rows = rows(step);
            trainer.step(&rows);

            let mut gradients = gradients(&model, &rows, &device);
            let norm = clip_by_global_norm(&model, &mut gradients, MAX_NORM);
            clipped += usize::from(norm > MAX_NORM);
            model = dense.step(RATE, model, gradients);
        }
        assert!(clipped > 0, "no step was clipped");
        let expected = tables(&model);
        assert_close(
            &trainer.current_tables().embedding.to_f32(),
            &expected.embedding.to_f32(),
            (1e-5, 0.0),
            backend,
        );
        let linear = |tables: &Tables| tables.linear.clone().expect("a linear part");
        assert_close(
            &linear(&trainer.current_tables()),
            &linear(&expected),
            (1e-5, 0.0),
            backend,
        );
        let (before, expected) = (before.embedding.to_f32(), expected.embedding.to_f32());
        let moved = before.iter().zip(&expected);
        let moved = moved.filter(|(b, e)| (*b - *e).abs() > 1e-3).count();
        assert!(moved > num_moved, "{moved} weights moved");
        // Both heads give the same logits on the same tables.
        let by_rows = CtrModel {
            head: trainer.head().clone(),
            ..model.clone()
        };
        let rows = rows(99);
        let actual = to_vec(forward(&by_rows, &rows, &device));
        assert_close(
            &actual,
            &to_vec(forward(&model, &rows, &device)),
            (1e-5, 0.0),
            backend,
        );
    }
}

#[test]
fn adam_over_all_rows_gives_the_weights_of_dense_adam_through_the_module() {
    dense_adam(RowRule::LazyAdam, RowUpdate::All);
}

#[test]
fn exact_adam_of_the_touched_rows_gives_the_weights_of_dense_adam_through_the_module() {
    dense_adam(RowRule::ExactAdam, RowUpdate::Touched);
}

fn dense_adam(row_optimizer: RowRule, row_update: RowUpdate) {
    const RATE: f64 = 0.01;
    for (backend, device) in cpu_devices() {
        let mut model = model(&device);
        let train = TrainConfig {
            learning_rate: RATE,
            row_optimizer,
            row_update,
            max_gradient_norm: 0.0,
            ..TrainConfig::default()
        };
        let train = train.validate().expect("proper settings");
        let before = tables(&model);
        let num_weights = before.embedding.as_slice().len();
        let mut trainer = Trainer::from_parts(before, model.head.clone(), &train, &device);
        let mut dense = AdamConfig::new().with_epsilon(1e-8).init();
        let mut first_gradients = vec![0.0; num_weights];
        for step in 0..20 {
            let rows = rows(step);
            trainer.step(&rows);
            let gradients = gradients(&model, &rows, &device);
            let table = model.embedding.as_ref().expect("embeddings");
            let id = table.weight.id;
            let of_embedding = to_vec(gradients.get::<2>(id).expect("a gradient of the embedding"));
            for (first, gradient) in first_gradients.iter_mut().zip(of_embedding) {
                if *first == 0.0 {
                    *first = gradient.abs();
                }
            }
            model = dense.step(RATE, model, gradients);
            // Scoring changes nothing.
            trainer.score(&trainer.valid_head(), &rows);
        }
        // Adam's first step is the learning rate, however small the gradient is. If a gradient were almost zero,
        // its last bits would decide, and both ways of training would part. None is.
        let first = first_gradients
            .into_iter()
            .filter(|gradient| *gradient > 0.0);
        let (touched, least) = first.fold((0, f32::MAX), |(touched, least), gradient| {
            (touched + 1, least.min(gradient))
        });
        assert!(
            touched > 30 && least > 5e-5,
            "{touched} weights, from {least}"
        );
        let expected = tables(&model);
        assert_close(
            &trainer.current_tables().embedding.to_f32(),
            &expected.embedding.to_f32(),
            (5e-6, 0.0),
            backend,
        );
        let rows = rows(99);
        let by_module = to_vec(forward(&model, &rows, &device));
        let scored = trainer.score(&trainer.valid_head(), &rows);
        assert_close(&scored, &by_module, (2e-5, 0.0), backend);
    }
}

#[test]
fn scoring_and_reading_the_tables_between_steps_change_no_bit() {
    for (backend, device) in cpu_devices() {
        let model = model(&device);
        let train = TrainConfig {
            row_optimizer: RowRule::ExactAdam,
            row_update: RowUpdate::Touched,
            ..TrainConfig::default()
        };
        let train = train.validate().expect("proper settings");
        let trained = |reads: bool| {
            let head = model.head.clone();
            let mut trainer = Trainer::from_parts(tables(&model), head, &train, &device);
            for step in 0..30 {
                // Two batch rows per step, so that most table rows are stale.
                let mut small = rows(step);
                small.ids.truncate(2 * FIELD_SIZES.len());
                small.values = small
                    .values
                    .map(|values| values[..small.ids.len()].to_vec());
                small.labels.truncate(2);
                small.num_rows = 2;
                trainer.step(&small);
                if reads {
                    let head = trainer.valid_head();
                    assert_eq!(trainer.score(&head, &rows(99)).len(), ROWS);
                    let current = trainer.current_tables();
                    let some_are_stale = step > 3;
                    let same = current.embedding.as_slice() == trainer.view().embedding;
                    assert!(!some_are_stale || !same);
                }
            }
            trainer.current_tables()
        };
        let (read, not_read) = (trained(true), trained(false));
        assert_eq!(read.embedding, not_read.embedding, "{backend}");
        assert_eq!(read.linear, not_read.linear, "{backend}");
    }
}

#[test]
fn training_by_rows_fits_a_batch() {
    for (_, device) in cpu_devices() {
        let config = config();
        let sizes = FieldSizes::new(FIELD_SIZES.to_vec()).expect("sizes");
        let train = TrainConfig {
            learning_rate: 0.02,
            ..TrainConfig::default()
        };
        let train = train.validate().expect("proper settings");
        let mut trainer = Trainer::new(&config, sizes, &train, &device).expect("a proper config");
        let rows = rows(1);
        let first = trainer.step(&rows);
        let last = (0..200).fold(first, |_, _| trainer.step(&rows));
        assert!(last < 0.1 * first, "the loss went from {first} to {last}");
        let padding = trainer.current_tables().embedding.to_f32()[..3]
            .iter()
            .all(|weight| *weight == 0.0);
        assert!(padding, "the padding row moved");
    }
}

#[test]
fn flex_and_ndarray_agree_on_logits() {
    let devices = cpu_devices();
    let [(_, flex), (_, ndarray)] = &devices[..] else {
        skipped("flex beside ndarray", "this build has not both");
        return;
    };
    let model = model(flex);
    let mut moved = config().init(FIELD_SIZES.to_vec(), ndarray);
    let copy = |weight: &Param<Tensor<2>>| {
        Param::from_tensor(Tensor::from_data(weight.val().into_data(), ndarray))
    };
    if let (Some(to), Some(from)) = (&mut moved.embedding, &model.embedding) {
        to.weight = copy(&from.weight);
    }
    moved.head = Module::to_device(model.head.clone(), ndarray);
    if let (Some(moved), Some(linear)) = (&mut moved.linear, &model.linear) {
        moved.weight = copy(&linear.weight);
    }
    let rows = rows(3);
    let expected = to_vec(forward(&model, &rows, flex));
    assert_close(
        &to_vec(forward(&moved, &rows, ndarray)),
        &expected,
        (1e-4, 0.0),
        "ndarray",
    );
    let spread = expected
        .iter()
        .fold(0.0_f32, |spread, z| spread.max(z.abs()));
    assert!(spread > 0.01, "logits are far from zero: {expected:?}");
}
