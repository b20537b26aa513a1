//! Training speed at Criteo's shape, by bilinear kind, against the floor of the DNN's matrix
//! products alone, measured in the same run.
//!
//! `cargo bench --bench training [-- STEPS] [KIND]`; F = 39, K = 10, 400×3, batch 2,048, V = 1M, Adam;
//! every kind, or the one named.
//!
//! `cargo bench --bench training -- vocabulary [STEPS]`: a step by the vocabulary, with ids of one subset
//! of 100k rows scattered over the tables, and by row optimizer, turn by turn in one process.

use std::time::{Duration, Instant};

use burn::tensor::{Device, Distribution, Tensor};
use fibinet::nn::{Backend, BilinearKind, FiBiNetConfig, FieldSizes};
use fibinet::serve::RowInputs;
use fibinet::train::{RowRule, TrainConfig, Trainer};

mod criteo;

use criteo::{BATCH, EMBEDDING_DIM, FIELD_ROWS, FIELDS, HIDDEN, dnn_widths, median};

fn rows(step: usize) -> RowInputs {
    let draw = |i: usize| fibinet::data::mix_seed(step as u64, i as u64) as usize;
    RowInputs {
        ids: (0..BATCH * FIELDS)
            .map(|i| (draw(i) % FIELD_ROWS) as u32)
            .collect(),
        values: None,
        dense: None,
        labels: (0..BATCH).map(|i| (draw(i) % 2) as f32).collect(),
        num_rows: BATCH,
        lists: None,
    }
}

/// Rows that the vocabulary's bench meets.
const SUBSET: usize = 100_000;

/// Ids of a subset of each field's rows, the same in tables of any size but for where they lie.
fn scattered_rows(step: usize, num_rows: usize) -> RowInputs {
    let mut rows = rows(step);
    let stride = num_rows / SUBSET;
    for id in &mut rows.ids {
        let member = *id as usize % (SUBSET / FIELDS);
        let within = fibinet::data::mix_seed(7, member as u64) as usize % stride;
        *id = (member * stride + within) as u32;
    }
    rows
}

/// Times of a step by vocabulary and row optimizer.
fn vocabulary(steps: usize, device: &Device) {
    const CASES: [(usize, RowRule); 5] = [
        (100_000, RowRule::LazyAdam),
        (100_000, RowRule::ExactAdam),
        (10_000_000, RowRule::LazyAdam),
        (10_000_000, RowRule::ExactAdam),
        (30_000_000, RowRule::ExactAdam),
    ];
    let mut trainers = CASES.map(|(num_rows, rule)| {
        let sizes = FieldSizes::new(vec![num_rows / FIELDS; FIELDS]).expect("proper sizes");
        let train = TrainConfig {
            row_optimizer: rule,
            ..TrainConfig::default()
        };
        let model = FiBiNetConfig::new(FIELDS, EMBEDDING_DIM).with_hidden_units(HIDDEN.to_vec());
        Trainer::new(&model, sizes, &train, device).expect("a proper config")
    });
    let mut times = CASES.map(|_| Vec::new());
    for step in 0..=steps {
        for ((trainer, (num_rows, _)), times) in trainers.iter_mut().zip(CASES).zip(&mut times) {
            let rows = scattered_rows(step, num_rows);
            let start = Instant::now();
            std::hint::black_box(trainer.step(&rows));
            if step > 0 {
                times.push(start.elapsed());
            }
        }
    }
    println!("median of {steps} steps of {BATCH} rows, ids of {SUBSET} rows");
    println!("{:>12} {:<10} {:>8} {:>6}", "rows", "", "ms", "ratio");
    let medians = times.map(|mut times| {
        times.sort_unstable();
        times[steps / 2].as_secs_f64() * 1e3
    });
    for ((num_rows, rule), median) in CASES.into_iter().zip(medians) {
        let (rule, ratio) = (format!("{rule:?}"), median / medians[0]);
        println!("{num_rows:>12} {rule:<10} {median:>8.1} {ratio:>6.3}");
    }
}

/// Forward and both backward products of every layer of the DNN, and nothing else.
fn floor(steps: usize, device: &Device) -> Duration {
    let widths = dnn_widths();
    let random = |shape: [usize; 2]| Tensor::<2>::random(shape, Distribution::Default, device);
    let layers: Vec<_> = widths
        .windows(2)
        .map(|width| {
            let (x, w) = (random([BATCH, width[0]]), random([width[0], width[1]]));
            (x, w, random([BATCH, width[1]]))
        })
        .collect();
    median(steps, |_| {
        for (x, w, gradient) in &layers {
            let products = [
                x.clone().matmul(w.clone()),
                x.clone().transpose().matmul(gradient.clone()),
                gradient.clone().matmul(w.clone().transpose()),
            ];
            std::hint::black_box(&products);
        }
        device.sync().expect("the device answers");
    })
}

fn main() {
    // Cargo's own arguments (`--bench`) are no number.
    let steps = std::env::args()
        .find_map(|arg| arg.parse().ok())
        .unwrap_or(7);
    let backend = Backend::compiled()
        .next()
        .expect("a backend is compiled in");
    let device = backend.device().expect("a compiled backend has a device");
    if std::env::args().any(|arg| arg == "vocabulary") {
        vocabulary(steps, &device);
        return;
    }
    let rows_per_second = |time: Duration| BATCH as f64 / time.as_secs_f64();

    let floor = floor(steps, &device);
    println!("{backend}, median of {steps} steps of {BATCH} rows");
    println!("{:<20} {:>8} {:>8}", "", "rows/s", "of floor");
    println!(
        "{:<20} {:>8.0} {:>7.0}%",
        "matmul floor",
        rows_per_second(floor),
        100.0
    );
    let kinds = [
        ("field_all", BilinearKind::FieldAll),
        ("field_each", BilinearKind::FieldEach),
        ("field_interaction", BilinearKind::FieldInteraction),
    ];
    let named = |name| std::env::args().any(|arg| arg == name);
    let all = !kinds.iter().any(|(name, _)| named(*name));
    for (name, kind) in kinds.into_iter().filter(|(name, _)| all || named(*name)) {
        let model = FiBiNetConfig::new(FIELDS, EMBEDDING_DIM)
            .with_bilinear(kind)
            .with_hidden_units(HIDDEN.to_vec());
        let sizes = FieldSizes::new(vec![FIELD_ROWS; FIELDS]).expect("proper sizes");
        let train = TrainConfig {
            max_gradient_norm: 0.0,
            ..TrainConfig::default()
        };
        let mut trainer = Trainer::new(&model, sizes, &train, &device).expect("a proper config");
        let time = median(steps, |step| {
            std::hint::black_box(trainer.step(&rows(step)));
        });
        let share = 100.0 * floor.as_secs_f64() / time.as_secs_f64();
        println!("{name:<20} {:>8.0} {share:>7.0}%", rows_per_second(time));
    }
}
