use crate::config::split::{RandomSplit, Split, SplitKind};
use crate::error::DataError;
use crate::formats::blocks::Row;
use crate::formats::reader::{RowReader, column_index};

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
    Column {
        column: usize,
        values: &'a [Option<String>; 3],
        random: &'a RandomSplit,
    },
}

impl<'a> Assigner<'a> {
    /// Assigns the rows of `reader`. `num_rows` is only read if the split
    /// [needs a count](Split::needs_count).
    ///
    /// # Errors
    ///
    /// [`MissingColumn`](crate::DataErrorKind::MissingColumn) if the reader lacks the split's column.
    pub(crate) fn new(
        split: &'a Split,
        reader: &dyn RowReader,
        num_rows: u64,
    ) -> Result<Self, DataError> {
        Ok(match split {
            Split::Random(random) => Self::Random(random),
            Split::Order { valid, test } => {
                let rows = num_rows as f64;
                let test = (rows * (1.0 - test)).round() as u64;
                let valid = (rows * (1.0 - valid)).round() as u64 + test - num_rows;
                Self::Order { valid, test }
            }
            Split::Column {
                column,
                values,
                random,
            } => Self::Column {
                column: column_index(reader, column)?,
                values,
                random,
            },
        })
    }

    /// The split of a row of the file; `None` if it is in none.
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
                let mut scratch = Vec::new();
                let text = row.cell(*column).text(&mut scratch);
                let is = |kind: SplitKind| {
                    let value = values[kind as usize].as_deref();
                    value.is_some_and(|value| value.as_bytes() == text)
                };
                match SplitKind::ALL.into_iter().find(|kind| is(*kind))? {
                    SplitKind::Train => Some(random.assign(number)),
                    kind => Some(kind),
                }
            }
        }
    }
}
