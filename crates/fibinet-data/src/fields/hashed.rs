use serde::{Deserialize, Serialize};

use crate::cell::Cell;
use crate::fields::cell_counts::Unusual;
use crate::fields::cells::{BadCell, CellReader, FIRST_TOKEN, MISSING, RowValues, TokenIds};
use crate::fields::column_counter::ColumnCounter;
use crate::fields::kind::{
    CellEncoder, FieldFit, FieldKind, FinishedFit, FittedField, KnownField, Setting,
};
use crate::fields::token_text::TokenText;
use crate::schema_error::FieldError;
use crate::shards::columns::Column;
use crate::shards::layout::FieldShape;

/// `kind = "categorical"` with `hash_buckets`: the id of a token is its hash, in one of `buckets`. It
/// has no vocabulary, and tokens may share an id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hashed {
    /// The number of ids for tokens.
    #[serde(rename = "hash_buckets")]
    pub buckets: u32,
}

impl FieldKind for Hashed {
    const KIND: &'static str = "categorical";
    const SETTINGS: &'static [Setting] = &[Setting::required("hash_buckets")];
    const FIELDS: &'static str = "categorical fields";
    const HAS_TOKENS: bool = true;
    const TELLS_UNKNOWN: bool = false;

    fn validate(&self) -> Result<(), FieldError> {
        FieldError::check_range("hash_buckets", 1, u32::MAX - FIRST_TOKEN, self.buckets)
    }

    fn fit(&self, _field: usize) -> Box<dyn FieldFit> {
        Box::new(HashedFit {
            buckets: self.buckets,
            text: None,
        })
    }

    fn encoder(&self, fitted: &FittedField) -> Option<Box<dyn CellEncoder>> {
        let text = match fitted {
            FittedField::Hashed { text } => *text,
            FittedField::Fixed => TokenText::Verbatim,
            _ => return None,
        };
        Some(Box::new(Hasher {
            buckets: self.buckets,
            text,
        }))
    }
}

/// Hashes tokens.
#[derive(Debug)]
struct Hasher {
    buckets: u32,
    text: TokenText,
}

impl Hasher {
    /// What marks the id of a cell. With more than two billion buckets nothing does, and rewritten cells are
    /// not counted in the rows of the training file.
    fn mark(&self, is_rewritten: bool) -> u32 {
        let has_room = self.buckets < REWRITTEN - FIRST_TOKEN;
        if is_rewritten && has_room {
            REWRITTEN
        } else {
            0
        }
    }

    /// The id of a cell, and whether its text was rewritten. Words for "no value" are missing: a hash cannot
    /// tell whether the training rows had them.
    // Inlined, since a call per cell shows in the time that preparing takes.
    #[inline(always)]
    fn id(
        &self,
        cell: Cell<'_>,
        reader: &mut CellReader<'_>,
        scratch: &mut Vec<u8>,
    ) -> (u32, bool) {
        let (missing, words) = (reader.missing, reader.words);
        let Some(text) = reader.value(cell) else {
            return (MISSING, false);
        };
        let token = self.text.canonical(text, scratch);
        let is_rewritten = !std::ptr::eq(token, text) && token != text;
        if words.have(token) || missing.contain(token) {
            return (MISSING, is_rewritten);
        }
        let bucket = twox_hash::XxHash64::oneshot(0, token) % u64::from(self.buckets);
        (FIRST_TOKEN + bucket as u32, is_rewritten)
    }
}

/// Marks the id of a rewritten cell while an encoder is being fitted, if ids leave the bit free.
const REWRITTEN: u32 = 1 << 31;

/// Hashes tokens while an encoder is being fitted. The first training rows choose how tokens are written,
/// since tokens are not kept.
#[derive(Debug)]
struct HashedFit {
    buckets: u32,
    /// `None` before the first cell with a value.
    text: Option<TokenText>,
}

impl HashedFit {
    /// The rule that these cells fit; `None` if none has a value.
    fn choose(cells: &[Cell<'_>], reader: &mut CellReader<'_>) -> Option<TokenText> {
        if reader.as_written {
            return Some(TokenText::Verbatim);
        }
        let words = reader.words;
        let mut tokens: Vec<Box<[u8]>> = Vec::new();
        let mut has_floats = false;
        for cell in cells {
            let text = reader.value(*cell).filter(|text| !words.contain(text));
            tokens.extend(text.map(Into::into));
            has_floats |= cell.is_float();
        }
        let texts = tokens.iter().map(AsRef::as_ref);
        (!tokens.is_empty()).then(|| TokenText::of(texts, has_floats))
    }
}

impl FieldFit for HashedFit {
    fn start_from(&mut self, base: &FittedField) {
        self.text = Some(base.token_text());
    }

    fn needs_look(&self) -> bool {
        self.text.is_none()
    }

    fn look(&mut self, cells: &[Cell<'_>], reader: &mut CellReader<'_>) {
        self.text = Self::choose(cells, reader);
    }

    /// The ids of rewritten cells are marked with [`REWRITTEN`].
    fn read(
        &mut self,
        cells: &[Cell<'_>],
        reader: &mut CellReader<'_>,
    ) -> (Column, Vec<(usize, BadCell)>) {
        // Without a training row so far, these cells choose.
        self.text = self.text.or_else(|| Self::choose(cells, reader));
        let text = self.text.unwrap_or(TokenText::Trimmed);
        let mut reader = reader.clone().with_text(Some(text), reader.as_written);
        let hasher = Hasher {
            buckets: self.buckets,
            text,
        };
        let mut scratch = Vec::new();
        let ids = cells.iter().map(|cell| {
            let (id, is_rewritten) = hasher.id(*cell, &mut reader, &mut scratch);
            id | hasher.mark(is_rewritten)
        });
        (Column::Ids(ids.collect()), Vec::new())
    }

    fn count(&mut self, _column: &Column, _is_train: &[bool]) {}

    fn finish(self: Box<Self>, _reader: &CellReader<'_>, base: Option<KnownField>) -> FinishedFit {
        let text = self.text.unwrap_or(TokenText::Trimmed);
        let fitted = base.map_or(FittedField::Hashed { text }, |base| base.fitted);
        FinishedFit::without_tokens(fitted)
    }
}

impl CellEncoder for Hasher {
    fn shape(&self) -> FieldShape {
        FieldShape::Id {
            num_ids: FIRST_TOKEN as usize + self.buckets as usize,
        }
    }

    fn encode(
        &self,
        cell: Cell<'_>,
        reader: &mut CellReader<'_>,
        _tokens: &mut dyn TokenIds,
        values: &mut RowValues<'_>,
    ) -> Result<(), BadCell> {
        let (id, is_rewritten) = self.id(cell, reader, &mut Vec::new());
        if is_rewritten {
            values.note(Unusual::Rewritten);
        }
        values.push_id(id);
        Ok(())
    }

    fn encode_column(
        &self,
        column: &mut Column,
        _ids: &[u64],
        counter: &mut ColumnCounter<'_>,
    ) -> Vec<(usize, f64)> {
        let mark = self.mark(true);
        if let Column::Ids(ids) = column {
            for (row, id) in ids
                .iter_mut()
                .enumerate()
                .filter(|(_, id)| **id & mark != 0)
            {
                *id &= !mark;
                counter.note(row, Unusual::Rewritten);
            }
        }
        counter.count(column);
        Vec::new()
    }
}
