use std::collections::HashMap;
use std::fmt;

use crate::cell::Cell;
use crate::encode::leaks::pure::only_clicks;
use crate::fields::MultiCategorical;
use crate::fields::cells::{CellReader, TokenIds};
use crate::fields::token::TokenKind;

/// Distinct elements of a column that are counted.
const MAX_ELEMENTS: usize = 1 << 16;

/// The elements of a column of lists, with their rows.
#[derive(Debug)]
pub(super) struct Elements {
    lists: MultiCategorical,
    counts: Counts,
}

impl Elements {
    /// No elements; `lists` says how they are written.
    pub(super) fn new(lists: MultiCategorical) -> Self {
        Self {
            lists,
            counts: Counts::default(),
        }
    }

    /// Counts the elements of a row's cell. False if it is a list without elements.
    pub(super) fn add(&mut self, cell: Cell<'_>, click: bool, cells: &mut CellReader<'_>) -> bool {
        let (counts, mut ids) = (&mut self.counts, Vec::new());
        counts.rows[usize::from(click)] += 1;
        counts.is_click = click;
        let read = self.lists.read(cell, cells, counts, &mut ids);
        read.is_err() || !ids.is_empty()
    }

    /// The most frequent element that only clicks have, with the number of its rows.
    pub(super) fn pure(&self) -> Option<(String, u64)> {
        let elements = self.counts.elements.iter();
        let mut elements: Vec<_> = elements.map(|(text, own)| (text, own.rows)).collect();
        elements.sort_unstable();
        let (text, rows) = only_clicks(elements.into_iter(), self.counts.rows)?;
        Some((String::from_utf8_lossy(text).into_owned(), rows))
    }
}

/// The rows of elements, without and with a click.
#[derive(Default)]
struct Counts {
    elements: HashMap<Box<[u8]>, Element>,
    rows: [u64; 2],
    /// Whether the row that is being read is a click.
    is_click: bool,
}

#[derive(Default)]
struct Element {
    rows: [u64; 2],
    /// The number of the last row that has it: a list may have it twice.
    last: u64,
}

impl fmt::Debug for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} elements", self.elements.len())
    }
}

impl TokenIds for Counts {
    fn id(&mut self, token: &[u8]) -> u32 {
        let row = self.rows[0] + self.rows[1];
        if !self.elements.contains_key(token) && self.elements.len() < MAX_ELEMENTS {
            self.elements.insert(token.into(), Element::default());
        }
        if let Some(element) = self.elements.get_mut(token)
            && element.last < row
        {
            element.last = row;
            element.rows[usize::from(self.is_click)] += 1;
        }
        0
    }

    fn id_by_key(&mut self, _key: Option<usize>, write: &dyn Fn(&mut Vec<u8>)) -> u32 {
        let mut token = Vec::new();
        write(&mut token);
        self.id(&token)
    }
}
