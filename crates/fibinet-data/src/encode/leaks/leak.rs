use crate::encode::leaks::evidence::Evidence;

/// A column that gives the label away, or may do so.
#[derive(Debug, Clone, PartialEq)]
pub struct Leak {
    /// The column.
    pub column: String,
    /// What shows it.
    pub evidence: Evidence,
    /// What was done about it.
    pub treatment: Treatment,
}

/// What was done about a [`Leak`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// The model does not read the column.
    LeftOut,
    /// The model reads it, as the user has asked.
    KeptAsAsked,
    /// The model reads it: the evidence does not suffice.
    Kept,
}
