use serde::{Deserialize, Serialize};

use crate::cell::Cell;
use crate::fields::cell_counts::Unusual;
use crate::fields::cells::{
    BadCell, CellReader, FIRST_TOKEN, MISSING, MissingTexts, MissingWords, RowValues, TokenIds,
};
use crate::fields::column_counter::ColumnCounter;
use crate::fields::hashed_fit::HashedFit;
use crate::fields::kind::{self, CellEncoder, FieldFit, FieldKind, FittedField, Setting};
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
        Box::new(HashedFit::new(self.buckets))
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
pub(super) struct Hasher {
    pub(super) buckets: u32,
    pub(super) text: TokenText,
}

/// Marks the id of a rewritten cell while an encoder is being fitted.
pub(super) const REWRITTEN: u32 = 1 << 31;
/// Marks the slot of a text that is hashed when the fit is finished.
pub(super) const SLOT: u32 = 1 << 30;

impl Hasher {
    /// Whether ids leave the bits of marks free. With more than a billion buckets they do not: the first rows
    /// choose how tokens are written, and rewritten cells are not counted in the rows of the training file.
    pub(super) fn has_marks(&self) -> bool {
        self.buckets < SLOT - FIRST_TOKEN
    }

    /// The id of a cell, and whether its text was rewritten.
    // Inlined, since a call per cell shows in the time that preparing takes.
    #[inline(always)]
    pub(super) fn id(
        &self,
        cell: Cell<'_>,
        reader: &mut CellReader<'_>,
        scratch: &mut Vec<u8>,
    ) -> (u32, bool) {
        let (missing, words) = (reader.missing, reader.words);
        match reader.value(cell) {
            Some(text) => self.id_of_text(text, missing, words, scratch),
            None => (MISSING, false),
        }
    }

    /// The id of a text, and whether it was rewritten. Words for "no value" are missing: a hash cannot tell whether
    /// the training rows had them.
    #[inline(always)]
    pub(super) fn id_of_text(
        &self,
        text: &[u8],
        missing: MissingTexts<'_>,
        words: MissingWords<'_>,
        scratch: &mut Vec<u8>,
    ) -> (u32, bool) {
        let token = self.text.canonical(text, scratch);
        let is_rewritten = !std::ptr::eq(token, text) && token != text;
        if words.have(token) || missing.contain(token) {
            return (MISSING, is_rewritten);
        }
        let bucket = twox_hash::XxHash64::oneshot(0, token) % u64::from(self.buckets);
        (FIRST_TOKEN + bucket as u32, is_rewritten)
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
        ids_by_slot: &[u64],
        counter: &mut ColumnCounter<'_>,
    ) -> Vec<(usize, f64)> {
        if let Column::Ids(ids) = column
            && self.has_marks()
        {
            for (row, id) in ids.iter_mut().enumerate() {
                let mut is_rewritten = *id & REWRITTEN != 0;
                *id &= !REWRITTEN;
                if *id & SLOT != 0 {
                    let found = ids_by_slot[(*id & !SLOT) as usize];
                    is_rewritten = found & kind::REWRITTEN != 0;
                    *id = found as u32;
                }
                if is_rewritten {
                    counter.note(row, Unusual::Rewritten);
                }
            }
        }
        counter.count(column);
        Vec::new()
    }
}
