use serde::{Deserialize, Serialize};

use crate::config::schema::SchemaError;
use crate::error::DataError;
use crate::formats::blocks::Row;
use crate::formats::reader::{RowReader, column_index};
use crate::mix::mix;

/// What rows are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SplitKind {
    /// To learn from.
    Train,
    /// To stop early by.
    Valid,
    /// To judge by, once.
    Test,
}

impl SplitKind {
    /// All splits, in the order of their numbers.
    pub(crate) const ALL: [Self; 3] = [Self::Train, Self::Valid, Self::Test];

    /// The name in files and messages.
    pub const fn name(self) -> &'static str {
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
/// | `by` | random | `random`; `order`: the last rows are valid, then test; `column`: by a column's value |
/// | `valid`, `test` | 0 | shares of the rows; with `column`, `valid` is a random share of the training rows |
/// | `seed` | 2019 | the random draws' own seed: the training seed changes nothing |
/// | `column` | – | the column |
/// | `train_value`, `valid_value`, `test_value` | – | its cells of each split; rows of other cells are left out |
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitConfig {
    /// What decides.
    #[serde(default)]
    pub by: SplitBy,
    /// Share of the rows that go to the validation split.
    pub valid: Option<f64>,
    /// Share of the rows that go to the test split.
    pub test: Option<f64>,
    /// The draws' seed.
    pub seed: Option<u64>,
    /// The column.
    pub column: Option<String>,
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
    /// Draws.
    #[default]
    Random,
    /// The rows' order.
    Order,
    /// A column's value.
    Column,
}

/// A validated [`SplitConfig`].
#[derive(Debug, Clone, PartialEq)]
pub enum Split {
    /// By draws.
    Random(RandomSplit),
    /// The last rows: first `valid`, then `test`.
    Order {
        /// Share of the validation rows.
        valid: f64,
        /// Share of the test rows.
        test: f64,
    },
    /// By a column's value.
    Column {
        /// The column.
        column: String,
        /// The cells of the train, valid and test rows.
        values: [Option<String>; 3],
        /// Draws validation rows from the training rows, where no cell names them.
        random: RandomSplit,
    },
}

/// A random split of one file's rows, decided row by row from the row's number and a seed of its
/// own: it needs no memory, and neither the training seed nor the number of threads changes it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RandomSplit {
    /// Share of the rows that go to the validation split.
    pub valid: f64,
    /// Share of the rows that go to the test split.
    pub test: f64,
    /// The draws' seed.
    pub seed: u64,
}

const DEFAULT_SEED: u64 = 2019;

impl SplitConfig {
    pub(crate) fn validate(self) -> Result<Split, SchemaError> {
        let error = |reason: String| SchemaError::Split { reason };
        let (valid, test) = (self.valid.unwrap_or(0.0), self.test.unwrap_or(0.0));
        for (name, share) in [("valid", valid), ("test", test)] {
            if !(0.0..1.0).contains(&share) {
                return Err(error(format!("`{name}` must be in [0, 1), but is {share}")));
            }
        }
        if valid + test >= 1.0 {
            return Err(error(format!(
                "`valid` and `test` must leave rows to train on, but add up to {}",
                valid + test
            )));
        }
        let values = [self.train_value, self.valid_value, self.test_value];
        let of_column = self.column.is_some() || values.iter().any(Option::is_some);
        if self.by != SplitBy::Column && of_column {
            return Err(error(
                "`column`, `train_value`, `valid_value` and `test_value` need by = \"column\""
                    .to_owned(),
            ));
        }
        if self.by == SplitBy::Order && self.seed.is_some() {
            return Err(error(
                "by = \"order\" draws nothing: leave `seed` out".to_owned(),
            ));
        }
        let random = RandomSplit {
            valid,
            test,
            seed: self.seed.unwrap_or(DEFAULT_SEED),
        };
        Ok(match self.by {
            SplitBy::Random => Split::Random(random),
            SplitBy::Order => Split::Order { valid, test },
            SplitBy::Column => {
                let column = self
                    .column
                    .ok_or_else(|| error("by = \"column\" needs `column`".to_owned()))?;
                if values[0].is_none() {
                    return Err(error("by = \"column\" needs `train_value`".to_owned()));
                }
                let given = values.iter().flatten();
                if given
                    .clone()
                    .enumerate()
                    .any(|(i, value)| given.clone().take(i).any(|other| other == value))
                {
                    return Err(error("two splits have the same value".to_owned()));
                }
                if test > 0.0 {
                    return Err(error(
                        "with by = \"column\", test rows are those of `test_value`, not a share"
                            .to_owned(),
                    ));
                }
                if valid > 0.0 && values[1].is_some() {
                    return Err(error("`valid` and `valid_value` are both given".to_owned()));
                }
                Split::Column {
                    column,
                    values,
                    random,
                }
            }
        })
    }
}

impl Split {
    /// Whether rows of the training file go to a split.
    pub fn gives(&self, kind: SplitKind) -> bool {
        let share = |valid: f64, test: f64| match kind {
            SplitKind::Train => true,
            SplitKind::Valid => valid > 0.0,
            SplitKind::Test => test > 0.0,
        };
        match self {
            Self::Random(random) => share(random.valid, random.test),
            Self::Order { valid, test } => share(*valid, *test),
            Self::Column { values, random, .. } => {
                values[kind as usize].is_some() || share(random.valid, 0.0)
            }
        }
    }

    /// Whether the file's rows must be counted first.
    pub(crate) fn needs_count(&self) -> bool {
        matches!(self, Self::Order { .. })
    }

    /// The split, ready for the rows of a reader; `num_rows` counts where
    /// [`needs_count`](Self::needs_count).
    pub(crate) fn assigner(
        &self,
        reader: &dyn RowReader,
        num_rows: u64,
    ) -> Result<Assigner<'_>, DataError> {
        Ok(match self {
            Self::Random(random) => Assigner::Random(random),
            Self::Order { valid, test } => {
                let rows = num_rows as f64;
                let test = (rows * (1.0 - test)).round() as u64;
                let valid = (rows * (1.0 - valid)).round() as u64 + test - num_rows;
                Assigner::Order { valid, test }
            }
            Self::Column {
                column,
                values,
                random,
            } => Assigner::Column {
                column: column_index(reader, column)?,
                values,
                random,
            },
        })
    }
}

/// A [`Split`] that knows the file.
pub(crate) enum Assigner<'a> {
    /// Every row goes to one.
    Whole(SplitKind),
    Random(&'a RandomSplit),
    /// The first rows of either split.
    Order {
        valid: u64,
        test: u64,
    },
    Column {
        column: usize,
        values: &'a [Option<String>; 3],
        random: &'a RandomSplit,
    },
}

impl Assigner<'_> {
    /// The split of a row of the file; none where it is left out.
    pub(crate) fn assign(&self, row: Row<'_>) -> Option<SplitKind> {
        let number = row.number();
        match self {
            Self::Whole(kind) => Some(*kind),
            Self::Random(random) => Some(random.assign(number)),
            Self::Order { test, .. } if number >= *test => Some(SplitKind::Test),
            Self::Order { valid, .. } if number >= *valid => Some(SplitKind::Valid),
            Self::Order { .. } => Some(SplitKind::Train),
            Self::Column {
                column,
                values,
                random,
            } => {
                let cell = row.cell(*column);
                let is = |kind: SplitKind| {
                    let value = values[kind as usize].as_deref();
                    value.is_some_and(|value| value.as_bytes() == cell)
                };
                match SplitKind::ALL.into_iter().find(|kind| is(*kind))? {
                    SplitKind::Train => Some(random.assign(number)),
                    kind => Some(kind),
                }
            }
        }
    }
}

impl RandomSplit {
    /// The split that row number `row` of the file goes to.
    pub fn assign(&self, row: u64) -> SplitKind {
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
    fn shares_come_out_and_another_seed_splits_otherwise() {
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
    fn shares_that_leave_nothing_are_refused() {
        let message = |valid, test| {
            let split = SplitConfig {
                valid: Some(valid),
                test: Some(test),
                ..SplitConfig::default()
            };
            split.validate().unwrap_err().to_string()
        };
        assert!(message(-0.1, 0.0).contains("`valid` must be in [0, 1), but is -0.1"));
        assert!(message(0.6, 0.5).contains("add up to 1.1"));
        assert!(message(f64::NAN, 0.0).contains("NaN"));
    }
}
