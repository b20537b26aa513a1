use serde::{Deserialize, Serialize};

use crate::cell::Cell;
use crate::fields::cells::{BadCell, CellReader, TokenIds};
use crate::fields::kind::{CellEncoder, FieldFit, FieldKind, FittedField, Setting};
use crate::fields::look::{ColumnLook, Reading};
use crate::fields::token::{TokenEncoder, TokenFit, TokenKind};

/// `kind = "categorical"`: each token that training rows have at least `min_count` times gets an id of
/// its own; all others share one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Categorical {
    /// The smallest count of a token with an id of its own.
    #[serde(default = "default_min_count")]
    pub min_count: u64,
}

pub(crate) fn default_min_count() -> u64 {
    1
}

impl FieldKind for Categorical {
    const KIND: &'static str = "categorical";
    const SETTINGS: &'static [Setting] = &[Setting::optional("min_count")];
    const FIELDS: &'static str = "categorical fields without `hash_buckets`";
    const HAS_TOKENS: bool = true;

    fn fit(&self, _field: usize) -> Box<dyn FieldFit> {
        TokenFit::new(self)
    }

    fn encoder(&self, fitted: &FittedField) -> Option<Box<dyn CellEncoder>> {
        TokenEncoder::fitted(self, fitted)
    }

    fn guess(look: &ColumnLook) -> Option<(Self, String)> {
        let distinct = look.num_distinct_text();
        let reason = if *look.reading() == Reading::Texts {
            if look.hardly_repeats() {
                return None;
            }
            format!("text, {distinct} distinct")
        } else if !matches!(look.reading(), Reading::Numbers(_)) {
            return None;
        } else if look.has_few_values() {
            format!("numbers, only {distinct} distinct")
        } else if look.is_named_as_category() {
            format!("integers with the name of a category, {distinct} distinct")
        } else if look.are_too_long() {
            format!("integers too long for a quantity, {distinct} distinct")
        } else {
            format!("integers, {distinct} distinct that repeat: an id?")
        };
        Some((Self { min_count: 2 }, reason))
    }
}

impl TokenKind for Categorical {
    const WHOLE_CELL: bool = true;

    fn min_count(&self) -> u64 {
        self.min_count
    }

    #[inline]
    fn read<T: TokenIds + ?Sized>(
        &self,
        cell: Cell<'_>,
        reader: &mut CellReader<'_>,
        tokens: &mut T,
        ids: &mut Vec<u32>,
    ) -> Result<(), BadCell> {
        if let Some(token) = reader.value(cell) {
            ids.push(tokens.id(token));
        }
        Ok(())
    }
}
