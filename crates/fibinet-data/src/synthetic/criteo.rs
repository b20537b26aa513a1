use std::io;

use serde::{Deserialize, Serialize};

use crate::mix::mix;

const NUM_NUMBERS: usize = 13;
const NUM_CATEGORIES: usize = 26;
const NUM_FIELDS: usize = NUM_NUMBERS + NUM_CATEGORIES;

/// Rows in the form of Kaggle's Criteo `train.txt`, whose clicks follow a known law: any number of
/// rows, any vocabulary, no download.
///
/// | setting | purpose | range |
/// |---|---|---|
/// | `rows` | lines written | any |
/// | `vocabulary` | distinct tokens that the 26 categorical fields can draw, all together | 26 to 2³² - 1 |
/// | `seed` | decides rows, spellings and the clicks' law | any |
///
/// A row depends on the seed, the vocabulary and its own number alone: a longer file begins with
/// the shorter one.
///
/// # Cells
///
/// - `I1`…`I13`: `⌊c · u / (1 - u)⌋` of a uniform `u` (log-logistic, so with a Pareto tail), with the
///   medians, greatest values and empty cells of Criteo's columns, about; `I2` starts at -3.
/// - `C1`…`C26`: a field of `n` tokens draws rank `k` with about Zipf's share, `k^-1.05`. The sizes
///   are Criteo's, each to one power that makes their sum the vocabulary: a few small fields, and
///   five that share most tokens. Eight hex digits spell a rank, no two ranks of a field alike.
///
/// # Clicks
///
/// A click has the probability `σ(z)`, about a quarter on average, of
///
/// ```text
/// z = bias + α Σ_f w_f(t_f) + β Σ_(i,j) ⟨u_i(t_i) - ū_i, v_j(t_j) - v̄_j⟩
/// ```
///
/// over the 39 fields `f` and the [planted pairs](Self::PLANTED_PAIRS) `(i, j)`. A number's token
/// `t` is that of the `log2` encoding, and "no value" is a token too. Weights `w` and vectors `u`,
/// `v` of four dimensions are hashes of seed, field and token: nothing is stored.
///
/// The fields are independent and the vectors centred, so the second sum is pure interaction: it
/// has no part that a sum over fields could express. `α` and `β` give both sums the variance 1.5,
/// so **half of the variance of `z` comes from the pairs**.
///
/// ```
/// use fibinet_data::SyntheticConfig;
///
/// let config = SyntheticConfig { rows: 1000, vocabulary: 10_000, seed: 1 };
/// let mut file = Vec::new();
/// let summary = config.write(&mut file, |_rows| ())?;
/// assert_eq!(file.iter().filter(|&&byte| byte == b'\n').count(), 1000);
/// assert!(summary.bayes_logloss < 0.5);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SyntheticConfig {
    /// Lines written.
    pub rows: u64,
    /// Distinct tokens that the 26 categorical fields can draw, all together.
    pub vocabulary: u64,
    /// Decides rows, spellings and the clicks' law.
    pub seed: u64,
}

/// What was written, and the best that a model can do on it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SyntheticSummary {
    /// Lines.
    pub rows: u64,
    /// Lines with a click.
    pub clicks: u64,
    /// The rows' mean of `-[p ln p + (1 - p) ln(1 - p)]` of their true probabilities `p`: the log
    /// loss, in nats, that a model which knew the law would have on average. No model has less,
    /// but for chance.
    pub bayes_logloss: f64,
}

/// Rows written, and reported, at a time.
const CHUNK_ROWS: u64 = 1 << 12;

impl SyntheticConfig {
    /// The pairs of fields that interact, by their place in `I1`…`I13`, `C1`…`C26`, from 0: the
    /// first brings `u`, the second `v`.
    ///
    /// Small fields with small ones, small with large ones, and numbers.
    pub const PLANTED_PAIRS: [(usize, usize); 12] = [
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

    /// Writes the rows and flushes. `progress` is told the rows written so far, every few thousand.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) where the vocabulary is out of range, and
    /// whatever `out` returns.
    pub fn write(
        &self,
        out: &mut impl io::Write,
        mut progress: impl FnMut(u64),
    ) -> io::Result<SyntheticSummary> {
        let law = Law::new(self.vocabulary, self.seed)?;
        let (mut clicks, mut entropy) = (0, 0.0);
        let mut lines = Vec::new();
        let mut written = 0;
        while written < self.rows {
            let end = self.rows.min(written.saturating_add(CHUNK_ROWS));
            lines.clear();
            for number in written..end {
                let row = law.rows.row(number);
                let logit = law.logit(&row.tokens);
                let probability = sigmoid(logit);
                let click = row.click_draw < probability;
                clicks += u64::from(click);
                entropy += softplus(logit) - logit * probability;
                law.rows.write_line(&row, click, &mut lines);
            }
            out.write_all(&lines)?;
            written = end;
            progress(written);
        }
        out.flush()?;
        Ok(SyntheticSummary {
            rows: self.rows,
            clicks,
            bayes_logloss: entropy / self.rows.max(1) as f64,
        })
    }
}

/// What a seed is hashed for.
#[derive(Clone, Copy)]
enum Stream {
    Rows,
    PilotRows,
    Spelling,
    Weight,
    Left,
    Right,
}

impl Stream {
    /// The seed of a stream's hashes for a field.
    fn key(self, seed: u64, field: usize) -> u64 {
        mix(mix(seed, self as u64), field as u64)
    }
}

/// A uniform number in [0, 1), from the top 53 bits.
fn uniform(hash: u64) -> f64 {
    (hash >> 11) as f64 / (1_u64 << 53) as f64
}

/// Whether a cell is empty, from the 11 bits that [`uniform`] leaves.
fn is_empty(hash: u64, share: f64) -> bool {
    ((hash & 0x7ff) as f64) < share * 2048.0
}

fn sigmoid(z: f64) -> f64 {
    1.0 / (1.0 + (-z).exp())
}

fn softplus(z: f64) -> f64 {
    z.max(0.0) + (-z.abs()).exp().ln_1p()
}

/// A numeric column.
struct Count {
    /// The scale of the odds; about the median, counted from `least`.
    scale: f64,
    least: i32,
    greatest: i32,
    /// Share of empty cells; Criteo's, but 0.40 where those are more.
    empty: f64,
}

const fn count(scale: f64, least: i32, greatest: i32, empty: f64) -> Count {
    Count {
        scale,
        least,
        greatest,
        empty,
    }
}

const COUNTS: [Count; NUM_NUMBERS] = [
    count(1.5, 0, 5_775, 0.40),
    count(6.0, -3, 257_675, 0.0),
    count(6.0, 0, 65_535, 0.21),
    count(4.5, 0, 969, 0.22),
    count(2_800.0, 0, 23_159_456, 0.03),
    count(32.0, 0, 431_037, 0.22),
    count(3.5, 0, 56_311, 0.04),
    count(7.5, 0, 6_047, 0.0),
    count(38.0, 0, 29_019, 0.04),
    count(0.8, 0, 11, 0.40),
    count(1.5, 0, 231, 0.04),
    count(0.4, 0, 4_008, 0.40),
    count(4.5, 0, 7_393, 0.22),
];

impl Count {
    fn draw(&self, hash: u64) -> Option<i32> {
        let uniform = uniform(hash);
        // A float beyond i32 becomes the greatest i32.
        let above = (self.scale * uniform / (1.0 - uniform)) as i32;
        let value = above.saturating_add(self.least).min(self.greatest);
        (!is_empty(hash, self.empty)).then_some(value)
    }
}

/// The token of a number, one for each token of the `log2` encoding: `⌊ln(v)²⌋` where `v > 2`, else
/// `v` itself.
fn number_token(value: i32) -> u32 {
    if value > 2 {
        let log = f64::from(value).ln();
        6 + (log * log) as u32
    } else {
        (value + 3) as u32
    }
}

/// Tokens and shares of empty cells of Criteo's categorical columns.
const CATEGORIES: [(f64, f64); NUM_CATEGORIES] = [
    (1_460.0, 0.0),
    (583.0, 0.0),
    (10_131_227.0, 0.03),
    (2_202_608.0, 0.03),
    (305.0, 0.0),
    (24.0, 0.12),
    (12_517.0, 0.0),
    (633.0, 0.0),
    (3.0, 0.0),
    (93_145.0, 0.0),
    (5_683.0, 0.0),
    (8_351_593.0, 0.03),
    (3_194.0, 0.0),
    (27.0, 0.0),
    (14_992.0, 0.0),
    (5_461_306.0, 0.03),
    (10.0, 0.0),
    (5_652.0, 0.0),
    (2_173.0, 0.44),
    (4.0, 0.44),
    (7_046_547.0, 0.03),
    (18.0, 0.76),
    (15.0, 0.0),
    (286_181.0, 0.03),
    (105.0, 0.44),
    (142_572.0, 0.44),
];

/// The field that takes what rounding leaves.
const LARGEST_CATEGORY: usize = 2;

/// Criteo's sizes, each to the same power, so that their sum is `vocabulary`.
fn category_sizes(vocabulary: u64) -> [u64; NUM_CATEGORIES] {
    let sizes = |power: f64| CATEGORIES.map(|(tokens, _)| tokens.powf(power) as u64);
    // Power 0: a token a field. Power 2: far above every vocabulary allowed.
    let (mut low, mut high) = (0.0, 2.0);
    for _ in 0..64 {
        let middle = (low + high) / 2.0;
        if sizes(middle).iter().sum::<u64>() <= vocabulary {
            low = middle;
        } else {
            high = middle;
        }
    }
    let mut sizes = sizes(low);
    sizes[LARGEST_CATEGORY] += vocabulary - sizes.iter().sum::<u64>();
    sizes
}

/// Ranks from 0 with about Zipf's shares `k^-1.05`, `k = rank + 1`.
///
/// The density `x^-1.05` on `[½, n + ½]` gives `[k - ½, k + ½]` the share of `k` (the midpoint
/// rule: 11 % too much for the first, 2 % for the second, and so on), and its distribution function
/// has the inverse `(a - u (a - b))^-20` with `a = ½^-0.05`, `b = (n + ½)^-0.05`: an exponent that
/// multiplications alone can take.
#[derive(Clone, Copy)]
struct Zipf {
    start: f64,
    span: f64,
    last: u32,
}

impl Zipf {
    fn new(tokens: u64) -> Self {
        let start = 0.5_f64.powf(-0.05);
        Self {
            start,
            span: start - (tokens as f64 + 0.5).powf(-0.05),
            last: (tokens - 1) as u32,
        }
    }

    fn rank(&self, uniform: f64) -> u32 {
        let root = self.start - uniform * self.span;
        let square = root * root;
        let fourth = square * square;
        let eighth = fourth * fourth;
        let place = 1.0 / (eighth * eighth * fourth);
        ((place - 0.5) as u32).min(self.last)
    }
}

/// A permutation of the 32-bit numbers: MurmurHash3's finalizer (Appleby, 2011).
fn permute(mut bits: u32) -> u32 {
    bits = (bits ^ (bits >> 16)).wrapping_mul(0x85eb_ca6b);
    bits = (bits ^ (bits >> 13)).wrapping_mul(0xc2b2_ae35);
    bits ^ (bits >> 16)
}

/// The token of an empty cell; above every rank and every number's token.
const EMPTY: u32 = u32::MAX;

/// The cells of a row, and the draw that decides its click.
struct Row {
    numbers: [Option<i32>; NUM_NUMBERS],
    tokens: [u32; NUM_FIELDS],
    click_draw: f64,
}

/// Draws and writes rows.
struct Rows {
    seed: u64,
    ranks: [Zipf; NUM_CATEGORIES],
    spellings: [u32; NUM_CATEGORIES],
}

impl Rows {
    fn row(&self, number: u64) -> Row {
        self.draw(mix(Stream::Rows.key(self.seed, 0), number))
    }

    fn draw(&self, row_seed: u64) -> Row {
        let hash = |field: usize| mix(row_seed, field as u64);
        let numbers: [_; NUM_NUMBERS] = std::array::from_fn(|i| COUNTS[i].draw(hash(i)));
        let tokens = std::array::from_fn(|field| match numbers.get(field) {
            Some(number) => number.map_or(EMPTY, number_token),
            None => {
                let (category, hash) = (field - NUM_NUMBERS, hash(field));
                if is_empty(hash, CATEGORIES[category].1) {
                    EMPTY
                } else {
                    self.ranks[category].rank(uniform(hash))
                }
            }
        });
        Row {
            numbers,
            tokens,
            click_draw: uniform(hash(NUM_FIELDS)),
        }
    }

    fn write_line(&self, row: &Row, click: bool, line: &mut Vec<u8>) {
        line.push(b'0' + u8::from(click));
        for number in row.numbers {
            line.push(b'\t');
            if let Some(number) = number {
                write_decimal(number, line);
            }
        }
        for (&rank, key) in row.tokens[NUM_NUMBERS..].iter().zip(self.spellings) {
            line.push(b'\t');
            if rank != EMPTY {
                write_hex(permute(rank ^ key), line);
            }
        }
        line.push(b'\n');
    }
}

fn write_decimal(number: i32, line: &mut Vec<u8>) {
    if number < 0 {
        line.push(b'-');
    }
    let mut rest = number.unsigned_abs();
    let mut digits = [0; 10];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    line.extend_from_slice(&digits[start..]);
}

fn write_hex(number: u32, line: &mut Vec<u8>) {
    let digits: [u8; 8] =
        std::array::from_fn(|i| b"0123456789abcdef"[(number >> (28 - 4 * i)) as usize & 0xf]);
    line.extend_from_slice(&digits);
}

type Latent = [f64; 4];

/// The vectors of one field in one of a pair's places.
struct Side {
    field: usize,
    key: u64,
    mean: Latent,
}

impl Side {
    fn new(stream: Stream, seed: u64, field: usize) -> Self {
        Self {
            field,
            key: stream.key(seed, field),
            mean: Latent::default(),
        }
    }

    /// The vector of the field's token less the mean, in [-1, 1) before that.
    fn vector(&self, tokens: &[u32; NUM_FIELDS]) -> Latent {
        let hash = mix(self.key, u64::from(tokens[self.field]));
        std::array::from_fn(|k| f64::from((hash >> (16 * k)) as i16) / 32_768.0 - self.mean[k])
    }

    /// Makes the vectors' mean over the rows zero.
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

/// Rows that the law's constants are fitted on; none of them is written.
const PILOT_ROWS: u64 = 1 << 14;
/// Of the weights' sum and of the pairs' sum, each.
const PART_VARIANCE: f64 = 1.5;
const CLICK_SHARE: f64 = 0.25;

/// How rows come about, and their clicks.
struct Law {
    rows: Rows,
    weight_keys: [u64; NUM_FIELDS],
    pairs: [(Side, Side); SyntheticConfig::PLANTED_PAIRS.len()],
    bias: f64,
    weight_scale: f64,
    pair_scale: f64,
}

impl Law {
    fn new(vocabulary: u64, seed: u64) -> io::Result<Self> {
        if !(NUM_CATEGORIES as u64..=u64::from(u32::MAX)).contains(&vocabulary) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!(
                    "`vocabulary` must be in [{NUM_CATEGORIES}, {}], but is {vocabulary}",
                    u32::MAX
                ),
            ));
        }
        let rows = Rows {
            seed,
            ranks: category_sizes(vocabulary).map(Zipf::new),
            spellings: std::array::from_fn(|i| Stream::Spelling.key(seed, i) as u32),
        };
        let mut law = Self {
            rows,
            weight_keys: std::array::from_fn(|field| Stream::Weight.key(seed, field)),
            pairs: SyntheticConfig::PLANTED_PAIRS.map(|(left, right)| {
                (
                    Side::new(Stream::Left, seed, left),
                    Side::new(Stream::Right, seed, right),
                )
            }),
            bias: 0.0,
            weight_scale: 1.0,
            pair_scale: 1.0,
        };
        law.fit(seed);
        Ok(law)
    }

    /// Sets means, scales and bias by rows of a stream of their own.
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

    /// The weights' sum and the pairs' sum.
    fn parts(&self, tokens: &[u32; NUM_FIELDS]) -> (f64, f64) {
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

    fn logit(&self, tokens: &[u32; NUM_FIELDS]) -> f64 {
        let (weights, pairs) = self.parts(tokens);
        self.bias + weights + pairs
    }
}

/// The factor that gives values a variance.
fn scale_to(variance: f64, values: impl ExactSizeIterator<Item = f64> + Clone) -> f64 {
    let rows = values.len() as f64;
    let mean = values.clone().sum::<f64>() / rows;
    let spread = values.map(|value| (value - mean).powi(2)).sum::<f64>() / rows;
    (variance / spread).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{HashMap, HashSet};

    fn write(rows: u64, vocabulary: u64, seed: u64) -> (String, SyntheticSummary) {
        let config = SyntheticConfig {
            rows,
            vocabulary,
            seed,
        };
        let mut file = Vec::new();
        let summary = config.write(&mut file, |_| ()).unwrap();
        (String::from_utf8(file).unwrap(), summary)
    }

    fn moments(values: &[f64]) -> (f64, f64) {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let squares = values.iter().map(|value| (value - mean).powi(2));
        (mean, squares.sum::<f64>() / values.len() as f64)
    }

    #[test]
    fn a_seed_is_a_file_and_a_longer_one_begins_with_it() {
        let (file, summary) = write(9000, 100_000, 7);
        assert_eq!((file.clone(), summary), write(9000, 100_000, 7));
        assert!(file.starts_with(&write(5000, 100_000, 7).0));
        let other = write(9000, 100_000, 8).0;
        let same = file.lines().zip(other.lines()).filter(|(a, b)| a == b);
        assert_eq!(same.count(), 0);
    }

    #[test]
    fn lines_have_criteos_forty_columns() {
        let (file, summary) = write(20_000, 1_000_000, 3);
        let mut empty = [0; 40];
        let mut clicks = 0;
        let mut least = 0;
        for line in file.lines() {
            let cells: Vec<&str> = line.split('\t').collect();
            assert_eq!(cells.len(), 40);
            assert!(matches!(cells[0], "0" | "1"));
            clicks += u64::from(cells[0] == "1");
            for (column, cell) in cells.iter().enumerate() {
                empty[column] += usize::from(cell.is_empty());
                if cell.is_empty() {
                    continue;
                }
                if (1..=13).contains(&column) {
                    let number: i32 = cell.parse().unwrap();
                    assert!(number >= 0 || column == 2 && number >= -3, "{number}");
                    assert_eq!(number.to_string(), **cell);
                    least = least.min(number);
                } else if column > 13 {
                    assert_eq!(cell.len(), 8);
                    assert!(cell.bytes().all(|c| b"0123456789abcdef".contains(&c)));
                }
            }
        }
        assert_eq!(file.lines().count(), 20_000);
        assert_eq!((summary.rows, summary.clicks), (20_000, clicks));
        assert_eq!(least, -3);
        // I1, I3 and C19, of which 40, 21 and 44 % are empty.
        assert!((7_700..8_300).contains(&empty[1]), "{}", empty[1]);
        assert!((3_950..4_450).contains(&empty[3]), "{}", empty[3]);
        assert!((8_500..9_100).contains(&empty[32]), "{}", empty[32]);
        assert_eq!((empty[0], empty[2], empty[14]), (0, 0, 0));
    }

    #[test]
    fn progress_ends_at_the_last_row() {
        let config = SyntheticConfig {
            rows: CHUNK_ROWS + 1,
            vocabulary: 1000,
            seed: 1,
        };
        let mut reports = Vec::new();
        config
            .write(&mut io::sink(), |rows| reports.push(rows))
            .unwrap();
        assert_eq!(reports, [CHUNK_ROWS, CHUNK_ROWS + 1]);
    }

    #[test]
    fn about_a_quarter_of_the_rows_are_clicks() {
        for (seed, vocabulary) in [
            (0, 1_000_000),
            (1, 1_000_000),
            (2, 2000),
            (2019, 30_000_000),
        ] {
            let (_, summary) = write(20_000, vocabulary, seed);
            let share = summary.clicks as f64 / summary.rows as f64;
            assert!((0.2..0.3).contains(&share), "seed {seed}: {share}");
        }
    }

    #[test]
    fn counts_have_criteos_medians_and_heavy_tails() {
        let law = Law::new(1000, 5).unwrap();
        let rows: Vec<Row> = (0..20_000).map(|number| law.rows.row(number)).collect();
        let sorted = |i: usize| {
            let mut values: Vec<i32> = rows.iter().filter_map(|row| row.numbers[i]).collect();
            values.sort_unstable();
            values
        };
        for (i, median) in [(1, 2..=4), (4, 2500..=3100), (5, 29..=35), (11, 0..=0)] {
            let values = sorted(i);
            assert!(median.contains(&values[values.len() / 2]), "I{}", i + 1);
        }
        let sixth = sorted(5);
        assert!(sixth[sixth.len() * 99 / 100] > 2000);
        assert_eq!(sorted(9).last(), Some(&11));
    }

    #[test]
    fn numbers_have_a_token_for_each_token_of_the_log2_encoding() {
        let mut by_token = HashMap::new();
        let mut encoded = Vec::new();
        for value in -3..100_000 {
            crate::encode::encoder::log2_token(value as f32, &mut encoded);
            let spelling = by_token
                .entry(number_token(value))
                .or_insert_with(|| encoded.clone());
            assert_eq!(*spelling, encoded, "{value}");
        }
        let spellings: HashSet<_> = by_token.values().collect();
        assert_eq!(spellings.len(), by_token.len());
    }

    #[test]
    fn sizes_add_up_to_the_vocabulary_and_keep_criteos_order() {
        for vocabulary in [26, 27, 1000, 1_000_000, 33_762_577, u64::from(u32::MAX)] {
            let sizes = category_sizes(vocabulary);
            assert_eq!(sizes.iter().sum::<u64>(), vocabulary);
            assert!(sizes.iter().all(|&size| (1..=sizes[2]).contains(&size)));
        }
        let sizes = category_sizes(1_000_000);
        let largest: u64 = [2, 3, 11, 15, 20].iter().map(|&i| sizes[i]).sum();
        assert!(largest > 900_000, "{largest}");
        assert!((5..50).contains(&sizes[13]), "{}", sizes[13]);
    }

    #[test]
    fn ranks_have_zipfs_shares() {
        for tokens in [24, 10_000] {
            let harmonic: f64 = (1..=tokens).map(|k| f64::from(k).powf(-1.05)).sum();
            let zipf = Zipf::new(u64::from(tokens as u32));
            let draws = 1_000_000;
            let mut counts = vec![0_u32; tokens as usize];
            for i in 0..draws {
                // The middles of equal parts of [0, 1), in place of random draws.
                counts[zipf.rank((f64::from(i) + 0.5) / f64::from(draws)) as usize] += 1;
            }
            for k in [1, 2, 3, 10, 20, tokens] {
                let expected = f64::from(k).powf(-1.05) / harmonic * f64::from(draws);
                let got = f64::from(counts[k as usize - 1]);
                // The first rank has the whole error of the midpoint rule; a draw is the grain.
                let allowed = if k == 1 { 0.12 } else { 0.05 } * expected + 2.0;
                assert!((got - expected).abs() < allowed, "{k}: {got}, {expected}");
            }
        }
        assert_eq!(Zipf::new(1).rank(0.999), 0);
    }

    #[test]
    fn spellings_do_not_collide() {
        let spelled: HashSet<u32> = (0..1_000_000).map(permute).collect();
        assert_eq!(spelled.len(), 1_000_000);
    }

    #[test]
    fn a_large_vocabulary_is_used() {
        let (file, _) = write(200_000, 1_000_000, 11);
        let mut tokens: HashSet<(usize, &str)> = HashSet::new();
        let mut firsts: HashMap<&str, u32> = HashMap::new();
        for line in file.lines() {
            let cells = line.split('\t').enumerate().skip(14);
            tokens.extend(cells.filter(|(_, cell)| !cell.is_empty()));
            *firsts.entry(line.split('\t').nth(16).unwrap()).or_default() += 1;
        }
        assert!(tokens.len() > 100_000, "{}", tokens.len());
        firsts.remove("");
        let most = firsts.values().max().copied().unwrap();
        // Of C3's 339,000 tokens: the first has a tenth.
        assert!((16_000..26_000).contains(&most), "{most} of 200,000");
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

            // Had the pairs a part that weights of C1, C6, C14 or C17 could express, its mean would
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

    #[test]
    fn the_bayes_loss_is_what_the_law_has_on_its_clicks_and_well_below_the_base_rates() {
        let (vocabulary, seed, rows) = (1_000_000, 4, 50_000);
        let (file, summary) = write(rows, vocabulary, seed);
        let law = Law::new(vocabulary, seed).unwrap();
        let (mut loss, mut additive) = (0.0, 0.0);
        for (number, line) in (0..).zip(file.lines()) {
            let (weights, pairs) = law.parts(&law.rows.row(number).tokens);
            let sign = if line.starts_with('1') { 1.0 } else { -1.0 };
            let nats = |logit: f64| -sigmoid(sign * logit).ln() / rows as f64;
            loss += nats(law.bias + weights + pairs);
            // Without the pairs, shrunk towards the base rate as a logistic regression would.
            additive += nats(-1.3 + 0.8 * weights);
        }
        let share = summary.clicks as f64 / rows as f64;
        let base = -share * share.ln() - (1.0 - share) * (1.0 - share).ln();
        let bayes = summary.bayes_logloss;
        assert!((loss - bayes).abs() < 0.01, "{loss}, {bayes}");
        assert!(bayes < base - 0.1, "{bayes}, {base}");
        assert!(additive < base - 0.02, "{additive}, {base}");
        assert!(bayes < additive - 0.04, "{bayes}, {additive}");
    }

    #[test]
    fn the_criteo_schema_reads_every_row() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("train.txt");
        std::fs::write(&path, write(3000, 10_000, 1).0).unwrap();
        let config = format!(
            "train = '{}'\nschema = 'criteo'\nsplit = {{ valid = 0.1 }}",
            path.display()
        );
        let config: crate::DataConfig = toml::from_str(&config).unwrap();
        let spec = config.validate().unwrap();
        let prepared =
            crate::prepare::run::prepare(&spec, None, &directory.path().join("encoded"), |_| ())
                .unwrap();
        assert_eq!(prepared.train.num_rows() + prepared.valid.num_rows(), 3000);
    }

    #[test]
    fn vocabularies_out_of_range_are_refused() {
        for vocabulary in [0, 25, 1 << 32] {
            let config = SyntheticConfig {
                rows: 1,
                vocabulary,
                seed: 1,
            };
            let error = config.write(&mut io::sink(), |_| ()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
            let expected = format!("[26, 4294967295], but is {vocabulary}");
            assert!(error.to_string().contains(&expected), "{error}");
        }
        let smallest = write(100, 26, 1);
        assert!(smallest.1.bayes_logloss.is_finite());
        let largest = write(100, u64::from(u32::MAX), 1);
        assert!(largest.1.bayes_logloss.is_finite());
    }
}
