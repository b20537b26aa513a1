use serde::{Deserialize, Serialize};

use crate::cell::Cell;
use crate::fields::categorical::default_min_count;
use crate::fields::cell_counts::Unusual;
use crate::fields::cells::{BadCell, CellReader, MISSING, RowValues, TokenIds};
use crate::fields::column_counter::ColumnCounter;
use crate::fields::kind::{
    CellEncoder, FieldFit, FieldKind, FinishedFit, FittedField, KnownField, OUT_OF_RANGE, Setting,
};
use crate::fields::log2_rank::{rank, rank_of, write_rank, write_token};
use crate::fields::number_format::NumberFormat;
use crate::fields::token::{TokenEncoder, TokenFit, TokenKind};
use crate::fields::token_table::TokenTable;
use crate::fields::token_text::TokenText;
use crate::schema_error::FieldError;
use crate::shards::columns::Column;
use crate::shards::layout::FieldShape;

/// `kind = "numeric"`, `encoding = "log2"`: a number `v > 2` becomes the token `⌊ln(v)²⌋`, any other a
/// token of its own, `⌊v⌋`, as the winners of the Criteo challenge did. Tokens get ids as in
/// [`Categorical`](crate::fields::Categorical). A number beyond all tokens with an id has the id of the
/// nearest one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Log2 {
    /// The smallest count of a token with an id of its own.
    #[serde(default = "default_min_count")]
    pub min_count: u64,
    /// How the numbers are written.
    #[serde(flatten)]
    pub format: NumberFormat,
}

impl Log2 {
    /// Tokens of numbers with a point before their fraction.
    pub fn new(min_count: u64) -> Self {
        Self {
            min_count,
            format: NumberFormat::default(),
        }
    }
}

impl FieldKind for Log2 {
    const KIND: &'static str = "numeric";
    const ENCODING: Option<&'static str> = Some("log2");
    const SETTINGS: &'static [Setting] = &[
        Setting::optional("min_count"),
        Setting::optional("decimal"),
        Setting::optional("thousands"),
        Setting::optional("unit"),
    ];
    const FIELDS: &'static str = "numeric fields with `encoding = \"log2\"`";

    fn validate(&self) -> Result<(), FieldError> {
        self.format.validate()
    }

    fn fit(&self, _field: usize) -> Box<dyn FieldFit> {
        Box::new(Log2Fit(*TokenFit::new(self)))
    }

    fn encoder(&self, fitted: &FittedField) -> Option<Box<dyn CellEncoder>> {
        let FittedField::RankedTokens {
            len,
            lowest,
            highest,
        } = *fitted
        else {
            // A fit of an earlier version, or one without tokens.
            return TokenEncoder::fitted(self, fitted);
        };
        let tokens = TokenEncoder::fitted(
            self,
            &FittedField::Tokens {
                len,
                text: TokenText::Verbatim,
            },
        )?;
        (lowest <= highest).then(|| -> Box<dyn CellEncoder> {
            Box::new(RankedEncoder {
                format: self.format.clone(),
                tokens,
                lowest,
                highest,
            })
        })
    }
}

impl TokenKind for Log2 {
    const FROM_TEXT: bool = false;

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
        let number = reader.single(cell, &self.format)?;
        if !number.is_nan() {
            ids.push(tokens.id_by_key(key(number), &|token| write_token(number, token)));
        }
        Ok(())
    }
}

/// Counts the tokens, and finds the first and the last of those that get ids.
#[derive(Debug)]
struct Log2Fit(TokenFit<Log2>);

impl FieldFit for Log2Fit {
    fn read(
        &mut self,
        cells: &[Cell<'_>],
        reader: &mut CellReader<'_>,
    ) -> (Column, Vec<(usize, BadCell)>) {
        self.0.read(cells, reader)
    }

    fn count(&mut self, column: &Column, is_train: &[bool]) {
        self.0.count(column, is_train);
    }

    fn finish(self: Box<Self>, reader: &CellReader<'_>, base: Option<KnownField>) -> FinishedFit {
        let base_fitted = base.as_ref().map(|base| &base.fitted);
        let continues_earlier_version =
            matches!(base_fitted, Some(FittedField::Tokens { len: 1.., .. }));
        let mut finished = Box::new(self.0).finish(reader, base);
        let ranks = finished.tokens.iter().filter_map(|token| rank_of(token));
        let ends = ranks.fold(None, |ends: Option<(f64, f64)>, rank| {
            let (lowest, highest) = ends.unwrap_or((rank, rank));
            Some((lowest.min(rank), highest.max(rank)))
        });
        if let Some((lowest, highest)) = ends.filter(|_| !continues_earlier_version) {
            finished.fitted = FittedField::RankedTokens {
                len: finished.tokens.len(),
                lowest,
                highest,
            };
            give_ids_beyond(lowest, highest, &mut finished.table);
        }
        finished
    }
}

/// Gives tokens beyond all those with ids the id of the nearest.
fn give_ids_beyond(lowest: f64, highest: f64, table: &mut TokenTable) {
    let ranks = table
        .iter()
        .filter_map(|(token, _)| Some((token, rank_of(token)?)));
    let beyond = ranks.filter(|(_, rank)| *rank < lowest || *rank > highest);
    let beyond: Vec<(Box<[u8]>, f64)> = beyond
        .map(|(token, rank)| (token.into(), rank.clamp(lowest, highest)))
        .collect();
    let mut nearest = Vec::new();
    for (token, rank) in beyond {
        nearest.clear();
        write_rank(rank, &mut nearest);
        let id = *table.number_mut(&nearest);
        *table.number_mut(&token) = id | OUT_OF_RANGE;
    }
}

/// Encodes numbers by their tokens, and those beyond all tokens with an id by the nearest one.
#[derive(Debug)]
struct RankedEncoder {
    format: NumberFormat,
    tokens: Box<dyn CellEncoder>,
    /// The ranks of the first and the last token with an id.
    lowest: f64,
    highest: f64,
}

impl CellEncoder for RankedEncoder {
    fn shape(&self) -> FieldShape {
        self.tokens.shape()
    }

    fn encode(
        &self,
        cell: Cell<'_>,
        reader: &mut CellReader<'_>,
        tokens: &mut dyn TokenIds,
        values: &mut RowValues<'_>,
    ) -> Result<(), BadCell> {
        let number = reader.single(cell, &self.format)?;
        if number.is_nan() {
            values.push_id(MISSING);
            return Ok(());
        }
        let rank = rank(number);
        let nearest = rank.clamp(self.lowest, self.highest);
        if nearest != rank {
            values.note(Unusual::OutOfRange);
        }
        values.push_id(tokens.id_by_key(None, &|token| write_rank(nearest, token)));
        Ok(())
    }

    fn encode_column(
        &self,
        column: &mut Column,
        ids: &[u64],
        counter: &mut ColumnCounter<'_>,
    ) -> Vec<(usize, f64)> {
        self.tokens.encode_column(column, ids, counter)
    }
}

/// A key for small integers, whose tokens are then not written again.
fn key(number: f32) -> Option<usize> {
    const MIN: i32 = -16;
    const KEYS: usize = 1 << 12;
    let integer = number as i32;
    if number != integer as f32 {
        return None;
    }
    let key = usize::try_from(integer.saturating_sub(MIN)).ok()?;
    (key < KEYS).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_with_one_key_have_one_token() {
        assert_eq!((key(0.0), key(-0.0)), (Some(16), Some(16)));
        assert_eq!((key(-16.0), key(-17.0)), (Some(0), None));
        assert_eq!((key(4079.0), key(4080.0)), (Some(4095), None));
        for number in [0.5, 1e9, f32::MAX, f32::MIN] {
            assert_eq!(key(number), None, "{number}");
        }
    }
}
