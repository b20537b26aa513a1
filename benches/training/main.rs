//! Training at Criteo's shape: F = 39, a DNN of 400×3, Adam. By default K = 10, the batch has 2,048 rows and
//! V = 1M.
//!
//! ```text
//! cargo bench --bench training [-- SHAPE]            rows per second, and the share of the matmul floor
//! cargo bench --bench training -- split [SHAPE]      where the time of a step goes
//! cargo bench --bench training -- vocabulary         the time of a step by the size of the vocabulary
//! cargo bench --bench training -- untouched          the time of a step by how long its rows were untouched
//!
//! SHAPE: [--steps 7] [--kind KIND] [--rows 1000000] [--batch 2048] [--dim 10]
//! ```
//!
//! Figures are medians of all steps except the first. Cases that are compared take turns.

use std::time::Duration;

use burn::tensor::Device;
use clap::builder::PossibleValuesParser;
use clap::{Parser, Subcommand};
use fibinet::model::inputs::RowInputs;
use fibinet::nn::backend::Backend;
use fibinet::nn::inputs::FieldSizes;
use fibinet::nn::layers::{BilinearKind, num_pairs};
use fibinet::nn::models::CtrModelConfig;
use fibinet::nn::models::fibinet::FiBiNetConfig;
use fibinet::train::Trainer;
use fibinet::train::config::TrainConfig;
use fibinet::train::optim::RowRule;
use fibinet_testing::criteo::{BATCH, EMBEDDING_DIM, FIELDS, HIDDEN, batch, dnn_widths};

mod floor;
mod speed;
mod split;
mod untouched;
mod vocabulary;

/// Training at Criteo's shape
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Args {
    #[command(subcommand)]
    part: Option<Part>,
    #[command(flatten)]
    shape: Shape,
}

#[derive(Subcommand)]
enum Part {
    /// Where the time of a step goes
    Split(Shape),
    /// The time of a step by vocabulary and row optimizer
    Vocabulary(vocabulary::Args),
    /// The time of a row optimizer's step by how long its rows were untouched
    Untouched,
}

/// The shape of the model and the number of steps.
#[derive(clap::Args)]
struct Shape {
    /// Steps to measure, after a first one
    #[arg(long, default_value_t = 7, value_parser = at_least(1))]
    steps: usize,
    /// Kind of bilinear matrices; all three if not given
    #[arg(long, value_parser = PossibleValuesParser::new(KINDS.map(|(name, _)| name)))]
    kind: Option<String>,
    /// Table rows, V
    #[arg(long, default_value_t = 1_000_000, value_parser = at_least(FIELDS))]
    rows: usize,
    /// Batch rows per step, B
    #[arg(long, default_value_t = BATCH, value_parser = at_least(1))]
    batch: usize,
    /// Embedding dimension, K
    #[arg(long, default_value_t = EMBEDDING_DIM, value_parser = at_least(1))]
    dim: usize,
}

const KINDS: [(&str, BilinearKind); 3] = [
    ("field_all", BilinearKind::FieldAll),
    ("field_each", BilinearKind::FieldEach),
    ("field_interaction", BilinearKind::FieldInteraction),
];

/// A parser of numbers that are at least `least`.
fn at_least(least: usize) -> impl Fn(&str) -> Result<usize, String> + Clone {
    move |text| match text.parse() {
        Ok(number) if number >= least => Ok(number),
        _ => Err(format!(
            "expected a number of at least {least}, got `{text}`"
        )),
    }
}

impl Shape {
    fn kinds(&self) -> impl Iterator<Item = (&'static str, BilinearKind)> {
        let is_chosen = |name| self.kind.as_ref().is_none_or(|kind| kind == name);
        KINDS.into_iter().filter(move |(name, _)| is_chosen(*name))
    }

    fn field_rows(&self) -> usize {
        self.rows / FIELDS
    }

    /// The widths of the DNN's input, hidden layers and output.
    fn dnn_widths(&self) -> Vec<usize> {
        let mut widths = dnn_widths();
        widths[0] = 2 * num_pairs(FIELDS) * self.dim;
        widths
    }

    /// A model in training whose global gradient norm has a bound. 0 disables it.
    fn trainer(&self, kind: BilinearKind, max_gradient_norm: f64, device: &Device) -> Trainer {
        let head = FiBiNetConfig::new(FIELDS, self.dim)
            .with_bilinear(kind)
            .with_hidden_units(HIDDEN.to_vec());
        let model = CtrModelConfig::new(head).into_any();
        let sizes = FieldSizes::new(vec![self.field_rows(); FIELDS]).expect("proper sizes");
        let train = TrainConfig {
            max_gradient_norm,
            ..TrainConfig::default()
        };
        let train = train.validate().expect("proper settings");
        Trainer::new(&model, sizes, &train, device).expect("a proper config")
    }

    /// The batch of a step.
    fn batch(&self, step: usize) -> RowInputs {
        batch(step as u64, self.batch, self.field_rows())
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// The bytes of a table row with K = 10 and of its Adam state, as documented at [`fibinet::train::optim::Tables`].
fn row_bytes(rule: RowRule) -> usize {
    let last_step = usize::from(rule == RowRule::ExactAdam);
    4 * (3 * (EMBEDDING_DIM + 1) + last_step)
}

fn main() {
    // Cargo adds an argument of its own.
    let args = Args::parse_from(std::env::args().filter(|arg| arg != "--bench"));
    let backend = Backend::compiled()
        .next()
        .expect("a backend is compiled in");
    let device = backend.device().expect("a compiled backend has a device");
    println!("{backend}");
    match &args.part {
        None => speed::run(&args.shape, &device),
        Some(Part::Split(shape)) => split::run(shape, backend, &device),
        Some(Part::Vocabulary(args)) => vocabulary::run(args, &device),
        Some(Part::Untouched) => untouched::run(),
    }
}
