//! Each layer, forward and backward, and the pairs against the same pairs composed from tensor operations, in one
//! process. For each bilinear kind there are the pairs of one side, the pairs of both sides, and the pairs with the
//! DNN's first linear map. The latter is also measured after the kernel that writes the pairs to an array ("array").
//! `python3 benches/vs_pytorch/layers.py` sets PyTorch beside the layers alone.
//!
//! `cargo bench --bench layers [-- [KIND] [ROUNDS [BATCH]] [--device NAME]]` with F = 39, K = 10, H = 400, V = 1M
//! and batches of 2,048 rows. By default the kind is `all`: the bilinear kinds, SENET, the DNN, the table layers
//! (`tables`) and the speed of the backend's matrix products by number of rows (`products`). `alone` is the table
//! layers and the pairs of one side. The backward pass starts from a gradient that is there already.
//!
//! | column | meaning |
//! |---|---|
//! | composed, array | the time of that form relative to the layer's. The table layers' other form is one of Burn's embeddings per field |
//! | of least | the time that no form can save, as a share of the layer's time: with the linear map its matrix products, one forward and two backward, else copying the fewest bytes that must move from memory to memory, on all threads |
//! | least | the fewest bytes that must move, in MB. Forward reads inputs and weights and writes the output. Backward reads the output's gradient and again inputs and weights, and writes their gradients. Of a table only the requested rows are read, but all of its gradient is written |
//! | moved | the bytes that move, relative to the fewest. Inputs and weights count as above. Every allocated array is written once and read once, except the last ones, which are only written. In-place operations and blocks that stay in the cache are not counted |
//!
//! On a GPU the bytes are copied there, and what is allocated there is not counted. On a CPU allocations are counted,
//! and the rest follows from that rule. The copy goes to memory that was used before, as do outputs of the kernels
//! from 128 KiB on (`memory::release_kept`). Pages of all other new arrays are mapped anew and count.

use std::hint::black_box;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use burn::nn::{Embedding, EmbeddingConfig};
use burn::tensor::{Device, Distribution, Int, Tensor, TensorData};
use clap::Parser;
use clap::builder::PossibleValuesParser;
use fibinet::nn::backend::{Backend, DeviceName};
use fibinet::nn::inputs::{FieldIds, FieldInputs};
use fibinet::nn::layers::{
    BilinearKind, Combination, CombinationConfig, CombinationKind, Dnn, DnnConfig,
    FeatureEmbeddingConfig, Interaction, LinearLogitConfig, PairProductConfig, PairProductKind,
    SenetConfig, num_pairs,
};
use fibinet::nn::memory::{release_kept, zeroed};
use fibinet::nn::models::fibinet::FiBiNetConfig;
use fibinet::nn::models::{Head, HeadConfig};
use fibinet_testing::criteo::{self, BATCH, COLUMNS, EMBEDDING_DIM, FIELD_ROWS, FIELDS};
use fibinet_testing::{CountingAllocator, allocated, backward_from};
use rayon::prelude::*;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

const HIDDEN: usize = criteo::HIDDEN[0];
/// The values of the argument `KIND`.
const KINDS: [&str; 8] = [
    "all",
    "alone",
    "Hadamard",
    "field_all",
    "field_each",
    "field_interaction",
    "tables",
    "products",
];
/// How long a form runs before its steps are timed: the system takes some milliseconds to give each thread a core of
/// its own again after a form that runs on one.
const WARM_UP: Duration = Duration::from_millis(50);
/// Bytes after whose copy the first ones are no longer in any cache.
const UNCACHED: usize = 256 << 20;
/// Numbers that one task copies.
const CHUNK: usize = 1 << 16;

/// Each layer, forward and backward, against the same layer composed from tensor operations
#[derive(Parser)]
struct Args {
    /// Layers to measure
    #[arg(default_value = KINDS[0], value_parser = PossibleValuesParser::new(KINDS))]
    kind: String,
    /// Rounds to measure, after a first one
    #[arg(default_value = "7")]
    rounds: NonZeroUsize,
    /// Batch rows, B
    #[arg(default_value_t = NonZeroUsize::new(BATCH).expect("there are rows"))]
    batch: NonZeroUsize,
    /// The device to measure, as in `vulkan:1`, instead of the first backend that is compiled in
    #[arg(long)]
    device: Option<DeviceName>,
}

/// The cost of one form of a layer.
#[derive(Clone, Copy)]
struct Cost {
    /// The median time.
    milliseconds: f64,
    /// Bytes allocated in one run that finds no memory of earlier outputs.
    bytes: usize,
}

/// The costs of several forms, one after the other. The steps of a form follow one another, as those of a training loop
/// and of PyTorch in `vs_pytorch/layers.py` do: each finds the caches and threads as the one before left them.
fn costs<const N: usize>(rounds: usize, runs: [&mut dyn FnMut(); N]) -> [Cost; N] {
    runs.map(|run| {
        run();
        release_kept();
        let before = allocated();
        run();
        let bytes = allocated() - before;
        let start = Instant::now();
        while start.elapsed() < WARM_UP {
            run();
        }
        let mut times: Vec<f64> = (0..rounds)
            .map(|_| {
                let start = Instant::now();
                run();
                start.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        times.sort_by(f64::total_cmp);
        Cost {
            milliseconds: times[rounds / 2],
            bytes,
        }
    })
}

/// The pairs of a side, `[B, P K]`, composed from tensor operations.
fn composed_pairs(interaction: &Interaction, embeddings: Tensor<3>) -> Tensor<2> {
    let [batch, num_fields, dim] = embeddings.dims();
    let device = embeddings.device();
    let fields =
        (0..num_fields as i64).flat_map(|i| (i + 1..num_fields as i64).map(move |j| (i, j)));
    let (left, right): (Vec<_>, Vec<_>) = fields.unzip();
    let [left, right] = [left, right].map(|of| Tensor::<1, Int>::from_data(&of[..], &device));
    let crossed = match interaction {
        Interaction::Product(_) => embeddings.clone().select(1, left),
        Interaction::Bilinear(bilinear) => {
            let matrices = bilinear.weight.val();
            match matrices.dims()[0] {
                1 => {
                    let rows = embeddings.clone().reshape([batch * num_fields, dim]);
                    let crossed = rows.matmul(matrices.squeeze_dim::<2>(0));
                    crossed.reshape([batch, num_fields, dim]).select(1, left)
                }
                FIELDS => {
                    let by_field = embeddings.clone().swap_dims(0, 1); // [F, B, K]
                    by_field.matmul(matrices).swap_dims(0, 1).select(1, left)
                }
                _ => {
                    let by_pair = embeddings.clone().swap_dims(0, 1).select(0, left); // [P, B, K]
                    by_pair.matmul(matrices).swap_dims(0, 1)
                }
            }
        }
    };
    (crossed * embeddings.select(1, right)).flatten(1, 2)
}

/// `Combination::forward` composed from tensor operations.
fn by_tensor_ops(combination: &Combination, raw: Tensor<3>, senet: Tensor<3>) -> Tensor<2> {
    let other = combination.senet.as_ref().unwrap_or(&combination.raw);
    let p = composed_pairs(&combination.raw, raw);
    let q = composed_pairs(other, senet);
    Tensor::cat(vec![p, q], 1)
}

/// How many numbers a layer reads, weights included, and writes.
#[derive(Clone, Copy)]
struct Sizes {
    inputs: usize,
    outputs: usize,
    /// The part of the inputs that the backward pass reads again.
    again: usize,
    /// The gradients that the backward pass writes.
    gradients: usize,
}

impl Sizes {
    /// The sizes of a layer whose backward pass reads every input again and writes its gradient.
    fn new(inputs: usize, outputs: usize) -> Self {
        Self {
            inputs,
            outputs,
            again: inputs,
            gradients: inputs,
        }
    }

    /// The sizes of a layer that reads a table row of `dim` numbers for each of `num_ids`.
    fn of_table(num_ids: usize, dim: usize, outputs: usize) -> Self {
        Self {
            inputs: num_ids + num_ids * dim,
            outputs,
            again: num_ids,
            gradients: FIELDS * FIELD_ROWS * dim,
        }
    }

    /// The fewest bytes that must move.
    fn least(self, backward: bool) -> usize {
        let forward = self.inputs + self.outputs;
        4 * if backward {
            forward + self.outputs + self.again + self.gradients
        } else {
            forward
        }
    }

    /// The bytes that move, given the bytes of the allocated arrays.
    fn moved(self, backward: bool, allocated: usize) -> usize {
        let (read, only_written) = if backward {
            (self.inputs + self.again, self.gradients)
        } else {
            (self.inputs, self.outputs)
        };
        (2 * allocated + 4 * read).saturating_sub(4 * only_written)
    }
}

/// The costs of a layer's forms, and the lower bound.
struct Forms {
    layer: Cost,
    composed: Option<Cost>,
    array: Option<Cost>,
    least: Cost,
}

struct Bench {
    rounds: usize,
    batch: usize,
    backend: Backend,
    device: Device,
}

impl Bench {
    fn random<const D: usize>(&self, shape: [usize; D]) -> Tensor<D> {
        Tensor::random(shape, Distribution::Uniform(-0.1, 0.1), &self.device)
    }

    fn input<const D: usize>(&self, shape: [usize; D], backward: bool) -> Tensor<D> {
        let x = self.random(shape);
        if backward {
            x.autodiff().require_grad()
        } else {
            x
        }
    }

    fn embeddings(&self, backward: bool) -> Tensor<3> {
        self.input([self.batch, FIELDS, EMBEDDING_DIM], backward)
    }

    fn device(&self, backward: bool) -> Device {
        if backward {
            self.device.clone().autodiff()
        } else {
            self.device.clone()
        }
    }

    /// Runs a layer, and its backward pass if `backward` is set, from a gradient that is there already.
    fn pass<const D: usize>(
        &self,
        backward: bool,
        forward: impl Fn() -> Tensor<D>,
    ) -> impl FnMut() {
        let gradient = backward.then(|| self.random(forward().dims()));
        move || {
            match &gradient {
                Some(gradient) => drop(black_box(backward_from(forward(), gradient))),
                None => drop(black_box(forward())),
            }
            self.sync();
        }
    }

    /// Waits until a GPU has done what it was given.
    fn sync(&self) {
        self.device.sync().expect("the device answers");
    }

    /// Moves at least as many bytes on the device.
    fn copy(&self, bytes: usize) -> Box<dyn FnMut() + '_> {
        if self.backend.is_cpu() {
            let mut copy = Copy::new(bytes);
            return Box::new(move || copy.run());
        }
        let numbers = self.random([bytes / 8]);
        Box::new(move || {
            drop(black_box(numbers.clone() + 1.0));
            self.sync();
        })
    }

    fn print(&self, what: &str, backward: bool, sizes: Sizes, forms: &Forms) {
        let Forms { layer, least, .. } = forms;
        let passes = if backward { "and backward" } else { "forward" };
        let ratio = |form: Option<Cost>, of: &dyn Fn(Cost) -> f64| {
            form.map_or("–".to_owned(), |form| format!("{:.2}", of(form)))
        };
        let time = |form: Cost| form.milliseconds / layer.milliseconds;
        let fewest = sizes.least(backward) as f64;
        let moved = |form: Cost| sizes.moved(backward, form.bytes) as f64 / fewest;
        println!(
            "{what:<28} {passes:<13} {:>8.2} {:>8} {:>6} {:>8.0}% {:>8.1} {:>6.2} {:>8} {:>6}",
            layer.milliseconds,
            ratio(forms.composed, &time),
            ratio(forms.array, &time),
            100.0 * least.milliseconds / layer.milliseconds,
            fewest / 1e6,
            moved(*layer),
            ratio(forms.composed, &moved),
            ratio(forms.array, &moved),
        );
    }

    /// Measures a layer whose input is the fields' embeddings.
    fn layer<const D: usize>(
        &self,
        what: &str,
        backward: bool,
        sizes: Sizes,
        forward: impl Fn(Tensor<3>) -> Tensor<D>,
    ) {
        let x = self.embeddings(backward);
        let mut copy = self.copy(sizes.least(backward));
        let [layer, least] = costs(
            self.rounds,
            [&mut self.pass(backward, || forward(x.clone())), &mut *copy],
        );
        let forms = Forms {
            layer,
            composed: None,
            array: None,
            least,
        };
        self.print(what, backward, sizes, &forms);
    }

    fn senet(&self, backward: bool) {
        let senet = SenetConfig::new(FIELDS).init(&self.device(backward));
        let vectors = self.batch * FIELDS * EMBEDDING_DIM;
        let sizes = Sizes::new(vectors, vectors);
        self.layer("SENET", backward, sizes, |x| senet.forward(x));
    }

    /// Measures the layers that look up table rows.
    fn tables(&self, backward: bool) {
        let device = self.device(backward);
        let num_ids = self.batch * FIELDS;
        let ids = criteo::batch(1, self.batch, FIELD_ROWS).ids;
        let ids = ids.iter().map(|id| i64::from(*id)).collect();
        let ids = TensorData::new::<i64, _>(ids, [self.batch, FIELDS]);
        let ids = Tensor::<2, Int>::from_data(ids, &device);
        let sizes = vec![FIELD_ROWS; FIELDS];

        let layer = FeatureEmbeddingConfig::new(sizes.clone(), EMBEDDING_DIM).init(&device);
        let embeddings = Embeddings::new(EMBEDDING_DIM, &device);
        let vectors = Sizes::of_table(num_ids, EMBEDDING_DIM, num_ids * EMBEDDING_DIM);
        self.lookup(
            "FeatureEmbedding",
            backward,
            vectors,
            &mut self.pass(backward, || layer.forward(FieldIds::new(ids.clone()))),
            &mut self.pass(backward, || embeddings.forward(&ids)),
        );

        let layer = LinearLogitConfig::new(sizes).init(&device);
        let weights = Embeddings::new(1, &device);
        let logits = Sizes::of_table(num_ids, 1, self.batch);
        self.lookup(
            "LinearLogit",
            backward,
            logits,
            &mut self.pass(backward, || layer.forward(FieldIds::new(ids.clone()))),
            &mut self.pass(backward, || weights.forward(&ids).sum_dim(1)),
        );
    }

    fn lookup(
        &self,
        what: &str,
        backward: bool,
        sizes: Sizes,
        layer: &mut dyn FnMut(),
        composed: &mut dyn FnMut(),
    ) {
        let mut copy = self.copy(sizes.least(backward));
        let [layer, composed, least] = costs(self.rounds, [layer, composed, &mut *copy]);
        let forms = Forms {
            layer,
            composed: Some(composed),
            array: None,
            least,
        };
        self.print(what, backward, sizes, &forms);
    }

    /// Measures the pairs of one side.
    fn side(&self, name: &str, interaction: &Interaction, num_matrices: usize, backward: bool) {
        let is_inner = name == "inner";
        let pair_dim = if is_inner { 1 } else { EMBEDDING_DIM };
        let sizes = Sizes::new(
            self.batch * FIELDS * EMBEDDING_DIM + num_matrices * EMBEDDING_DIM * EMBEDDING_DIM,
            self.batch * num_pairs(FIELDS) * pair_dim,
        );
        let x = self.embeddings(backward);
        let mut copy = self.copy(sizes.least(backward));
        let [layer, composed, least] = costs(
            self.rounds,
            [
                &mut self.pass(backward, || interaction.forward(x.clone())),
                &mut self.pass(backward, || {
                    let pairs = composed_pairs(interaction, x.clone());
                    if is_inner {
                        let pairs = pairs.reshape([-1, EMBEDDING_DIM as i32]);
                        return pairs.sum_dim(1);
                    }
                    pairs
                }),
                &mut *copy,
            ],
        );
        let forms = Forms {
            layer,
            composed: Some(composed),
            array: None,
            least,
        };
        self.print(&format!("{name}, one side"), backward, sizes, &forms);
    }

    /// Measures the pairs of both sides.
    fn pairs(&self, name: &str, config: &CombinationConfig, num_matrices: usize, backward: bool) {
        let combination = config.init(&self.device(backward));
        let (raw, senet) = (self.embeddings(backward), self.embeddings(backward));
        let one_side =
            self.batch * FIELDS * EMBEDDING_DIM + num_matrices * EMBEDDING_DIM * EMBEDDING_DIM;
        let sizes = Sizes::new(2 * one_side, self.batch * COLUMNS);
        let mut copy = self.copy(sizes.least(backward));
        let [layer, composed, least] = costs(
            self.rounds,
            [
                &mut self.pass(backward, || combination.forward(raw.clone(), senet.clone())),
                &mut self.pass(backward, || {
                    by_tensor_ops(&combination, raw.clone(), senet.clone())
                }),
                &mut *copy,
            ],
        );
        let forms = Forms {
            layer,
            composed: Some(composed),
            array: None,
            least,
        };
        self.print(&format!("{name}, pairs"), backward, sizes, &forms);
    }

    /// Measures a head with one hidden layer and nothing else of weight.
    fn linear(&self, name: &str, config: &FiBiNetConfig, num_matrices: usize, backward: bool) {
        let head = config.init(&self.device(backward));
        let dnn: &Dnn = head.dnn.as_ref().expect("hidden units");
        let raw = self.embeddings(backward);
        let sizes = Sizes::new(
            self.batch * FIELDS * EMBEDDING_DIM
                + 2 * num_matrices * EMBEDDING_DIM * EMBEDDING_DIM
                + COLUMNS * HIDDEN,
            self.batch,
        );
        let mut products = self.products();
        let [layer, array, composed, least] = costs(
            self.rounds,
            [
                &mut self.pass(backward, || head.forward(FieldInputs::new(raw.clone()))),
                &mut self.pass(backward, || {
                    let senet = head.senet.forward(raw.clone());
                    dnn.forward(head.combination.forward(raw.clone(), senet))
                }),
                &mut self.pass(backward, || {
                    let senet = head.senet.forward(raw.clone());
                    dnn.forward(by_tensor_ops(&head.combination, raw.clone(), senet))
                }),
                &mut || products(backward),
            ],
        );
        let forms = Forms {
            layer,
            composed: Some(composed),
            array: Some(array),
            least,
        };
        self.print(&format!("{name}, to hidden"), backward, sizes, &forms);
    }

    /// Measures the DNN with one hidden layer on an array of pairs.
    fn dnn(&self, backward: bool) {
        let dnn = DnnConfig::new(COLUMNS, vec![HIDDEN]).init(&self.device(backward));
        let x = self.input([self.batch, COLUMNS], backward);
        let sizes = Sizes::new(self.batch * COLUMNS + COLUMNS * HIDDEN, self.batch * HIDDEN);
        let mut products = self.products();
        let [layer, least] = costs(
            self.rounds,
            [
                &mut self.pass(backward, || dnn.forward(x.clone())),
                &mut || {
                    products(backward);
                },
            ],
        );
        let forms = Forms {
            layer,
            composed: None,
            array: None,
            least,
        };
        self.print("DNN, hidden from an array", backward, sizes, &forms);
    }

    /// Prints the speed of each matrix product of the first linear map by number of rows.
    fn product_speeds(&self) {
        println!();
        println!(
            "{:<24} {:>9} {:>11} {:>10}",
            "GFLOP/s of products", "forward", "to weight", "to input"
        );
        for num_rows in [1, 4, 256, 2048] {
            let x = self.random([num_rows, COLUMNS]);
            let weight = self.random([COLUMNS, HIDDEN]);
            let gradient = self.random([num_rows, HIDDEN]);
            let product = |a: Tensor<2>, b: Tensor<2>| {
                drop(black_box(a.matmul(b)));
                self.sync();
            };
            let costs = costs(
                self.rounds,
                [
                    &mut || product(x.clone(), weight.clone()),
                    &mut || product(x.clone().transpose(), gradient.clone()),
                    &mut || product(gradient.clone(), weight.clone().transpose()),
                ],
            );
            let operations = 2.0 * (num_rows * COLUMNS * HIDDEN) as f64;
            let [forward, to_weight, to_input] =
                costs.map(|cost| operations / cost.milliseconds / 1e6);
            println!(
                "{:<24} {forward:>9.1} {to_weight:>11.1} {to_input:>10.1}",
                format!("{num_rows} rows")
            );
        }
    }

    /// The matrix products of the first linear map.
    fn products(&self) -> impl FnMut(bool) {
        let x = self.random([self.batch, COLUMNS]);
        let weight = self.random([COLUMNS, HIDDEN]);
        let gradient = self.random([self.batch, HIDDEN]);
        move |backward| {
            black_box(x.clone().matmul(weight.clone()));
            if backward {
                black_box(x.clone().transpose().matmul(gradient.clone()));
                black_box(gradient.clone().matmul(weight.clone().transpose()));
            }
        }
    }
}

/// One of Burn's embeddings per field.
struct Embeddings(Vec<Embedding>);

impl Embeddings {
    fn new(dim: usize, device: &Device) -> Self {
        let config = EmbeddingConfig::new(FIELD_ROWS, dim);
        Self((0..FIELDS).map(|_| config.init(device)).collect())
    }

    fn forward(&self, ids: &Tensor<2, Int>) -> Tensor<3> {
        let fields = self.0.iter().enumerate();
        let vectors = fields.map(|(f, embedding)| embedding.forward(ids.clone().narrow(1, f, 1)));
        Tensor::cat(vectors.collect(), 1)
    }
}

/// A copy on all threads that moves a given number of bytes, half of them read and half written, in huge pages as the
/// kernels' outputs.
struct Copy {
    from: Vec<f32>,
    to: Vec<f32>,
    /// Numbers copied at once.
    len: usize,
    /// Where the next ones start.
    start: usize,
}

impl Copy {
    fn new(bytes: usize) -> Self {
        let len = bytes / 8;
        let all = len.max(UNCACHED / 8).next_multiple_of(len.max(1));
        let [mut from, mut to] = [zeroed(all), zeroed(all)];
        // The system provides a page when it is first written.
        from.fill(1.0);
        to.fill(1.0);
        Self {
            from,
            to,
            len,
            start: 0,
        }
    }

    fn run(&mut self) {
        let copied = self.start..self.start + self.len;
        self.start = copied.end % self.from.len();
        let chunks = self.to[copied.clone()]
            .par_chunks_mut(CHUNK)
            .zip(self.from[copied].par_chunks(CHUNK));
        chunks.for_each(|(to, from)| to.copy_from_slice(from));
        black_box(&mut self.to);
    }
}

fn main() {
    // Cargo adds an argument of its own.
    let args = Args::parse_from(std::env::args().filter(|arg| arg != "--bench"));
    let is_all = args.kind == "all";
    let is_alone = args.kind == "alone";
    let is_chosen = |kind: &str| args.kind == kind || is_all || is_alone;
    let first = Backend::compiled()
        .next()
        .expect("a backend is compiled in");
    let name = args.device.unwrap_or(first.into());
    let backend = name.backend();
    let bench = Bench {
        rounds: args.rounds.get(),
        batch: args.batch.get(),
        device: name.open().unwrap_or_else(|error| {
            eprintln!("error: {error}");
            std::process::exit(2);
        }),
        backend,
    };
    if args.kind == "products" {
        bench.product_speeds();
        return;
    }
    println!(
        "{backend}, median of {} rounds of {} rows",
        bench.rounds, bench.batch
    );
    println!(
        "{:<42} {:>8} {:>8} {:>6} {:>9} {:>8} {:>6} {:>8} {:>6}",
        "", "ms", "composed", "array", "of least", "least", "moved", "composed", "array"
    );
    let both = [false, true];
    if is_chosen("tables") {
        both.into_iter().for_each(|backward| bench.tables(backward));
    }
    if is_all {
        both.into_iter().for_each(|backward| bench.senet(backward));
    }
    if is_all || is_alone {
        let inner = PairProductConfig::new(FIELDS).with_kind(PairProductKind::Inner);
        for backward in both {
            let inner = Interaction::Product(inner.init(&bench.device(backward)));
            bench.side("inner", &inner, 0, backward);
        }
    }
    for (name, kind, combination, num_matrices) in [
        (
            "Hadamard",
            BilinearKind::FieldAll,
            CombinationKind::NoneBilinear,
            0,
        ),
        (
            "field_all",
            BilinearKind::FieldAll,
            CombinationKind::BothBilinear,
            1,
        ),
        (
            "field_each",
            BilinearKind::FieldEach,
            CombinationKind::BothBilinear,
            FIELDS,
        ),
        (
            "field_interaction",
            BilinearKind::FieldInteraction,
            CombinationKind::BothBilinear,
            num_pairs(FIELDS),
        ),
    ] {
        if !is_chosen(name) {
            continue;
        }
        let config = CombinationConfig::new(FIELDS, EMBEDDING_DIM)
            .with_bilinear_kind(kind)
            .with_kind(combination);
        let head = FiBiNetConfig::new(FIELDS, EMBEDDING_DIM)
            .with_bilinear(kind)
            .with_combination(combination)
            .with_linear(false)
            .with_hidden_units(vec![HIDDEN]);
        for backward in both {
            let side = config.init(&bench.device(backward)).raw;
            bench.side(name, &side, num_matrices, backward);
            if is_alone {
                continue;
            }
            bench.pairs(name, &config, num_matrices, backward);
            bench.linear(name, &head, num_matrices, backward);
        }
    }
    if is_all {
        both.into_iter().for_each(|backward| bench.dnn(backward));
        bench.product_speeds();
    }
}
