use fibinet_model::huge_pages::zeroed;
use fibinet_model::{RowsBehind, TableDtype};
use half::{bf16, f16};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::optim::rows::gradients::RowGradients;
use crate::optim::rows::rounding::{Draws, Stored};
use crate::optim::rows::table_numbers::TableNumbers;
use crate::optim::rows::table_rows::{Part, State, for_table_rows};
use crate::optim::rows::tables::Tables;
use crate::optim::rules::adam::Adam;
use crate::optim::rules::exact_adam::MissedSteps;

/// Rows looked at together where rows of the whole table are brought up.
const SCANNED_ROWS: usize = 1 << 16;

/// How a row moves by its gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowRule {
    /// `w -= lr g`
    Sgd,
    /// `s += g²; w -= lr g / (√s + ε)` (Duchi, Hazan and Singer, 2011; PyTorch's form).
    Adagrad,
    /// One sum of squares a row, of the mean of `g²` over it: `s += mean(g²); w -= lr g / (√s + ε)`,
    /// torchrec's and FBGEMM's.
    RowwiseAdagrad,
    /// Adam (Kingma and Ba, 2015) whose moments move only when a row is met, with the bias
    /// correction of all steps: TensorFlow's LazyAdam and PyTorch's SparseAdam. With every row
    /// taken in every step it is dense Adam.
    LazyAdam,
    /// Dense Adam at the cost of the rows met: the momentum that moves a row in steps that do not meet
    /// it is replayed when it is next read, with each step's own learning rate and bias correction.
    /// L2 is on the rows met, as their gradient is: for L2 on all rows in all steps, which leaves no row
    /// unmet, there is [`RowUpdate::All`](crate::RowUpdate::All).
    ///
    /// In a table of 16-bit numbers moments are as exact. A weight gets the sum of the updates that it
    /// missed in f32, and is rounded once, where dense Adam would round it in each of those steps: its
    /// mean over all roundings is the same, and it scatters less.
    ExactAdam,
}

/// PyTorch's.
pub(crate) const ADAGRAD_EPSILON: f32 = 1e-10;

/// Updates the rows that have a gradient, and no others, in place.
///
/// A step costs by those rows alone: for each it reads its gradient, and reads and writes its row of
/// the table and of the rule's state. Several threads share the rows, whatever their fields are, and
/// nothing is allocated but a row a task.
///
/// A row of 16-bit numbers is updated in f32 and stored by stochastic rounding: as one of the two numbers
/// around it, the nearer one the more often, so that updates far below the table's precision add up in
/// the mean, where rounding to the nearest would lose each of them. The random bits are a hash of the
/// seed, the step, the row and the place in it. Numbers beyond f16's 65,504 are stored as it.
#[derive(Debug, Clone)]
pub struct RowOptimizer {
    rule: RowRule,
    step: u32,
    /// Of the embedding table.
    dtype: TableDtype,
    /// Of its roundings.
    seed: u64,
    embedding: State,
    linear: State,
    /// Of [`RowRule::ExactAdam`].
    behind: Option<Behind>,
}

/// How far rows are behind.
#[derive(Debug, Clone)]
struct Behind {
    missed: MissedSteps<f32>,
    /// Per row: the step that it was last brought up to; 0: none.
    last: Vec<u32>,
    /// Those of the rows that are brought up now, kept for its buffer.
    met: Vec<u32>,
}

impl RowRule {
    /// Numbers of state a row, of a table of `width`.
    pub(crate) fn state_width(self, width: usize) -> usize {
        match self {
            Self::Sgd => 0,
            Self::Adagrad => width,
            Self::RowwiseAdagrad => 1,
            Self::LazyAdam | Self::ExactAdam => 2 * width,
        }
    }
}

impl RowOptimizer {
    /// An optimizer of these tables, at its first step. Tables of 16-bit numbers are rounded by the seed.
    pub fn new(rule: RowRule, tables: &Tables, seed: u64) -> Self {
        let num_rows = tables.sizes.num_rows();
        let linear = match tables.linear {
            Some(_) => State::new(rule, num_rows, 1),
            None => State::default(),
        };
        Self {
            rule,
            step: 0,
            dtype: tables.embedding.as_slice().dtype(),
            seed,
            embedding: State::new(rule, num_rows, tables.embedding_dim),
            linear,
            behind: (rule == RowRule::ExactAdam).then(|| Behind {
                missed: MissedSteps::new(),
                last: zeroed(num_rows),
                met: Vec::new(),
            }),
        }
    }

    /// Forgets all steps: as a new one of the same tables, whose rows are as they are now. Its memory is
    /// given back before as much is taken.
    pub(crate) fn restart(&mut self) {
        self.step = 0;
        for state in [&mut self.embedding, &mut self.linear] {
            let len = std::mem::take(&mut state.numbers).len();
            state.numbers = zeroed(len);
        }
        if let Some(Behind { missed, last, .. }) = &mut self.behind {
            *missed = MissedSteps::new();
            let len = std::mem::take(last).len();
            *last = zeroed(len);
        }
    }

    /// Whether rows may lie behind the steps done, as [`RowRule::ExactAdam`] leaves those not met.
    pub fn leaves_rows_behind(&self) -> bool {
        self.behind.is_some()
    }

    /// Brings rows up to the steps done, which is to happen before they are read for the next step.
    ///
    /// - `rows`: ascending
    ///
    /// # Panics
    ///
    /// If a row is of other tables.
    pub fn catch_up(&mut self, tables: &mut Tables, rows: &[usize]) {
        let Some(Behind { missed, last, met }) = &mut self.behind else {
            return;
        };
        if rows.iter().all(|row| last[*row] == missed.steps()) {
            return;
        }
        met.clear();
        met.extend(
            rows.iter()
                .map(|row| std::mem::replace(&mut last[*row], missed.steps())),
        );
        let replay = |index: usize, weights: &mut [f32], moments: &mut [f32]| {
            let (first, second) = moments.split_at_mut(weights.len());
            missed.replay(met[index], weights, first, second);
            missed.decay(met[index], first, second);
        };
        let draws = Draws::of_rows_behind(self.seed, missed.steps());
        let dim = tables.embedding_dim;
        let (table, state) = (&mut tables.embedding, &mut self.embedding);
        for_table_rows(table, state, dim, draws, rows, &replay);
        if let Some(weights) = &mut tables.linear {
            Part::new(weights, &mut self.linear, 1, draws).for_rows(rows, 0, &replay);
        }
    }

    /// Brings every row up to the steps done.
    pub(crate) fn catch_up_all(&mut self, tables: &mut Tables) {
        let mut rows = Vec::new();
        for first in (0..tables.sizes.num_rows()).step_by(SCANNED_ROWS) {
            let Some(Behind { last, .. }) = &self.behind else {
                return;
            };
            let some = &last[first..last.len().min(first + SCANNED_ROWS)];
            rows.clear();
            rows.extend(
                (first..)
                    .zip(some)
                    .filter(|(_, last)| **last != 0)
                    .map(|(row, _)| row),
            );
            self.catch_up(tables, &rows);
        }
    }

    /// A copy of the tables with every row up to the steps done.
    pub(crate) fn current(&self, tables: &Tables) -> Tables {
        let mut current = tables.clone();
        let dim = tables.embedding_dim;
        match &mut current.embedding {
            TableNumbers::F32(numbers) => self.bring_up_table(numbers, dim),
            TableNumbers::Bf16(numbers) => self.bring_up_table(numbers, dim),
            TableNumbers::F16(numbers) => self.bring_up_table(numbers, dim),
        }
        if let Some(weights) = &mut current.linear {
            let rows = weights.par_chunks_exact_mut(1).enumerate();
            rows.for_each(|(row, weight)| self.bring_up_linear(row, weight));
        }
        current
    }

    fn bring_up_table<N: Stored>(&self, numbers: &mut [N], dim: usize) {
        let rows = numbers.par_chunks_exact_mut(dim).enumerate();
        rows.for_each_with(vec![0.0; dim], |buffer, (row, vector)| {
            for (wide, number) in buffer.iter_mut().zip(&*vector) {
                *wide = number.wide();
            }
            self.bring_up_embedding(row, buffer);
            for (number, wide) in vector.iter_mut().zip(buffer) {
                *number = N::nearest(*wide);
            }
        });
    }

    /// Brings a copy of a row up to the steps done, and gives whether it lacked any.
    fn replay(&self, state: &State, row: usize, copy: &mut [f32]) -> bool {
        let Some(Behind { missed, last, .. }) = &self.behind else {
            return false;
        };
        let moments = &state.numbers[2 * row * copy.len()..][..2 * copy.len()];
        let (first, second) = moments.split_at(copy.len());
        missed.replay(last[row], copy, first, second);
        ![0, missed.steps()].contains(&last[row])
    }

    /// One step: every row of `gradients`, times `scale`, moves its row of the tables. Rows that lie
    /// behind are [caught up](Self::catch_up) first, as they were where the gradients are theirs.
    ///
    /// # Panics
    ///
    /// If the gradients are of other tables.
    pub fn step(
        &mut self,
        tables: &mut Tables,
        gradients: &RowGradients,
        learning_rate: f64,
        scale: f64,
    ) {
        self.catch_up(tables, &gradients.rows);
        self.step += 1;
        let rule = Rule::new(self.rule, self.step, learning_rate, scale);
        let (rows, dim) = (&gradients.rows, tables.embedding_dim);
        assert_eq!(gradients.embedding.len(), rows.len() * dim, "gradients");
        let draws = Draws::of_step(self.seed, self.step);
        let update = rule.of_rows(&gradients.embedding, dim);
        let (table, state) = (&mut tables.embedding, &mut self.embedding);
        for_table_rows(table, state, dim, draws, rows, &update);
        // A head may read no linear terms.
        if let Some(weights) = &mut tables.linear
            && !gradients.linear.is_empty()
        {
            assert_eq!(gradients.linear.len(), rows.len(), "linear gradients");
            let update = rule.of_rows(&gradients.linear, 1);
            Part::new(weights, &mut self.linear, 1, draws).for_rows(rows, 0, &update);
        }
        if let Some(Behind { missed, last, .. }) = &mut self.behind {
            missed.push(learning_rate);
            for row in rows {
                last[*row] = missed.steps();
            }
        }
    }
}

impl RowsBehind for RowOptimizer {
    fn bring_up_embedding(&self, row: usize, vector: &mut [f32]) {
        if !self.replay(&self.embedding, row, vector) || self.dtype == TableDtype::F32 {
            return;
        }
        // As the row will be rounded when it is brought up itself.
        let steps = self.behind.as_ref().map_or(0, |b| b.missed.steps());
        let draws = Draws::of_rows_behind(self.seed, steps).of_row(row);
        draws.for_each(vector, |_, number, random| {
            *number = match self.dtype {
                TableDtype::F32 => *number,
                TableDtype::Bf16 => bf16::round(*number, random).wide(),
                TableDtype::F16 => f16::round(*number, random).wide(),
            };
        });
    }

    fn bring_up_linear(&self, row: usize, weight: &mut [f32]) {
        self.replay(&self.linear, row, weight);
    }
}

/// A rule with the numbers of one step.
#[derive(Debug, Clone, Copy)]
struct Rule {
    rule: RowRule,
    learning_rate: f32,
    scale: f32,
    adam: Adam<f32>,
}

impl Rule {
    fn new(rule: RowRule, step: u32, learning_rate: f64, scale: f64) -> Self {
        Self {
            rule,
            learning_rate: learning_rate as f32,
            scale: scale as f32,
            adam: Adam::new(step, learning_rate, scale),
        }
    }

    /// What moves the weights of the row at an index by its gradient, of `width` numbers.
    fn of_rows(
        self,
        gradients: &[f32],
        width: usize,
    ) -> impl Fn(usize, &mut [f32], &mut [f32]) + Sync {
        move |index, weights, state| {
            self.update(weights, state, &gradients[index * width..][..width]);
        }
    }

    fn update(self, weights: &mut [f32], state: &mut [f32], gradient: &[f32]) {
        let rows = weights.iter_mut().zip(gradient);
        match self.rule {
            RowRule::Sgd => {
                for (weight, gradient) in rows {
                    *weight -= self.learning_rate * self.scale * gradient;
                }
            }
            RowRule::Adagrad => {
                for ((weight, gradient), sum) in rows.zip(state) {
                    let gradient = self.scale * gradient;
                    *sum += gradient * gradient;
                    *weight -= self.learning_rate * gradient / (sum.sqrt() + ADAGRAD_EPSILON);
                }
            }
            RowRule::RowwiseAdagrad => {
                let squares: f32 = gradient.iter().map(|g| (self.scale * g).powi(2)).sum();
                let sum = &mut state[0];
                *sum += squares / gradient.len() as f32;
                let rate = self.learning_rate * self.scale / (sum.sqrt() + ADAGRAD_EPSILON);
                for (weight, gradient) in rows {
                    *weight -= rate * gradient;
                }
            }
            RowRule::LazyAdam | RowRule::ExactAdam => {
                let (first, second) = state.split_at_mut(weights.len());
                self.adam.update(weights, first, second, gradient);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::module::Initializer;
    use fibinet_nn::{FieldSizes, TablesConfig};

    /// Fields of 2 and 3 rows, K = 1, all weights 1, no linear part.
    fn tables() -> Tables {
        let config = TablesConfig::new(1)
            .with_linear(false)
            .with_embedding_initializer(Initializer::Ones);
        Tables::new(
            &config,
            FieldSizes::new(vec![2, 3]).unwrap(),
            0,
            TableDtype::F32,
        )
        .unwrap()
    }

    fn gradients(rows: &[usize], gradients: &[f32]) -> RowGradients {
        RowGradients {
            rows: rows.to_vec(),
            embedding: gradients.to_vec(),
            linear: Vec::new(),
        }
    }

    fn after(rule: RowRule, steps: &[RowGradients], scale: f64) -> Vec<f32> {
        let mut tables = tables();
        let mut optimizer = RowOptimizer::new(rule, &tables, 0);
        for gradients in steps {
            optimizer.step(&mut tables, gradients, 0.1, scale);
        }
        tables.embedding.to_f32()
    }

    #[track_caller]
    fn assert_close(actual: &[f32], expected: &[f32]) {
        let close = actual
            .iter()
            .zip(expected)
            .all(|(a, e)| (a - e).abs() < 1e-6);
        assert!(
            actual.len() == expected.len() && close,
            "{actual:?}, expected {expected:?}"
        );
    }

    /// Against lazy Adam of all rows in every step, which is dense Adam; row `r` is met every `2^r`
    /// steps, the last one in the first step alone.
    #[test]
    fn exact_adam_stays_with_dense_adam_past_its_early_steps() {
        let [mut exact_tables, mut dense_tables] = [tables(), tables()];
        let mut exact = RowOptimizer::new(RowRule::ExactAdam, &exact_tables, 0);
        let mut dense = RowOptimizer::new(RowRule::LazyAdam, &dense_tables, 0);
        let all = [0, 1, 2, 3, 4];
        for step in 0..1400_usize {
            let period = |row: usize| if row == 4 { 1 << 20 } else { 1 << (3 * row) };
            let met = |row: usize| step.is_multiple_of(period(row));
            let gradient = |row: usize| match met(row) {
                true => {
                    (fibinet_data::mix_seed(row as u64, step as u64) % 1000) as f32 / 500.0 - 0.9
                }
                false => 0.0,
            };
            let rows: Vec<usize> = all.into_iter().filter(|row| met(*row)).collect();
            let of_met: Vec<f32> = rows.iter().map(|row| gradient(*row)).collect();
            let rate = if step < 700 { 1e-2 } else { 3e-3 };
            exact.step(&mut exact_tables, &gradients(&rows, &of_met), rate, 1.0);
            dense.step(
                &mut dense_tables,
                &gradients(&all, &all.map(gradient)),
                rate,
                1.0,
            );
        }
        let read = exact.current(&exact_tables).embedding;
        exact.catch_up(&mut exact_tables, &all);
        assert_eq!(read, exact_tables.embedding);
        let read = read.to_f32();
        assert!(
            read.iter().all(|weight| (weight - 1.0).abs() > 1e-3),
            "{read:?}"
        );
        assert_close(&read, &dense_tables.embedding.to_f32());
    }

    #[test]
    fn linear_weights_that_no_head_reads_stay() {
        let config = TablesConfig::new(1);
        let mut tables = Tables::new(
            &config,
            FieldSizes::new(vec![2, 3]).unwrap(),
            0,
            TableDtype::F32,
        )
        .unwrap();
        let (before, linear) = (tables.embedding.clone(), tables.linear.clone());
        let mut optimizer = RowOptimizer::new(RowRule::ExactAdam, &tables, 0);
        optimizer.step(&mut tables, &gradients(&[1], &[2.0]), 0.1, 1.0);
        assert_eq!(tables.linear, linear);
        assert_ne!(tables.embedding, before);
    }

    #[test]
    fn sgd_moves_the_rows_met_by_their_scaled_gradients() {
        let step = gradients(&[1, 2, 4], &[2.0, -1.0, 4.0]);
        assert_close(
            &after(RowRule::Sgd, &[step], 0.5),
            &[1.0, 0.9, 1.05, 1.0, 0.8],
        );
    }

    #[test]
    fn adagrad_divides_by_the_root_of_all_squares() {
        let step = gradients(&[1], &[3.0]);
        let again = gradients(&[1], &[4.0]);
        // 0.1 · 3 / 3, then 0.1 · 4 / 5
        let expected = [1.0, 1.0 - 0.1 - 0.08, 1.0, 1.0, 1.0];
        assert_close(&after(RowRule::Adagrad, &[step, again], 1.0), &expected);
    }

    #[test]
    fn rowwise_adagrad_keeps_one_sum_a_row() {
        let config = TablesConfig::new(2)
            .with_linear(false)
            .with_embedding_initializer(Initializer::Ones);
        let mut tables = Tables::new(
            &config,
            FieldSizes::new(vec![2, 3]).unwrap(),
            0,
            TableDtype::F32,
        )
        .unwrap();
        let mut optimizer = RowOptimizer::new(RowRule::RowwiseAdagrad, &tables, 0);
        let step = gradients(&[1, 4], &[3.0, 4.0, 0.0, 2.0]);
        optimizer.step(&mut tables, &step, 0.1, 2.0);
        assert_eq!(optimizer.embedding.numbers.len(), 5);
        // The scaled gradient is (6, 8): √50; and (0, 4): √8.
        let (a, b, c) = (0.6 / 50_f32.sqrt(), 0.8 / 50_f32.sqrt(), 0.4 / 8_f32.sqrt());
        let expected = [1.0, 1.0, 1.0 - a, 1.0 - b, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0 - c];
        assert_close(&tables.embedding.to_f32(), &expected);
    }

    #[test]
    fn lazy_adam_moves_by_the_learning_rate_first_and_rests_where_not_met() {
        let step = gradients(&[1], &[3.0]);
        let other = gradients(&[2], &[-2.0]);
        let moved = after(RowRule::LazyAdam, std::slice::from_ref(&step), 1.0);
        assert_close(&moved, &[1.0, 0.9, 1.0, 1.0, 1.0]);
        // Row 0 of field 1 is first met in step 2: m = -0.2, v = 0.004,
        // m / (1 - .9²) = -1.052632, √(v / (1 - .999²)) = 1.414567; .1 · 1.052632 / 1.414567
        let moved = after(RowRule::LazyAdam, &[step, other], 1.0);
        assert_close(&moved, &[1.0, 0.9, 1.074_414, 1.0, 1.0]);
    }

    #[test]
    fn many_rows_move_as_each_does_alone() {
        let config = TablesConfig::new(3).with_embedding_initializer(Initializer::Ones);
        let sizes = FieldSizes::new(vec![700, 4000]).unwrap();
        let met: Vec<usize> = (0..4700).filter(|row| row % 3 != 1).collect();
        let number = |i: usize| (i % 17) as f32 - 8.0;
        let gradients = RowGradients {
            rows: met.clone(),
            embedding: (0..3 * met.len()).map(number).collect(),
            linear: (0..met.len()).map(number).collect(),
        };
        let mut tables = Tables::new(&config, sizes, 0, TableDtype::F32).unwrap();
        RowOptimizer::new(RowRule::Sgd, &tables, 0).step(&mut tables, &gradients, 0.5, 1.0);
        let mut expected = Tables::new(&config, tables.sizes.clone(), 0, TableDtype::F32).unwrap();
        let mut numbers = expected.embedding.to_f32();
        for (i, row) in met.iter().enumerate() {
            for k in 0..3 {
                numbers[3 * row + k] -= 0.5 * number(3 * i + k);
            }
            expected.linear.as_mut().unwrap()[*row] -= 0.5 * number(i);
        }
        assert_eq!(tables.embedding, numbers.into());
        assert_eq!(tables.linear, expected.linear);
    }

    const SIXTEEN_BITS: [TableDtype; 2] = [TableDtype::Bf16, TableDtype::F16];

    #[test]
    fn sixteen_bits_move_in_the_mean_by_updates_far_below_their_precision() {
        let config = TablesConfig::new(4)
            .with_linear(false)
            .with_embedding_initializer(Initializer::Ones);
        const ROWS: usize = 2000;
        for dtype in SIXTEEN_BITS {
            let sizes = FieldSizes::new(vec![ROWS, 1]).unwrap();
            let mut tables = Tables::new(&config, sizes, 0, dtype).unwrap();
            let mut optimizer = RowOptimizer::new(RowRule::Sgd, &tables, 5);
            let rows: Vec<usize> = (0..ROWS).collect();
            let gradients = gradients(&rows, &[1.0; 4 * ROWS]);
            // Below 1 neighbours are 2^-8 and 2^-11 apart.
            for _ in 0..50 {
                optimizer.step(&mut tables, &gradients, 1e-5, 1.0);
            }
            let numbers = tables.embedding.to_f32();
            let moved = numbers[..4 * ROWS].iter().map(|n| 1.0 - f64::from(*n));
            let mean = moved.sum::<f64>() / (4 * ROWS) as f64;
            // A number moves by a unit u with a chance of 5e-4 / u: its variance is below 5e-4 u.
            let unit = if dtype == TableDtype::Bf16 { 8 } else { 11 };
            let error = (5e-4 * 0.5_f64.powi(unit) / (4 * ROWS) as f64).sqrt();
            assert!(
                (mean - 5e-4).abs() < 4.0 * error,
                "{dtype}: {mean} ± {error}"
            );
            // And the row that has no gradient stays.
            assert_eq!(numbers[4 * ROWS..], [1.0; 4]);
        }
    }

    #[test]
    fn sixteen_bits_are_the_same_at_any_number_of_threads_and_others_by_another_seed() {
        let config = TablesConfig::new(3);
        let train = |dtype, threads, seed| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            pool.unwrap().install(|| {
                let sizes = FieldSizes::new(vec![700, 4000]).unwrap();
                let mut tables = Tables::new(&config, sizes, 0, dtype).unwrap();
                let mut optimizer = RowOptimizer::new(RowRule::ExactAdam, &tables, seed);
                for step in 0..5 {
                    let rows: Vec<usize> = (0..4700).filter(|row| row % (step + 2) != 1).collect();
                    let number = |i: usize| (i % 17) as f32 - 8.0;
                    let gradients = RowGradients {
                        embedding: (0..3 * rows.len()).map(number).collect(),
                        linear: (0..rows.len()).map(number).collect(),
                        rows,
                    };
                    optimizer.step(&mut tables, &gradients, 1e-3, 1.0);
                }
                let current = optimizer.current(&tables);
                optimizer.catch_up_all(&mut tables);
                // What is read is what will be stored.
                assert_eq!(current.embedding, tables.embedding);
                assert_eq!(current.linear, tables.linear);
                tables.embedding
            })
        };
        for dtype in SIXTEEN_BITS {
            let one = train(dtype, 1, 1);
            assert_eq!(train(dtype, 3, 1), one);
            assert_ne!(train(dtype, 1, 2), one);
            // Within a few units of f32's: rates of 1e-3 in weights of .1, whose unit is 2^-12 at most.
            let f32s = train(TableDtype::F32, 2, 1).to_f32();
            let sizes = FieldSizes::new(vec![700, 4000]).unwrap();
            let drawn = Tables::new(&config, sizes, 0, TableDtype::F32).unwrap();
            let mean = |a: &[f32], b: &[f32]| {
                let apart: f32 = a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum();
                apart / a.len() as f32
            };
            let moved = mean(&f32s, &drawn.embedding.to_f32());
            let apart = mean(&f32s, &one.to_f32());
            assert!(moved > 1e-3 && apart < 3e-4, "{dtype}: {apart} of {moved}");
        }
    }

    #[test]
    fn a_restarted_optimizer_is_as_a_new_one() {
        let mut tables = tables();
        let mut optimizer = RowOptimizer::new(RowRule::ExactAdam, &tables, 0);
        optimizer.step(&mut tables, &gradients(&[1, 3], &[2.0, -1.0]), 0.1, 1.0);
        optimizer.step(&mut tables, &gradients(&[2], &[2.0]), 0.1, 1.0);
        optimizer.catch_up_all(&mut tables);
        optimizer.restart();
        let mut same = tables.clone();
        let mut new = RowOptimizer::new(RowRule::ExactAdam, &same, 0);
        for rows in [[0, 3], [1, 2]] {
            let step = gradients(&rows, &[1.0, 0.5]);
            optimizer.step(&mut tables, &step, 0.1, 1.0);
            new.step(&mut same, &step, 0.1, 1.0);
        }
        let (restarted, new) = (optimizer.current(&tables), new.current(&same));
        assert_eq!(restarted.embedding, new.embedding);
    }
}
