//! How a field of hashed tokens is fitted.

use crate::cell::Cell;
use crate::fields::cells::{BadCell, CellReader, MISSING};
use crate::fields::hashed::{Hasher, REWRITTEN, SLOT};
use crate::fields::kind::{self, FieldFit, FinishedFit, FittedField, KnownField};
use crate::fields::token_rules::{TokenRules, TypedFloats};
use crate::fields::token_table::TokenTable;
use crate::fields::token_text::TokenText;
use crate::shards::columns::Column;

/// Hashes tokens while an encoder is being fitted. All training rows choose how tokens are written: until none is
/// left to be read, the texts that a rule may rewrite wait in a table, and their cells have its slots. Floats of a typed
/// file choose at once.
#[derive(Debug)]
pub(super) struct HashedFit {
    buckets: u32,
    rule: Rule,
    /// Whether the rows that were read last have texts that the rules may not know.
    has_news: bool,
    /// The texts that were hashed as they are while the rule was open.
    hashed: AsWritten,
    texts: TokenTable,
}

/// Texts that only rare rules rewrite, among those that were hashed before the rule was known. A rule that would
/// have rewritten one of them is no longer chosen.
#[derive(Debug, Default)]
struct AsWritten {
    /// One that [`TokenText::SingleInteger`] and [`TokenText::SingleFloat`] may rewrite.
    has_long: bool,
    /// One that [`TokenText::Float`] and [`TokenText::SingleFloat`] may rewrite.
    has_decimal: bool,
}

impl AsWritten {
    #[inline(always)]
    fn note(&mut self, text: &[u8]) {
        self.has_long |= TokenText::single_integer_may_rewrite(text);
        self.has_decimal = self.has_decimal || TokenText::float_may_rewrite(text);
    }

    fn restrict(&self, rule: TokenText) -> TokenText {
        match rule {
            TokenText::SingleInteger if self.has_long => TokenText::Integer,
            TokenText::Float if self.has_decimal => TokenText::Trimmed,
            TokenText::SingleFloat if self.has_decimal || self.has_long => TokenText::Trimmed,
            rule => rule,
        }
    }
}

/// How tokens are written.
#[derive(Debug)]
enum Rule {
    /// By one of several rules.
    Open(TokenRules, TypedFloats),
    /// By this one.
    Settled(TokenText),
}

impl HashedFit {
    /// The most memory that texts wait in, about that of a million short ones. A column with more of them has shown how
    /// it is written.
    const MAX_BYTES: usize = 32 << 20;

    pub(super) fn new(buckets: u32) -> Self {
        Self {
            buckets,
            rule: Rule::Open(TokenRules::default(), TypedFloats::default()),
            has_news: false,
            hashed: AsWritten::default(),
            texts: TokenTable::default(),
        }
    }

    fn rule(&self) -> TokenText {
        match &self.rule {
            Rule::Open(rules, floats) => self.hashed.restrict(rules.choose(*floats)),
            Rule::Settled(text) => *text,
        }
    }

    fn is_open(&self) -> bool {
        matches!(self.rule, Rule::Open(..))
    }

    fn hasher(&self, text: TokenText) -> Hasher {
        Hasher {
            buckets: self.buckets,
            text,
        }
    }

    /// The ids of cells, and slots of those whose text a rule may rewrite.
    fn read_open(&mut self, cells: &[Cell<'_>], reader: &mut CellReader<'_>) -> Vec<u32> {
        let (missing, words) = (reader.missing, reader.words);
        let hasher = self.hasher(TokenText::Trimmed);
        let (mut ids, mut scratch) = (Vec::with_capacity(cells.len()), Vec::new());
        for cell in cells {
            let Some(text) = reader.value(*cell) else {
                ids.push(MISSING);
                continue;
            };
            self.has_news |= !matches!(&self.rule, Rule::Open(rules, _) if rules.know(text));
            ids.push(if TokenText::may_rewrite(text) {
                SLOT | self.texts.slot(text)
            } else {
                self.hashed.note(text);
                hasher.id_of_text(text, missing, words, &mut scratch).0
            });
        }
        ids
    }

    /// The ids of cells. Those of rewritten cells are marked.
    fn read_settled(
        &self,
        text: TokenText,
        cells: &[Cell<'_>],
        reader: &CellReader<'_>,
    ) -> Vec<u32> {
        let mut reader = reader.clone().with_text(Some(text), reader.as_written);
        let hasher = self.hasher(text);
        let has_marks = hasher.has_marks();
        let mut scratch = Vec::new();
        let ids = cells.iter().map(|cell| {
            let (id, is_rewritten) = hasher.id(*cell, &mut reader, &mut scratch);
            if is_rewritten && has_marks {
                id | REWRITTEN
            } else {
                id
            }
        });
        ids.collect()
    }
}

impl FieldFit for HashedFit {
    fn start_from(&mut self, base: &FittedField) {
        self.rule = Rule::Settled(base.token_text());
    }

    fn needs_look(&self) -> bool {
        self.has_news && self.is_open()
    }

    fn look(&mut self, cells: &[Cell<'_>], reader: &mut CellReader<'_>) {
        let Rule::Open(rules, floats) = &mut self.rule else {
            return;
        };
        self.has_news = false;
        let words = reader.words;
        for cell in cells {
            floats.note(*cell);
            let text = reader.value(*cell).filter(|text| !words.contain(text));
            if text.is_some_and(|text| !rules.keep(text)) {
                self.rule = Rule::Settled(TokenText::Trimmed);
                return;
            }
        }
        if self.texts.num_bytes() >= Self::MAX_BYTES {
            self.rule = Rule::Settled(self.rule());
        }
    }

    fn read(
        &mut self,
        cells: &[Cell<'_>],
        reader: &mut CellReader<'_>,
    ) -> (Column, Vec<(usize, BadCell)>) {
        // How a float of a typed file is written depends on the rule, and a text that waits has no type any more.
        let is_typed = || cells.iter().any(|cell| cell.is_float());
        if reader.as_written {
            self.rule = Rule::Settled(TokenText::Verbatim);
        } else if self.is_open() && (!self.hasher(TokenText::Trimmed).has_marks() || is_typed()) {
            self.look(cells, reader);
            self.rule = Rule::Settled(self.rule());
        }
        let ids = match self.rule {
            Rule::Open(..) => self.read_open(cells, reader),
            Rule::Settled(text) => self.read_settled(text, cells, reader),
        };
        (Column::Ids(ids), Vec::new())
    }

    fn count(&mut self, _column: &Column, _is_train: &[bool]) {}

    fn finish(
        mut self: Box<Self>,
        reader: &CellReader<'_>,
        base: Option<KnownField>,
    ) -> FinishedFit {
        let text = self.rule();
        let hasher = self.hasher(text);
        let mut scratch = Vec::new();
        let (missing, words) = (reader.missing, reader.words);
        self.texts.set_numbers(|waiting| {
            let (id, is_rewritten) = hasher.id_of_text(waiting, missing, words, &mut scratch);
            let mark = if is_rewritten { kind::REWRITTEN } else { 0 };
            u64::from(id) | mark
        });
        FinishedFit {
            fitted: base.map_or(FittedField::Hashed { text }, |base| base.fitted),
            tokens: Vec::new(),
            table: self.texts,
        }
    }
}
