use serde::{Deserialize, Serialize};

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
    /// Cells that mean "no value", besides empty ones.
    pub missing: Vec<String>,
}

impl RowFormat {
    /// Comma-separated cells below a header, labels of 1 and 0, and no group. Only an empty cell means
    /// "no value".
    pub fn csv(label: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            positive: None,
            group: None,
            delimiter: ',',
            columns: None,
            missing: Vec::new(),
        }
    }
}
