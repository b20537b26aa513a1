//! Training at Criteo's shape: F = 39, 400×3, Adam; K = 10, batch 2,048 and V = 1M where nothing else is
//! asked for.
//!
//! ```text
//! cargo bench --bench training [-- SHAPE]            rows/s, and the share of the matmul floor
//! cargo bench --bench training -- split [SHAPE]      where the time of a step goes
//! cargo bench --bench training -- vocabulary         a step by the vocabulary
//! cargo bench --bench training -- unmet              a step by how long its rows were not met
//!
//! SHAPE: [--steps 7] [--kind KIND] [--rows 1000000] [--batch 2048] [--dim 10]
//! ```
//!
//! Figures are medians of the steps after a first one. Cases that are compared take turns.

use std::time::Duration;

use burn::tensor::Device;
use clap::builder::PossibleValuesParser;
use clap::{Parser, Subcommand};
use fibinet::model::RowInputs;
use fibinet::nn::{Backend, BilinearKind, CtrModelConfig, FiBiNetConfig, FieldSizes, num_pairs};
use fibinet::train::{RowRule, TrainConfig, Trainer};

#[path = "../criteo/mod.rs"]
mod criteo;
mod floor;
mod speed;
mod split;
mod unmet;
mod vocabulary;

use criteo::{BATCH, EMBEDDING_DIM, FIELDS, HIDDEN, batch, dnn_widths};

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
    /// A step by the vocabulary and the row optimizer
    Vocabulary(vocabulary::Args),
    /// A step of the row optimizer by how long its rows were not met
    Unmet,
}

/// What is trained, and how often.
#[derive(clap::Args)]
struct Shape {
    /// Steps that count.
    #[arg(long, default_value_t = 7, value_parser = at_least(1))]
    steps: usize,
    /// The one kind of matrices; without it all three.
    #[arg(long, value_parser = PossibleValuesParser::new(KINDS.map(|(name, _)| name)))]
    kind: Option<String>,
    /// Rows of the tables, V.
    #[arg(long, default_value_t = 1_000_000, value_parser = at_least(FIELDS))]
    rows: usize,
    /// Rows of a step, B.
    #[arg(long, default_value_t = BATCH, value_parser = at_least(1))]
    batch: usize,
    /// Numbers of a field's vector, K.
    #[arg(long, default_value_t = EMBEDDING_DIM, value_parser = at_least(1))]
    dim: usize,
}

const KINDS: [(&str, BilinearKind); 3] = [
    ("field_all", BilinearKind::FieldAll),
    ("field_each", BilinearKind::FieldEach),
    ("field_interaction", BilinearKind::FieldInteraction),
];

/// Reads a number that is not below `least`.
fn at_least(least: usize) -> impl Fn(&str) -> Result<usize, String> + Clone {
    move |text| match text.parse() {
        Ok(number) if number >= least => Ok(number),
        _ => Err(format!("a number of at least {least} is asked for")),
    }
}

impl Shape {
    fn kinds(&self) -> impl Iterator<Item = (&'static str, BilinearKind)> {
        let asked = |name| self.kind.as_ref().is_none_or(|kind| kind == name);
        KINDS.into_iter().filter(move |(name, _)| asked(*name))
    }

    fn field_rows(&self) -> usize {
        self.rows / FIELDS
    }

    /// The widths before, between and after the DNN's layers.
    fn dnn_widths(&self) -> Vec<usize> {
        let mut widths = dnn_widths();
        widths[0] = 2 * num_pairs(FIELDS) * self.dim;
        widths
    }

    /// A model whose gradients' global norm has this bound; 0: none.
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

/// Bytes that a row of K = 10 takes with Adam's moments, by the docs of [`fibinet::train::Tables`].
fn row_bytes(rule: RowRule) -> usize {
    let last_met = usize::from(rule == RowRule::ExactAdam);
    4 * (3 * (EMBEDDING_DIM + 1) + last_met)
}

fn main() {
    // Cargo's own argument says that this is a bench.
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
        Some(Part::Unmet) => unmet::run(),
    }
}
