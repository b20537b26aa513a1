use crate::config::split::{RandomSplit, Split, SplitKind, TimeSplit};
use crate::error::DataError;
use crate::formats::blocks::Row;
use crate::formats::reader::{RowReader, column_index};
use crate::prepare::time_cuts::TimeCuts;

/// What a first pass over the training file found for a split that needs one.
#[derive(Debug)]
pub(crate) enum FirstPass {
    /// The split needs none.
    None,
    /// The number of rows, malformed ones included.
    Count(u64),
    /// The times that cut the rows.
    Times(TimeCuts),
}

/// Assigns the rows of one file to splits.
pub(crate) enum Assigner<'a> {
    /// All rows go to one split.
    Whole(SplitKind),
    Random(&'a RandomSplit),
    /// The numbers of the first validation row and the first test row.
    Order {
        valid: u64,
        test: u64,
    },
    Time {
        column: usize,
        split: &'a TimeSplit,
        cuts: &'a TimeCuts,
    },
    Column {
        column: usize,
        values: &'a [Option<String>; 3],
        random: &'a RandomSplit,
    },
}

impl<'a> Assigner<'a> {
    /// Assigns the rows of `reader`.
    ///
    /// # Errors
    ///
    /// [`MissingColumn`](crate::DataErrorKind::MissingColumn) if the reader lacks the split's column.
    ///
    /// # Panics
    ///
    /// If the first pass was for another split.
    pub(crate) fn new(
        split: &'a Split,
        reader: &dyn RowReader,
        first_pass: &'a FirstPass,
    ) -> Result<Self, DataError> {
        Ok(match (split, first_pass) {
            (Split::Random(random), _) => Self::Random(random),
            (Split::Order { valid, test }, FirstPass::Count(num_rows)) => {
                let rows = *num_rows as f64;
                let test = (rows * (1.0 - test)).round() as u64;
                let valid = (rows * (1.0 - valid)).round() as u64 + test - num_rows;
                Self::Order { valid, test }
            }
            (Split::Time(split), FirstPass::Times(cuts)) => Self::Time {
                column: column_index(reader, &split.column)?,
                split,
                cuts,
            },
            (Split::Order { .. } | Split::Time(_), _) => {
                panic!("expected the first pass of {split:?}, got {first_pass:?}")
            }
            (
                Split::Column {
                    column,
                    values,
                    random,
                },
                _,
            ) => Self::Column {
                column: column_index(reader, column)?,
                values,
                random,
            },
        })
    }

    /// The split of a row of the file; `None` if it is in none.
    ///
    /// # Errors
    ///
    /// If the split goes by time and the row has none.
    pub(crate) fn assign(&self, row: Row<'_>) -> Result<Option<SplitKind>, DataError> {
        let number = row.number();
        Ok(match self {
            Self::Whole(kind) => Some(*kind),
            Self::Random(random) => Some(random.assign(number)),
            Self::Order { test, .. } if number >= *test => Some(SplitKind::Test),
            Self::Order { valid, .. } if number >= *valid => Some(SplitKind::Valid),
            Self::Order { .. } => Some(SplitKind::Train),
            Self::Time {
                column,
                split,
                cuts,
            } => Some(cuts.assign(row, *column, split)?),
            Self::Column {
                column,
                values,
                random,
            } => {
                let mut scratch = Vec::new();
                let text = row.cell(*column).text(&mut scratch);
                let is = |kind: &SplitKind| {
                    let value = values[*kind as usize].as_deref();
                    value.is_some_and(|value| value.as_bytes() == text)
                };
                match SplitKind::ALL.into_iter().find(is) {
                    Some(SplitKind::Train) => Some(random.assign(number)),
                    other => other,
                }
            }
        })
    }
}
