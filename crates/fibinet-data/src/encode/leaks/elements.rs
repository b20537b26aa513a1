use std::collections::HashMap;
use std::fmt;

use crate::cell::Cell;
use crate::encode::leaks::pure::only_clicks;
use crate::encode::leaks::sample::{MAX_TEXT, Row, hash};
use crate::fields::MultiCategorical;
use crate::fields::cells::{CellReader, TokenIds};
use crate::fields::token::TokenKind;

/// The number of distinct elements of a column that are told apart. Later ones are not looked at.
const MAX_DISTINCT: usize = 1 << 16;
/// The id of an element beyond those.
const UNKNOWN: u32 = u32::MAX;

/// The elements of a column of lists, row by row.
#[derive(Debug)]
pub(super) struct Elements {
    lists: MultiCategorical,
    distinct: Distinct,
    /// The ids of each row's elements, without repeats.
    rows: Vec<Box<[u32]>>,
    /// The number of these ids.
    len: usize,
}

impl Elements {
    /// No elements; `lists` says how they are written.
    pub(super) fn new(lists: MultiCategorical) -> Self {
        Self {
            lists,
            distinct: Distinct::default(),
            rows: Vec::new(),
            len: 0,
        }
    }

    /// Adds the elements of a row's cell. False if it is a list without elements.
    pub(super) fn add(&mut self, cell: Cell<'_>, cells: &mut CellReader<'_>) -> bool {
        let mut ids = Vec::new();
        let read = self.lists.read(cell, cells, &mut self.distinct, &mut ids);
        let has_elements = read.is_err() || !ids.is_empty();
        ids.retain(|id| *id != UNKNOWN);
        ids.sort_unstable();
        ids.dedup();
        self.len += ids.len();
        self.rows.push(ids.into());
        has_elements
    }

    /// Keeps the rows for which `keep` is true, which is asked once for each, in their order.
    pub(super) fn retain_rows(&mut self, mut keep: impl FnMut() -> bool) {
        self.rows.retain(|_| keep());
        self.len = self.rows.iter().map(|row| row.len()).sum();
    }

    /// The number of elements that are kept, each once for each of its rows.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The most frequent element that only clicks have, with the number of its rows. `rows` are those of the sample.
    pub(super) fn pure(&self, rows: &[Row]) -> Option<(String, u64)> {
        let mut all = [0; 2];
        let mut counts = vec![[0; 2]; self.distinct.texts.len()];
        for (ids, row) in self.rows.iter().zip(rows) {
            let label = usize::from(row.click);
            all[label] += 1;
            ids.iter().for_each(|id| counts[*id as usize][label] += 1);
        }
        let mut elements: Vec<_> = self.distinct.texts.iter().zip(counts).collect();
        elements.sort_unstable();
        let (text, rows) = only_clicks(elements.into_iter(), all)?;
        Some((String::from_utf8_lossy(text).into_owned(), rows))
    }
}

/// The distinct elements of a column.
#[derive(Default)]
struct Distinct {
    /// Their ids, by their hashes.
    ids: HashMap<u64, u32>,
    /// Their beginnings, by id.
    texts: Vec<Box<[u8]>>,
}

impl fmt::Debug for Distinct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} elements", self.texts.len())
    }
}

impl TokenIds for Distinct {
    fn id(&mut self, token: &[u8]) -> u32 {
        let hash = hash(token);
        if let Some(id) = self.ids.get(&hash) {
            return *id;
        }
        if self.texts.len() >= MAX_DISTINCT {
            return UNKNOWN;
        }
        let id = self.texts.len() as u32;
        self.ids.insert(hash, id);
        self.texts.push(token[..token.len().min(MAX_TEXT)].into());
        id
    }

    fn id_by_key(&mut self, _key: Option<usize>, write: &dyn Fn(&mut Vec<u8>)) -> u32 {
        let mut token = Vec::new();
        write(&mut token);
        self.id(&token)
    }
}
