use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::cell::Cell;
use crate::fields::cells::{BadCell, CellReader, RowValues, TokenIds};
use crate::fields::column_counter::ColumnCounter;
use crate::fields::log2_rank::numbers_of_ranks;
use crate::fields::look::ColumnLook;
use crate::fields::number_range::NumberRange;
use crate::fields::token_table::TokenTable;
use crate::fields::token_text::TokenText;
use crate::schema_error::FieldError;
use crate::shards::columns::Column;
use crate::shards::layout::FieldShape;

/// A kind of field, as the settings that a run file gives it.
pub(crate) trait FieldKind:
    Clone + fmt::Debug + PartialEq + Serialize + DeserializeOwned
{
    /// Its `kind` in run files.
    const KIND: &'static str;
    /// Its `encoding` in run files, if fields with the same `kind` have different ones.
    const ENCODING: Option<&'static str> = None;
    /// Its settings in run files, besides those that all fields have.
    const SETTINGS: &'static [Setting];
    /// What fields of this kind are called in a message.
    const FIELDS: &'static str;

    /// Whether the model reads numbers of it, [`FieldShape::Number`], and not ids.
    const IS_NUMBER: bool = false;

    /// Whether the texts of its cells are tokens, which have [one text per value](TokenText).
    const HAS_TOKENS: bool = false;

    /// Whether it tells values that the training rows did not have.
    const TELLS_UNKNOWN: bool = true;

    /// Checks the settings.
    fn validate(&self) -> Result<(), FieldError> {
        Ok(())
    }

    /// The fields that a model reads if it is more than one, each with what is added to its name.
    fn parts(&self) -> Vec<(&'static str, Self)> {
        Vec::new()
    }

    /// An empty fit. `field` is the field's index, the seed of its draws.
    fn fit(&self, field: usize) -> Box<dyn FieldFit>;

    /// The encoder of a field that was fitted. `None` if `fitted` does not belong to this kind.
    fn encoder(&self, fitted: &FittedField) -> Option<Box<dyn CellEncoder>>;

    /// Settings for a column that looks like this kind, and the reason. `init` asks the kinds in the
    /// registry's order.
    fn guess(_look: &ColumnLook) -> Option<(Self, String)> {
        None
    }
}

/// A setting of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) name: &'static str,
    pub(crate) required: bool,
}

impl Setting {
    pub(crate) const fn optional(name: &'static str) -> Self {
        Self {
            name,
            required: false,
        }
    }

    pub(crate) const fn required(name: &'static str) -> Self {
        Self {
            name,
            required: true,
        }
    }
}

/// A field that is being fitted.
///
/// The training file is read once: [`read`](Self::read) gives a column in which tokens are slots of the
/// field's table and numbers are as written. [`CellEncoder::encode_column`] turns it into ids and numbers
/// when the fit is finished.
pub(crate) trait FieldFit: fmt::Debug + Send {
    /// Prepares for rows that are added to those of another run.
    fn start_from(&mut self, _base: &FittedField) {}

    /// Whether [`look`](Self::look) has to be called for the rows that were read last.
    fn needs_look(&self) -> bool {
        false
    }

    /// Looks at the cells of the training rows among those that were read last, if what cells become depends on them.
    fn look(&mut self, _cells: &[Cell<'_>], _reader: &mut CellReader<'_>) {}

    /// Reads cells. Those that the field cannot read come with their index; the column has a
    /// placeholder for them.
    fn read(
        &mut self,
        cells: &[Cell<'_>],
        reader: &mut CellReader<'_>,
    ) -> (Column, Vec<(usize, BadCell)>);

    /// Counts the training rows of a column that [`read`](Self::read) gave.
    fn count(&mut self, column: &Column, is_train: &[bool]);

    /// What was learnt; `reader` reads this field's cells. A field that continues from another run keeps what that was fitted on and the
    /// ids of its tokens.
    fn finish(self: Box<Self>, reader: &CellReader<'_>, base: Option<KnownField>) -> FinishedFit;
}

/// A field of the encoder that a fit continues from.
pub(crate) struct KnownField {
    pub(crate) fitted: FittedField,
    /// Its tokens by ascending id.
    pub(crate) tokens: Vec<Box<[u8]>>,
}

/// What a fit learnt of a field.
pub(crate) struct FinishedFit {
    pub(crate) fitted: FittedField,
    /// The tokens by ascending id.
    pub(crate) tokens: Vec<Box<[u8]>>,
    /// The ids of all texts that were read, by slot; 0 if a text has none. Texts that are written in another
    /// way than their token have the flag [`REWRITTEN`] too, and numbers beyond all tokens [`OUT_OF_RANGE`].
    pub(crate) table: TokenTable,
}

/// Marks the id of a text that is not written as its token is.
pub(crate) const REWRITTEN: u64 = 1 << 63;
/// Marks the id of a number's token beyond those with an id of their own.
pub(crate) const OUT_OF_RANGE: u64 = 1 << 62;

impl FinishedFit {
    /// A fit without tokens.
    pub(crate) fn without_tokens(fitted: FittedField) -> Self {
        Self {
            fitted,
            tokens: Vec::new(),
            table: TokenTable::default(),
        }
    }
}

/// A fitted field as the encoder's file stores it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FittedField {
    /// The number of its tokens in the vocabulary, and how they are written.
    Tokens {
        len: usize,
        #[serde(default)]
        text: TokenText,
    },
    /// The number of its tokens, and the ranks of the first and the last of them.
    RankedTokens {
        len: usize,
        lowest: f64,
        highest: f64,
    },
    /// How tokens are written before they are hashed. Older versions wrote `Fixed`, for as they are.
    Hashed { text: TokenText },
    /// Ascending upper edges of buckets, for numbers that are first rounded to single precision, as earlier
    /// versions did.
    Quantile { edges: Vec<f32> },
    /// Ascending upper edges of buckets, and the values with at least twice the rows of a bucket, which older
    /// versions did not write.
    Buckets {
        edges: Vec<f64>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        values: Vec<f64>,
        range: NumberRange,
    },
    /// `(v - shift) * scale`, where `v` is first rounded to single precision, as earlier versions did.
    Value { shift: f64, scale: f64 },
    /// `(v - shift) * scale`, where `v` is first clamped to the range.
    Scaled {
        shift: f64,
        scale: f64,
        range: NumberRange,
    },
    /// Nothing: the ids follow from the cells.
    Fixed,
}

impl FittedField {
    /// The number of its tokens in the vocabulary.
    pub(crate) fn num_tokens(&self) -> usize {
        match self {
            Self::Tokens { len, .. } | Self::RankedTokens { len, .. } => *len,
            _ => 0,
        }
    }

    /// The least and the greatest number of the training rows, if it is known.
    pub(crate) fn range(&self) -> Option<(f64, f64)> {
        match self {
            Self::Buckets { range, .. } | Self::Scaled { range, .. } => {
                Some((range.min, range.max))
            }
            Self::RankedTokens {
                lowest, highest, ..
            } => Some(numbers_of_ranks(*lowest, *highest)),
            _ => None,
        }
    }

    /// How the tokens are written.
    pub(crate) fn token_text(&self) -> TokenText {
        match self {
            Self::Tokens { text, .. } | Self::Hashed { text } => *text,
            _ => TokenText::Verbatim,
        }
    }
}

/// Encodes the cells of a fitted field.
pub(crate) trait CellEncoder: fmt::Debug + Send + Sync {
    /// What an encoded row holds for the field.
    fn shape(&self) -> FieldShape;

    /// Appends the encoding of a cell: a number, an id, or at least one id.
    fn encode(
        &self,
        cell: Cell<'_>,
        reader: &mut CellReader<'_>,
        tokens: &mut dyn TokenIds,
        values: &mut RowValues<'_>,
    ) -> Result<(), BadCell>;

    /// Encodes a column that [`FieldFit::read`] gave; `ids` are the ids of the fit's table by slot.
    /// Gives the rows whose number cannot be encoded, with that number, and counts the cells.
    fn encode_column(
        &self,
        column: &mut Column,
        ids: &[u64],
        counter: &mut ColumnCounter<'_>,
    ) -> Vec<(usize, f64)>;

    /// How many cells are counted for a row with so many ids: each element of a list is one.
    fn num_cells(&self, num_ids: usize) -> usize {
        num_ids
    }

    /// Why a number cannot be encoded.
    fn refusal(&self, number: f64) -> BadCell {
        unreachable!("no field of this kind refuses {number}")
    }
}
