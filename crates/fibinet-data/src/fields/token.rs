//! Kinds whose cells have tokens, which get ids by their counts.

use crate::cell::Cell;
use crate::fields::cell_counts::Unusual;
use crate::fields::cells::{
    BadCell, CellReader, FIRST_TOKEN, MISSING, OUT_OF_VOCABULARY, RowValues, TokenIds, read_each,
    unusual_id,
};
use crate::fields::column_counter::ColumnCounter;
use crate::fields::counted_texts::CountedTexts;
use crate::fields::kind::{
    CellEncoder, FieldFit, FinishedFit, FittedField, KnownField, OUT_OF_RANGE, REWRITTEN,
};
use crate::fields::token_rules::TypedFloats;
use crate::fields::token_table::TokenTable;
use crate::shards::batch::IdLists;
use crate::shards::columns::Column;
use crate::shards::layout::{FieldShape, Pooling};

/// A kind whose cells have tokens.
pub(crate) trait TokenKind: std::fmt::Debug + Clone + Send + Sync + 'static {
    /// Whether the whole cell is the token: a fit then looks many cells up at once.
    const WHOLE_CELL: bool = false;

    /// Whether tokens are texts of cells, and not made from them.
    const FROM_TEXT: bool = true;

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
    floats: TypedFloats,
    /// Ids by key.
    by_key: Vec<Option<u32>>,
    token: Vec<u8>,
}

impl Slots {
    /// The ids of cells that are a token each.
    fn ids_of_cells(&mut self, cells: &[Cell<'_>], reader: &CellReader<'_>) -> Vec<u32> {
        let missing = reader.missing;
        let mut ids = vec![MISSING; cells.len()];
        let mut has_others = false;
        let texts = cells
            .iter()
            .enumerate()
            .filter_map(|(at, cell)| match cell {
                Cell::Text(text) => (!missing.contain(text)).then_some((at, *text)),
                Cell::Number(_) | Cell::List(_) => {
                    has_others = true;
                    None
                }
            });
        let table = &mut self.table;
        table.slots(texts, |at, slot| ids[at] = FIRST_TOKEN + slot);
        if has_others {
            self.set_ids_of_others(cells, reader, &mut ids);
        }
        ids
    }

    /// Sets the ids of cells that are not texts.
    fn set_ids_of_others(&mut self, cells: &[Cell<'_>], reader: &CellReader<'_>, ids: &mut [u32]) {
        // Their texts, one after the other.
        let (mut written, mut others) = (Vec::new(), Vec::new());
        for (at, cell) in cells.iter().enumerate() {
            if !matches!(cell, Cell::Text(_)) {
                let start = written.len();
                reader.write(*cell, &mut written);
                self.floats.note(*cell);
                others.push((at, start..written.len()));
            }
        }
        let others = others.into_iter();
        let texts = others.map(|(at, range)| (at, &written[range]));
        let texts = texts.filter(|(_, text)| !reader.missing.contain(text));
        let table = &mut self.table;
        table.slots(texts, |at, slot| ids[at] = FIRST_TOKEN + slot);
    }
}

impl TokenIds for Slots {
    fn id(&mut self, token: &[u8]) -> u32 {
        FIRST_TOKEN + self.table.slot(token)
    }

    fn note_float(&mut self, cell: Cell<'_>) {
        self.floats.note(cell);
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
            let ids = slots.ids_of_cells(cells, reader);
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

    fn finish(self: Box<Self>, reader: &CellReader<'_>, base: Option<KnownField>) -> FinishedFit {
        let Slots { table, floats, .. } = self.slots;
        let counted = CountedTexts {
            table,
            floats,
            min_count: self.kind.min_count().max(1),
        };
        let as_written = reader.as_written || !K::FROM_TEXT;
        counted.finish(as_written, reader, base)
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
            FittedField::Tokens { len, .. } => Some(Box::new(Self {
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
        let start = values.ids.len();
        read_cell(&self.kind, cell, reader, tokens, values.ids)?;
        for at in start..values.ids.len() {
            if let Some(unusual) = unusual_id(values.ids[at]) {
                values.note(unusual);
            }
        }
        Ok(())
    }

    fn encode_column(
        &self,
        column: &mut Column,
        ids_by_slot: &[u64],
        counter: &mut ColumnCounter<'_>,
    ) -> Vec<(usize, f64)> {
        let encode = |row: usize, id: &mut u32, counter: &mut ColumnCounter<'_>| {
            if let Some(slot) = id.checked_sub(FIRST_TOKEN) {
                let found = ids_by_slot[slot as usize];
                if found & REWRITTEN != 0 {
                    counter.note(row, Unusual::Rewritten);
                }
                if found & OUT_OF_RANGE != 0 {
                    counter.note(row, Unusual::OutOfRange);
                }
                *id = (found as u32).max(OUT_OF_VOCABULARY);
            }
        };
        match column {
            Column::Ids(ids) => {
                let rows = ids.iter_mut().enumerate();
                rows.for_each(|(row, id)| encode(row, id, counter));
            }
            Column::Lists(IdLists { ids, ends }) => {
                let mut start = 0;
                for (row, end) in ends.iter().enumerate() {
                    let elements = ids[start..*end].iter_mut();
                    elements.for_each(|id| encode(row, id, counter));
                    start = *end;
                }
            }
            Column::Numbers(_) | Column::Unscaled(_) => unreachable!("tokens are read as ids"),
        }
        counter.count(column);
        Vec::new()
    }
}
