use std::collections::HashMap;

use crate::fields::list;
use crate::fields::look::cells::ColumnCells;

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
    let in_brackets = [",", " "]
        .into_iter()
        .find_map(|separator| bracketed(cells, separator));
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
    in_brackets.or_else(strong).or_else(weak)
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

/// Lists in brackets, whose tokens repeat: the numbers of a vector do not.
fn bracketed(cells: &ColumnCells, separator: &'static str) -> Option<Lists> {
    let elements = |cell: &[u8], each: &mut dyn FnMut(&[u8])| {
        // Tuples such as `(300, 250)` are rather one value than a list.
        cell.trim_ascii_start().starts_with(b"[")
            && list::bracketed(cell, separator.as_bytes(), each).is_ok()
    };
    cells.num_odd(|cell| elements(cell, &mut |_| {}))?;
    let tokens = Tokens::of(cells, elements);
    let is_list = tokens.rows_of_several > 0 && tokens.repeat();
    is_list.then(|| tokens.lists(separator, true))
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
        && (is_strong || tokens.num_moving() * 2 > tokens.num_distinct());
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

    /// The number of tokens at several positions.
    fn num_moving(&self) -> usize {
        self.positions.values().filter(|(_, moves)| *moves).count()
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
