use std::fmt;

use crate::encode::shown::shown;

/// What shows that a column gives the label away.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Evidence {
    /// It has the name and the integers of an index of pandas.
    PandasIndex,
    /// Its integers are distinct, and multiples of this step fill their range.
    RowNumber {
        /// The greatest step that they all are apart.
        step: u64,
    },
    /// Its cells have something exactly where there is a click.
    Exactly {
        /// What they have.
        having: Having,
        /// The number of rows.
        rows: u64,
        /// The number of rows that are an exception.
        exceptions: u64,
    },
    /// It alone ranks nearly all clicks above the other rows.
    Separates {
        /// The AUC of the click rates of its values.
        auc: f64,
        /// What that AUC exceeds with 99% confidence.
        bound: f64,
    },
    /// It alone ranks clicks far better than the other columns do.
    Outranks {
        /// The AUC of the click rates of its values.
        auc: f64,
        /// What that AUC exceeds with 99% confidence.
        bound: f64,
        /// The best of the other columns, and its AUC.
        next: (String, f64),
    },
    /// It is a copy of another column that may give the label away.
    CopyOf {
        /// The other column.
        column: String,
    },
    /// Its cells that have something have clicks only, more than chance explains.
    Only {
        /// What they have.
        having: Having,
        /// The number of their rows.
        rows: u64,
    },
    /// One of its values has clicks only, more than chance explains.
    PureValue {
        /// The value; empty if it is a missing one. `None` if it was not kept.
        value: Option<String>,
        /// The number of its rows.
        rows: u64,
    },
    /// An element of its lists has clicks only, more than chance explains.
    PureElement {
        /// The element.
        element: String,
        /// The number of its rows.
        rows: u64,
    },
}

/// What a cell has besides nothing.
#[derive(Debug, Clone, PartialEq)]
pub enum Having {
    /// A value.
    Value,
    /// A value other than 0.
    NonZero,
    /// A value other than the most frequent one; `None` if that was not kept.
    Besides(Option<String>),
}

impl fmt::Display for Having {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value => write!(f, "a value"),
            Self::NonZero => write!(f, "a value other than 0"),
            Self::Besides(Some(value)) => write!(f, "a value other than {}", shown(value)),
            Self::Besides(None) => write!(f, "a value other than the most frequent one"),
        }
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PandasIndex => write!(f, "it numbers the rows, as pandas does"),
            Self::RowNumber { step } => {
                write!(
                    f,
                    "it numbers the rows: distinct integers in steps of {step}"
                )
            }
            Self::Exactly {
                having,
                rows,
                exceptions,
            } => write!(
                f,
                "it has {having} exactly where there is a click ({exceptions} exceptions in {rows} rows)"
            ),
            Self::Separates { auc, bound } => write_auc(f, *auc, *bound),
            Self::Outranks { auc, bound, next } => {
                write_auc(f, *auc, *bound)?;
                let (name, auc) = next;
                write!(f, ", the next column, `{name}`, with {auc:.4}")
            }
            Self::CopyOf { column } => {
                write!(
                    f,
                    "it is a copy of `{column}`, which may give the label away"
                )
            }
            Self::Only { having, rows } => {
                write!(f, "only clicks have {having} in it: {rows} rows")
            }
            Self::PureElement { element, rows } => write!(
                f,
                "{rows} rows have {} in its lists, and all of them are clicks",
                shown(element)
            ),
            Self::PureValue { value, rows } => {
                match value.as_deref() {
                    None => write!(f, "one of its values")?,
                    Some("") => write!(f, "its missing value")?,
                    Some(value) => write!(f, "its value `{value}`")?,
                }
                write!(f, " has {rows} rows, and all of them are clicks")
            }
        }
    }
}

fn write_auc(f: &mut fmt::Formatter<'_>, auc: f64, bound: f64) -> fmt::Result {
    write!(
        f,
        "it alone ranks the rows with an AUC of {auc:.4} (with 99% confidence at least {bound:.4})"
    )
}
