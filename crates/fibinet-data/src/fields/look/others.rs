use std::cmp::Reverse;

use crate::fields::look::cells::ColumnCells;

/// The different cells that are named.
const NAMED: usize = 3;

/// The cells of a column that are not as most of its rows are.
#[derive(Debug, PartialEq)]
pub(crate) struct Others {
    /// Their number of rows.
    pub(crate) num_rows: u64,
    /// The most frequent ones, the first of which has this number of rows.
    pub(crate) most_frequent: Vec<String>,
    first_rows: u64,
}

impl Others {
    /// The others where at least 90% of the rows are as most are, or half of them if one word makes up nine tenths of
    /// the others. `None` if there are no others, or more.
    pub(super) fn of(cells: &ColumnCells, is_other: impl Fn(&[u8]) -> bool) -> Option<Self> {
        Self::any(cells, is_other).filter(|others| {
            let is_word = 2 * others.num_rows <= cells.num_rows
                && 10 * others.first_rows >= 9 * others.num_rows;
            10 * others.num_rows <= cells.num_rows || is_word
        })
    }

    /// The others, however many there are; `None` if there are none.
    pub(super) fn any(cells: &ColumnCells, is_other: impl Fn(&[u8]) -> bool) -> Option<Self> {
        let others = cells.distinct().filter(|(cell, _)| is_other(cell));
        let mut others: Vec<_> = others.collect();
        others.sort_unstable_by_key(|(_, seen)| (Reverse(seen.num_rows), seen.first));
        let (_, first) = others.first()?;
        let texts = others.iter().take(NAMED);
        let texts = texts.map(|(cell, _)| String::from_utf8_lossy(cell).into_owned());
        Some(Self {
            num_rows: others.iter().map(|(_, seen)| seen.num_rows).sum(),
            most_frequent: texts.collect(),
            first_rows: first.num_rows,
        })
    }

    /// Whether the most frequent one makes up at least half of them.
    pub(crate) fn is_most(&self) -> bool {
        2 * self.first_rows >= self.num_rows
    }
}
