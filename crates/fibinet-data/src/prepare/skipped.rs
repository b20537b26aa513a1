use serde::{Deserialize, Serialize};

use crate::config::schema::OnBadRow;
use crate::error::DataError;

/// Rows that no split has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    /// Rows that could not be read and were skipped.
    pub bad_rows: u64,
    /// What was wrong with the first one met: not always the first of the file, as rows whose numbers
    /// have no scaled value are met when all rows have been read.
    pub first_bad_row: Option<String>,
    /// Rows whose value of the split's column is of no split.
    pub of_no_split: u64,
}

impl LeftOut {
    /// Counts a bad row where bad rows are skipped; any other error is given back.
    ///
    /// # Errors
    ///
    /// The error itself.
    pub fn skip(&mut self, on_bad_row: OnBadRow, error: DataError) -> Result<(), DataError> {
        if on_bad_row == OnBadRow::Fail || !error.is_bad_row() {
            return Err(error);
        }
        self.bad_rows += 1;
        self.first_bad_row.get_or_insert_with(|| error.to_string());
        Ok(())
    }
}
