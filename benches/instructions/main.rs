//! One run of a kernel. `run.py` beside this file counts its instructions under callgrind and compares them
//! with the records in `counts.csv`:
//!
//! ```text
//! python3 benches/instructions/run.py            # exits with 1 if a count is 10% above its record
//! python3 benches/instructions/run.py --record   # after an intended change
//! ```
//!
//! Callgrind simulates the same processor on every machine with AVX2, without AVX-512, so the AVX2 path of the
//! kernels is counted. Everything runs on one thread. A run before the counted one fills caches and buffers.
//!
//! `cargo bench --bench instructions` lists the cases, and `-- CASE` runs one.

use std::hint::black_box;

use burn::module::{Initializer, Module, Param};
use burn::tensor::{Device, Int, Tensor, TensorData};
use fibinet::model::inputs::RowInputs;
use fibinet::model::tables::TableDtype;
use fibinet::nn::inputs::{FieldIds, FieldInputs, FieldSizes};
use fibinet::nn::layers::{
    BilinearKind, Combination, CombinationConfig, CombinationKind, FeatureEmbedding,
    FeatureEmbeddingConfig, PairProduct, PairProductConfig, PairProductKind,
};
use fibinet::nn::models::fibinet::{FiBiNet, FiBiNetConfig};
use fibinet::nn::models::{Head, HeadConfig, TablesConfig};
use fibinet::train::Trainer;
use fibinet::train::config::TrainConfig;
use fibinet::train::optim::{RowGradients, RowOptimizer, RowRule, Tables};
use fibinet_testing::criteo::{self, EMBEDDING_DIM, FIELDS};

/// Small, so that the matrix products, which belong to gemm, do not hide the pairs.
const HIDDEN: usize = 16;
/// Larger for a single row, whose product is computed by our own kernel.
const HIDDEN_OF_ONE_ROW: usize = 64;
/// Two chunks of the kernels.
const BATCH: usize = 128;
/// Batch rows of the run before the counted one, which takes the same path.
const WARM_UP_ROWS: usize = 8;
const FIELD_ROWS: usize = 100;

/// Callgrind counts instructions between the start and the end of this function.
#[inline(never)]
fn counted(work: &mut dyn FnMut()) {
    work();
    // Without anything after it, the call would become a jump.
    black_box(());
}

/// Prepares inputs and works on them: first with a few rows, and then, counted, with `num_rows`.
fn measure<T>(num_rows: usize, prepare: impl Fn(usize) -> T, mut work: impl FnMut(T)) {
    work(prepare(num_rows.min(WARM_UP_ROWS)));
    let mut input = Some(prepare(num_rows));
    counted(&mut || work(input.take().expect("the work runs once")));
}

/// Numbers in [-.1, .1), the same in every process.
fn numbers(len: usize) -> Vec<f32> {
    let draw = |i| fibinet::data::mix_seed(7, i) >> 40;
    (0..len as u64)
        .map(|i| (draw(i) as f32 / (1 << 23) as f32 - 1.0) / 10.0)
        .collect()
}

fn tensor<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    let len = shape.iter().product();
    Tensor::from_data(TensorData::new(numbers(len), shape), device)
}

const KINDS: [(&str, CombinationKind, BilinearKind); 4] = [
    (
        "hadamard",
        CombinationKind::NoneBilinear,
        BilinearKind::FieldAll,
    ),
    (
        "field_all",
        CombinationKind::BothBilinear,
        BilinearKind::FieldAll,
    ),
    (
        "field_each",
        CombinationKind::BothBilinear,
        BilinearKind::FieldEach,
    ),
    (
        "field_interaction",
        CombinationKind::BothBilinear,
        BilinearKind::FieldInteraction,
    ),
];

const RULES: [(&str, RowRule, TableDtype); 6] = [
    ("sgd", RowRule::Sgd, TableDtype::F32),
    ("adagrad", RowRule::Adagrad, TableDtype::F32),
    ("rowwise_adagrad", RowRule::RowwiseAdagrad, TableDtype::F32),
    ("lazy_adam", RowRule::LazyAdam, TableDtype::F32),
    ("exact_adam", RowRule::ExactAdam, TableDtype::F32),
    ("exact_adam_bf16", RowRule::ExactAdam, TableDtype::Bf16),
];

/// A forward pass from the fields' embeddings, or the backward pass after it from a gradient of ones.
fn pass<const D: usize>(
    num_rows: usize,
    device: &Device,
    forward: impl Fn(Tensor<3>) -> Tensor<D>,
) {
    let embeddings = |num_rows| tensor([num_rows, FIELDS, EMBEDDING_DIM], device);
    if device.is_autodiff() {
        measure(
            num_rows,
            |num_rows| forward(embeddings(num_rows).require_grad()),
            |output| drop(black_box(output.backward())),
        );
    } else {
        measure(num_rows, embeddings, |x| drop(black_box(forward(x))));
    }
}

/// The pairs of both sides, and nothing else.
fn pairs(combination: &Combination, device: &Device) {
    pass(BATCH, device, |x| combination.forward(x.clone(), x));
}

/// The inner products of all pairs.
fn inner_products(product: &PairProduct, device: &Device) {
    pass(BATCH, device, |x| product.forward(x));
}

/// The table rows of a batch, or their backward pass from a gradient of ones.
fn lookup(embedding: &FeatureEmbedding, device: &Device) {
    let ids = |num_rows| {
        let ids = batch(num_rows).ids.into_iter().map(i64::from).collect();
        let ids = TensorData::new::<i64, _>(ids, [num_rows, FIELDS]);
        FieldIds::new(Tensor::<2, Int>::from_data(ids, device))
    };
    let forward = |ids: FieldIds| embedding.forward(ids);
    if device.is_autodiff() {
        measure(
            BATCH,
            |num_rows| forward(ids(num_rows)),
            |output| drop(black_box(output.backward())),
        );
    } else {
        measure(BATCH, ids, |ids| drop(black_box(forward(ids))));
    }
}

/// A head with one hidden layer: SENET, and the pairs with the linear map.
fn linear(head: &FiBiNet, num_rows: usize, device: &Device) {
    pass(num_rows, device, |x| head.forward(FieldInputs::new(x)));
}

/// The config of a head with one hidden layer, without linear terms.
fn head(kind: BilinearKind, combination: CombinationKind, hidden: usize) -> FiBiNetConfig {
    FiBiNetConfig::new(FIELDS, EMBEDDING_DIM)
        .with_bilinear(kind)
        .with_combination(combination)
        .with_linear(false)
        .with_hidden_units(vec![hidden])
        // Drawing random weights would take callgrind longer than everything else.
        .with_dnn_initializer(Initializer::Constant { value: 0.01 })
}

fn sizes() -> FieldSizes {
    FieldSizes::new(vec![FIELD_ROWS; FIELDS]).expect("proper sizes")
}

/// One step of the row optimizer that touches every other row. The step before did not touch half of these, so
/// [`RowRule::ExactAdam`] has steps to replay.
fn row_optimizer(rule: RowRule, dtype: TableDtype) {
    let config = TablesConfig::new(EMBEDDING_DIM);
    let mut tables = Tables::new(&config, sizes(), 7, dtype).expect("a proper config");
    let mut optimizer = RowOptimizer::new(rule, &tables, 7);
    let gradients_of = |is_touched: &dyn Fn(usize) -> bool| {
        let all = 0..FIELDS * FIELD_ROWS;
        let rows: Vec<usize> = all.filter(|row| is_touched(*row)).collect();
        RowGradients {
            embedding: numbers(rows.len() * EMBEDDING_DIM),
            linear: numbers(rows.len()),
            rows,
        }
    };
    let even = gradients_of(&|row| row % 2 == 0);
    let quarter = gradients_of(&|row| row % 4 == 0);
    let mut step = |gradients| optimizer.step(&mut tables, gradients, 1e-3, 0.5);
    step(&even);
    step(&quarter);
    counted(&mut || step(&even));
}

/// A head with one weight, `[512, 1024]`, of which only the optimizer step costs anything.
#[derive(Module, Debug)]
struct Wide {
    weight: Param<Tensor<2>>,
}

impl Head for Wide {
    fn forward(&self, mut inputs: FieldInputs) -> Tensor<1> {
        let embeddings = inputs.take_embeddings();
        let [num_rows, ..] = embeddings.dims();
        let logits = embeddings.reshape([num_rows as i32, -1]).sum_dim(1);
        (logits + self.weight.val().sum().unsqueeze()).squeeze_dim(1)
    }
}

/// A batch with ids below [`FIELD_ROWS`].
fn batch(num_rows: usize) -> RowInputs {
    criteo::batch(11, num_rows, FIELD_ROWS)
}

/// One training step, with L2 and with a global gradient norm above its bound.
fn step<H: Head>(head: H, num_rows: usize, device: &Device) {
    let config = TablesConfig::new(EMBEDDING_DIM)
        .with_embedding_initializer(Initializer::Constant { value: 0.1 });
    let tables = Tables::new(&config, sizes(), 7, TableDtype::F32).expect("a proper config");
    let train = TrainConfig {
        net_l2: 1e-4,
        embedding_l2: 1e-4,
        max_gradient_norm: 1e-3,
        ..TrainConfig::default()
    };
    let train = train.validate().expect("proper settings");
    let mut trainer = Trainer::from_parts(tables, head, &train, device);
    measure(num_rows, batch, |rows| {
        black_box(trainer.step(&rows));
    });
}

/// All cases by name.
fn cases() -> Vec<(String, Box<dyn Fn()>)> {
    let mut cases: Vec<(String, Box<dyn Fn()>)> = Vec::new();
    let mut add = |name: String, run: Box<dyn Fn()>| cases.push((name, run));
    let autodiff = Device::flex().autodiff();
    let passes = [("forward", Device::flex()), ("backward", autodiff.clone())];
    for (pass, device) in passes.clone() {
        for (name, combination, kind) in KINDS {
            let config = CombinationConfig::new(FIELDS, EMBEDDING_DIM)
                .with_kind(combination)
                .with_bilinear_kind(kind);
            let device = device.clone();
            let run = move || pairs(&config.init(&device), &device);
            add(format!("pairs/{name}/{pass}"), Box::new(run));
        }
    }
    for (pass, device) in passes.clone() {
        let product = PairProductConfig::new(FIELDS).with_kind(PairProductKind::Inner);
        let embedding = FeatureEmbeddingConfig::new(vec![FIELD_ROWS; FIELDS], EMBEDDING_DIM)
            .with_initializer(Initializer::Constant { value: 0.1 });
        let on = device.clone();
        let run = move || inner_products(&product.init(&on), &on);
        add(format!("pairs/inner/{pass}"), Box::new(run));
        let run = move || lookup(&embedding.init(&device), &device);
        add(format!("table_rows/{pass}"), Box::new(run));
    }
    for (pass, device) in passes {
        for (name, combination, kind) in KINDS {
            let (config, device) = (head(kind, combination, HIDDEN), device.clone());
            let run = move || linear(&config.init(&device), BATCH, &device);
            add(format!("linear/{name}/{pass}"), Box::new(run));
        }
    }
    for (name, combination, kind) in KINDS {
        let config = head(kind, combination, HIDDEN_OF_ONE_ROW);
        let run = move || linear(&config.init(&Device::flex()), 1, &Device::flex());
        add(format!("linear/{name}/one_row"), Box::new(run));
    }
    for (name, rule, dtype) in RULES {
        let run = move || row_optimizer(rule, dtype);
        add(format!("rows/{name}"), Box::new(run));
    }
    let device = autodiff.clone();
    let run = move || {
        let weight = Param::from_tensor(tensor([512, 1024], &device).require_grad());
        step(Wide { weight }, 1, &device);
    };
    add("dense/adam".to_owned(), Box::new(run));
    let run = move || {
        let (kind, combination) = (BilinearKind::FieldEach, CombinationKind::BothBilinear);
        let head = head(kind, combination, HIDDEN).init(&autodiff);
        step(head, BATCH, &autodiff);
    };
    add("step/field_each".to_owned(), Box::new(run));
    cases
}

fn main() {
    // Skips the argument that Cargo adds (`--bench`).
    let named = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    let cases = cases();
    let Some(named) = named else {
        for (name, _) in cases {
            println!("{name}");
        }
        return;
    };
    let (_, run) = cases
        .iter()
        .find(|(name, _)| *name == named)
        .unwrap_or_else(|| panic!("there is no case `{named}`"));
    // Only this thread, because threads that wait for each other would be counted.
    rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .use_current_thread()
        .build_global()
        .expect("the first pool");
    #[cfg(target_arch = "x86_64")]
    println!(
        "avx2 {} fma {} avx512f {}",
        is_x86_feature_detected!("avx2"),
        is_x86_feature_detected!("fma"),
        is_x86_feature_detected!("avx512f")
    );
    Device::flex().seed(7);
    run();
}
