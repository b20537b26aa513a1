use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::rows::gradients::{RowGradients, TableGradients};
use crate::rows::tables::{Tables, by_field};

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
}

const BETA_1: f32 = 0.9;
const BETA_2: f32 = 0.999;
const ADAM_EPSILON: f32 = 1e-8;
const ADAGRAD_EPSILON: f32 = 1e-10;

/// Updates the rows that have a gradient, and no others, in place.
#[derive(Debug, Clone)]
pub struct RowOptimizer {
    rule: RowRule,
    step: i32,
    embedding: State,
    linear: State,
}

/// Numbers beside each weight: none, `s`, or both moments.
#[derive(Debug, Clone, Default)]
struct State {
    first: Vec<f32>,
    second: Vec<f32>,
}

impl State {
    fn new(rule: RowRule, len: usize, width: usize) -> Self {
        let (first, second) = match rule {
            RowRule::Sgd => (0, 0),
            RowRule::Adagrad => (0, len),
            RowRule::RowwiseAdagrad => (0, len / width),
            RowRule::LazyAdam => (len, len),
        };
        Self {
            first: vec![0.0; first],
            second: vec![0.0; second],
        }
    }
}

impl RowRule {
    /// Numbers a row of the second state, of a table of `width`.
    fn second_width(self, width: usize) -> usize {
        match self {
            Self::RowwiseAdagrad => 1,
            _ => width,
        }
    }
}

impl RowOptimizer {
    /// An optimizer of these tables, at its first step.
    pub fn new(rule: RowRule, tables: &Tables) -> Self {
        Self {
            rule,
            step: 0,
            embedding: State::new(rule, tables.embedding.len(), tables.embedding_dim),
            linear: State::new(rule, tables.linear.as_ref().map_or(0, Vec::len), 1),
        }
    }

    /// One step: every row of `gradients`, times `scale`, moves its row of the tables.
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
        self.step += 1;
        let rule = Rule::new(self.rule, self.step, learning_rate, scale);
        let (sizes, dim) = (&tables.sizes, tables.embedding_dim);
        let embedding = Table {
            weights: by_field(&mut tables.embedding, sizes, dim),
            first: state_by_field(&mut self.embedding.first, sizes, dim),
            second: state_by_field(
                &mut self.embedding.second,
                sizes,
                self.rule.second_width(dim),
            ),
        };
        embedding.step(&gradients.embedding, dim, rule);
        if let (Some(weights), Some(gradients)) = (&mut tables.linear, &gradients.linear) {
            let linear = Table {
                weights: by_field(weights, sizes, 1),
                first: state_by_field(&mut self.linear.first, sizes, 1),
                second: state_by_field(&mut self.linear.second, sizes, 1),
            };
            linear.step(gradients, 1, rule);
        }
    }
}

/// A state that the rule does not keep is empty in every field.
fn state_by_field<'a>(
    state: &'a mut [f32],
    sizes: &fibinet_nn::FieldSizes,
    width: usize,
) -> Vec<&'a mut [f32]> {
    match state.is_empty() {
        true => sizes.sizes().iter().map(|_| [].as_mut_slice()).collect(),
        false => by_field(state, sizes, width),
    }
}

/// A table cut into its fields.
struct Table<'a> {
    weights: Vec<&'a mut [f32]>,
    first: Vec<&'a mut [f32]>,
    second: Vec<&'a mut [f32]>,
}

impl Table<'_> {
    fn step(self, gradients: &TableGradients, width: usize, rule: Rule) {
        self.weights
            .into_par_iter()
            .zip(self.first)
            .zip(self.second)
            .zip(&gradients.rows)
            .zip(&gradients.gradients)
            .for_each(|((((weights, first), second), rows), gradients)| {
                for (row, gradient) in rows.iter().zip(gradients.chunks_exact(width)) {
                    let range = *row as usize * width..(*row as usize + 1) * width;
                    let weights = &mut weights[range.clone()];
                    let first = first.get_mut(range.clone()).unwrap_or_default();
                    let second_width = rule.rule.second_width(width);
                    let second_range =
                        *row as usize * second_width..(*row as usize + 1) * second_width;
                    let second = second.get_mut(second_range).unwrap_or_default();
                    rule.update(weights, first, second, gradient);
                }
            });
    }
}

/// A rule with the numbers of one step.
#[derive(Debug, Clone, Copy)]
struct Rule {
    rule: RowRule,
    learning_rate: f32,
    scale: f32,
    /// Adam's bias corrections, `1 - β1ᵗ` and `√(1 - β2ᵗ)`.
    first_correction: f32,
    second_correction: f32,
}

impl Rule {
    fn new(rule: RowRule, step: i32, learning_rate: f64, scale: f64) -> Self {
        Self {
            rule,
            learning_rate: learning_rate as f32,
            scale: scale as f32,
            first_correction: (1.0 - f64::from(BETA_1).powi(step)) as f32,
            second_correction: (1.0 - f64::from(BETA_2).powi(step)).sqrt() as f32,
        }
    }

    fn update(self, weights: &mut [f32], first: &mut [f32], second: &mut [f32], gradient: &[f32]) {
        let rows = weights.iter_mut().zip(gradient);
        match self.rule {
            RowRule::Sgd => {
                for (weight, gradient) in rows {
                    *weight -= self.learning_rate * self.scale * gradient;
                }
            }
            RowRule::Adagrad => {
                for ((weight, gradient), sum) in rows.zip(second) {
                    let gradient = self.scale * gradient;
                    *sum += gradient * gradient;
                    *weight -= self.learning_rate * gradient / (sum.sqrt() + ADAGRAD_EPSILON);
                }
            }
            RowRule::RowwiseAdagrad => {
                let squares: f32 = gradient.iter().map(|g| (self.scale * g).powi(2)).sum();
                let sum = &mut second[0];
                *sum += squares / gradient.len() as f32;
                let rate = self.learning_rate * self.scale / (sum.sqrt() + ADAGRAD_EPSILON);
                for (weight, gradient) in rows {
                    *weight -= rate * gradient;
                }
            }
            RowRule::LazyAdam => {
                for (((weight, gradient), first), second) in rows.zip(first).zip(second) {
                    let gradient = self.scale * gradient;
                    *first = BETA_1 * *first + (1.0 - BETA_1) * gradient;
                    *second = BETA_2 * *second + (1.0 - BETA_2) * gradient * gradient;
                    let denominator = second.sqrt() / self.second_correction + ADAM_EPSILON;
                    *weight -= self.learning_rate * (*first / self.first_correction) / denominator;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::module::Initializer;
    use fibinet_nn::{FiBiNetConfig, FieldSizes};

    /// Fields of 2 and 3 rows, K = 1, all weights 1, no linear part.
    fn tables() -> Tables {
        let config = FiBiNetConfig::new(2, 1)
            .with_linear(false)
            .with_embedding_initializer(Initializer::Ones);
        Tables::new(&config, FieldSizes::new(vec![2, 3]).unwrap(), 0).unwrap()
    }

    fn gradients(rows: [&[u32]; 2], gradients: [&[f32]; 2]) -> RowGradients {
        RowGradients {
            embedding: TableGradients {
                rows: rows.map(<[u32]>::to_vec).to_vec(),
                gradients: gradients.map(<[f32]>::to_vec).to_vec(),
            },
            linear: None,
        }
    }

    fn after(rule: RowRule, steps: &[RowGradients], scale: f64) -> Vec<f32> {
        let mut tables = tables();
        let mut optimizer = RowOptimizer::new(rule, &tables);
        for gradients in steps {
            optimizer.step(&mut tables, gradients, 0.1, scale);
        }
        tables.embedding
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

    #[test]
    fn sgd_moves_the_rows_met_by_their_scaled_gradients() {
        let step = gradients([&[1], &[0, 2]], [&[2.0], &[-1.0, 4.0]]);
        assert_close(
            &after(RowRule::Sgd, &[step], 0.5),
            &[1.0, 0.9, 1.05, 1.0, 0.8],
        );
    }

    #[test]
    fn adagrad_divides_by_the_root_of_all_squares() {
        let step = gradients([&[1], &[]], [&[3.0], &[]]);
        let again = gradients([&[1], &[]], [&[4.0], &[]]);
        // 0.1 · 3 / 3, then 0.1 · 4 / 5
        let expected = [1.0, 1.0 - 0.1 - 0.08, 1.0, 1.0, 1.0];
        assert_close(&after(RowRule::Adagrad, &[step, again], 1.0), &expected);
    }

    #[test]
    fn rowwise_adagrad_keeps_one_sum_a_row() {
        let config = FiBiNetConfig::new(2, 2)
            .with_linear(false)
            .with_embedding_initializer(Initializer::Ones);
        let mut tables = Tables::new(&config, FieldSizes::new(vec![2, 3]).unwrap(), 0).unwrap();
        let mut optimizer = RowOptimizer::new(RowRule::RowwiseAdagrad, &tables);
        let step = gradients([&[1], &[2]], [&[3.0, 4.0], &[0.0, 2.0]]);
        optimizer.step(&mut tables, &step, 0.1, 2.0);
        assert_eq!(
            (
                optimizer.embedding.first.len(),
                optimizer.embedding.second.len()
            ),
            (0, 5)
        );
        // The scaled gradient is (6, 8): √50; and (0, 4): √8.
        let (a, b, c) = (0.6 / 50_f32.sqrt(), 0.8 / 50_f32.sqrt(), 0.4 / 8_f32.sqrt());
        let expected = [1.0, 1.0, 1.0 - a, 1.0 - b, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0 - c];
        assert_close(&tables.embedding, &expected);
    }

    #[test]
    fn lazy_adam_moves_by_the_learning_rate_first_and_rests_where_not_met() {
        let step = gradients([&[1], &[]], [&[3.0], &[]]);
        let other = gradients([&[], &[0]], [&[], &[-2.0]]);
        let moved = after(RowRule::LazyAdam, std::slice::from_ref(&step), 1.0);
        assert_close(&moved, &[1.0, 0.9, 1.0, 1.0, 1.0]);
        // Row 0 of field 1 is first met in step 2: m = -0.2, v = 0.004,
        // m / (1 - .9²) = -1.052632, √(v / (1 - .999²)) = 1.414567; .1 · 1.052632 / 1.414567
        let moved = after(RowRule::LazyAdam, &[step, other], 1.0);
        assert_close(&moved, &[1.0, 0.9, 1.074_414, 1.0, 1.0]);
    }
}
