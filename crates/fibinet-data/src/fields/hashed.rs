use serde::{Deserialize, Serialize};

use crate::cell::Cell;
use crate::fields::cell_counts::Unusual;
use crate::fields::cells::{
    BadCell, CellReader, FIRST_TOKEN, MISSING, MissingTexts, MissingWords, RowValues, TokenIds,
};
use crate::fields::column_counter::ColumnCounter;
use crate::fields::kind::{
    self, CellEncoder, FieldFit, FieldKind, FinishedFit, FittedField, KnownField, Setting,
};
use crate::fields::token_rules::{TokenRules, TypedFloats};
use crate::fields::token_table::TokenTable;
use crate::fields::token_text::TokenText;
use crate::schema_error::FieldError;
use crate::shards::columns::Column;
use crate::shards::layout::FieldShape;

/// `kind = "categorical"` with `hash_buckets`: the id of a token is its hash, in one of `buckets`. It
/// has no vocabulary, and tokens may share an id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hashed {
    /// The number of ids for tokens.
    #[serde(rename = "hash_buckets")]
    pub buckets: u32,
}

impl FieldKind for Hashed {
    const KIND: &'static str = "categorical";
    const SETTINGS: &'static [Setting] = &[Setting::required("hash_buckets")];
    const FIELDS: &'static str = "categorical fields";
    const HAS_TOKENS: bool = true;
    const TELLS_UNKNOWN: bool = false;

    fn validate(&self) -> Result<(), FieldError> {
        FieldError::check_range("hash_buckets", 1, u32::MAX - FIRST_TOKEN, self.buckets)
    }

    fn fit(&self, _field: usize) -> Box<dyn FieldFit> {
        Box::new(HashedFit {
            buckets: self.buckets,
            rule: Rule::Open(TokenRules::default(), TypedFloats::default()),
            has_news: false,
            hashed: AsWritten::default(),
            texts: TokenTable::default(),
        })
    }

    fn encoder(&self, fitted: &FittedField) -> Option<Box<dyn CellEncoder>> {
        let text = match fitted {
            FittedField::Hashed { text } => *text,
            FittedField::Fixed => TokenText::Verbatim,
            _ => return None,
        };
        Some(Box::new(Hasher {
            buckets: self.buckets,
            text,
        }))
    }
}

/// Hashes tokens.
#[derive(Debug)]
struct Hasher {
    buckets: u32,
    text: TokenText,
}

/// Marks the id of a rewritten cell while an encoder is being fitted.
const REWRITTEN: u32 = 1 << 31;
/// Marks the slot of a text that is hashed when the fit is finished.
const SLOT: u32 = 1 << 30;

impl Hasher {
    /// Whether ids leave the bits of marks free. With more than a billion buckets they do not: the first rows
    /// choose how tokens are written, and rewritten cells are not counted in the rows of the training file.
    fn has_marks(&self) -> bool {
        self.buckets < SLOT - FIRST_TOKEN
    }

    /// The id of a cell, and whether its text was rewritten.
    // Inlined, since a call per cell shows in the time that preparing takes.
    #[inline(always)]
    fn id(
        &self,
        cell: Cell<'_>,
        reader: &mut CellReader<'_>,
        scratch: &mut Vec<u8>,
    ) -> (u32, bool) {
        let (missing, words) = (reader.missing, reader.words);
        match reader.value(cell) {
            Some(text) => self.id_of_text(text, missing, words, scratch),
            None => (MISSING, false),
        }
    }

    /// The id of a text, and whether it was rewritten. Words for "no value" are missing: a hash cannot tell whether
    /// the training rows had them.
    #[inline(always)]
    fn id_of_text(
        &self,
        text: &[u8],
        missing: MissingTexts<'_>,
        words: MissingWords<'_>,
        scratch: &mut Vec<u8>,
    ) -> (u32, bool) {
        let token = self.text.canonical(text, scratch);
        let is_rewritten = !std::ptr::eq(token, text) && token != text;
        if words.have(token) || missing.contain(token) {
            return (MISSING, is_rewritten);
        }
        let bucket = twox_hash::XxHash64::oneshot(0, token) % u64::from(self.buckets);
        (FIRST_TOKEN + bucket as u32, is_rewritten)
    }
}

/// Hashes tokens while an encoder is being fitted. All training rows choose how tokens are written: until none is
/// left to be read, the texts that a rule may rewrite wait in a table, and their cells have its slots. Floats of a typed
/// file choose at once.
#[derive(Debug)]
struct HashedFit {
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
    /// One that [`TokenText::SingleInteger`] may rewrite.
    has_long: bool,
    /// One that [`TokenText::Float`] may rewrite.
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
    /// The most texts that wait. A column with more of them has shown how it is written.
    const MAX_TEXTS: usize = 1 << 20;

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
        if self.texts.numbers().len() >= Self::MAX_TEXTS {
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
        let texts = self.texts.iter().map(|(waiting, _)| {
            let (missing, words) = (reader.missing, reader.words);
            let (id, is_rewritten) = hasher.id_of_text(waiting, missing, words, &mut scratch);
            let mark = if is_rewritten { kind::REWRITTEN } else { 0 };
            (Box::from(waiting), u64::from(id) | mark)
        });
        let texts: Vec<(Box<[u8]>, u64)> = texts.collect();
        for (waiting, id) in texts {
            *self.texts.number_mut(&waiting) = id;
        }
        FinishedFit {
            fitted: base.map_or(FittedField::Hashed { text }, |base| base.fitted),
            tokens: Vec::new(),
            table: self.texts,
        }
    }
}

impl CellEncoder for Hasher {
    fn shape(&self) -> FieldShape {
        FieldShape::Id {
            num_ids: FIRST_TOKEN as usize + self.buckets as usize,
        }
    }

    fn encode(
        &self,
        cell: Cell<'_>,
        reader: &mut CellReader<'_>,
        _tokens: &mut dyn TokenIds,
        values: &mut RowValues<'_>,
    ) -> Result<(), BadCell> {
        let (id, is_rewritten) = self.id(cell, reader, &mut Vec::new());
        if is_rewritten {
            values.note(Unusual::Rewritten);
        }
        values.push_id(id);
        Ok(())
    }

    fn encode_column(
        &self,
        column: &mut Column,
        ids_by_slot: &[u64],
        counter: &mut ColumnCounter<'_>,
    ) -> Vec<(usize, f64)> {
        if let Column::Ids(ids) = column
            && self.has_marks()
        {
            for (row, id) in ids.iter_mut().enumerate() {
                let mut is_rewritten = *id & REWRITTEN != 0;
                *id &= !REWRITTEN;
                if *id & SLOT != 0 {
                    let found = ids_by_slot[(*id & !SLOT) as usize];
                    is_rewritten = found & kind::REWRITTEN != 0;
                    *id = found as u32;
                }
                if is_rewritten {
                    counter.note(row, Unusual::Rewritten);
                }
            }
        }
        counter.count(column);
        Vec::new()
    }
}
