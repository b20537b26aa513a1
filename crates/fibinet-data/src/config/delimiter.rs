use std::fmt;

use serde::{Deserialize, Serialize};

use crate::schema_error::SchemaError;

/// What stands between the cells of a row of text: one ASCII character, or several such as `::`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Delimiter(String);

impl Delimiter {
    /// A delimiter.
    ///
    /// # Errors
    ///
    /// If it is empty, is not ASCII, or has a double quote or a line end.
    pub fn new(text: impl Into<String>) -> Result<Self, SchemaError> {
        let text = text.into();
        if text.is_empty() || !text.is_ascii() || text.contains(['"', '\n', '\r']) {
            return Err(SchemaError::Delimiter(text));
        }
        Ok(Self(text))
    }

    /// `,`
    pub fn comma() -> Self {
        Self(",".to_owned())
    }

    /// A tab.
    pub fn tab() -> Self {
        Self("\t".to_owned())
    }

    /// The characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The delimiter, if it is one byte.
    pub(crate) fn byte(&self) -> Option<u8> {
        match self.0.as_bytes() {
            [byte] => Some(*byte),
            _ => None,
        }
    }
}

impl fmt::Display for Delimiter {
    /// The characters as a message shows them: invisible ones escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_str() {
            " " => write!(f, "a space"),
            "\t" => write!(f, "a tab"),
            text if text.bytes().all(|byte| byte.is_ascii_graphic()) => write!(f, "`{text}`"),
            text => write!(f, "{text:?}"),
        }
    }
}

impl TryFrom<String> for Delimiter {
    type Error = SchemaError;

    fn try_from(text: String) -> Result<Self, SchemaError> {
        Self::new(text)
    }
}

impl From<Delimiter> for String {
    fn from(delimiter: Delimiter) -> Self {
        delimiter.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_shows_invisible_characters() {
        for (text, shown) in [
            (";", "`;`"),
            ("::", "`::`"),
            (" ", "a space"),
            ("\t", "a tab"),
            ("\u{1}", r#""\u{1}""#),
        ] {
            assert_eq!(Delimiter::new(text).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn what_cannot_stand_between_cells_is_refused() {
        for text in ["", "\"", "\n", ":\r", "→"] {
            let error = Delimiter::new(text).unwrap_err().to_string();
            assert!(error.contains("must be one ASCII character"), "{error}");
        }
    }
}
