use serde::{Deserialize, Serialize};

use crate::config::OnBadRow;
use crate::error::DataError;

/// Rows that were skipped and are not in any split.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SkippedRows {
    /// The number of malformed rows. One over several lines is one row.
    pub bad_rows: u64,
    /// What was wrong with the first malformed row that was found. It is not always the first of the
    /// file: rows whose numbers cannot be scaled are only found once all rows have been read.
    pub first_bad_row: Option<String>,
    /// The number of rows whose value in the split's column does not name a split.
    pub of_no_split: u64,
}

impl SkippedRows {
    /// Counts a malformed row, if such rows are to be skipped.
    ///
    /// # Errors
    ///
    /// `error` itself, if malformed rows are not skipped or it is not about a malformed row.
    pub fn skip(&mut self, on_bad_row: OnBadRow, error: DataError) -> Result<(), DataError> {
        if on_bad_row == OnBadRow::Fail || !error.is_bad_row() {
            return Err(error);
        }
        self.bad_rows += 1;
        self.first_bad_row.get_or_insert_with(|| error.to_string());
        Ok(())
    }
}
