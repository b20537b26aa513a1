use fibinet_model::tables::{FinishedRows, TableDtype};
use half::{bf16, f16};
use rayon::prelude::*;

use crate::optim::rows::gradients::RowGradients;
use crate::optim::rows::rounding::{Draws, Stored};
use crate::optim::rows::rule::{RowRule, UpdateRows};
use crate::optim::rows::stale_rows::StaleRows;
use crate::optim::rows::stateful_table::{State, StatefulTable};
use crate::optim::rows::table_numbers::{TableNumbers, TableSliceMut};
use crate::optim::rows::tables::Tables;
use crate::optim::rules::Step;

/// Rows that are looked through together when stale rows of the whole table are replayed.
const SCANNED_ROWS: usize = 1 << 16;

/// Updates the rows that have a gradient, and no others, in place.
///
/// The cost of a step depends on those rows alone. For each of them the step reads its gradient, and reads
/// and writes its row of the table and of the rule's state. Several threads share the rows, whatever their
/// fields are. Nothing is allocated except one row per task.
///
/// A row of 16-bit numbers is updated in f32 and stored with stochastic rounding: as one of the two numbers
/// around it, the nearer one with the higher probability. Updates far below the table's precision then add
/// up in the mean, where rounding to the nearest number would lose each of them. The random bits are a hash
/// of the seed, the step, the row and the index within the row. Numbers beyond f16's 65,504 are stored as
/// 65,504.
#[derive(Debug)]
pub struct RowOptimizer {
    rule: &'static dyn UpdateRows,
    step: u32,
    /// The type of the embedding table's numbers.
    dtype: TableDtype,
    /// The seed of the roundings.
    seed: u64,
    embedding: State,
    linear: State,
    /// `None` if the rule leaves no row stale.
    stale: Option<StaleRows>,
}

impl RowOptimizer {
    /// An optimizer of these tables, before its first step.
    ///
    /// - `seed`: of the roundings of 16-bit numbers
    pub fn new(rule: RowRule, tables: &Tables, seed: u64) -> Self {
        let replay = rule.rule().replay();
        let num_rows = tables.sizes.num_rows();
        Self {
            stale: replay.map(|replay| StaleRows::new(replay, num_rows)),
            ..Self::of_all_rows(rule, tables, seed)
        }
    }

    /// An optimizer whose every step gets the gradients of all rows, so that none is ever stale.
    pub(crate) fn of_all_rows(rule: RowRule, tables: &Tables, seed: u64) -> Self {
        let (rule, num_rows) = (rule.rule(), tables.sizes.num_rows());
        let state = |width| match width {
            0 => State::default(),
            width => State::new(num_rows, rule.state_width(width)),
        };
        Self {
            rule,
            step: 0,
            dtype: tables.embedding.as_slice().dtype(),
            seed,
            embedding: state(tables.embedding_dim),
            linear: state(usize::from(tables.linear.is_some())),
            stale: None,
        }
    }

    /// Forgets all steps, as if it were new. The tables' rows count as they are now.
    pub(crate) fn restart(&mut self) {
        self.step = 0;
        self.embedding.clear();
        self.linear.clear();
        if let Some((stale, replay)) = self.stale.as_mut().zip(self.rule.replay()) {
            stale.restart(replay);
        }
    }

    /// Whether rows may be stale, as [`RowRule::ExactAdam`] leaves the rows that a step does not touch.
    pub fn leaves_stale_rows(&self) -> bool {
        self.stale.is_some()
    }

    /// Replays on these rows the steps that they lack, which must happen before the next step reads them.
    ///
    /// - `rows`: ascending
    ///
    /// # Panics
    ///
    /// If the tables have no such row.
    pub fn replay(&mut self, tables: &mut Tables, rows: &[usize]) {
        let Some(stale) = &mut self.stale else {
            return;
        };
        let draws = Draws::of_replay(self.seed, stale.steps());
        let Some((replay, last_steps)) = stale.mark_replayed(rows) else {
            return;
        };
        let change = |index: usize, weights: &mut [f32], state: &mut [f32]| {
            replay.replay(last_steps[index], weights, state);
            replay.decay(last_steps[index], state);
        };
        let states = [&mut self.embedding, &mut self.linear];
        for table in tables_of(tables, states, draws) {
            table.for_each(rows, &change);
        }
    }

    /// [`replay`](Self::replay) of every row.
    pub(crate) fn replay_all(&mut self, tables: &mut Tables) {
        let (num_rows, mut rows) = (tables.sizes.num_rows(), Vec::new());
        for first in (0..num_rows).step_by(SCANNED_ROWS) {
            let Some(stale) = &self.stale else {
                return;
            };
            rows.clear();
            rows.extend(stale.touched(first..num_rows.min(first + SCANNED_ROWS)));
            self.replay(tables, &rows);
        }
    }

    /// A copy of the tables without stale rows.
    pub(crate) fn current(&self, tables: &Tables) -> Tables {
        let mut current = tables.clone();
        let dim = tables.embedding_dim;
        match &mut current.embedding {
            _ if dim == 0 => {}
            TableNumbers::F32(numbers) => self.finish_table(numbers, dim),
            TableNumbers::Bf16(numbers) => self.finish_table(numbers, dim),
            TableNumbers::F16(numbers) => self.finish_table(numbers, dim),
        }
        if let Some(weights) = &mut current.linear {
            let rows = weights.par_chunks_exact_mut(1).enumerate();
            rows.for_each(|(row, weight)| self.finish_linear(row, weight));
        }
        current
    }

    fn finish_table<N: Stored>(&self, numbers: &mut [N], dim: usize) {
        let rows = numbers.par_chunks_exact_mut(dim).enumerate();
        rows.for_each_with(vec![0.0; dim], |buffer, (row, vector)| {
            for (wide, number) in buffer.iter_mut().zip(&*vector) {
                *wide = number.wide();
            }
            self.finish_embedding(row, buffer);
            for (number, wide) in vector.iter_mut().zip(buffer) {
                *number = N::nearest(*wide);
            }
        });
    }

    /// One step: moves every row of `gradients` by its gradient times `scale`. Stale rows among them are
    /// [replayed](Self::replay) first, as they must have been when the gradients were computed.
    ///
    /// # Panics
    ///
    /// If the gradients do not fit the tables.
    pub fn step(
        &mut self,
        tables: &mut Tables,
        gradients: &RowGradients,
        learning_rate: f64,
        scale: f64,
    ) {
        let (rows, dim) = (&gradients.rows, tables.embedding_dim);
        self.replay(tables, rows);
        self.step += 1;
        let step = Step {
            number: self.step,
            learning_rate,
            scale,
        };
        let draws = Draws::of_step(self.seed, self.step);
        let states = [&mut self.embedding, &mut self.linear];
        let [embedding, linear] = tables_of(tables, states, draws);
        assert_eq!(
            gradients.embedding.len(),
            rows.len() * dim,
            "expected one embedding gradient per row"
        );
        self.rule
            .update_rows(step, embedding, rows, &gradients.embedding);
        if !gradients.linear.is_empty() {
            assert_eq!(
                gradients.linear.len(),
                rows.len(),
                "expected one linear gradient per row"
            );
            self.rule.update_rows(step, linear, rows, &gradients.linear);
        }
        if let Some(stale) = &mut self.stale {
            stale.record(learning_rate, rows);
        }
    }
}

/// The embedding table and the linear weights, of width 0 if the model has none.
fn tables_of<'a>(
    tables: &'a mut Tables,
    [embedding, linear]: [&'a mut State; 2],
    draws: Draws,
) -> [StatefulTable<'a>; 2] {
    let width = usize::from(tables.linear.is_some());
    let weights = tables.linear.as_deref_mut().unwrap_or_default();
    [
        StatefulTable::new(
            tables.embedding.as_mut_slice(),
            embedding,
            tables.embedding_dim,
            draws,
        ),
        StatefulTable::new(TableSliceMut::F32(weights), linear, width, draws),
    ]
}

impl FinishedRows for RowOptimizer {
    fn finish_embedding(&self, row: usize, vector: &mut [f32]) {
        let Some(stale) = &self.stale else {
            return;
        };
        stale.replay_copy(row, vector, self.embedding.row(row));
        if self.dtype == TableDtype::F32 || !stale.is_stale(row) {
            return;
        }
        // The rounding that the row itself will get when it is replayed.
        let draws = Draws::of_replay(self.seed, stale.steps()).of_row(row);
        draws.for_each(vector, |_, number, random| {
            *number = match self.dtype {
                TableDtype::F32 => *number,
                TableDtype::Bf16 => bf16::round(*number, random).wide(),
                TableDtype::F16 => f16::round(*number, random).wide(),
            };
        });
    }

    fn finish_linear(&self, row: usize, weight: &mut [f32]) {
        if let Some(stale) = &self.stale {
            stale.replay_copy(row, weight, self.linear.row(row));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::module::Initializer;
    use fibinet_nn::inputs::FieldSizes;
    use fibinet_nn::models::TablesConfig;

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

    /// Against lazy Adam on all rows in every step, which is dense Adam. Row `r` is touched every `8^r` steps,
    /// the last row in the first step only.
    #[test]
    fn exact_adam_stays_with_dense_adam_past_its_early_steps() {
        let [mut exact_tables, mut dense_tables] = [tables(), tables()];
        let mut exact = RowOptimizer::new(RowRule::ExactAdam, &exact_tables, 0);
        let mut dense = RowOptimizer::new(RowRule::LazyAdam, &dense_tables, 0);
        let all = [0, 1, 2, 3, 4];
        for step in 0..1400_usize {
            let period = |row: usize| if row == 4 { 1 << 20 } else { 1 << (3 * row) };
            let touched = |row: usize| step.is_multiple_of(period(row));
            let gradient = |row: usize| {
                if touched(row) {
                    (fibinet_data::mix_seed(row as u64, step as u64) % 1000) as f32 / 500.0 - 0.9
                } else {
                    0.0
                }
            };
            let rows: Vec<usize> = all.into_iter().filter(|row| touched(*row)).collect();
            let of_touched: Vec<f32> = rows.iter().map(|row| gradient(*row)).collect();
            let rate = if step < 700 { 1e-2 } else { 3e-3 };
            exact.step(&mut exact_tables, &gradients(&rows, &of_touched), rate, 1.0);
            dense.step(
                &mut dense_tables,
                &gradients(&all, &all.map(gradient)),
                rate,
                1.0,
            );
        }
        let read = exact.current(&exact_tables).embedding;
        exact.replay(&mut exact_tables, &all);
        assert_eq!(read, exact_tables.embedding);
        let read = read.to_f32();
        assert!(
            read.iter().all(|weight| (weight - 1.0).abs() > 1e-3),
            "{read:?}"
        );
        assert_close(&read, &dense_tables.embedding.to_f32());
    }

    #[test]
    fn linear_weights_without_gradients_stay() {
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
    fn sgd_moves_the_touched_rows_by_their_scaled_gradients() {
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
    fn rowwise_adagrad_keeps_one_sum_per_row() {
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
        assert_eq!(optimizer.embedding.row(4).len(), 1);
        // The scaled gradient is (6, 8): √50; and (0, 4): √8.
        let (a, b, c) = (0.6 / 50_f32.sqrt(), 0.8 / 50_f32.sqrt(), 0.4 / 8_f32.sqrt());
        let expected = [1.0, 1.0, 1.0 - a, 1.0 - b, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0 - c];
        assert_close(&tables.embedding.to_f32(), &expected);
    }

    #[test]
    fn lazy_adam_first_moves_a_row_by_the_learning_rate_and_leaves_untouched_rows() {
        let step = gradients(&[1], &[3.0]);
        let other = gradients(&[2], &[-2.0]);
        let moved = after(RowRule::LazyAdam, std::slice::from_ref(&step), 1.0);
        assert_close(&moved, &[1.0, 0.9, 1.0, 1.0, 1.0]);
        // Row 0 of field 1 is first touched in step 2: m = -0.2, v = 0.004,
        // m / (1 - .9²) = -1.052632, √(v / (1 - .999²)) = 1.414567; .1 · 1.052632 / 1.414567
        let moved = after(RowRule::LazyAdam, &[step, other], 1.0);
        assert_close(&moved, &[1.0, 0.9, 1.074_414, 1.0, 1.0]);
    }

    #[test]
    fn many_rows_move_as_each_one_would_alone() {
        let config = TablesConfig::new(3).with_embedding_initializer(Initializer::Ones);
        let sizes = FieldSizes::new(vec![700, 4000]).unwrap();
        let touched: Vec<usize> = (0..4700).filter(|row| row % 3 != 1).collect();
        let number = |i: usize| (i % 17) as f32 - 8.0;
        let gradients = RowGradients {
            rows: touched.clone(),
            embedding: (0..3 * touched.len()).map(number).collect(),
            linear: (0..touched.len()).map(number).collect(),
        };
        let mut tables = Tables::new(&config, sizes, 0, TableDtype::F32).unwrap();
        RowOptimizer::new(RowRule::Sgd, &tables, 0).step(&mut tables, &gradients, 0.5, 1.0);
        let mut expected = Tables::new(&config, tables.sizes.clone(), 0, TableDtype::F32).unwrap();
        let mut numbers = expected.embedding.to_f32();
        for (i, row) in touched.iter().enumerate() {
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
    fn updates_far_below_the_precision_of_16_bits_add_up_in_the_mean() {
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
            // Below 1, neighbouring numbers are 2^-8 apart in bf16 and 2^-11 in f16.
            for _ in 0..50 {
                optimizer.step(&mut tables, &gradients, 1e-5, 1.0);
            }
            let numbers = tables.embedding.to_f32();
            let moved = numbers[..4 * ROWS].iter().map(|n| 1.0 - f64::from(*n));
            let mean = moved.sum::<f64>() / (4 * ROWS) as f64;
            // A number moves by a unit u with probability 5e-4 / u, so its variance is below 5e-4 u.
            let unit = if dtype == TableDtype::Bf16 { 8 } else { 11 };
            let error = (5e-4 * 0.5_f64.powi(unit) / (4 * ROWS) as f64).sqrt();
            assert!(
                (mean - 5e-4).abs() < 4.0 * error,
                "{dtype}: {mean} ± {error}"
            );
            // The row without a gradient stays.
            assert_eq!(numbers[4 * ROWS..], [1.0; 4]);
        }
    }

    #[test]
    fn rounding_to_16_bits_depends_on_the_seed_and_not_on_the_number_of_threads() {
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
                optimizer.replay_all(&mut tables);
                // A copy that is read has the bits that the replayed row gets.
                assert_eq!(current.embedding, tables.embedding);
                assert_eq!(current.linear, tables.linear);
                tables.embedding
            })
        };
        for dtype in SIXTEEN_BITS {
            let one = train(dtype, 1, 1);
            assert_eq!(train(dtype, 3, 1), one);
            assert_ne!(train(dtype, 1, 2), one);
            // Within a few units of f32's: updates of 1e-3 to weights of about .1, whose unit is 2^-12 at most.
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
    fn a_restarted_optimizer_behaves_like_a_new_one() {
        let mut tables = tables();
        let mut optimizer = RowOptimizer::new(RowRule::ExactAdam, &tables, 0);
        optimizer.step(&mut tables, &gradients(&[1, 3], &[2.0, -1.0]), 0.1, 1.0);
        optimizer.step(&mut tables, &gradients(&[2], &[2.0]), 0.1, 1.0);
        optimizer.replay_all(&mut tables);
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

    /// Tables of some rule, type and shape after steps that leave rows stale, reads between them, and a
    /// restart.
    fn trained(rule: RowRule, dtype: TableDtype, dim: usize, linear: bool) -> Tables {
        let config = TablesConfig::new(dim)
            .with_linear(linear)
            .with_linear_initializer(Initializer::Ones)
            .with_embedding_initializer(Initializer::Ones);
        let sizes = FieldSizes::new(vec![300, 400]).unwrap();
        let mut tables = Tables::new(&config, sizes, 0, dtype).unwrap();
        let mut optimizer = RowOptimizer::new(rule, &tables, 3);
        for step in 0..8 {
            let rows: Vec<usize> = (0..700).filter(|row| row % (step + 2) != 1).collect();
            let number = |i: usize| (i % 17) as f32 - 8.0;
            let gradients = RowGradients {
                embedding: (0..dim * rows.len()).map(number).collect(),
                linear: if linear {
                    (0..rows.len()).map(number).collect()
                } else {
                    Vec::new()
                },
                rows,
            };
            optimizer.step(&mut tables, &gradients, 1e-2, 0.5);
            let current = optimizer.current(&tables);
            if step == 4 {
                optimizer.replay_all(&mut tables);
                assert_eq!(current.embedding, tables.embedding, "{rule:?}");
                assert_eq!(current.linear, tables.linear, "{rule:?}");
                optimizer.restart();
            }
        }
        optimizer.replay_all(&mut tables);
        tables
    }

    #[test]
    fn every_rule_moves_one_table_alone_as_it_does_beside_the_other() {
        for (rule, dtype) in RowRule::ALL
            .iter()
            .flat_map(|rule| [TableDtype::F32, TableDtype::Bf16].map(|dtype| (*rule, dtype)))
        {
            let both = trained(rule, dtype, 3, true);
            assert_ne!(both.embedding.to_f32(), [1.0; 2100]);
            assert_ne!(both.linear, Some(vec![1.0; 700]));
            let linear_only = trained(rule, dtype, 0, true);
            assert_eq!(linear_only.linear, both.linear, "{rule:?}");
            assert!(linear_only.embedding.as_slice().is_empty());
            let embedding_only = trained(rule, dtype, 3, false);
            assert_eq!(embedding_only.embedding, both.embedding, "{rule:?}");
            assert_eq!(embedding_only.linear, None);
        }
    }
}
