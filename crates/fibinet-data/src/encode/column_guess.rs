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
    pub remark: Option<Remark>,
}

/// What the user should know of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remark {
    /// How its cells are read, or why they cannot be.
    Note(String),
    /// Why it is not a field although its cells can be read. [`Known::keep`](crate::encode::Known::keep) makes it one.
    LeftOut(String),
}
