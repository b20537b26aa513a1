//! The time of a step by vocabulary and row optimizer, with ids from a subset of 100k rows that is scattered
//! over the tables. All cases take turns in one process. Ratios are to the same optimizer's step on tables of
//! 100k rows.

use std::time::Instant;

use burn::tensor::Device;
use fibinet::model::inputs::RowInputs;
use fibinet::nn::inputs::FieldSizes;
use fibinet::nn::models::CtrModelConfig;
use fibinet::nn::models::fibinet::FiBiNetConfig;
use fibinet::train::Trainer;
use fibinet::train::config::TrainConfig;
use fibinet::train::optim::RowRule;
use fibinet_testing::criteo::{BATCH, EMBEDDING_DIM, FIELD_ROWS, FIELDS, HIDDEN, batch, middle};

use crate::{at_least, milliseconds, row_bytes};

#[derive(clap::Args)]
pub struct Args {
    /// Steps to measure, after a first one
    #[arg(long, default_value_t = 7, value_parser = at_least(1))]
    steps: usize,
}

/// Table rows that batches touch.
const SUBSET: usize = 100_000;

/// Table rows and row optimizer of each case, fewest rows first.
const CASES: [(usize, RowRule); 5] = [
    (100_000, RowRule::LazyAdam),
    (100_000, RowRule::ExactAdam),
    (10_000_000, RowRule::LazyAdam),
    (10_000_000, RowRule::ExactAdam),
    (30_000_000, RowRule::ExactAdam),
];

/// A batch with ids from a subset of each field's rows. The subset is the same in tables of any size, except for
/// its positions.
fn scattered_rows(step: usize, num_rows: usize) -> RowInputs {
    let mut rows = batch(step as u64, BATCH, FIELD_ROWS);
    let stride = num_rows / SUBSET;
    for id in &mut rows.ids {
        let member = *id as usize % (SUBSET / FIELDS);
        let within = fibinet::data::mix_seed(7, member as u64) as usize % stride;
        *id = (member * stride + within) as u32;
    }
    rows
}

fn trainer(num_rows: usize, rule: RowRule, device: &Device) -> Trainer {
    let sizes = FieldSizes::new(vec![num_rows / FIELDS; FIELDS]).expect("proper sizes");
    let train = TrainConfig {
        row_optimizer: rule,
        ..TrainConfig::default()
    };
    let train = train.validate().expect("proper settings");
    let head = FiBiNetConfig::new(FIELDS, EMBEDDING_DIM).with_hidden_units(HIDDEN.to_vec());
    let model = CtrModelConfig::new(head).into_any();
    Trainer::new(&model, sizes, &train, device).expect("a proper config")
}

pub fn run(args: &Args, device: &Device) {
    let bytes = CASES.map(|(num_rows, rule)| num_rows * row_bytes(rule));
    let gigabytes = bytes.iter().sum::<usize>() as f64 / 1e9;
    println!("tables and their moments take {gigabytes:.1} GB");
    let mut trainers = CASES.map(|(num_rows, rule)| trainer(num_rows, rule, device));
    let mut times = CASES.map(|_| Vec::new());
    for step in 0..=args.steps {
        for ((trainer, (num_rows, _)), times) in trainers.iter_mut().zip(CASES).zip(&mut times) {
            let rows = scattered_rows(step, num_rows);
            let start = Instant::now();
            std::hint::black_box(trainer.step(&rows));
            if step > 0 {
                times.push(start.elapsed());
            }
        }
    }
    println!(
        "median of {} steps of {BATCH} rows, ids of {SUBSET} rows",
        args.steps
    );
    println!("{:>12} {:<10} {:>8} {:>6}", "rows", "", "ms", "ratio");
    let medians = times.map(|mut times| milliseconds(middle(&mut times)));
    for ((num_rows, rule), median) in CASES.into_iter().zip(medians) {
        let least = CASES.iter().position(|(_, other)| *other == rule);
        let ratio = median / medians[least.expect("it is one of them")];
        let rule = format!("{rule:?}");
        println!("{num_rows:>12} {rule:<10} {median:>8.1} {ratio:>6.3}");
    }
}
