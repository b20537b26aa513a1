//! Scoring speed at Criteo's shape, by rows at once, against what it cannot be faster than: reading
//! the DNN's first matrix for one row, the DNN's matrix products for many, measured in the same run.
//!
//! `cargo bench --bench scoring [-- RUNS]`; F = 39, K = 10, 400×3, field_each and field_interaction.

use std::hint::black_box;
use std::time::Duration;

use burn::tensor::{Device, Distribution, Tensor};
use fibinet::nn::{Backend, BilinearKind, FiBiNetConfig, FieldSizes};
use fibinet::serve::{RowInputs, score};
use fibinet::train::{TrainConfig, Trainer};
use rayon::prelude::*;

#[expect(dead_code, reason = "each bench has its part of it")]
mod criteo;

use criteo::{COLUMNS, EMBEDDING_DIM, FIELD_ROWS, FIELDS, HIDDEN, dnn_widths, times};

fn rows(seed: usize, num_rows: usize) -> RowInputs {
    let draw = |i: usize| fibinet::data::mix_seed(seed as u64, i as u64) as usize;
    RowInputs {
        ids: (0..num_rows * FIELDS)
            .map(|i| (draw(i) % FIELD_ROWS) as u32)
            .collect(),
        num_rows,
        ..RowInputs::default()
    }
}

/// Reads an array as large as the DNN's first matrix, on all threads.
fn stream(runs: usize) -> Vec<Duration> {
    let matrix = vec![1.0_f32; COLUMNS * HIDDEN[0]];
    times(runs, |_| {
        let sum = |part: &[f32]| {
            let mut sums = [0.0_f32; 64];
            for numbers in part.as_chunks::<64>().0 {
                for (sum, number) in sums.iter_mut().zip(numbers) {
                    *sum += number;
                }
            }
            sums.iter().sum::<f32>()
        };
        let sums: f32 = matrix.par_chunks(1 << 17).map(sum).sum();
        black_box(sums);
    })
}

/// The forward products of the DNN, and nothing else.
fn products(runs: usize, num_rows: usize, device: &Device) -> Vec<Duration> {
    let widths = dnn_widths();
    let random = |shape: [usize; 2]| Tensor::<2>::random(shape, Distribution::Default, device);
    let layers: Vec<_> = widths
        .windows(2)
        .map(|width| (random([num_rows, width[0]]), random([width[0], width[1]])))
        .collect();
    times(runs, |_| {
        for (x, w) in &layers {
            black_box(x.clone().matmul(w.clone()));
        }
    })
}

fn main() {
    // Cargo's own arguments (`--bench`) are no number.
    let runs = std::env::args()
        .find_map(|arg| arg.parse().ok())
        .unwrap_or(99);
    let backend = Backend::compiled()
        .next()
        .expect("a backend is compiled in");
    let device = backend.device().expect("a compiled backend has a device");
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    let show = |name: &str, num_rows: usize, times: &[Duration], least: Option<Duration>| {
        let [half, tail] = [times.len() / 2, times.len() * 99 / 100].map(|i| times[i]);
        let ratio = least.map_or(String::new(), |least| {
            format!("{:.2}", half.as_secs_f64() / least.as_secs_f64())
        });
        println!(
            "{name:<26} {num_rows:>5} {:>9.3} {:>9.3} {:>10.0} {ratio:>6}",
            milliseconds(half),
            milliseconds(tail),
            num_rows as f64 / half.as_secs_f64()
        );
    };
    println!("{backend}, {runs} runs; ms, and p50 over the least there can be");
    println!(
        "{:<26} {:>5} {:>9} {:>9} {:>10} {:>6}",
        "", "rows", "p50", "p99", "rows/s", "ratio"
    );
    let stream = stream(runs);
    show("read of the first matrix", 1, &stream, None);
    let heads = [
        ("field_each", BilinearKind::FieldEach),
        ("field_interaction", BilinearKind::FieldInteraction),
    ]
    .map(|(name, kind)| {
        let model = FiBiNetConfig::new(FIELDS, EMBEDDING_DIM)
            .with_bilinear(kind)
            .with_hidden_units(HIDDEN.to_vec());
        let sizes = FieldSizes::new(vec![FIELD_ROWS; FIELDS]).expect("proper sizes");
        let trainer = Trainer::new(&model, sizes, &TrainConfig::default(), &device);
        let trainer = trainer.expect("a proper config");
        (name, trainer.valid_head(), trainer)
    });
    for num_rows in [1, 4, 256, 4096] {
        let runs = (runs * 256 / num_rows.max(256)).max(5);
        let least = if num_rows == 1 {
            stream[stream.len() / 2]
        } else {
            let products = products(runs, num_rows, &device);
            show("products alone", num_rows, &products, None);
            products[products.len() / 2]
        };
        for (name, head, trainer) in &heads {
            let batches: Vec<RowInputs> = (0..=runs).map(|run| rows(run, num_rows)).collect();
            let times = times(runs, |run| {
                let tables = trainer.tables.view();
                black_box(score(head, &tables, &batches[run], &device));
            });
            show(name, num_rows, &times, Some(least));
        }
    }
}
