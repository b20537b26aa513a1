use serde::{Deserialize, Serialize};

use crate::fields::FieldSpec;
use crate::fields::cells::MissingCells;

/// How rows are written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowFormat {
    /// The label's column.
    pub label: String,
    /// The cell of the label that means a click; any other means no click. Without it, labels are 1 and 0.
    #[serde(default)]
    pub positive: Option<String>,
    /// The column whose cells are the groups of the group AUC.
    #[serde(default)]
    pub group: Option<String>,
    /// The character between cells.
    pub delimiter: char,
    /// The names of the columns; `None` if the first line of a file has them.
    pub columns: Option<Vec<String>>,
    /// Cells that mean "no value" in every column, besides empty ones.
    pub missing: Vec<String>,
}

impl RowFormat {
    /// The cells that mean "no value" in a field.
    pub(crate) fn missing_cells<'a>(&'a self, field: &'a FieldSpec) -> MissingCells<'a> {
        MissingCells {
            of_format: &self.missing,
            of_field: &field.missing,
        }
    }

    /// Whether a cell means "no value" in every column.
    pub(crate) fn is_missing(&self, cell: &[u8]) -> bool {
        cell.is_empty() || self.missing.iter().any(|word| word.as_bytes() == cell)
    }
}
