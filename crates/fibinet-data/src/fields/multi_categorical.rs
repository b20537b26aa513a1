use serde::{Deserialize, Serialize};

use crate::cell::Cell;
use crate::fields::categorical::default_min_count;
use crate::fields::cells::{BadCell, CellReader, TokenIds};
use crate::fields::kind::{CellEncoder, FieldFit, FieldKind, FittedField, Setting};
use crate::fields::look::ColumnLook;
use crate::fields::token::{TokenEncoder, TokenFit, TokenKind};
use crate::schema_error::FieldError;
use crate::shards::layout::Pooling;

/// `kind = "multi_categorical"`: a cell holds several tokens, each with an id as in
/// [`Categorical`](crate::fields::Categorical); their embeddings are combined into the field's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MultiCategorical {
    /// The smallest count of a token with an id of its own.
    #[serde(default = "default_min_count")]
    pub min_count: u64,
    /// The text between two tokens.
    #[serde(default = "default_separator")]
    pub separator: String,
    /// How the embeddings are combined.
    #[serde(default)]
    pub pooling: Pooling,
}

fn default_separator() -> String {
    "|".to_owned()
}

impl FieldKind for MultiCategorical {
    const KIND: &'static str = "multi_categorical";
    const SETTINGS: &'static [Setting] = &[
        Setting::optional("min_count"),
        Setting::optional("separator"),
        Setting::optional("pooling"),
    ];
    const FIELDS: &'static str = "multi_categorical fields";

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
        if !look.has_texts() || look.hardly_repeats() {
            return None;
        }
        let (separator, num_tokens) = look.separator()?;
        let kind = Self {
            min_count: 2,
            separator: separator.to_owned(),
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
        let (missing, separator) = (reader.missing, self.separator.as_bytes());
        let mut rest = reader.value(cell);
        while let Some(text) = rest {
            let at = text
                .windows(separator.len())
                .position(|window| window == separator);
            let (token, after) = match at {
                Some(at) => (&text[..at], Some(&text[at + separator.len()..])),
                None => (text, None),
            };
            rest = after;
            if !missing.contain(token) {
                ids.push(tokens.id(token));
            }
        }
        Ok(())
    }
}
