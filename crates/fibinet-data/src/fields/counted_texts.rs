//! From the texts that a fit counted to tokens with ids.

use crate::fields::cells::{CellReader, FIRST_TOKEN, MISSING, MissingTexts, MissingWords};
use crate::fields::kind::{FinishedFit, FittedField, KnownField, REWRITTEN};
use crate::fields::token_rules::TypedFloats;
use crate::fields::token_table::TokenTable;
use crate::fields::token_text::TokenText;

/// The texts of a field, as they were read.
pub(crate) struct CountedTexts {
    /// How often each text stands in the training rows; 0 for texts of other rows only.
    pub(crate) table: TokenTable,
    pub(crate) floats: TypedFloats,
    /// The smallest count of a token with an id of its own, at least 1.
    pub(crate) min_count: u64,
}

/// A text that is not written as its token is.
struct OtherText {
    slot: u32,
    /// The slot of the token; `None` if it means "no value".
    token: Option<u32>,
}

impl CountedTexts {
    /// Assigns ids by descending count, so that frequent rows are adjacent, and by token among equal counts.
    /// The counts of all texts of a token are added. Words that do not become tokens get the id of a missing
    /// cell.
    pub(crate) fn finish(
        mut self,
        as_written: bool,
        reader: &CellReader<'_>,
        base: Option<KnownField>,
    ) -> FinishedFit {
        let (missing, words) = (reader.missing, reader.words);
        let text = match &base {
            Some(base) => base.fitted.token_text(),
            None if as_written => TokenText::Verbatim,
            None => self.choose(words),
        };
        let others = self.join(text, missing);
        let (mut table, min_count) = (self.table, self.min_count);
        let mut tokens = base.map_or_else(Vec::new, |base| base.tokens);
        // Known tokens are not new ones.
        tokens.iter().for_each(|token| *table.number_mut(token) = 0);
        let counts = table.iter();
        let mut new: Vec<(&[u8], u64)> = counts.filter(|(_, count)| *count >= min_count).collect();
        new.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
        tokens.extend(new.into_iter().map(|(token, _)| token.into()));
        table.numbers_mut().fill(0);
        words
            .iter()
            .for_each(|word| *table.number_mut(word) = u64::from(MISSING));
        for (token, id) in tokens.iter().zip(u64::from(FIRST_TOKEN)..) {
            *table.number_mut(token) = id;
        }
        let ids = table.numbers_mut();
        for OtherText { slot, token } in others {
            let id = token.map_or(u64::from(MISSING), |token| ids[token as usize]);
            ids[slot as usize] = id | REWRITTEN;
        }
        FinishedFit {
            fitted: FittedField::Tokens {
                len: tokens.len(),
                text,
            },
            tokens,
            table,
        }
    }

    /// The rule that the frequent texts fit, or all of the training rows if none is frequent. A rare text
    /// that is not written by the rule stays as it is.
    fn choose(&self, words: MissingWords<'_>) -> TokenText {
        let texts = |least: u64| {
            let frequent = self.table.iter().filter(move |(_, count)| *count >= least);
            let texts = frequent.map(|(text, _)| text);
            texts.filter(move |text| !text.trim_ascii().is_empty() && !words.contain(text))
        };
        let least = match texts(self.min_count).next() {
            Some(_) => self.min_count,
            None => 1,
        };
        TokenText::of(texts(least), self.floats)
    }

    /// Moves the counts of texts that are written in another way than their tokens to those.
    fn join(&mut self, text: TokenText, missing: MissingTexts<'_>) -> Vec<OtherText> {
        if text == TokenText::Verbatim {
            return Vec::new();
        }
        let mut scratch = Vec::new();
        let texts = self.table.iter().filter_map(|(written, _)| {
            let token = text.canonical(written, &mut scratch);
            (token != written).then(|| [written, token].map(Box::from))
        });
        let texts: Vec<[Box<[u8]>; 2]> = texts.collect();
        let table = &mut self.table;
        let join = |[written, token]: [Box<[u8]>; 2]| {
            let count = std::mem::take(table.number_mut(&written));
            let token = (!missing.contain(&token)).then(|| {
                *table.number_mut(&token) += count;
                table.slot(&token)
            });
            let slot = table.slot(&written);
            OtherText { slot, token }
        };
        texts.into_iter().map(join).collect()
    }
}
