use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use crate::cell::Cell;
use crate::config::RowFormat;
use crate::error::DataError;
use crate::fields::cells::parse;
use crate::formats::parts::open_rows;
use crate::formats::reader::{Label, column_index};

/// The number of rows that [`LabelValues::read`] looks at.
const ROWS: u64 = 200_000;
/// Distinct values that are told apart.
const MAX_DISTINCT: usize = 1000;
/// A label with more values than this is not 0 and 1 in another spelling.
const MAX_SPELLINGS: usize = 20;
/// Values that are listed in a message.
const LISTED: usize = 5;
/// Words that usually mean a click, in lower case.
const POSITIVE: [&str; 10] = [
    "yes",
    "true",
    "click",
    "clicked",
    "positive",
    "pos",
    "y",
    "t",
    "on",
    "converted",
];

/// How often each value of a label's column occurs, for messages about labels that are not 0 and 1.
///
/// Displayed as the most frequent values with their numbers of rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelValues {
    counts: HashMap<Box<[u8]>, u64>,
    /// The number of rows with values that are not among `counts`.
    others: u64,
}

impl LabelValues {
    /// Counts the values of the first rows of a file; malformed rows are passed over.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or lacks the label's column.
    pub(crate) fn read(path: &Path, format: &RowFormat) -> Result<Self, DataError> {
        let mut reader = open_rows(path, format, Label::Required)?;
        let label = column_index(reader.as_ref(), &format.label)?;
        let (mut values, mut scratch) = (Self::default(), Vec::new());
        for _ in 0..ROWS {
            match reader.read_row() {
                Ok(true) => values.add(reader.row().cell(label).text(&mut scratch)),
                Ok(false) => break,
                Err(error) if error.is_bad_row() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(values)
    }

    /// Counts a cell.
    pub(crate) fn add(&mut self, cell: &[u8]) {
        if let Some(count) = self.counts.get_mut(cell) {
            *count += 1;
        } else if self.counts.len() < MAX_DISTINCT {
            self.counts.insert(cell.into(), 1);
        } else {
            self.others += 1;
        }
    }

    /// Whether these are labels: 0 and 1, or so many values that they are not 0 and 1 in another spelling. At most
    /// a tenth of the rows may have another value than 0 and 1, if both occur; those rows are malformed.
    pub fn are_labels(&self) -> bool {
        let rows_of = |label: f32| -> u64 {
            let counts = self.counts.iter();
            let counts = counts.filter(|(value, _)| parse(Cell::Text(value)) == Some(label));
            counts.map(|(_, count)| count).sum()
        };
        let (rows, others) = (self.num_rows(), self.num_unreadable());
        let has_both = rows_of(0.0) > 0 && rows_of(1.0) > 0;
        others == 0 || (has_both && others * 10 <= rows) || self.counts.len() > MAX_SPELLINGS
    }

    /// The number of rows.
    pub fn num_rows(&self) -> u64 {
        self.others + self.counts.values().sum::<u64>()
    }

    /// The number of rows whose value is neither 0 nor 1. Blank ones do not count: no setting reads them.
    pub fn num_unreadable(&self) -> u64 {
        let is_unreadable = |value: &[u8]| {
            let is_label =
                parse(Cell::Text(value)).is_some_and(|label| label == 0.0 || label == 1.0);
            !is_label && !value.trim_ascii().is_empty()
        };
        let counts = self.counts.iter();
        let counts = counts.filter(|(value, _)| is_unreadable(value));
        self.others + counts.map(|(_, count)| count).sum::<u64>()
    }

    /// The value that seems to mean a click: the larger of two numbers, or a word such as `yes`. `None` if no
    /// value does.
    pub fn positive(&self) -> Option<String> {
        let values = self.by_count().into_iter().map(|(value, _)| value);
        let values: Vec<String> = values.filter(|value| !value.trim().is_empty()).collect();
        if let [one, other] = &values[..]
            && let (Some(a), Some(b)) = (
                parse(Cell::Text(one.as_bytes())),
                parse(Cell::Text(other.as_bytes())),
            )
        {
            return Some(if a > b { one.clone() } else { other.clone() });
        }
        let is_word = |value: &&String| POSITIVE.contains(&value.trim().to_lowercase().as_str());
        let mut words = values.iter().filter(is_word);
        // Two such words say nothing.
        let word = words.next().cloned();
        word.filter(|_| words.next().is_none())
    }

    /// The values and their numbers of rows, the most frequent first.
    fn by_count(&self) -> Vec<(String, u64)> {
        let counts = self.counts.iter();
        let mut counts: Vec<_> = counts
            .map(|(value, count)| (String::from_utf8_lossy(value).into_owned(), *count))
            .collect();
        counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        counts
    }
}

impl fmt::Display for LabelValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.by_count();
        let listed: Vec<String> = counts
            .iter()
            .take(LISTED)
            .map(|(value, count)| {
                let rows = if *count == 1 { "row" } else { "rows" };
                format!("`{value}` ({count} {rows})")
            })
            .collect();
        f.write_str(&listed.join(", "))?;
        match counts.len() {
            0..=LISTED => Ok(()),
            MAX_DISTINCT if self.others > 0 => write!(f, " and more than {MAX_DISTINCT} others"),
            distinct => write!(f, " and {} others", distinct - LISTED),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(cells: &[&str]) -> LabelValues {
        let mut values = LabelValues::default();
        cells.iter().for_each(|cell| values.add(cell.as_bytes()));
        values
    }

    #[test]
    fn the_most_frequent_values_are_listed_first() {
        let listed = values(&["yes", "no", "no"]).to_string();
        assert_eq!(listed, "`no` (2 rows), `yes` (1 row)");
        let many = values(&["a", "b", "c", "d", "e", "f", "g", "g"]).to_string();
        assert!(many.starts_with("`g` (2 rows), `a` (1 row), "), "{many}");
        assert!(many.ends_with("`d` (1 row) and 2 others"), "{many}");
    }

    #[test]
    fn values_other_than_0_and_1_are_unreadable() {
        assert_eq!(values(&["0", "1", "1.0", "", " "]).num_unreadable(), 0);
        assert_eq!(values(&["0", "2", "yes", "yes"]).num_unreadable(), 3);
    }

    #[test]
    fn a_few_odd_values_beside_0_and_1_are_malformed_rows_and_no_spelling() {
        let are_labels = |cells: &[&str], times: usize, more: &[&str]| {
            let mut all: Vec<&str> = cells.iter().copied().cycle().take(times).collect();
            all.extend(more);
            values(&all).are_labels()
        };
        assert!(are_labels(&["0", "1"], 20, &[]));
        assert!(are_labels(&["0", "1"], 20, &["2"]));
        assert!(!are_labels(&["0", "1", "2"], 20, &[]));
        // A click may be rare, and then its spelling is.
        assert!(!are_labels(&["0"], 99, &["2"]));
        assert!(!are_labels(&["1"], 99, &["2"]));
        assert!(!are_labels(&["no"], 99, &["yes"]));
        let scores: Vec<String> = (0..50).map(|i| format!("0.{i}5")).collect();
        let scores: Vec<&str> = scores.iter().map(String::as_str).collect();
        assert!(are_labels(&scores, 50, &[]));
    }

    #[test]
    fn a_usual_word_or_the_larger_of_two_numbers_means_a_click() {
        for (cells, expected) in [
            (&["yes", "no"][..], Some("yes")),
            (&["False", "True", ""], Some("True")),
            (&["1", "2"], Some("2")),
            (&["1", "-1"], Some("1")),
            (&["0", "1", "2"], None),
            (&["<=50K", ">50K"], None),
            (&["yes", "true", "no"], None),
            (&[], None),
        ] {
            assert_eq!(values(cells).positive().as_deref(), expected, "{cells:?}");
        }
    }
}
