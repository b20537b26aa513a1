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
use crate::fields::bucket_lists::Sharing;

/// A numeric column with at most this many distinct values is a category: a code, a flag, a weekday.
const FEW: usize = 20;
/// An integer column with at most this many distinct values is a quantity, unless its name says otherwise.
const SOME: usize = 200;
/// More integers than those are ids if they have this many rows each.
const MANY_REPEATS: f64 = 5.0;
/// Below so many rows, a bucket of a number learns only how it differs from the one below.
const FEW_ROWS: u64 = 25_000;
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
    /// The rows whose number is 0.
    num_zeros: u64,
    has_fractions: bool,
    /// The smallest and the largest number; ∞ and -∞ if it has none.
    smallest: f64,
    largest: f64,
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
            num_zeros: 0,
            has_fractions: false,
            smallest: f64::INFINITY,
            largest: f64::NEG_INFINITY,
            are_too_long: false,
        };
        if let Reading::Numbers(format) = &look.reading {
            let mut long = Vec::new();
            for (cell, seen) in look.cells.distinct() {
                let Some(number) = format.finite(cell) else {
                    continue;
                };
                look.num_numbers += 1;
                if number == 0.0 {
                    look.num_zeros += seen.num_rows;
                }
                look.has_fractions |= number.fract() != 0.0;
                look.smallest = look.smallest.min(number);
                look.largest = look.largest.max(number);
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

    /// What the buckets of a number should share, the more the fewer rows there are; `None` if nothing.
    pub(crate) fn sharing(&self) -> Option<Sharing> {
        match self.cells.num_rows {
            ..FEW_ROWS => Some(Sharing::Steps),
            FEW_ROWS..MANY_ROWS => Some(Sharing::Neighbours),
            _ => None,
        }
    }

    /// The number of buckets for a number: more for more rows.
    pub(crate) fn num_buckets(&self) -> u32 {
        (self.cells.num_rows as f64 / 8.0).sqrt().clamp(12.0, 64.0) as u32
    }

    /// Why a number has so many buckets.
    pub(crate) fn buckets_reason(&self) -> String {
        let sharing = match self.sharing() {
            Some(Sharing::Steps) => "each a step from the one below",
            Some(Sharing::Neighbours) => "each averaged with the two beside it",
            None => "each apart",
        };
        format!(
            "{} buckets, {sharing}: {} rows",
            self.num_buckets(),
            self.cells.num_rows
        )
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

    /// The buckets of a quantity, how its numbers are written, and why; `None` if its buckets should share something
    /// else.
    pub(crate) fn buckets_sharing(
        &self,
        sharing: Option<Sharing>,
    ) -> Option<(u32, NumberFormat, String)> {
        let (format, reason) = self.quantity().filter(|_| self.sharing() == sharing)?;
        Some((self.num_buckets(), format.clone(), reason))
    }

    /// Whether many integers are the same number once they have lost their last digits.
    pub(crate) fn are_too_long(&self) -> bool {
        self.are_too_long
    }

    /// Whether integers look like amounts rather than ids. Zeros tell nothing about that: most rows of an amount may
    /// have none.
    pub(crate) fn is_quantity(&self) -> bool {
        let is_amount = self.smallest < 0.0 || self.num_numbers <= SOME;
        !self.are_too_long && (is_amount || self.repeats_beside_zero() < MANY_REPEATS)
    }

    /// Rows per distinct number, without those of 0.
    fn repeats_beside_zero(&self) -> f64 {
        let has_zero = usize::from(self.num_zeros > 0);
        let others = self.cells.num_distinct() - has_zero;
        (self.cells.num_rows - self.num_zeros) as f64 / others.max(1) as f64
    }

    /// Whether the column has the name of an id, a code, or a part of the calendar whose numbers it has.
    pub(crate) fn is_named_as_category(&self) -> bool {
        let name = self.cells.name();
        let is_part = |[first, last]: [f64; 2]| first <= self.smallest && self.largest <= last;
        names::is_category(name) || names::calendar_part(name).is_some_and(is_part)
    }
}
