use std::io;

use serde::{Deserialize, Serialize};

use crate::synthetic::law::{Law, PLANTED_PAIRS, sigmoid, softplus};

/// Writes rows in the format of Kaggle's Criteo `train.txt`, whose clicks follow a known law: any number of
/// rows, any vocabulary, no download.
///
/// | setting | purpose | range |
/// |---|---|---|
/// | `rows` | number of lines | any |
/// | `vocabulary` | number of distinct tokens that the 26 categorical fields can draw, in total | 26 to 2³² - 1 |
/// | `seed` | decides rows, spellings and the law of the clicks | any |
///
/// A row depends on the seed, the vocabulary and its own number alone: a longer file begins with
/// the shorter one.
///
/// # Cells
///
/// - `I1`…`I13`: `⌊c · u / (1 - u)⌋` of a uniform `u` (log-logistic, so with a Pareto tail). Medians,
///   greatest values and shares of empty cells are about those of Criteo's columns. `I2` starts at -3.
/// - `C1`…`C26`: a field of `n` tokens draws rank `k` with about Zipf's share, `k^-1.05`. The sizes are
///   Criteo's, all raised to the one power that makes their sum the vocabulary: a few small fields, and
///   five that hold most tokens. Eight hexadecimal digits spell a rank; no two ranks of a field are alike.
///
/// # Clicks
///
/// A click has the probability `σ(z)`, about a quarter on average, with
///
/// ```text
/// z = bias + α Σ_f w_f(t_f) + β Σ_(i,j) ⟨u_i(t_i) - ū_i, v_j(t_j) - v̄_j⟩
/// ```
///
/// over the 39 fields `f` and the [planted pairs](Self::PLANTED_PAIRS) `(i, j)`. A number's token
/// `t` is that of the `log2` encoding, and "no value" is a token too. Weights `w` and vectors `u`,
/// `v` of four dimensions are hashes of seed, field and token: nothing is stored.
///
/// The fields are independent and the vectors centred, so the second sum is pure interaction: no additive
/// model can fit any of it. `α` and `β` give both sums the variance 1.5, so **half of the variance of `z`
/// comes from the pairs**.
///
/// ```
/// use fibinet_data::synthetic::SyntheticConfig;
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
    /// Number of lines.
    pub rows: u64,
    /// Number of distinct tokens that the 26 categorical fields can draw, in total.
    pub vocabulary: u64,
    /// Decides rows, spellings and the law of the clicks.
    pub seed: u64,
}

/// What was written, and the lowest loss that a model can expect on it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SyntheticSummary {
    /// Number of lines.
    pub rows: u64,
    /// Number of lines with a click.
    pub clicks: u64,
    /// The mean over the rows of `-[p ln p + (1 - p) ln(1 - p)]`, where `p` is a row's true probability. It
    /// is the log loss, in nats, that a model which knew the law would have on average. Only by chance has
    /// a model less.
    pub bayes_logloss: f64,
}

/// Number of rows between two writes and reports.
const CHUNK_ROWS: u64 = 1 << 12;

impl SyntheticConfig {
    /// The pairs of fields that interact, as indices into `I1`…`I13`, `C1`…`C26`, from 0. The first field
    /// has the vectors `u`, the second the vectors `v`.
    ///
    /// There are small fields with small ones, small with large ones, and numbers.
    pub const PLANTED_PAIRS: [(usize, usize); 12] = PLANTED_PAIRS;

    /// Writes the rows and flushes. `progress` is told the number of rows so far, every few thousand.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if the vocabulary is out of range, and whatever `out`
    /// returns.
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
        // 40, 21 and 44 % of I1, I3 and C19 are empty.
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
        // The first of C3's 339,000 tokens has a tenth of the rows.
        assert!((16_000..26_000).contains(&most), "{most} of 200,000");
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
            // Without the pairs, and shrunk towards the base rate as a logistic regression would do.
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
        let config: crate::config::DataConfig = toml::from_str(&config).unwrap();
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
