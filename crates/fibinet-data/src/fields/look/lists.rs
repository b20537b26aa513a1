use std::collections::HashMap;

use crate::fields::list;
use crate::fields::look::cells::ColumnCells;
use crate::fields::look::others::Others;

/// Separators that hardly stand in a single text.
const STRONG: [&str; 6] = ["|", ";", "^", "\u{1}", "\u{2}", "\u{3}"];

/// How the lists of a column are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lists {
    pub(crate) separator: &'static str,
    pub(crate) brackets: bool,
    pub(crate) num_tokens: usize,
    /// Whether the file stores them as lists, and not as text.
    pub(crate) are_stored: bool,
}

/// How lists are written, if the cells are lists.
pub(super) fn read(cells: &ColumnCells) -> Option<Lists> {
    let strong = || {
        STRONG
            .into_iter()
            .find_map(|separator| separated(cells, separator, true))
    };
    let weak = [comma(cells), " "].into_iter();
    let weak = || {
        weak.clone()
            .find_map(|separator| separated(cells, separator, false))
    };
    in_brackets(cells).or_else(strong).or_else(weak)
}

/// How lists in brackets are written, if the cells are such lists.
fn in_brackets(cells: &ColumnCells) -> Option<Lists> {
    let mut separators = [",", " "].into_iter();
    separators.find_map(|separator| bracketed(cells, separator))
}

/// The first list of a column whose cells would be lists in brackets, but for those of which `others` gives the
/// number and which one stands for them.
pub(super) fn mostly(cells: &ColumnCells) -> Option<(String, Others)> {
    let is_list = |cell: &[u8]| list::bracketed(cell, b",", &mut |_| {}).is_ok();
    let others = Others::of(cells, |cell| !is_list(cell))?;
    in_brackets(&cells.only(is_list))?;
    Some((cells.first(is_list)?, others))
}

/// The lists of a file that stores lists as such, if their elements repeat. They are looked at as JSON.
pub(super) fn stored(cells: &ColumnCells) -> Option<Lists> {
    let tokens = Tokens::of(cells, |cell, each| {
        list::bracketed(cell, b",", each).is_ok()
    });
    tokens.repeat().then(|| Lists {
        are_stored: true,
        ..tokens.lists(",", true)
    })
}

/// `, ` if a blank follows every comma, else `,`.
fn comma(cells: &ColumnCells) -> &'static str {
    let mut texts = cells
        .distinct()
        .map(|(cell, _)| String::from_utf8_lossy(cell));
    let blank_follows = |text: std::borrow::Cow<'_, str>| {
        let mut parts = text.split(',').skip(1);
        parts.all(|part| part.starts_with(' '))
    };
    if texts.all(blank_follows) { ", " } else { "," }
}

/// Lists in brackets, whose tokens repeat: the numbers of a vector do not. In other brackets than `[]` their lengths
/// differ: tuples such as `(300, 250)` are rather one value than a list.
fn bracketed(cells: &ColumnCells, separator: &'static str) -> Option<Lists> {
    let elements = |cell: &[u8], each: &mut dyn FnMut(&[u8])| {
        list::bracketed(cell, separator.as_bytes(), each).is_ok()
    };
    cells.num_odd(|cell| elements(cell, &mut |_| {}))?;
    let are_square = cells.num_odd(|cell| cell.trim_ascii_start().starts_with(b"["));
    let tokens = Tokens::of(cells, elements);
    let is_list = tokens.rows_of_several > 0
        && tokens.repeat()
        && (are_square.is_some() || tokens.lengths_differ());
    is_list.then(|| tokens.lists(separator, true))
}

/// A cell of a column of lists in brackets that are not read as such, and why: lists of lists, and tuples of one
/// length, most of whose elements are at several positions.
pub(crate) fn unread(cells: &ColumnCells) -> Option<(String, UnreadLists)> {
    let is_nested = |cell: &[u8]| {
        let cell = cell.trim_ascii();
        let inner = cell.split_first().map_or(&[][..], |(_, inner)| inner);
        let ends = [(b'[', b']'), (b'(', b')'), (b'{', b'}')];
        let is_closed = ends
            .into_iter()
            .any(|(open, close)| cell.starts_with(&[open]) && cell.ends_with(&[close]));
        is_closed && inner.iter().any(|byte| b"[{(".contains(byte))
    };
    let is_flat = |cell: &[u8]| list::bracketed(cell, b",", &mut |_| {}).is_ok();
    let is_empty = |cell: &[u8]| matches!(cell.trim_ascii(), b"[]" | b"{}" | b"()");
    if cells
        .num_odd(|cell| is_nested(cell) && !is_flat(cell) || is_empty(cell))
        .is_some()
    {
        return Some((cells.first(is_nested)?, UnreadLists::Nested));
    }
    cells.num_odd(is_flat)?;
    let tokens = Tokens::of(cells, |cell, each| {
        list::bracketed(cell, b",", each).is_ok()
    });
    let are_moving = tokens.rows_of_several > 0 && tokens.repeat() && tokens.are_moving();
    let tuple = cells.first(is_flat).filter(|_| are_moving)?;
    Some((tuple, UnreadLists::Tuples))
}

/// Why lists in brackets are not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnreadLists {
    /// They are lists of lists.
    Nested,
    /// All have one length, so that each may be one value.
    Tuples,
}

/// Lists without brackets: a tenth of the rows has the separator, and there are at most half as many
/// tokens as texts. Unless the separator is strong, most tokens stand at several positions: those of
/// `New York` do not.
fn separated(cells: &ColumnCells, separator: &'static str, is_strong: bool) -> Option<Lists> {
    let tokens = Tokens::of(cells, |cell, each| {
        list::split(cell, separator.as_bytes()).for_each(each);
        true
    });
    let is_list = tokens.rows_of_several * 10 >= cells.num_rows
        && tokens.num_distinct() * 2 <= cells.num_distinct()
        && (is_strong || tokens.are_moving());
    is_list.then(|| tokens.lists(separator, false))
}

/// The tokens of a column, if its cells are split in some way.
#[derive(Default)]
struct Tokens {
    /// The first position of each, and whether it has others.
    positions: HashMap<Box<[u8]>, (usize, bool)>,
    /// Rows that have tokens, each counted as often as it has one.
    rows: u64,
    /// Rows with several tokens.
    rows_of_several: u64,
    /// The number of rows with so many tokens.
    lengths: HashMap<usize, u64>,
}

impl Tokens {
    fn of(cells: &ColumnCells, split: impl Fn(&[u8], &mut dyn FnMut(&[u8])) -> bool) -> Self {
        let mut tokens = Self::default();
        for (cell, seen) in cells.distinct() {
            let mut position = 0;
            split(cell, &mut |token| {
                tokens.add(token, position);
                position += 1;
            });
            tokens.rows += position as u64 * seen.num_rows;
            tokens.rows_of_several += if position > 1 { seen.num_rows } else { 0 };
            *tokens.lengths.entry(position).or_default() += seen.num_rows;
        }
        tokens
    }

    fn add(&mut self, token: &[u8], position: usize) {
        if let Some((first, is_moving)) = self.positions.get_mut(token) {
            *is_moving |= *first != position;
        } else if !token.is_empty() {
            self.positions.insert(token.into(), (position, false));
        }
    }

    /// Whether a token occurs twice or more on average.
    fn repeat(&self) -> bool {
        self.num_distinct() as u64 * 2 <= self.rows
    }

    fn num_distinct(&self) -> usize {
        self.positions.len()
    }

    /// Whether most tokens are at several positions.
    fn are_moving(&self) -> bool {
        let moving = self.positions.values().filter(|(_, moves)| *moves);
        moving.count() * 2 > self.num_distinct()
    }

    /// Whether more than a tenth of the rows have another number of tokens than most have.
    fn lengths_differ(&self) -> bool {
        let (all, most) = self
            .lengths
            .values()
            .fold((0, 0), |(all, most), rows| (all + rows, *rows.max(&most)));
        (all - most) * 10 > all
    }

    fn lists(&self, separator: &'static str, brackets: bool) -> Lists {
        Lists {
            separator,
            brackets,
            num_tokens: self.num_distinct(),
            are_stored: false,
        }
    }
}
