//! One run of a kernel, for `run.py` beside this file, which counts its instructions under callgrind
//! and holds them against `counts.csv`:
//!
//! ```text
//! python3 benches/instructions/run.py            # exit 1 where a count is 10% above its record
//! python3 benches/instructions/run.py --record   # after a change that is meant
//! ```
//!
//! Callgrind's processor is the same on each machine that has AVX2, and has no AVX-512: what is
//! counted is the kernels' AVX2 path. Everything runs on one thread. A run before the one that is
//! counted fills what is filled once.
//!
//! `cargo bench --bench instructions` names the cases, and `-- CASE` runs one.

use std::hint::black_box;

use burn::module::{Initializer, Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use fibinet::model::{RowInputs, TableDtype};
use fibinet::nn::{
    BilinearKind, Combination, CombinationConfig, CombinationKind, FiBiNet, FiBiNetConfig,
    FieldInputs, FieldSizes, Head, TablesConfig,
};
use fibinet::train::{RowGradients, RowOptimizer, RowRule, Tables, TrainConfig, Trainer};

#[expect(dead_code, reason = "each bench has its part of it")]
#[path = "../criteo/mod.rs"]
mod criteo;

use criteo::{EMBEDDING_DIM, FIELDS};

/// So few that matrix products, which are gemm's, leave the pairs a share that shows.
const HIDDEN: usize = 16;
/// More for a single row, whose product is the kernel's own.
const HIDDEN_OF_ONE_ROW: usize = 64;
/// Two of the kernels' chunks.
const BATCH: usize = 128;
/// Rows of the run before, which takes the same path.
const FEW: usize = 8;
const FIELD_ROWS: usize = 100;

/// What the instructions are counted of: callgrind collects between its start and its end.
#[inline(never)]
fn counted(work: &mut dyn FnMut()) {
    work();
    // Something after it, or this is a jump and no call.
    black_box(());
}

/// Works on what is made ready for it, on a few rows and then on `num_rows`, which counts.
fn measure<T>(num_rows: usize, ready: impl Fn(usize) -> T, mut work: impl FnMut(T)) {
    work(ready(num_rows.min(FEW)));
    let mut input = Some(ready(num_rows));
    counted(&mut || work(input.take().expect("it is run once")));
}

/// Numbers in [-.1, .1), the same in each process.
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

/// A forward pass from the fields' vectors, or the backward pass after it, of a gradient of ones.
fn pass<const D: usize>(
    num_rows: usize,
    device: &Device,
    forward: impl Fn(Tensor<3>) -> Tensor<D>,
) {
    let embeddings = |num_rows| tensor([num_rows, FIELDS, EMBEDDING_DIM], device);
    match device.is_autodiff() {
        true => measure(
            num_rows,
            |num_rows| forward(embeddings(num_rows).require_grad()),
            |output| drop(black_box(output.backward())),
        ),
        false => measure(num_rows, embeddings, |x| drop(black_box(forward(x)))),
    }
}

/// Both sides' pairs, and nothing else.
fn pairs(combination: &Combination, device: &Device) {
    pass(BATCH, device, |x| combination.forward(x.clone(), x));
}

/// The head with one hidden layer: SENET, and the pairs to the layer's outputs.
fn linear(head: &FiBiNet, num_rows: usize, device: &Device) {
    pass(num_rows, device, |x| head.forward(FieldInputs::new(x)));
}

/// A head with one hidden layer, without the linear part.
fn head(kind: BilinearKind, combination: CombinationKind, hidden: usize) -> FiBiNetConfig {
    FiBiNetConfig::new(FIELDS, EMBEDDING_DIM)
        .with_bilinear(kind)
        .with_combination(combination)
        .with_linear(false)
        .with_hidden_units(vec![hidden])
        // To draw it would take callgrind longer than all else.
        .with_dnn_initializer(Initializer::Constant { value: 0.01 })
}

fn sizes() -> FieldSizes {
    FieldSizes::new(vec![FIELD_ROWS; FIELDS]).expect("proper sizes")
}

/// One step of the row optimizer that meets every other row. Half of these were not met by the step
/// before, so that [`RowRule::ExactAdam`] has steps to make good.
fn row_optimizer(rule: RowRule, dtype: TableDtype) {
    let config = TablesConfig::new(EMBEDDING_DIM);
    let mut tables = Tables::new(&config, sizes(), 7, dtype).expect("a proper config");
    let mut optimizer = RowOptimizer::new(rule, &tables, 7);
    let met = |rows: &dyn Fn(usize) -> bool| {
        let rows: Vec<usize> = (0..FIELDS * FIELD_ROWS).filter(|row| rows(*row)).collect();
        RowGradients {
            embedding: numbers(rows.len() * EMBEDDING_DIM),
            linear: numbers(rows.len()),
            rows,
        }
    };
    let (even, quarter) = (met(&|row| row % 2 == 0), met(&|row| row % 4 == 0));
    let mut step = |gradients| optimizer.step(&mut tables, gradients, 1e-3, 0.5);
    step(&even);
    step(&quarter);
    counted(&mut || step(&even));
}

/// A head of one weight, `[512, 1024]`, that costs next to nothing but for its optimizer.
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

/// A batch of ids below [`FIELD_ROWS`].
fn batch(num_rows: usize) -> RowInputs {
    criteo::batch(11, num_rows, FIELD_ROWS)
}

/// One step of training. The gradients have L2, and a global norm that is above its bound.
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

/// The cases by name.
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
    // Without Cargo's own (`--bench`).
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
        .unwrap_or_else(|| panic!("no case {named}"));
    // This thread alone, so that none waits for another in a loop that is counted.
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
