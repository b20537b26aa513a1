//! Scoring speed at Criteo's shape, from encoded rows to logits through a bundle's [`Scorer`], by batch size,
//! and its lower bound measured in the same run: reading the first matrix of the DNN for one row, and the
//! matrix products of the DNN by flex for many rows.
//!
//! The last case has four members, whose probabilities are averaged.
//!
//! `cargo bench --bench scoring [-- RUNS]` with F = 39, K = 10 and a DNN of 400×3. One row is scored RUNS
//! times, larger batches fewer times, but at least min(RUNS, 100) times.

use std::fs;
use std::hint::black_box;
use std::time::Duration;

use burn::tensor::{Device, Distribution, Tensor};
use fibinet::data::encode::Encoder;
use fibinet::data::shards::Batch;
use fibinet::model::bundle::{Bundle, BundleParts, LogitMap, MemberParts};
use fibinet::model::scorer::Scorer;
use fibinet::model::tables::huge_pages::zeroed;
use fibinet::nn::backend::Backend;
use fibinet::nn::inputs::FieldSizes;
use fibinet::nn::layers::BilinearKind;
use fibinet::nn::models::CtrModelConfig;
use fibinet::nn::models::fibinet::FiBiNetConfig;
use fibinet::train::Trainer;
use fibinet::train::config::TrainConfig;
use fibinet_testing::criteo::{
    COLUMNS, EMBEDDING_DIM, FIELD_ROWS, FIELDS, HIDDEN, dnn_widths, middle, times,
};
use fibinet_testing::id_encoder;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// How often the compared cases take turns.
const TURNS: usize = 20;
/// The least number of runs for which a 99th percentile is shown.
const TAIL_RUNS: usize = 100;
/// Ids per field. The table has a few rows more.
const FIELD_IDS: usize = FIELD_ROWS - Encoder::FIRST_TOKEN as usize;

fn rows(seed: usize, num_rows: usize) -> Batch {
    let draw = |i: usize| fibinet::data::mix_seed(seed as u64, i as u64) as usize;
    Batch {
        ids: (0..num_rows * FIELDS)
            .map(|i| (draw(i) % FIELD_ROWS) as u32)
            .collect(),
        num_rows,
        ..Batch::default()
    }
}

/// The scorer of a bundle of members with random weights.
fn scorer(kind: BilinearKind, members: u64, device: &Device) -> Scorer {
    let directory = tempfile::tempdir().expect("a directory");
    let encoder = id_encoder(directory.path(), FIELDS, FIELD_IDS as u32, 1);
    let head = FiBiNetConfig::new(FIELDS, EMBEDDING_DIM)
        .with_bilinear(kind)
        .with_hidden_units(HIDDEN.to_vec());
    let model = CtrModelConfig::new(head).into_any();
    let sizes = FieldSizes::new(vec![FIELD_ROWS; FIELDS]).expect("proper sizes");
    let trainer = |seed| {
        let train = TrainConfig {
            seed,
            ..TrainConfig::default()
        };
        let train = train.validate().expect("proper settings");
        Trainer::new(&model, sizes.clone(), &train, device).expect("a proper config")
    };
    let trainers: Vec<Trainer> = (0..members).map(trainer).collect();
    let heads: Vec<_> = trainers.iter().map(Trainer::valid_head).collect();
    let members = trainers.iter().zip(&heads);
    let members = members.map(|(trainer, head)| MemberParts {
        head,
        tables: trainer.view(),
        finished: None,
    });
    let parts = BundleParts {
        encoder: &encoder,
        model: &model,
        members: members.collect(),
        output: LogitMap::IDENTITY,
        negative_rate: 1.0,
        alternate_batch_norm: false,
    };
    let bundle = directory.path().join("bundle");
    fs::create_dir(&bundle).expect("a directory");
    parts.write_encoder(&bundle).expect("a writable directory");
    parts.write_settings(&bundle).expect("a writable directory");
    parts.write_weights(&bundle).expect("a writable directory");
    let bundle = Bundle::open_unchecked(&bundle).expect("a bundle");
    Scorer::new(bundle, device).expect("a bundle")
}

/// Sums an array with the widest vectors of the machine.
struct Sum<'a>(&'a [f32]);

impl WithSimd for Sum<'_> {
    type Output = f32;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f32 {
        let mut sums = [simd.splat_f32s(0.0); 8];
        for vectors in S::as_simd_f32s(self.0).0.as_chunks::<8>().0 {
            for (sum, vector) in sums.iter_mut().zip(vectors) {
                *sum = simd.add_f32s(*sum, *vector);
            }
        }
        sums.map(|sum| simd.reduce_sum_f32s(sum)).iter().sum()
    }
}

/// Reads an array on all threads.
fn stream(matrix: &[f32], runs: usize) -> Vec<Duration> {
    times(runs, |_| {
        let parts = matrix.par_chunks(1 << 17);
        let sums: f32 = parts.map(|part| Arch::new().dispatch(Sum(part))).sum();
        black_box(sums);
    })
}

/// The forward matrix products of the DNN, and nothing else.
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

/// Prints the median, and the 99th percentile if there are enough runs. Returns the median.
fn show(
    name: &str,
    num_rows: usize,
    mut times: Vec<Duration>,
    least: Option<Duration>,
) -> Duration {
    let half = middle(&mut times);
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    let tail = (times.len() >= TAIL_RUNS).then(|| times[(times.len() * 99).div_ceil(100) - 1]);
    let tail = tail.map_or("-".to_owned(), |tail| format!("{:.3}", milliseconds(tail)));
    let ratio = least.map_or(String::new(), |least| {
        format!("{:.2}", half.as_secs_f64() / least.as_secs_f64())
    });
    println!(
        "{name:<26} {num_rows:>5} {:>5} {:>9.3} {tail:>9} {:>10.0} {ratio:>6}",
        times.len(),
        milliseconds(half),
        num_rows as f64 / half.as_secs_f64()
    );
    half
}

fn main() {
    // Cargo adds arguments that are not numbers (`--bench`).
    let runs = std::env::args()
        .find_map(|arg| arg.parse().ok())
        .unwrap_or(1000_usize);
    let backend = Backend::compiled()
        .next()
        .expect("a backend is compiled in");
    let device = backend.device().expect("a compiled backend has a device");
    println!("{backend}; ms, and p50 relative to the lower bound");
    println!(
        "{:<26} {:>5} {:>5} {:>9} {:>9} {:>10} {:>6}",
        "", "rows", "runs", "p50", "p99", "rows/s", "ratio"
    );
    let scorers = [
        ("field_all", BilinearKind::FieldAll, 1),
        ("field_each", BilinearKind::FieldEach, 1),
        ("field_interaction", BilinearKind::FieldInteraction, 1),
        ("field_each, 4 members", BilinearKind::FieldEach, 4),
    ]
    .map(|(name, kind, members)| (name, scorer(kind, members, &device)));
    let matrix = vec![1.0; COLUMNS * HIDDEN[0]];
    let mut huge_matrix = zeroed(matrix.len());
    huge_matrix.fill(1.0);
    for num_rows in [1, 4, 256, 4096] {
        let runs = (runs * 8 / num_rows.max(8)).max(TAIL_RUNS.min(runs));
        // As many batches as there is memory for, so that the rows of a batch are in no cache when it returns.
        let num_batches = runs.min((1 << 16) / num_rows);
        let batches: Vec<Batch> = (0..num_batches).map(|run| rows(run, num_rows)).collect();
        // The load of the machine changes during the run, so all cases take turns.
        let turns = runs.min(TURNS);
        let (mut least, mut huge) = (Vec::new(), Vec::new());
        let mut scored = scorers.each_ref().map(|_| Vec::new());
        for _ in 0..turns {
            let runs = runs.div_ceil(turns);
            if num_rows == 1 {
                least.extend(stream(&matrix, runs));
                huge.extend(stream(&huge_matrix, runs));
            } else {
                least.extend(products(runs, num_rows, &device));
            }
            for ((_, scorer), scored) in scorers.iter().zip(&mut scored) {
                let done = scored.len();
                scored.extend(times(runs, |run| {
                    black_box(scorer.logits(&batches[(done + run) % batches.len()]));
                }));
            }
        }
        let name = match num_rows {
            1 => "read of the first matrix",
            _ => "products alone",
        };
        let least = show(name, num_rows, least, None);
        if num_rows == 1 {
            show("the same on huge pages", num_rows, huge, Some(least));
        }
        for ((name, _), scored) in scorers.iter().zip(scored) {
            show(name, num_rows, scored, Some(least));
        }
    }
}
