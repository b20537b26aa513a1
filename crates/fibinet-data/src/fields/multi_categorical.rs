use serde::{Deserialize, Serialize};

use crate::cell::Cell;
use crate::fields::categorical::default_min_count;
use crate::fields::cells::{BadCell, CellReader, TokenIds};
use crate::fields::kind::{CellEncoder, FieldFit, FieldKind, FittedField, Setting};
use crate::fields::list::{self, NotAList};
use crate::fields::look::{ColumnLook, Lists, Reading};
use crate::fields::token::{TokenEncoder, TokenFit, TokenKind};
use crate::schema_error::FieldError;
use crate::shards::layout::Pooling;

/// `kind = "multi_categorical"`: a cell holds several tokens, each with an id as in
/// [`Categorical`](crate::fields::Categorical); their embeddings are combined into the field's.
///
/// If a file stores lists as such, as Parquet does, the tokens are their elements. `separator` and
/// `brackets` say how lists are written in text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "ReadMultiCategorical")]
pub struct MultiCategorical {
    /// The smallest count of a token with an id of its own.
    pub min_count: u64,
    /// The text between two tokens.
    pub separator: String,
    /// Whether every cell is a list as Python, JSON and NumPy write it: `[1, 7]`, `["a", "b"]`, `['a' 'b']`. The
    /// brackets, and the quotes and blanks around a token, do not belong to the tokens. Without quotes,
    /// `None`, `nan` and `null` are no tokens. Otherwise the cells that are such lists in square brackets are
    /// read so too, and all others by the separator.
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
            are_stored,
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
        let reason = if are_stored {
            format!("lists in the file, of {num_tokens} distinct elements")
        } else {
            format!("several texts per cell, {num_tokens} distinct")
        };
        Some((kind, reason))
    }
}

impl TokenKind for MultiCategorical {
    fn min_count(&self) -> u64 {
        self.min_count
    }

    fn pooling(&self) -> Option<Pooling> {
        Some(self.pooling)
    }

    /// Tokens that mean "no value" are skipped. A text was compared as a whole first: what means "no value"
    /// may contain a separator, as `N/A` does.
    fn read<T: TokenIds + ?Sized>(
        &self,
        cell: Cell<'_>,
        reader: &mut CellReader<'_>,
        tokens: &mut T,
        ids: &mut Vec<u32>,
    ) -> Result<(), BadCell> {
        let (missing, words, as_written) = (reader.missing, reader.words, reader.as_written);
        let separator = self.separator.as_bytes();
        if let Cell::List(list) = cell
            && let Some(first) = list.elements().find(|element| *element != Cell::MISSING)
            && first.is_float()
        {
            tokens.note_float(first);
        }
        let mut push = |token: &[u8]| {
            if !missing.contain(token) && !words.contain(token) {
                ids.push(tokens.id(token));
            }
        };
        if let Cell::List(list) = cell {
            for element in list.elements() {
                push(reader.text(element));
            }
            return Ok(());
        }
        let Some(text) = reader.value(cell).filter(|text| !words.contain(text)) else {
            return Ok(());
        };
        if self.brackets {
            let read = list::bracketed(text, separator, &mut push);
            return read.map_err(|not_a_list| self.refusal(not_a_list));
        }
        match list::separator_in_brackets(text, separator).filter(|_| !as_written) {
            // Known to be such a list.
            Some(separator) => drop(list::bracketed(text, separator, &mut push)),
            None => list::split(text, separator).for_each(push),
        }
        Ok(())
    }
}

impl MultiCategorical {
    fn refusal(&self, not_a_list: NotAList) -> BadCell {
        let separator = &self.separator;
        BadCell::Rule(match not_a_list {
            NotAList::Form => format!("expected a list in brackets such as `[a{separator}b]`"),
            NotAList::Cut => {
                "expected all elements of a list, not `...`, which NumPy writes for the middle of a long array"
                    .to_owned()
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::arrow_lists::tests::{doubles, texts};

    /// Keeps the tokens; their ids are all 0.
    #[derive(Default)]
    struct Tokens(Vec<String>);

    impl TokenIds for Tokens {
        fn id(&mut self, token: &[u8]) -> u32 {
            self.0.push(String::from_utf8(token.to_vec()).unwrap());
            0
        }

        fn id_by_key(&mut self, _key: Option<usize>, _write: &dyn Fn(&mut Vec<u8>)) -> u32 {
            unreachable!("lists have no keys")
        }
    }

    fn kind(separator: &str, brackets: bool) -> MultiCategorical {
        MultiCategorical {
            min_count: 1,
            separator: separator.to_owned(),
            brackets,
            pooling: Pooling::Mean,
        }
    }

    /// The tokens of a cell, and how many ids it has.
    fn tokens(kind: &MultiCategorical, cell: Cell<'_>) -> Result<(Vec<String>, usize), BadCell> {
        let missing = ["-".to_owned()];
        let (mut tokens, mut ids) = (Tokens::default(), Vec::new());
        let mut reader = CellReader::new(&missing);
        kind.read(cell, &mut reader, &mut tokens, &mut ids)?;
        Ok((tokens.0, ids.len()))
    }

    #[test]
    fn a_stored_list_has_its_elements_whatever_the_settings_say() {
        let texts = texts(&[Some("a|b"), None, Some("c,d"), Some("-"), Some("[e]")]);
        let doubles = doubles(&[Some(1.0), None, Some(0.5)]);
        for kind in [kind("|", false), kind(",", false), kind(",", true)] {
            let (read, num_ids) = tokens(&kind, texts.cell(0)).unwrap();
            assert_eq!(read, ["a|b", "c,d", "[e]"]);
            assert_eq!(num_ids, 3);
            assert_eq!(tokens(&kind, doubles.cell(0)).unwrap().0, ["1", "0.5"]);
        }
    }

    #[test]
    fn a_list_that_numpy_cut_is_refused_for_this_reason() {
        let refused = |cell: &[u8]| tokens(&kind(",", true), Cell::Text(cell)).unwrap_err();
        let BadCell::Rule(cut) = refused(b"[0 1 ... 8 9]") else {
            panic!("expected a rule");
        };
        assert!(cut.contains("`...`"), "{cut}");
        let BadCell::Rule(form) = refused(b"0 1") else {
            panic!("expected a rule");
        };
        assert!(form.contains("in brackets such as `[a,b]`"), "{form}");
    }
}
