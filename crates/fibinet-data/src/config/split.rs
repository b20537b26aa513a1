use serde::{Deserialize, Serialize};

use crate::fields::time_format::TimeFormat;
use crate::mix::mix;
use crate::schema_error::SplitError;

/// What rows are used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SplitKind {
    /// Training.
    Train,
    /// Early stopping.
    Valid,
    /// The final evaluation.
    Test,
}

impl SplitKind {
    /// All splits, in the order of their numbers.
    pub(crate) const ALL: [Self; 3] = [Self::Train, Self::Valid, Self::Test];

    /// The name in files and messages.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Valid => "valid",
            Self::Test => "test",
        }
    }
}

/// How one file is cut into splits, as a run file writes it.
///
/// | key | default | purpose |
/// |---|---|---|
/// | `by` | random | `random`; `order`: the last rows are valid, then test; `time`: the latest rows are; `column`: by the value of a column |
/// | `valid`, `test` | 0 | shares of the rows; with `column`, `valid` is a random share of the training rows |
/// | `seed` | 2019 | the seed of the random draws; the training seed does not change them |
/// | `column` | – | the column of the times, or of the values |
/// | `format` | see below | with `time`, how times are written, as in `timestamp` fields |
/// | `train_value`, `valid_value`, `test_value` | – | the cells of each split; rows with other cells are skipped |
///
/// With `time`, rows of the same time are never cut apart, so shares are only approximate: of the two cuts beside
/// such rows, the one that is nearer to the share is made, if it leaves the split a row. A row without a readable
/// time is malformed. Without `format`, times are written as the `timestamp` field that reads the column says. Without
/// such a field numbers are compared as they are (seconds, milliseconds, YYMMDDHH), and texts are read as ISO dates
/// or times.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitConfig {
    /// What decides which split a row goes to.
    #[serde(default)]
    pub by: SplitBy,
    /// Share of the rows that go to the validation split.
    pub valid: Option<f64>,
    /// Share of the rows that go to the test split.
    pub test: Option<f64>,
    /// The seed of the random draws.
    pub seed: Option<u64>,
    /// The column.
    pub column: Option<String>,
    /// How times are written.
    pub format: Option<String>,
    /// The cell of training rows.
    pub train_value: Option<String>,
    /// The cell of validation rows.
    pub valid_value: Option<String>,
    /// The cell of test rows.
    pub test_value: Option<String>,
}

/// What decides which split a row goes to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SplitBy {
    /// Random draws.
    #[default]
    Random,
    /// The order of the rows.
    Order,
    /// The times in a column.
    Time,
    /// The value of a column.
    Column,
}

/// A validated [`SplitConfig`].
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Split {
    /// By random draws.
    Random(RandomSplit),
    /// The last rows: first `valid`, then `test`.
    Order {
        /// Share of the validation rows.
        valid: f64,
        /// Share of the test rows.
        test: f64,
    },
    /// The latest rows: first `valid`, then `test`.
    Time(TimeSplit),
    /// By the value of a column.
    Column {
        /// The column.
        column: String,
        /// The cells of the train, valid and test rows.
        values: [Option<String>; 3],
        /// Draws validation rows from the training rows, if no cell names them.
        random: RandomSplit,
    },
}

/// A split by time: the latest rows are the test rows, and those before them the validation rows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TimeSplit {
    /// The column of the times.
    pub(crate) column: String,
    /// How times are written; [`SplitConfig`] says what `None` means.
    pub(crate) format: Option<String>,
    /// Share of the rows that go to the validation split.
    pub(crate) valid: f64,
    /// Share of the rows that go to the test split.
    pub(crate) test: f64,
}

/// A random split of one file's rows. Each row is decided by its number and a seed, so that the split
/// needs no memory and depends neither on the training seed nor on the number of threads.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct RandomSplit {
    /// Share of the rows that go to the validation split.
    pub(crate) valid: f64,
    /// Share of the rows that go to the test split.
    pub(crate) test: f64,
    /// The seed of the draws.
    pub(crate) seed: u64,
}

const DEFAULT_SEED: u64 = 2019;

impl SplitConfig {
    pub(crate) fn validate(self) -> Result<Split, SplitError> {
        let (valid, test) = self.shares()?;
        self.check_keys()?;
        let random = RandomSplit {
            valid,
            test,
            seed: self.seed.unwrap_or(DEFAULT_SEED),
        };
        match self.by {
            SplitBy::Random => Ok(Split::Random(random)),
            SplitBy::Order => Ok(Split::Order { valid, test }),
            SplitBy::Time => self.by_time(valid, test),
            SplitBy::Column => self.by_column(random),
        }
    }

    fn shares(&self) -> Result<(f64, f64), SplitError> {
        let (valid, test) = (self.valid.unwrap_or(0.0), self.test.unwrap_or(0.0));
        for (setting, got) in [("valid", valid), ("test", test)] {
            if !(0.0..1.0).contains(&got) {
                return Err(SplitError::Share { setting, got });
            }
        }
        if valid + test >= 1.0 {
            return Err(SplitError::NothingToTrainOn(valid + test));
        }
        Ok((valid, test))
    }

    /// Checks that each key applies to what decides.
    fn check_keys(&self) -> Result<(), SplitError> {
        let (is_time, is_column) = (self.by == SplitBy::Time, self.by == SplitBy::Column);
        let by_column = "`by = \"column\"`";
        for (setting, is_misplaced, by) in [
            (
                "column",
                self.column.is_some() && !is_time && !is_column,
                "`by = \"column\"` or `by = \"time\"`",
            ),
            (
                "format",
                self.format.is_some() && !is_time,
                "`by = \"time\"`",
            ),
            (
                "train_value",
                self.train_value.is_some() && !is_column,
                by_column,
            ),
            (
                "valid_value",
                self.valid_value.is_some() && !is_column,
                by_column,
            ),
            (
                "test_value",
                self.test_value.is_some() && !is_column,
                by_column,
            ),
        ] {
            if is_misplaced {
                return Err(SplitError::Misplaced { setting, by });
            }
        }
        match self.by {
            SplitBy::Order if self.seed.is_some() => Err(SplitError::SeedWithoutDraws("order")),
            SplitBy::Time if self.seed.is_some() => Err(SplitError::SeedWithoutDraws("time")),
            _ => Ok(()),
        }
    }

    fn by_time(self, valid: f64, test: f64) -> Result<Split, SplitError> {
        let column = self.column;
        let split = TimeSplit {
            column: column.ok_or(SplitError::MissingColumnOfTimes)?,
            format: self.format,
            valid,
            test,
        };
        if let Some(format) = &split.format {
            TimeFormat::new(format)?;
        }
        Ok(Split::Time(split))
    }

    fn by_column(self, random: RandomSplit) -> Result<Split, SplitError> {
        let column = self.column.ok_or(SplitError::MissingForColumn("column"))?;
        if self.train_value.is_none() {
            return Err(SplitError::MissingForColumn("train_value"));
        }
        let values = [self.train_value, self.valid_value, self.test_value];
        let mut given = values.iter().flatten().enumerate();
        let twice = given.find(|(i, value)| values.iter().flatten().take(*i).any(|v| v == *value));
        if let Some((_, value)) = twice {
            return Err(SplitError::SameValue(value.clone()));
        }
        if random.test > 0.0 {
            return Err(SplitError::TestShareWithColumn);
        }
        if random.valid > 0.0 && values[SplitKind::Valid as usize].is_some() {
            return Err(SplitError::TwoValidations);
        }
        Ok(Split::Column {
            column,
            values,
            random,
        })
    }
}

impl Split {
    /// Whether rows of the training file go to a split.
    pub(crate) fn gives(&self, kind: SplitKind) -> bool {
        let share = |valid: f64, test: f64| match kind {
            SplitKind::Train => true,
            SplitKind::Valid => valid > 0.0,
            SplitKind::Test => test > 0.0,
        };
        match self {
            Self::Random(random) => share(random.valid, random.test),
            Self::Order { valid, test } => share(*valid, *test),
            Self::Time(split) => share(split.valid, split.test),
            Self::Column { values, random, .. } => {
                values[kind as usize].is_some() || share(random.valid, 0.0)
            }
        }
    }
}

impl RandomSplit {
    /// The split that row number `row` of the file goes to.
    pub(crate) fn assign(&self, row: u64) -> SplitKind {
        // The top 53 bits, as a uniform number in [0, 1).
        let draw = (mix(self.seed, row) >> 11) as f64 / (1_u64 << 53) as f64;
        if draw < self.test {
            SplitKind::Test
        } else if draw < self.test + self.valid {
            SplitKind::Valid
        } else {
            SplitKind::Train
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_split_gets_its_share_and_another_seed_splits_differently() {
        let split = |seed| RandomSplit {
            valid: 0.1,
            test: 0.2,
            seed,
        };
        let count = |seed, kind| {
            (0..100_000)
                .filter(|&row| split(seed).assign(row) == kind)
                .count()
        };
        assert!((9_700..10_300).contains(&count(1, SplitKind::Valid)));
        assert!((19_600..20_400).contains(&count(1, SplitKind::Test)));
        let differ = (0..1000)
            .filter(|&row| split(1).assign(row) != split(2).assign(row))
            .count();
        assert!(differ > 200, "{differ} of 1000 rows");
    }

    #[test]
    fn each_rule_is_checked() {
        for (text, expected) in [
            ("valid = -0.1", "`valid` must be in [0, 1), but is -0.1"),
            ("valid = nan", "`valid` must be in [0, 1), but is NaN"),
            ("valid = 0.6\ntest = 0.5", "add up to 1.1"),
            ("column = 'a'", "`column` only applies to splits with"),
            (
                "by = 'order'\ntest_value = 'a'",
                "`test_value` only applies to splits with",
            ),
            ("by = 'order'\nseed = 1", "`seed` does not apply"),
            (
                "by = 'time'\ncolumn = 'a'\nseed = 1",
                "`seed` does not apply to `by = \"time\"`",
            ),
            ("by = 'time'\nvalid = 0.1", "`by = \"time\"` needs `column`"),
            (
                "by = 'time'\ncolumn = 'a'\ntest_value = 'b'",
                "`test_value` only applies to splits with `by = \"column\"`",
            ),
            (
                "by = 'time'\ncolumn = 'a'\nformat = '%H:%M'",
                "`format` must give a date",
            ),
            (
                "by = 'column'\ncolumn = 'a'\ntrain_value = 'x'\nformat = '%Y-%m-%d'",
                "`format` only applies to splits with `by = \"time\"`",
            ),
            ("by = 'column'", "`by = \"column\"` needs `column`"),
            (
                "by = 'column'\ncolumn = 'a'",
                "`by = \"column\"` needs `train_value`",
            ),
            (
                "by = 'column'\ncolumn = 'a'\ntrain_value = 'x'\ntest_value = 'x'",
                "the same value, `x`",
            ),
            (
                "by = 'column'\ncolumn = 'a'\ntrain_value = 'x'\ntest = 0.1",
                "remove `test`, which is a share",
            ),
            (
                "by = 'column'\ncolumn = 'a'\ntrain_value = 'x'\nvalid_value = 'y'\nvalid = 0.1",
                "`valid` and `valid_value` are both given",
            ),
        ] {
            let config: SplitConfig = toml::from_str(text).unwrap();
            let message = config.validate().unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }
}
