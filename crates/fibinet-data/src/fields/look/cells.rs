use std::collections::{BTreeMap, HashMap};

use crate::cell::{Cell, List};
use crate::fields::NumberFormat;

/// Numbers of a column that are told apart. Texts are all told apart: a reading must not miss one.
const MAX_NUMBERS: usize = 100_000;

/// The cells of a column in the rows that `init` reads, without those that mean "no value".
#[derive(Debug)]
pub(crate) struct ColumnCells {
    name: String,
    pub(super) num_rows: u64,
    distinct: HashMap<Box<[u8]>, Seen>,
    /// Whether a number was not added to `distinct`.
    is_cut: bool,
    /// The words for "no value" that occur, with their numbers of rows.
    words: BTreeMap<&'static str, u64>,
    /// Whether the file stores lists in the column.
    pub(super) has_lists: bool,
}

/// The rows that have a cell.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// The number of rows.
    pub(crate) num_rows: u64,
    /// The index of the first row.
    pub(crate) first: usize,
}

/// How well some ways of reading a column fit it.
#[derive(Debug, PartialEq)]
pub(super) enum Fit<T> {
    /// None reads at least 99% of the rows.
    No,
    /// One reads the most rows. Others may read as many, with the same values.
    One(T),
    /// Two read the most rows, and give this cell different values.
    Two(T, T, String),
}

impl ColumnCells {
    /// A column without rows.
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            num_rows: 0,
            distinct: HashMap::new(),
            is_cut: false,
            words: BTreeMap::new(),
            has_lists: false,
        }
    }

    /// The column's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Adds a cell that is not missing, of the row with this index.
    pub(crate) fn add(&mut self, cell: &[u8], row: usize) {
        self.num_rows += 1;
        if let Some(seen) = self.distinct.get_mut(cell) {
            seen.num_rows += 1;
        } else if self.distinct.len() < MAX_NUMBERS || !is_number(cell) {
            let seen = Seen {
                num_rows: 1,
                first: row,
            };
            self.distinct.insert(cell.into(), seen);
        } else {
            self.is_cut = true;
        }
    }

    /// Adds a cell that is a word for "no value".
    pub(crate) fn add_word(&mut self, word: &'static str) {
        *self.words.entry(word).or_default() += 1;
    }

    /// The words for "no value" that occur, with their numbers of rows.
    pub(crate) fn words(&self) -> &BTreeMap<&'static str, u64> {
        &self.words
    }

    /// Adds a list, as its text in JSON, of the row with this index. A list without values is missing.
    pub(crate) fn add_list(&mut self, list: List<'_>, row: usize) {
        self.has_lists = true;
        if list.elements().any(|element| element != Cell::MISSING) {
            let mut text = Vec::new();
            list.write_json(&mut text);
            self.add(&text, row);
        }
    }

    /// The distinct cells, in no order.
    pub(crate) fn distinct(&self) -> impl Iterator<Item = (&[u8], &Seen)> {
        self.distinct.iter().map(|(cell, seen)| (&**cell, seen))
    }

    /// The number of distinct cells, of numbers at most [`MAX_NUMBERS`].
    pub(crate) fn num_distinct(&self) -> usize {
        self.distinct.len()
    }

    /// The number of distinct cells, in words.
    pub(super) fn num_distinct_text(&self) -> String {
        let distinct = self.distinct.len();
        if self.is_cut {
            format!("at least {distinct}")
        } else {
            distinct.to_string()
        }
    }

    /// Rows per distinct cell.
    pub(super) fn repeats(&self) -> f64 {
        self.num_rows as f64 / self.distinct.len().max(1) as f64
    }

    /// The column with only the cells that have a property.
    pub(super) fn only(&self, has: impl Fn(&[u8]) -> bool) -> Self {
        let mut column = Self::new(&self.name);
        for (cell, seen) in self.distinct().filter(|(cell, _)| has(cell)) {
            column.num_rows += seen.num_rows;
            column.distinct.insert(cell.into(), seen.clone());
        }
        column
    }

    /// The number of rows whose cell is odd: it does not have a property. `None` if it is more than 1%.
    pub(super) fn num_odd(&self, has: impl Fn(&[u8]) -> bool) -> Option<u64> {
        let mut odd = 0;
        for (cell, seen) in &self.distinct {
            if !has(cell) {
                odd += seen.num_rows;
                if self.are_more_than_a_few(odd) {
                    return None;
                }
            }
        }
        Some(odd)
    }

    /// The first cell that has a property.
    pub(super) fn first(&self, has: impl Fn(&[u8]) -> bool) -> Option<String> {
        let cells = self.distinct().filter(|(cell, _)| has(cell));
        let (cell, _) = cells.min_by_key(|(_, seen)| seen.first)?;
        Some(String::from_utf8_lossy(cell).trim().to_owned())
    }

    /// Whether a number of odd rows is more than 1%.
    pub(crate) fn are_more_than_a_few(&self, odd: u64) -> bool {
        odd * 100 > self.num_rows
    }

    /// The way of reading the column that reads the most rows; the first of several with the same values.
    pub(super) fn fit<T: Clone, V: PartialEq>(
        &self,
        ways: impl IntoIterator<Item = T>,
        read: impl Fn(&T, &str) -> Option<V>,
    ) -> Fit<T> {
        let read = |way: &T, cell: &[u8]| read(way, std::str::from_utf8(cell).ok()?.trim());
        let odd = |way: T| Some((self.num_odd(|cell| read(&way, cell).is_some())?, way));
        let mut ways: Vec<(u64, T)> = ways.into_iter().filter_map(odd).collect();
        let Some(least) = ways.iter().map(|(odd, _)| *odd).min() else {
            return Fit::No;
        };
        ways.retain(|(odd, _)| *odd == least);
        let mut ways = ways.into_iter().map(|(_, way)| way);
        let Some(best) = ways.next() else {
            return Fit::No;
        };
        for other in ways {
            let differing = self
                .distinct()
                .filter(|(cell, _)| read(&best, cell) != read(&other, cell));
            if let Some((cell, _)) = differing.min_by_key(|(_, seen)| seen.first) {
                let cell = String::from_utf8_lossy(cell).trim().to_owned();
                return Fit::Two(best, other, cell);
            }
        }
        Fit::One(best)
    }
}

/// Whether a cell is a finite number with a point before its fraction.
fn is_number(cell: &[u8]) -> bool {
    NumberFormat::default().finite(cell).is_some()
}
