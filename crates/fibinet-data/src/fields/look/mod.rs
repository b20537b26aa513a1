//! What the rows that `init` reads show of a column, and how its cells are read: as numbers, times, lists
//! or texts, in this order.

mod cells;
mod lists;
pub(crate) mod names;
mod numbers;
mod others;
#[cfg(test)]
mod tests;
mod times;
mod unread;
mod written_times;

pub(crate) use cells::{ColumnCells, Seen};
pub(crate) use lists::{Lists, UnreadLists};
pub(crate) use others::Others;
pub(crate) use unread::Unread;

use cells::Fit;

use crate::fields::NumberFormat;

/// A numeric column with at most this many distinct values is a category: a code, a flag, a weekday.
const FEW: usize = 20;
/// An integer column with at most this many distinct values is a quantity, unless its name says otherwise.
const SOME: usize = 200;
/// More integers than those are ids if they have this many rows each.
const MANY_REPEATS: f64 = 5.0;
/// From so many rows on, neighbouring buckets of a number need not share what they learn.
const MANY_ROWS: u64 = 100_000;
/// From here on an `f64` lacks some integers.
const INEXACT: f64 = (1_u64 << 53) as f64;

/// A column and how it is read, for guessing its kind.
#[derive(Debug)]
pub(crate) struct ColumnLook {
    cells: ColumnCells,
    reading: Reading,
    /// The distinct numbers, if it has numbers.
    num_numbers: usize,
    has_fractions: bool,
    has_negatives: bool,
    are_too_long: bool,
}

/// How the cells of a column are read. At most 1% of its rows cannot be read so.
#[derive(Debug, PartialEq)]
pub(crate) enum Reading {
    Numbers(NumberFormat),
    Times(&'static str),
    Lists(Lists),
    /// Lists in the file whose elements hardly repeat, such as those of embeddings.
    Vectors,
    Texts,
    /// Two ways fit, which give different values, for this reason.
    Unclear(String),
}

impl Reading {
    fn of(cells: &ColumnCells) -> Self {
        if cells.has_lists {
            return lists::stored(cells).map_or(Self::Vectors, Self::Lists);
        }
        match numbers::read(cells) {
            Fit::One(format) if format.is_plain() => match times::read_numbers(cells) {
                Fit::No if numbers::are_codes(cells) => Self::Texts,
                Fit::No => Self::Numbers(format),
                Fit::One(format) => Self::Times(format),
                Fit::Two(one, two, cell) => Self::Unclear(times::unclear(one, two, &cell)),
            },
            Fit::No => Self::of_texts(cells),
            fit => match (lists::read(cells), fit) {
                (Some(lists), _) if numbers::are_ids(cells, lists.separator) => Self::Lists(lists),
                (_, Fit::Two(one, two, cell)) => Self::Unclear(numbers::unclear(&one, &two, &cell)),
                (_, Fit::One(format)) => Self::Numbers(format),
                (_, Fit::No) => Self::Texts,
            },
        }
    }

    fn of_texts(cells: &ColumnCells) -> Self {
        match times::read_texts(cells) {
            Fit::No => lists::read(cells).map_or(Self::Texts, Self::Lists),
            Fit::One(format) => Self::Times(format),
            Fit::Two(one, two, cell) => Self::Unclear(times::unclear(one, two, &cell)),
        }
    }
}

impl ColumnLook {
    /// Looks at the cells of a column.
    pub(crate) fn new(cells: ColumnCells) -> Self {
        let reading = Reading::of(&cells);
        let mut look = Self {
            cells,
            reading,
            num_numbers: 0,
            has_fractions: false,
            has_negatives: false,
            are_too_long: false,
        };
        if let Reading::Numbers(format) = &look.reading {
            let numbers = look.cells.distinct();
            let numbers = numbers.filter_map(|(cell, _)| format.finite(cell));
            let mut long = Vec::new();
            for number in numbers {
                look.num_numbers += 1;
                look.has_fractions |= number.fract() != 0.0;
                look.has_negatives |= number < 0.0;
                long.extend(Some(number).filter(|number| number.abs() >= INEXACT));
            }
            let num_long = long.len();
            long.sort_unstable_by(f64::total_cmp);
            long.dedup();
            look.are_too_long = 2 * long.len() <= num_long && num_long > 0;
        }
        look
    }

    /// The format of its numbers.
    pub(crate) fn number_format(&self) -> Option<&NumberFormat> {
        match &self.reading {
            Reading::Numbers(format) => Some(format),
            _ => None,
        }
    }

    /// How the cells are read.
    pub(crate) fn reading(&self) -> &Reading {
        &self.reading
    }

    /// What the cells of a column of texts or plain numbers nearly are.
    pub(crate) fn unread(&self) -> Option<Unread> {
        match &self.reading {
            Reading::Texts => Unread::of(&self.cells),
            Reading::Numbers(format) if format.is_plain() => Unread::of_plain_numbers(&self.cells),
            _ => None,
        }
    }

    /// The cells.
    pub(crate) fn cells(&self) -> &ColumnCells {
        &self.cells
    }

    /// The number of distinct cells, in words.
    pub(crate) fn num_distinct_text(&self) -> String {
        self.cells.num_distinct_text()
    }

    /// Whether nearly every row has a value of its own.
    pub(crate) fn hardly_repeats(&self) -> bool {
        self.cells.repeats() < 1.1 && self.cells.num_rows > 100
    }

    /// Whether there are as few numbers as a code or a flag has.
    pub(crate) fn has_few_values(&self) -> bool {
        self.num_numbers <= FEW
    }

    /// Whether there are enough rows to learn each bucket of a number apart.
    pub(crate) fn has_many_rows(&self) -> bool {
        self.cells.num_rows >= MANY_ROWS
    }

    /// The number of buckets for a number: more for more rows.
    pub(crate) fn num_buckets(&self) -> u32 {
        (self.cells.num_rows as f64 / 8.0).sqrt().clamp(12.0, 64.0) as u32
    }

    /// Why a number has so many buckets.
    pub(crate) fn buckets_reason(&self) -> String {
        let (buckets, rows) = (self.num_buckets(), self.cells.num_rows);
        if self.has_many_rows() {
            format!("{buckets} buckets, each apart: {rows} rows or more")
        } else {
            format!("{buckets} buckets, each a step from the one below: {rows} rows")
        }
    }

    /// Why a column is a quantity, if it looks like one, and how its numbers are written.
    pub(crate) fn quantity(&self) -> Option<(&NumberFormat, String)> {
        let format = self.number_format().filter(|_| !self.has_few_values())?;
        let mut reason = if self.has_fractions {
            "numbers with fractions".to_owned()
        } else if self.is_quantity() && !self.is_named_as_category() {
            let distinct = self.num_distinct_text();
            format!("integers, {distinct} distinct: a quantity?")
        } else {
            return None;
        };
        if !format.is_plain() {
            reason += &format!(", written as in `{}`", format.example());
        }
        Some((format, format!("{reason}; {}", self.buckets_reason())))
    }

    /// Whether many integers are the same number once they have lost their last digits.
    pub(crate) fn are_too_long(&self) -> bool {
        self.are_too_long
    }

    /// Whether integers look like amounts rather than ids.
    pub(crate) fn is_quantity(&self) -> bool {
        let is_amount = self.has_negatives || self.num_numbers <= SOME;
        !self.are_too_long && (is_amount || self.cells.repeats() < MANY_REPEATS)
    }

    /// Whether the column has the name of an id or a code.
    pub(crate) fn is_named_as_category(&self) -> bool {
        names::is_category(self.cells.name())
    }
}
