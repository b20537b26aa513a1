//! Why a column of texts or numbers is not read as something else, where it nearly is.

use crate::fields::look::cells::{ColumnCells, Fit};
use crate::fields::look::lists::UnreadLists;
use crate::fields::look::numbers::Written;
use crate::fields::look::others::Others;
use crate::fields::look::{FEW, MANY_REPEATS, SOME, lists, names, numbers, times};

/// What the cells of a column of texts or plain numbers nearly are.
///
/// Numbers count only if they would be a quantity: more than 20 different ones, with fractions or without a name and
/// repeats as ids have. Of few, such as the sizes 38, 40, M and L, nothing is lost as texts.
#[derive(Debug, PartialEq)]
pub(crate) enum Unread {
    /// Times such as this one in a form that no common format reads, and formats that read them.
    Times(String, Vec<String>),
    /// Numbers, at least 99% of the rows, written in several ways: each with its number of rows and its first cell.
    NumbersOfSeveralWays(Vec<(u64, String)>),
    /// Numbers, written in one way, beside other cells.
    MostlyNumbers {
        /// The other cells.
        others: Others,
        /// A number, if it is not plain.
        example: Option<String>,
    },
    /// More than 20 different times beside other cells, and the format of the times.
    MostlyTimes(Others, Option<&'static str>),
    /// Lists in brackets such as this one beside other cells.
    MostlyLists(String, Others),
    /// Lists such as this one.
    Lists(String, UnreadLists),
}

impl Unread {
    /// What the cells of a column of texts nearly are; `None` if they are just texts.
    pub(super) fn of(cells: &ColumnCells) -> Option<Self> {
        let mostly_lists = || {
            let (list, others) = lists::mostly(cells)?;
            Some(Self::MostlyLists(list, others))
        };
        times::unread(cells)
            .map(|(cell, formats)| Self::Times(cell, formats))
            .or_else(|| Self::of_times(cells))
            .or_else(|| Self::of_numbers(cells))
            .or_else(|| lists::unread(cells).map(|(cell, why)| Self::Lists(cell, why)))
            .or_else(mostly_lists)
    }

    /// What plain numbers nearly are: more than 20 different times, beside numbers that stand for no time, such as 0.
    pub(super) fn of_plain_numbers(cells: &ColumnCells) -> Option<Self> {
        let (others, format) = times::mostly_numbers(cells)?;
        Some(Self::MostlyTimes(others, Some(format)))
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
        let times = cells.only(times::is_time);
        let format = match times::read_texts(&times) {
            Fit::One(format) => Some(format),
            _ => None,
        };
        (times.num_distinct() > FEW).then_some(Self::MostlyTimes(others, format))
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
