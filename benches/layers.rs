//! The pair kernels against the same layers composed from tensor operations, turn by turn in one
//! process, by bilinear kind: the pairs and their sum (the shallow model), and the pairs and the
//! DNN's first linear map, which is also timed after the kernel that writes the pairs out ("array").
//!
//! `cargo bench --bench layers [-- [KIND] [ROUNDS [BATCH]]]`; F = 39, K = 10, H = 400, batch 2,048.
//!
//! "composed" and "array" are ratios to the kernel's time. The last column is the share of what no form can save. With the linear map that is its matrix
//! products, one forward and two backward. Without, it is the time to copy the fewest bytes that must
//! move: embeddings read and pairs written, and backward the pairs' gradient read and those of the
//! embeddings written.

use std::hint::black_box;
use std::time::Instant;

use burn::tensor::{Device, Distribution, Tensor};
use fibinet::nn::{
    Backend, BilinearKind, Combination, CombinationConfig, CombinationKind, Dnn, FiBiNetConfig,
    FieldInputs, Head, num_pairs,
};

const FIELDS: usize = 39;
const EMBEDDING_DIM: usize = 10;
const HIDDEN: usize = 400;
const COLUMNS: usize = 2 * num_pairs(FIELDS) * EMBEDDING_DIM;

/// The median milliseconds of each of several things, run in turn; the first round does not count.
fn medians<const N: usize>(rounds: usize, mut runs: [&mut dyn FnMut(); N]) -> [f64; N] {
    let mut times = [const { Vec::new() }; N];
    for round in 0..=rounds {
        for (run, times) in runs.iter_mut().zip(&mut times) {
            let start = Instant::now();
            run();
            if round > 0 {
                times.push(start.elapsed().as_secs_f64() * 1e3);
            }
        }
    }
    times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[rounds / 2]
    })
}

/// What `Combination::forward` is where no kernel applies.
fn by_tensor_ops(combination: &Combination, raw: Tensor<3>, senet: Tensor<3>) -> Tensor<2> {
    let other = combination.senet.as_ref().unwrap_or(&combination.raw);
    let p = combination.raw.forward(raw).flatten::<2>(1, 2);
    let q = other.forward(senet).flatten::<2>(1, 2);
    Tensor::cat(vec![p, q], 1)
}

/// Runs forward, and backward where it is asked for.
fn pass(output: Tensor<2>, backward: bool) {
    match backward {
        true => drop(black_box(output.sum().backward())),
        false => drop(black_box(output)),
    }
}

struct Bench {
    rounds: usize,
    batch: usize,
    device: Device,
}

impl Bench {
    fn random<const D: usize>(&self, shape: [usize; D]) -> Tensor<D> {
        Tensor::random(shape, Distribution::Uniform(-0.1, 0.1), &self.device)
    }

    fn embeddings(&self, backward: bool) -> Tensor<3> {
        let x = self.random([self.batch, FIELDS, EMBEDDING_DIM]);
        match backward {
            true => x.autodiff().require_grad(),
            false => x,
        }
    }

    fn print(
        &self,
        what: &str,
        backward: bool,
        [kernel, composed, least]: [f64; 3],
        array: Option<f64>,
    ) {
        let passes = if backward { "and backward" } else { "forward" };
        let array = array.map_or("–".to_owned(), |array| format!("{:.2}", array / kernel));
        println!(
            "{what:<28} {passes:<13} {kernel:>8.2} {:>8.2} {array:>6} {:>8.0}%",
            composed / kernel,
            100.0 * least / kernel
        );
    }

    fn pairs(&self, name: &str, combination: &Combination, backward: bool) {
        let (raw, senet) = (self.embeddings(backward), self.embeddings(backward));
        let passes = if backward { 2 } else { 1 };
        let least = passes * self.batch * (COLUMNS + 2 * FIELDS * EMBEDDING_DIM) / 2;
        let (from, mut to) = (vec![1.0_f32; least], vec![0.0_f32; least]);
        let times = medians(
            self.rounds,
            [
                &mut || {
                    let pairs = combination.forward(raw.clone(), senet.clone());
                    pass(pairs.sum_dim(1), backward);
                },
                &mut || {
                    let pairs = by_tensor_ops(combination, raw.clone(), senet.clone());
                    pass(pairs.sum_dim(1), backward);
                },
                &mut || {
                    to.copy_from_slice(&from);
                    black_box(&mut to);
                },
            ],
        );
        self.print(&format!("{name}, pairs"), backward, times, None);
    }

    /// The head with one hidden layer and a silent rest.
    fn linear(&self, name: &str, config: &FiBiNetConfig, backward: bool) {
        let device = match backward {
            true => self.device.clone().autodiff(),
            false => self.device.clone(),
        };
        let head = config.init(&device);
        let dnn: &Dnn = head.dnn.as_ref().expect("hidden units");
        let raw = self.embeddings(backward);
        let x = self.random([self.batch, COLUMNS]);
        let weight = self.random([COLUMNS, HIDDEN]);
        let gradient = self.random([self.batch, HIDDEN]);
        let [kernel, array, composed, least] = medians(
            self.rounds,
            [
                &mut || {
                    let logits = head.forward(FieldInputs::new(raw.clone()));
                    pass(logits.unsqueeze(), backward);
                },
                &mut || {
                    let senet = head.senet.forward(raw.clone());
                    let pairs = head.combination.forward(raw.clone(), senet);
                    pass(dnn.forward(pairs), backward);
                },
                &mut || {
                    let senet = head.senet.forward(raw.clone());
                    let pairs = by_tensor_ops(&head.combination, raw.clone(), senet);
                    pass(dnn.forward(pairs), backward);
                },
                &mut || {
                    black_box(x.clone().matmul(weight.clone()));
                    if backward {
                        black_box(x.clone().transpose().matmul(gradient.clone()));
                        black_box(gradient.clone().matmul(weight.clone().transpose()));
                    }
                },
            ],
        );
        let times = [kernel, composed, least];
        self.print(&format!("{name}, to hidden"), backward, times, Some(array));
    }
}

fn main() {
    // Without Cargo's own (`--bench`).
    let arguments = std::env::args().skip(1).filter(|arg| !arg.starts_with('-'));
    let arguments: Vec<String> = arguments.collect();
    let is_number = |arg: &&String| arg.parse::<usize>().is_ok();
    let only = arguments.iter().find(|arg| !is_number(arg));
    let mut numbers = arguments.iter().filter_map(|arg| arg.parse().ok());
    let backend = Backend::compiled()
        .next()
        .expect("a backend is compiled in");
    let bench = Bench {
        rounds: numbers.next().unwrap_or(7),
        batch: numbers.next().unwrap_or(2048),
        device: backend.device().expect("a compiled backend has a device"),
    };
    println!(
        "{backend}, median of {} rounds of {} rows",
        bench.rounds, bench.batch
    );
    println!(
        "{:<42} {:>8} {:>8} {:>6} {:>9}",
        "", "ms", "composed", "array", "of least"
    );
    let config = CombinationConfig::new(FIELDS, EMBEDDING_DIM);
    for (name, kind, combination) in [
        (
            "Hadamard",
            BilinearKind::FieldAll,
            CombinationKind::NoneBilinear,
        ),
        (
            "field_all",
            BilinearKind::FieldAll,
            CombinationKind::BothBilinear,
        ),
        (
            "field_each",
            BilinearKind::FieldEach,
            CombinationKind::BothBilinear,
        ),
        (
            "field_interaction",
            BilinearKind::FieldInteraction,
            CombinationKind::BothBilinear,
        ),
    ] {
        if only.is_some_and(|only| only != name) {
            continue;
        }
        let config = config
            .clone()
            .with_bilinear_kind(kind)
            .with_kind(combination);
        let head = FiBiNetConfig::new(FIELDS, EMBEDDING_DIM)
            .with_bilinear(kind)
            .with_combination(combination)
            .with_linear(false)
            .with_hidden_units(vec![HIDDEN]);
        for backward in [false, true] {
            let device = match backward {
                true => bench.device.clone().autodiff(),
                false => bench.device.clone(),
            };
            bench.pairs(name, &config.init(&device), backward);
            bench.linear(name, &head, backward);
        }
    }
}
