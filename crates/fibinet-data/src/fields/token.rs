//! Kinds whose cells have tokens, which get ids by their counts.

use crate::cell::Cell;
use crate::fields::cells::{
    BadCell, CellReader, FIRST_TOKEN, MISSING, MissingTexts, OUT_OF_VOCABULARY, RowValues,
    TokenIds, read_each,
};
use crate::fields::kind::{CellEncoder, FieldFit, FinishedFit, FittedField, KnownField};
use crate::fields::token_table::TokenTable;
use crate::shards::batch::IdLists;
use crate::shards::columns::Column;
use crate::shards::layout::{FieldShape, Pooling};

/// A kind whose cells have tokens.
pub(crate) trait TokenKind: std::fmt::Debug + Clone + Send + Sync + 'static {
    /// Whether the whole cell is the token: a fit then looks many cells up at once.
    const WHOLE_CELL: bool = false;

    /// The smallest count of a token with an id of its own.
    fn min_count(&self) -> u64;

    /// How several tokens in a cell are combined; `None` if a cell has one.
    fn pooling(&self) -> Option<Pooling> {
        None
    }

    /// Appends the ids of a cell's tokens, none if the cell is missing.
    fn read<T: TokenIds + ?Sized>(
        &self,
        cell: Cell<'_>,
        reader: &mut CellReader<'_>,
        tokens: &mut T,
        ids: &mut Vec<u32>,
    ) -> Result<(), BadCell>;
}

/// Appends at least one id, also for a cell that cannot be read.
#[inline]
fn read_cell<K: TokenKind, T: TokenIds + ?Sized>(
    kind: &K,
    cell: Cell<'_>,
    reader: &mut CellReader<'_>,
    tokens: &mut T,
    ids: &mut Vec<u32>,
) -> Result<(), BadCell> {
    let start = ids.len();
    let read = kind.read(cell, reader, tokens, ids);
    if ids.len() == start {
        ids.push(MISSING);
    }
    read
}

/// Counts the tokens of a field.
#[derive(Debug)]
pub(crate) struct TokenFit<K> {
    kind: K,
    slots: Slots,
}

/// The tokens of a fit. The id of a token is its slot in the table, after the ids without a token.
#[derive(Debug, Default)]
struct Slots {
    table: TokenTable,
    /// Ids by key.
    by_key: Vec<Option<u32>>,
    token: Vec<u8>,
}

impl Slots {
    /// The ids of cells that are a token each.
    fn ids_of_cells(&mut self, cells: &[Cell<'_>], missing: MissingTexts<'_>) -> Vec<u32> {
        let mut ids = vec![MISSING; cells.len()];
        let mut has_numbers = false;
        let texts = cells
            .iter()
            .enumerate()
            .filter_map(|(at, cell)| match cell {
                Cell::Text(text) => (!missing.contain(text)).then_some((at, *text)),
                Cell::Number(_) => {
                    has_numbers = true;
                    None
                }
            });
        let table = &mut self.table;
        table.slots(texts, |at, slot| ids[at] = FIRST_TOKEN + slot);
        if has_numbers {
            self.set_ids_of_numbers(cells, missing, &mut ids);
        }
        ids
    }

    /// Sets the ids of cells that are numbers.
    fn set_ids_of_numbers(
        &mut self,
        cells: &[Cell<'_>],
        missing: MissingTexts<'_>,
        ids: &mut [u32],
    ) {
        // The texts of the numbers, one after the other.
        let (mut written, mut numbers) = (Vec::new(), Vec::new());
        for (at, cell) in cells.iter().enumerate() {
            if let Cell::Number(number) = cell {
                let start = written.len();
                number.write(&mut written);
                numbers.push((at, start..written.len()));
            }
        }
        let numbers = numbers.into_iter();
        let texts = numbers.map(|(at, range)| (at, &written[range]));
        let texts = texts.filter(|(_, text)| !missing.contain(text));
        let table = &mut self.table;
        table.slots(texts, |at, slot| ids[at] = FIRST_TOKEN + slot);
    }
}

impl TokenIds for Slots {
    fn id(&mut self, token: &[u8]) -> u32 {
        FIRST_TOKEN + self.table.slot(token)
    }

    fn id_by_key(&mut self, key: Option<usize>, write: &dyn Fn(&mut Vec<u8>)) -> u32 {
        let known = key.and_then(|key| *self.by_key.get(key)?);
        known.unwrap_or_else(|| {
            self.token.clear();
            write(&mut self.token);
            let id = FIRST_TOKEN + self.table.slot(&self.token);
            if let Some(key) = key {
                if self.by_key.len() <= key {
                    self.by_key.resize(key + 1, None);
                }
                self.by_key[key] = Some(id);
            }
            id
        })
    }
}

impl<K: TokenKind> TokenFit<K> {
    pub(crate) fn new(kind: &K) -> Box<Self> {
        Box::new(Self {
            kind: kind.clone(),
            slots: Slots::default(),
        })
    }
}

impl<K: TokenKind> FieldFit for TokenFit<K> {
    fn read(
        &mut self,
        cells: &[Cell<'_>],
        reader: &mut CellReader<'_>,
    ) -> (Column, Vec<(usize, BadCell)>) {
        let Self { kind, slots } = self;
        if K::WHOLE_CELL {
            let ids = slots.ids_of_cells(cells, reader.missing);
            return (Column::Ids(ids), Vec::new());
        }
        let has_lists = kind.pooling().is_some();
        let (mut ids, mut ends) = (Vec::with_capacity(cells.len()), Vec::new());
        let (_, refused) = read_each(cells, (), |cell| {
            let read = read_cell(kind, *cell, reader, slots, &mut ids);
            if has_lists {
                ends.push(ids.len());
            }
            read
        });
        let column = if has_lists {
            Column::Lists(IdLists { ids, ends })
        } else {
            Column::Ids(ids)
        };
        (column, refused)
    }

    fn count(&mut self, column: &Column, is_train: &[bool]) {
        let counts = self.slots.table.numbers_mut();
        let mut count = |id: u32| {
            if let Some(slot) = id.checked_sub(FIRST_TOKEN) {
                counts[slot as usize] += 1;
            }
        };
        match column {
            Column::Ids(ids) => {
                let ids = ids.iter().zip(is_train).filter(|(_, is_train)| **is_train);
                ids.for_each(|(id, _)| count(*id));
            }
            Column::Lists(lists) => {
                let rows = (0..is_train.len()).filter(|row| is_train[*row]);
                rows.flat_map(|row| lists.row(row))
                    .for_each(|id| count(*id));
            }
            Column::Numbers(_) | Column::Unscaled(_) => unreachable!("tokens are read as ids"),
        }
    }

    /// Assigns ids by descending count, so that frequent rows are adjacent, and by token among equal counts.
    fn finish(self: Box<Self>, base: Option<KnownField>) -> FinishedFit {
        let (mut table, min_count) = (self.slots.table, self.kind.min_count());
        let mut tokens = base.map_or_else(Vec::new, |base| base.tokens);
        // Known tokens are not new ones.
        tokens.iter().for_each(|token| *table.number_mut(token) = 0);
        let counts = table.iter();
        let mut new: Vec<(&[u8], u64)> = counts
            .filter(|(_, count)| *count >= min_count.max(1))
            .collect();
        new.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
        tokens.extend(new.into_iter().map(|(token, _)| token.into()));
        table.numbers_mut().fill(0);
        for (token, id) in tokens.iter().zip(u64::from(FIRST_TOKEN)..) {
            *table.number_mut(token) = id;
        }
        FinishedFit {
            fitted: FittedField::Tokens { len: tokens.len() },
            tokens,
            table,
        }
    }
}

/// Encodes cells by the tokens of a vocabulary.
#[derive(Debug)]
pub(crate) struct TokenEncoder<K> {
    kind: K,
    num_tokens: usize,
}

impl<K: TokenKind> TokenEncoder<K> {
    pub(crate) fn fitted(kind: &K, fitted: &FittedField) -> Option<Box<dyn CellEncoder>> {
        match fitted {
            FittedField::Tokens { len } => Some(Box::new(Self {
                kind: kind.clone(),
                num_tokens: *len,
            })),
            _ => None,
        }
    }
}

impl<K: TokenKind> CellEncoder for TokenEncoder<K> {
    fn shape(&self) -> FieldShape {
        let num_ids = FIRST_TOKEN as usize + self.num_tokens;
        match self.kind.pooling() {
            None => FieldShape::Id { num_ids },
            Some(pooling) => FieldShape::Ids { num_ids, pooling },
        }
    }

    fn encode(
        &self,
        cell: Cell<'_>,
        reader: &mut CellReader<'_>,
        tokens: &mut dyn TokenIds,
        values: &mut RowValues<'_>,
    ) -> Result<(), BadCell> {
        read_cell(&self.kind, cell, reader, tokens, values.ids)
    }

    fn encode_column(&self, column: &mut Column, ids_by_slot: &[u64]) -> Vec<(usize, f64)> {
        match column {
            Column::Ids(ids) | Column::Lists(IdLists { ids, .. }) => {
                for id in ids {
                    if let Some(slot) = id.checked_sub(FIRST_TOKEN) {
                        *id = (ids_by_slot[slot as usize] as u32).max(OUT_OF_VOCABULARY);
                    }
                }
            }
            Column::Numbers(_) | Column::Unscaled(_) => unreachable!("tokens are read as ids"),
        }
        Vec::new()
    }
}
