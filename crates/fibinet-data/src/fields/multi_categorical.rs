use serde::{Deserialize, Serialize};

use crate::cell::Cell;
use crate::fields::categorical::default_min_count;
use crate::fields::cells::{BadCell, CellReader, TokenIds};
use crate::fields::kind::{CellEncoder, FieldFit, FieldKind, FittedField, Setting};
use crate::fields::list;
use crate::fields::look::{ColumnLook, Lists, Reading};
use crate::fields::token::{TokenEncoder, TokenFit, TokenKind};
use crate::schema_error::FieldError;
use crate::shards::layout::Pooling;

/// `kind = "multi_categorical"`: a cell holds several tokens, each with an id as in
/// [`Categorical`](crate::fields::Categorical); their embeddings are combined into the field's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "ReadMultiCategorical")]
pub struct MultiCategorical {
    /// The smallest count of a token with an id of its own.
    pub min_count: u64,
    /// The text between two tokens.
    pub separator: String,
    /// Whether a cell is a list as Python and JSON write it, `[1, 7]` or `["a", "b"]`: the brackets, and
    /// the quotes and blanks around a token, do not belong to the tokens.
    #[serde(skip_serializing_if = "is_false")]
    pub brackets: bool,
    /// How the embeddings are combined.
    pub pooling: Pooling,
}

/// The settings as a run file has them.
#[derive(Deserialize)]
struct ReadMultiCategorical {
    #[serde(default = "default_min_count")]
    min_count: u64,
    separator: Option<String>,
    #[serde(default)]
    brackets: bool,
    #[serde(default)]
    pooling: Pooling,
}

impl From<ReadMultiCategorical> for MultiCategorical {
    fn from(read: ReadMultiCategorical) -> Self {
        let separator = if read.brackets { "," } else { "|" };
        Self {
            min_count: read.min_count,
            separator: read.separator.unwrap_or_else(|| separator.to_owned()),
            brackets: read.brackets,
            pooling: read.pooling,
        }
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_false(value: &bool) -> bool {
    !value
}

impl FieldKind for MultiCategorical {
    const KIND: &'static str = "multi_categorical";
    const SETTINGS: &'static [Setting] = &[
        Setting::optional("min_count"),
        Setting::optional("separator"),
        Setting::optional("brackets"),
        Setting::optional("pooling"),
    ];
    const FIELDS: &'static str = "multi_categorical fields";
    const HAS_TOKENS: bool = true;

    fn validate(&self) -> Result<(), FieldError> {
        if self.separator.is_empty() {
            return Err(FieldError::Empty("separator"));
        }
        Ok(())
    }

    fn fit(&self, _field: usize) -> Box<dyn FieldFit> {
        TokenFit::new(self)
    }

    fn encoder(&self, fitted: &FittedField) -> Option<Box<dyn CellEncoder>> {
        TokenEncoder::fitted(self, fitted)
    }

    fn guess(look: &ColumnLook) -> Option<(Self, String)> {
        let Reading::Lists(Lists {
            separator,
            brackets,
            num_tokens,
        }) = *look.reading()
        else {
            return None;
        };
        let kind = Self {
            min_count: 2,
            separator: separator.to_owned(),
            brackets,
            pooling: Pooling::Mean,
        };
        Some((
            kind,
            format!("several texts per cell, {num_tokens} distinct"),
        ))
    }
}

impl TokenKind for MultiCategorical {
    fn min_count(&self) -> u64 {
        self.min_count
    }

    fn pooling(&self) -> Option<Pooling> {
        Some(self.pooling)
    }

    /// Tokens that mean "no value" are skipped. The whole cell was compared first: what means "no value"
    /// may contain a separator, as `N/A` does.
    fn read<T: TokenIds + ?Sized>(
        &self,
        cell: Cell<'_>,
        reader: &mut CellReader<'_>,
        tokens: &mut T,
        ids: &mut Vec<u32>,
    ) -> Result<(), BadCell> {
        let (missing, words) = (reader.missing, reader.words);
        let separator = self.separator.as_bytes();
        let Some(text) = reader.value(cell) else {
            return Ok(());
        };
        let mut push = |token: &[u8]| {
            if !missing.contain(token) && !words.contain(token) {
                ids.push(tokens.id(token));
            }
        };
        if !self.brackets {
            list::split(text, separator).for_each(push);
        } else if list::bracketed(text, separator, &mut push).is_none() {
            let separator = &self.separator;
            let rule = format!("expected a list in brackets such as `[a{separator}b]`");
            return Err(BadCell::Rule(rule));
        }
        Ok(())
    }
}
