use serde::{Deserialize, Serialize};

use crate::config::delimiter::Delimiter;
use crate::config::quote::Quote;

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
    /// What stands between cells.
    pub delimiter: Delimiter,
    /// The character around cells; `None` for [the usual one](Quote::usual).
    #[serde(default)]
    pub quote: Option<Quote>,
    /// The names of the columns; `None` if the first line of a file has them.
    pub columns: Option<Vec<String>>,
    /// Cells that mean "no value" in every column, besides empty ones.
    pub missing: Vec<String>,
    /// Words that mean "no value" too, but not in a category whose training rows have them as tokens. Formats
    /// of older versions have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_words: Vec<String>,
    /// Whether times of a Parquet file are read in the zone that the file names for their column, as pandas
    /// writes them into a CSV file. Formats of older versions read them in UTC.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub zoned_times: bool,
}

/// The usual words for "no value", [`RowFormat::missing_words`] where a log names none.
pub(crate) const MISSING_WORDS: [&str; 20] = [
    "?",
    "NA",
    "N/A",
    "n/a",
    "#N/A",
    "<NA>",
    "NaN",
    "nan",
    "-nan",
    "NaT",
    "None",
    "none",
    "null",
    "NULL",
    "Null",
    "(null)",
    "-",
    "undefined",
    "unknown",
    "\\N",
];

impl RowFormat {
    /// Comma-separated cells below a header, labels of 1 and 0, and no group. Empty cells and
    /// the usual words mean "no value".
    pub fn csv(label: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            positive: None,
            group: None,
            delimiter: Delimiter::comma(),
            quote: None,
            columns: None,
            missing: Vec::new(),
            missing_words: Self::usual_words(),
            zoned_times: true,
        }
    }

    /// The usual words for "no value".
    pub(crate) fn usual_words() -> Vec<String> {
        MISSING_WORDS.map(str::to_owned).to_vec()
    }

    /// The character around cells; `None` if a quote is a character like any other.
    pub(crate) fn quote_byte(&self) -> Option<u8> {
        let quote = self.quote.unwrap_or_else(|| Quote::usual(&self.delimiter));
        quote.byte()
    }
}
