use crate::fields::FieldSpec;

/// What the first rows of a file show of one column.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnGuess {
    /// The column's name.
    pub name: String,
    /// The field to make of it; `None` if the model should not read it.
    pub field: Option<FieldSpec>,
    /// The reason.
    pub reason: String,
    /// What the user should know of it.
    pub note: Option<String>,
    /// Why it is not a field, if that is neither asked for nor in `note`.
    pub left_out: Option<String>,
}
