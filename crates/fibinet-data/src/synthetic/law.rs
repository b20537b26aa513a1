use std::io;

use crate::mix::mix;
use crate::synthetic::cells::{NUM_CATEGORIES, NUM_FIELDS, Row, Rows};
use crate::synthetic::draws::{Stream, uniform};

/// The pairs of fields that interact.
pub(super) const PLANTED_PAIRS: [(usize, usize); 12] = [
    (14, 17), // C2, C5
    (13, 26), // C1, C14
    (18, 29), // C6, C17
    (20, 35), // C8, C23
    (15, 29), // C3, C17
    (24, 26), // C12, C14
    (22, 37), // C10, C25
    (23, 35), // C11, C23
    (19, 18), // C7, C6
    (4, 26),  // I5, C14
    (5, 37),  // I6, C25
    (1, 10),  // I2, I11
];

pub(super) fn sigmoid(z: f64) -> f64 {
    1.0 / (1.0 + (-z).exp())
}

pub(super) fn softplus(z: f64) -> f64 {
    z.max(0.0) + (-z.abs()).exp().ln_1p()
}

type Latent = [f64; 4];

/// The vectors of the tokens of one field, as the left or right one of a pair.
struct PairedField {
    field: usize,
    key: u64,
    mean: Latent,
}

impl PairedField {
    fn new(stream: Stream, seed: u64, field: usize) -> Self {
        Self {
            field,
            key: stream.key(seed, field),
            mean: Latent::default(),
        }
    }

    /// The vector of the field's token: entries in [-1, 1), less the mean.
    fn vector(&self, tokens: &[u32; NUM_FIELDS]) -> Latent {
        let hash = mix(self.key, u64::from(tokens[self.field]));
        std::array::from_fn(|k| f64::from((hash >> (16 * k)) as i16) / 32_768.0 - self.mean[k])
    }

    /// Makes the mean of the vectors over the rows zero.
    fn center(&mut self, rows: &[Row]) {
        let mut sum = Latent::default();
        for row in rows {
            for (sum, value) in sum.iter_mut().zip(self.vector(&row.tokens)) {
                *sum += value;
            }
        }
        self.mean = sum.map(|sum| sum / rows.len() as f64);
    }
}

/// Number of rows that the law's constants are fitted on. They are not written.
const PILOT_ROWS: u64 = 1 << 14;
/// The variance of the sum of the weights, and of the sum of the pairs.
const PART_VARIANCE: f64 = 1.5;
const CLICK_SHARE: f64 = 0.25;

/// The law that rows and their clicks follow.
pub(super) struct Law {
    pub(super) rows: Rows,
    weight_keys: [u64; NUM_FIELDS],
    pairs: [(PairedField, PairedField); PLANTED_PAIRS.len()],
    pub(super) bias: f64,
    weight_scale: f64,
    pair_scale: f64,
}

impl Law {
    pub(super) fn new(vocabulary: u64, seed: u64) -> io::Result<Self> {
        if !(NUM_CATEGORIES as u64..=u64::from(u32::MAX)).contains(&vocabulary) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!(
                    "`vocabulary` must be in [{NUM_CATEGORIES}, {}], but is {vocabulary}",
                    u32::MAX
                ),
            ));
        }
        let mut law = Self {
            rows: Rows::new(vocabulary, seed),
            weight_keys: std::array::from_fn(|field| Stream::Weight.key(seed, field)),
            pairs: PLANTED_PAIRS.map(|(left, right)| {
                (
                    PairedField::new(Stream::Left, seed, left),
                    PairedField::new(Stream::Right, seed, right),
                )
            }),
            bias: 0.0,
            weight_scale: 1.0,
            pair_scale: 1.0,
        };
        law.fit(seed);
        Ok(law)
    }

    /// Sets means, scales and bias by pilot rows.
    fn fit(&mut self, seed: u64) {
        let key = Stream::PilotRows.key(seed, 0);
        let pilot: Vec<Row> = (0..PILOT_ROWS)
            .map(|row| self.rows.draw(mix(key, row)))
            .collect();
        for (left, right) in &mut self.pairs {
            left.center(&pilot);
            right.center(&pilot);
        }
        let parts: Vec<(f64, f64)> = pilot.iter().map(|row| self.parts(&row.tokens)).collect();
        self.weight_scale = scale_to(PART_VARIANCE, parts.iter().map(|part| part.0));
        self.pair_scale = scale_to(PART_VARIANCE, parts.iter().map(|part| part.1));

        let logits: Vec<f64> = pilot.iter().map(|row| self.logit(&row.tokens)).collect();
        let (mut low, mut high) = (-50.0, 50.0);
        for _ in 0..40 {
            self.bias = (low + high) / 2.0;
            let clicks: f64 = logits.iter().map(|logit| sigmoid(logit + self.bias)).sum();
            if clicks < CLICK_SHARE * logits.len() as f64 {
                low = self.bias;
            } else {
                high = self.bias;
            }
        }
    }

    /// The sum of the weights and the sum of the pairs.
    pub(super) fn parts(&self, tokens: &[u32; NUM_FIELDS]) -> (f64, f64) {
        let weights = tokens
            .iter()
            .zip(self.weight_keys)
            .map(|(&token, key)| uniform(mix(key, u64::from(token))) - 0.5);
        let products = self.pairs.iter().map(|(left, right)| {
            let (left, right) = (left.vector(tokens), right.vector(tokens));
            left.iter().zip(right).map(|(u, v)| u * v).sum::<f64>()
        });
        (
            self.weight_scale * weights.sum::<f64>(),
            self.pair_scale * products.sum::<f64>(),
        )
    }

    pub(super) fn logit(&self, tokens: &[u32; NUM_FIELDS]) -> f64 {
        let (weights, pairs) = self.parts(tokens);
        self.bias + weights + pairs
    }
}

/// The factor that gives the values this variance.
fn scale_to(variance: f64, values: impl ExactSizeIterator<Item = f64> + Clone) -> f64 {
    let rows = values.len() as f64;
    let mean = values.clone().sum::<f64>() / rows;
    let spread = values.map(|value| (value - mean).powi(2)).sum::<f64>() / rows;
    (variance / spread).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(values: &[f64]) -> (f64, f64) {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let squares = values.iter().map(|value| (value - mean).powi(2));
        (mean, squares.sum::<f64>() / values.len() as f64)
    }

    #[test]
    fn half_of_the_logits_variance_is_pure_interaction() {
        for (seed, vocabulary) in [(1, 1_000_000), (2, 1_000_000), (3, 100_000)] {
            let law = Law::new(vocabulary, seed).unwrap();
            let rows: Vec<Row> = (0..50_000).map(|number| law.rows.row(number)).collect();
            let of = |part: fn((f64, f64)) -> f64| -> Vec<f64> {
                let parts = rows.iter().map(|row| law.parts(&row.tokens));
                parts.map(part).collect()
            };
            let pairs = of(|(_, pairs)| pairs);
            let (_, total) = moments(&of(|(weights, pairs)| weights + pairs));
            let share = moments(&pairs).1 / total;
            assert!((0.45..0.55).contains(&share), "seed {seed}: {share}");

            // If weights of C1, C6, C14 or C17 could express a part of the pairs, the mean of the pairs would
            // differ from token to token.
            for field in [13, 18, 26, 29] {
                for token in 0..3 {
                    let with_token: Vec<f64> = rows
                        .iter()
                        .zip(&pairs)
                        .filter(|(row, _)| row.tokens[field] == token)
                        .map(|(_, &pairs)| pairs)
                        .collect();
                    let (mean, variance) = moments(&with_token);
                    let error = (variance / with_token.len() as f64).sqrt();
                    assert!(mean.abs() < 0.03 + 4.0 * error, "seed {seed}: {mean}");
                }
            }
        }
    }
}
