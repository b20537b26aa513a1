use crate::mix::mix;
use crate::synthetic::draws::{Stream, is_empty, uniform};

pub(super) const NUM_NUMBERS: usize = 13;
pub(super) const NUM_CATEGORIES: usize = 26;
pub(super) const NUM_FIELDS: usize = NUM_NUMBERS + NUM_CATEGORIES;

/// A numeric column.
struct Count {
    /// Scale of the odds, about the median minus `least`.
    scale: f64,
    least: i32,
    greatest: i32,
    /// Share of empty cells: Criteo's, but at most 0.40.
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
        // The cast saturates.
        let above = (self.scale * uniform / (1.0 - uniform)) as i32;
        let value = above.saturating_add(self.least).min(self.greatest);
        (!is_empty(hash, self.empty)).then_some(value)
    }
}

/// The token of a number. It stands for one token of the `log2` encoding: `⌊ln(v)²⌋` if `v > 2`, else `v`
/// itself.
fn number_token(value: i32) -> u32 {
    if value > 2 {
        let log = f64::from(value).ln();
        6 + (log * log) as u32
    } else {
        (value + 3) as u32
    }
}

/// The number of tokens and the share of empty cells of each of Criteo's categorical columns.
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

/// The field that takes the tokens left over by rounding.
const LARGEST_CATEGORY: usize = 2;

/// Criteo's sizes, all raised to the same power, so that their sum is `vocabulary`.
fn category_sizes(vocabulary: u64) -> [u64; NUM_CATEGORIES] {
    let sizes = |power: f64| CATEGORIES.map(|(tokens, _)| tokens.powf(power) as u64);
    // Power 0 gives one token per field. Power 2 is far above every vocabulary allowed.
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
/// The density `x^-1.05` on `[½, n + ½]` gives `[k - ½, k + ½]` the share of `k` by the midpoint rule,
/// which is 11 % too much for the first rank and 2 % for the second. Its distribution function has the
/// inverse `(a - u (a - b))^-20` with `a = ½^-0.05` and `b = (n + ½)^-0.05`, a power that multiplications
/// alone compute.
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
        let position = 1.0 / (eighth * eighth * fourth);
        ((position - 0.5) as u32).min(self.last)
    }
}

/// A permutation of the 32-bit numbers: MurmurHash3's finalizer (Appleby, 2011).
fn permute(mut bits: u32) -> u32 {
    bits = (bits ^ (bits >> 16)).wrapping_mul(0x85eb_ca6b);
    bits = (bits ^ (bits >> 13)).wrapping_mul(0xc2b2_ae35);
    bits ^ (bits >> 16)
}

/// The token of an empty cell, above every rank and every number's token.
const EMPTY: u32 = u32::MAX;

/// The cells of a row, and the draw that decides its click.
pub(super) struct Row {
    numbers: [Option<i32>; NUM_NUMBERS],
    pub(super) tokens: [u32; NUM_FIELDS],
    pub(super) click_draw: f64,
}

/// Draws and writes rows.
pub(super) struct Rows {
    seed: u64,
    ranks: [Zipf; NUM_CATEGORIES],
    spellings: [u32; NUM_CATEGORIES],
}

impl Rows {
    pub(super) fn new(vocabulary: u64, seed: u64) -> Self {
        Self {
            seed,
            ranks: category_sizes(vocabulary).map(Zipf::new),
            spellings: std::array::from_fn(|i| Stream::Spelling.key(seed, i) as u32),
        }
    }

    /// The row of this number.
    pub(super) fn row(&self, number: u64) -> Row {
        self.draw(mix(Stream::Rows.key(self.seed, 0), number))
    }

    pub(super) fn draw(&self, row_seed: u64) -> Row {
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

    pub(super) fn write_line(&self, row: &Row, click: bool, line: &mut Vec<u8>) {
        line.push(b'0' + u8::from(click));
        for number in row.numbers {
            line.push(b'\t');
            if let Some(number) = number {
                line.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
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

fn write_hex(number: u32, line: &mut Vec<u8>) {
    let digits: [u8; 8] =
        std::array::from_fn(|i| b"0123456789abcdef"[(number >> (28 - 4 * i)) as usize & 0xf]);
    line.extend_from_slice(&digits);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{HashMap, HashSet};

    #[test]
    fn counts_have_criteos_medians_and_heavy_tails() {
        let rows = Rows::new(1000, 5);
        let rows: Vec<Row> = (0..20_000).map(|number| rows.row(number)).collect();
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
            encoded.clear();
            crate::fields::log2_token(value as f32, &mut encoded);
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
                // Midpoints of equal parts of [0, 1) instead of random draws.
                counts[zipf.rank((f64::from(i) + 0.5) / f64::from(draws)) as usize] += 1;
            }
            for k in [1, 2, 3, 10, 20, tokens] {
                let expected = f64::from(k).powf(-1.05) / harmonic * f64::from(draws);
                let got = f64::from(counts[k as usize - 1]);
                // The midpoint rule's error is largest for the first rank. Rounding moves other counts by a
                // draw or two.
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
}
