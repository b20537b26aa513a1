//! Why a column of texts is not read as something else, where it nearly is.

use crate::fields::look::cells::ColumnCells;
use crate::fields::look::lists::UnreadLists;
use crate::fields::look::numbers::Written;
use crate::fields::look::{FEW, MANY_REPEATS, SOME, lists, names, numbers, times};

/// What the cells of a column of texts nearly are.
///
/// Numbers count only if they would be a quantity: more than 20 different ones, with fractions or without a name and
/// repeats as ids have. Of few, such as the sizes 38, 40, M and L, nothing is lost as texts.
#[derive(Debug, PartialEq)]
pub(crate) enum Unread {
    /// Times such as this one in a form that no format reads.
    Times(String),
    /// Numbers, at least 99% of the rows, written in several ways: each with its number of rows and its first cell.
    NumbersOfSeveralWays(Vec<(u64, String)>),
    /// Numbers, written in one way, beside other cells.
    MostlyNumbers {
        /// The other cells.
        others: Others,
        /// A number, if it is not plain.
        example: Option<String>,
    },
    /// More than 20 different times beside other cells.
    MostlyTimes(Others),
    /// Lists such as this one.
    Lists(String, UnreadLists),
}

/// The cells of a column that are not as at least 90% of the rows are, or as half of them are if one word makes up
/// nine tenths of the others.
#[derive(Debug, PartialEq)]
pub(crate) struct Others {
    /// Their number of rows.
    pub(crate) num_rows: u64,
    /// The most frequent one.
    pub(crate) most_frequent: String,
    /// Whether that makes up at least half of them.
    pub(crate) is_most: bool,
}

impl Others {
    /// `None` if there are none, or too many for the column to be nearly what the rest is.
    fn of(cells: &ColumnCells, is_other: impl Fn(&[u8]) -> bool) -> Option<Self> {
        let others = || cells.distinct().filter(|(cell, _)| is_other(cell));
        let num_rows: u64 = others().map(|(_, seen)| seen.num_rows).sum();
        let (most_frequent, seen) =
            others().max_by_key(|(_, seen)| (seen.num_rows, usize::MAX - seen.first))?;
        let is_word = 2 * num_rows <= cells.num_rows && 10 * seen.num_rows >= 9 * num_rows;
        (10 * num_rows <= cells.num_rows || is_word).then(|| Self {
            num_rows,
            most_frequent: String::from_utf8_lossy(most_frequent).into_owned(),
            is_most: 2 * seen.num_rows >= num_rows,
        })
    }
}

impl Unread {
    /// What the cells of a column of texts nearly are; `None` if they are just texts.
    pub(super) fn of(cells: &ColumnCells) -> Option<Self> {
        times::unread(cells)
            .map(Self::Times)
            .or_else(|| Self::of_times(cells))
            .or_else(|| Self::of_numbers(cells))
            .or_else(|| lists::unread(cells).map(|(cell, why)| Self::Lists(cell, why)))
    }

    fn of_numbers(cells: &ColumnCells) -> Option<Self> {
        let ways = if numbers::are_codes(cells) {
            Vec::new()
        } else {
            numbers::ways(cells)
        };
        let first = ways.first().filter(|_| is_quantity(cells, &ways))?;
        let numbers: u64 = ways.iter().map(|way| way.num_rows).sum();
        if ways.len() > 1 && !cells.are_more_than_a_few(cells.num_rows - numbers) {
            let way = |way: &Written| (way.num_rows, way.example.clone());
            return Some(Self::NumbersOfSeveralWays(ways.iter().map(way).collect()));
        }
        let others = Others::of(cells, |cell| first.format.finite(cell).is_none())?;
        Some(Self::MostlyNumbers {
            others,
            example: (!first.format.is_plain()).then(|| first.example.clone()),
        })
    }

    fn of_times(cells: &ColumnCells) -> Option<Self> {
        let others = Others::of(cells, |cell| !times::is_time(cell))?;
        let times = cells.distinct().filter(|(cell, _)| times::is_time(cell));
        (times.count() > FEW).then_some(Self::MostlyTimes(others))
    }
}

/// Whether numbers would be a quantity if they were all the cells of the column.
fn is_quantity(cells: &ColumnCells, ways: &[Written]) -> bool {
    let distinct: usize = ways.iter().map(|way| way.num_distinct).sum();
    let rows: u64 = ways.iter().map(|way| way.num_rows).sum();
    let are_amounts = !names::is_category(cells.name())
        && (distinct <= SOME || (rows as f64) < MANY_REPEATS * distinct as f64);
    distinct > FEW && (are_amounts || ways.iter().any(|way| way.has_fractions))
}
