use serde::{Deserialize, Serialize};

use crate::config::delimiter::Delimiter;
use crate::schema_error::SchemaError;

/// The character around cells that have a delimiter or a line end in them. Within such a cell the
/// character itself is written twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Quote(Option<u8>);

impl Quote {
    /// No such character: a quote is a character like any other.
    pub const NONE: Self = Self(None);
    /// `"`
    pub const DOUBLE: Self = Self(Some(b'"'));
    /// `'`
    pub const SINGLE: Self = Self(Some(b'\''));

    /// What a file with this delimiter has unless it is said: TSV, as logs are written, has no quoting.
    pub fn usual(delimiter: &Delimiter) -> Self {
        if delimiter.byte() == Some(b'\t') {
            Self::NONE
        } else {
            Self::DOUBLE
        }
    }

    /// The character; `None` if there is none.
    pub fn byte(self) -> Option<u8> {
        self.0
    }
}

impl TryFrom<String> for Quote {
    type Error = SchemaError;

    fn try_from(text: String) -> Result<Self, SchemaError> {
        match text.as_bytes() {
            [] => Ok(Self::NONE),
            [byte] if byte.is_ascii_punctuation() => Ok(Self(Some(*byte))),
            _ => Err(SchemaError::Quote(text)),
        }
    }
}

impl From<Quote> for String {
    fn from(quote: Quote) -> Self {
        quote.0.map(char::from).into_iter().collect()
    }
}
