//! The time of a row optimizer's step by how many steps have not touched its rows: exact Adam, which replays
//! those steps, against lazy Adam, which does not. Both take turns, without a head.
//!
//! Each set has as many rows as a batch can touch, scattered over the tables. Each step touches one set, in
//! turn; then come steps that touch no row, and then all sets again. Replaying rows that were last touched in
//! one of the first 200 steps, while bias corrections change fast, costs more than replaying later ones.

use std::time::{Duration, Instant};

use fibinet::model::tables::TableDtype;
use fibinet::nn::inputs::FieldSizes;
use fibinet::nn::models::TablesConfig;
use fibinet::train::optim::{RowGradients, RowOptimizer, RowRule, Tables};
use fibinet_testing::criteo::{BATCH, EMBEDDING_DIM, FIELDS, middle};

use crate::{milliseconds, row_bytes};

const RULES: [RowRule; 2] = [RowRule::LazyAdam, RowRule::ExactAdam];
const SETS: usize = 9;
const SET_ROWS: usize = BATCH * FIELDS;
/// One of this many table rows is touched.
const STRIDE: usize = 5;
const ROWS: usize = SETS * SET_ROWS * STRIDE;

pub fn run() {
    let bytes: usize = RULES.map(row_bytes).iter().sum();
    let gigabytes = (ROWS * bytes) as f64 / 1e9;
    println!("tables of {ROWS} rows and their moments take {gigabytes:.1} GB");
    println!("median of {SETS} steps that touch {SET_ROWS} rows each, in ms");
    println!(
        "{:>14} {:>8} {:>8} {:>8} {:>6}",
        "touched in", "missed", "lazy", "exact", "ratio"
    );
    let mut turns = Turns::new();
    turns.touch_sets();
    for missed in [10, 100, 256, 10, 100, 1000, 10_000] {
        let touched = turns.steps + 1 - SETS;
        let [lazy, exact] = turns.after(missed).map(milliseconds);
        println!(
            "{touched:>14} {missed:>8} {lazy:>8.2} {exact:>8.2} {:>6.2}",
            exact / lazy
        );
    }
}

/// Both optimizers, which take the same steps in turn.
struct Turns {
    optimizers: [(Tables, RowOptimizer); 2],
    sets: Vec<RowGradients>,
    steps: usize,
}

impl Turns {
    fn new() -> Self {
        let config = TablesConfig::new(EMBEDDING_DIM);
        let sizes = FieldSizes::new(vec![ROWS / FIELDS; FIELDS]).expect("proper sizes");
        Self {
            optimizers: RULES.map(|rule| {
                let tables = Tables::new(&config, sizes.clone(), 7, TableDtype::F32);
                let tables = tables.expect("a proper config");
                let optimizer = RowOptimizer::new(rule, &tables, 7);
                (tables, optimizer)
            }),
            sets: (0..SETS).map(set).collect(),
            steps: 0,
        }
    }

    /// One step of each optimizer on a set, or on no row.
    fn step(&mut self, set: Option<usize>) -> [Duration; 2] {
        self.steps += 1;
        let none = RowGradients::default();
        let gradients = set.map_or(&none, |set| &self.sets[set]);
        self.optimizers.each_mut().map(|(tables, optimizer)| {
            let start = Instant::now();
            optimizer.step(tables, gradients, 1e-3, 1.0);
            start.elapsed()
        })
    }

    /// Takes steps that touch no row.
    fn pause(&mut self, steps: usize) {
        for _ in 0..steps {
            self.step(None);
        }
    }

    /// One step on each set. Returns the median time of each optimizer.
    fn touch_sets(&mut self) -> [Duration; 2] {
        let steps: Vec<_> = (0..SETS).map(|set| self.step(Some(set))).collect();
        std::array::from_fn(|rule| {
            let mut times: Vec<Duration> = steps.iter().map(|step| step[rule]).collect();
            middle(&mut times)
        })
    }

    /// Touches the sets again, each after `missed` steps that did not.
    fn after(&mut self, missed: usize) -> [Duration; 2] {
        self.pause(missed - (SETS - 1));
        self.touch_sets()
    }
}

/// Gradients of a set's rows, between 1e-4 and 1.1e-3.
fn set(set: usize) -> RowGradients {
    let numbers = |len: usize| {
        let draw = |i: usize| fibinet::data::mix_seed(set as u64, i as u64) % 1000;
        (0..len).map(|i| draw(i) as f32 * 1e-6 + 1e-4).collect()
    };
    RowGradients {
        rows: (0..SET_ROWS)
            .map(|row| (row * SETS + set) * STRIDE)
            .collect(),
        embedding: numbers(SET_ROWS * EMBEDDING_DIM),
        linear: numbers(SET_ROWS),
    }
}
