use std::cmp::Reverse;

use crate::fields::look::cells::ColumnCells;

/// So many different cells can all be named.
const NAMED: usize = 3;

/// The cells of a column that are not as most of its rows are.
#[derive(Debug, PartialEq)]
pub(crate) struct Others {
    /// Their number of rows.
    pub(crate) num_rows: u64,
    /// The most frequent one.
    pub(crate) most_frequent: String,
    most_frequent_rows: u64,
    /// All of them, the most frequent first, if they are few.
    pub(crate) all: Option<Vec<String>>,
}

impl Others {
    /// The others where at least 90% of the rows are as most are, or half of them if one word makes up nine tenths of
    /// the others. `None` if there are no others, or more.
    pub(super) fn of(cells: &ColumnCells, is_other: impl Fn(&[u8]) -> bool) -> Option<Self> {
        Self::any(cells, is_other).filter(|others| {
            let is_word = 2 * others.num_rows <= cells.num_rows
                && 10 * others.most_frequent_rows >= 9 * others.num_rows;
            10 * others.num_rows <= cells.num_rows || is_word
        })
    }

    /// The others, however many there are; `None` if there are none.
    pub(super) fn any(cells: &ColumnCells, is_other: impl Fn(&[u8]) -> bool) -> Option<Self> {
        let others = cells.distinct().filter(|(cell, _)| is_other(cell));
        let mut others: Vec<_> = others.collect();
        others.sort_unstable_by_key(|(_, seen)| (Reverse(seen.num_rows), seen.first));
        let text = |cell: &[u8]| String::from_utf8_lossy(cell).into_owned();
        let (cell, seen) = others.first()?;
        let all = others.iter().map(|(cell, _)| text(cell));
        Some(Self {
            num_rows: others.iter().map(|(_, seen)| seen.num_rows).sum(),
            most_frequent: text(cell),
            most_frequent_rows: seen.num_rows,
            all: (others.len() <= NAMED).then(|| all.collect()),
        })
    }

    /// Whether the most frequent one makes up at least half of them.
    pub(crate) fn is_most(&self) -> bool {
        2 * self.most_frequent_rows >= self.num_rows
    }
}
