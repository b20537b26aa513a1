use std::path::Path;

use fibinet_storage::{AtomicFile, MappedFile};
use fst::{IntoStreamer, Map, Streamer};

use crate::error::DataError;
use crate::fields::cells::{
    FIRST_TOKEN, MISSING, MissingTexts, MissingWords, OUT_OF_VOCABULARY, TokenIds,
};
use crate::fields::token_table::TokenTable;
use crate::fields::token_text::TokenText;

/// The tokens of all fields, each with its id: a finite-state map of a few bytes per token, which is
/// searched directly in its mapped file.
///
/// A key is the field's index (two bytes, big-endian) followed by the token.
pub(crate) struct Vocabulary {
    map: Map<Storage>,
    /// The same tokens as one hash table per field, which is faster to search. Only a vocabulary that was
    /// just fitted has them.
    tables: Option<Vec<TokenTable>>,
}

enum Storage {
    Memory(Vec<u8>),
    File(MappedFile),
}

impl AsRef<[u8]> for Storage {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Memory(bytes) => bytes,
            Self::File(file) => file,
        }
    }
}

impl Vocabulary {
    /// A vocabulary of each field's tokens, whose ids count from `first_id` in the given order.
    ///
    /// # Panics
    ///
    /// If a field has a token twice.
    pub(crate) fn new<T: AsRef<[u8]>>(fields: &[Vec<T>], first_id: u32) -> Self {
        let mut builder = fst::MapBuilder::memory();
        let mut key = Vec::new();
        for (field, tokens) in fields.iter().enumerate() {
            let tokens = tokens.iter().map(AsRef::as_ref);
            let mut ids: Vec<(&[u8], u64)> = tokens.zip(u64::from(first_id)..).collect();
            ids.sort_unstable();
            for (token, id) in ids {
                set_key(&mut key, field, token);
                builder
                    .insert(&key, id)
                    .expect("keys ascend, and writing to memory does not fail");
            }
        }
        let bytes = builder.into_inner().expect("writing to memory");
        let map = Map::new(Storage::Memory(bytes)).expect("what was just built");
        Self { map, tables: None }
    }

    /// Searches these tables, whose numbers are ids; 0 means that a token has none.
    pub(crate) fn with_tables(mut self, tables: Vec<TokenTable>) -> Self {
        self.tables = Some(tables);
        self
    }

    /// Maps a vocabulary that [`save`](Self::save) wrote.
    ///
    /// # Errors
    ///
    /// If the file cannot be mapped or is not a vocabulary.
    pub(crate) fn open(path: &Path) -> Result<Self, DataError> {
        // SAFETY: a bundle's files are renamed into place and never written to.
        #[expect(unsafe_code, reason = "see `MappedFile::open`")]
        let file = unsafe { MappedFile::open(path) }?;
        let map = Map::new(Storage::File(file)).map_err(|error| DataError::corrupt(path, error))?;
        Ok(Self { map, tables: None })
    }

    /// Writes the vocabulary to a file.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub(crate) fn save(&self, path: &Path) -> Result<(), DataError> {
        Ok(AtomicFile::write(path, self.map.as_fst().as_bytes())?)
    }

    /// The id of a field's token; `key` is a scratch buffer.
    pub(crate) fn id(&self, field: usize, token: &[u8], key: &mut Vec<u8>) -> Option<u32> {
        if let Some(tables) = &self.tables {
            let id = tables[field].number(token);
            // Other texts than tokens have smaller numbers, or the flag of a rewritten one.
            let tokens = u64::from(FIRST_TOKEN)..u64::from(u32::MAX);
            return id.filter(|id| tokens.contains(id)).map(|id| id as u32);
        }
        set_key(key, field, token);
        self.map.get(key).map(|id| id as u32)
    }

    /// The ids of a field's tokens by their slots in its table; 0 if a token has none.
    ///
    /// # Panics
    ///
    /// If the vocabulary was not just fitted.
    pub(crate) fn ids_by_slot(&self, field: usize) -> &[u64] {
        let tables = self
            .tables
            .as_ref()
            .expect("a vocabulary that was just fitted");
        tables[field].numbers()
    }

    /// The text that has a slot in a field's table, without blanks around it; `None` if there is none. A search
    /// of the whole table.
    pub(crate) fn text_of_slot(&self, field: usize, slot: usize) -> Option<String> {
        let text = self.tables.as_ref()?[field].token(slot)?;
        Some(String::from_utf8_lossy(text.trim_ascii()).into_owned())
    }

    /// The tokens of a field, by ascending id.
    pub(crate) fn tokens(&self, field: usize) -> Vec<Box<[u8]>> {
        let mut prefix = Vec::new();
        set_key(&mut prefix, field, b"");
        let mut stream = self.map.range().ge(&prefix).into_stream();
        let mut tokens: Vec<(u64, Box<[u8]>)> = Vec::new();
        while let Some((key, id)) = stream.next() {
            match key.strip_prefix(prefix.as_slice()) {
                Some(token) => tokens.push((id, token.into())),
                None => break,
            }
        }
        tokens.sort_unstable();
        tokens.into_iter().map(|(_, token)| token).collect()
    }

    /// The token of a field with the smallest id, the most frequent one of the first fit.
    pub(crate) fn first_token(&self, field: usize) -> Option<Box<[u8]>> {
        let mut prefix = Vec::new();
        set_key(&mut prefix, field, b"");
        let mut stream = self.map.range().ge(&prefix).into_stream();
        while let Some((key, id)) = stream.next() {
            let token = key.strip_prefix(prefix.as_slice())?;
            if id == u64::from(FIRST_TOKEN) {
                return Some(token.into());
            }
        }
        None
    }

    /// A hash of all tokens and their ids.
    pub(crate) fn fingerprint(&self) -> u64 {
        twox_hash::XxHash64::oneshot(0, self.map.as_fst().as_bytes())
    }

    /// The number of tokens of all fields.
    pub(crate) fn len(&self) -> usize {
        self.map.len()
    }
}

/// Looks tokens of one field up.
pub(crate) struct FieldTokens<'a> {
    pub(crate) vocabulary: &'a Vocabulary,
    pub(crate) field: usize,
    /// How the tokens are written.
    pub(crate) text: TokenText,
    /// Texts that mean "no value".
    pub(crate) missing: MissingTexts<'a>,
    /// Words that mean it unless they are tokens.
    pub(crate) words: MissingWords<'a>,
    /// The number of texts that were not written as their tokens are.
    pub(crate) rewritten: &'a mut u64,
    /// The first unknown token.
    pub(crate) unknown: &'a mut Option<Box<[u8]>>,
    /// Scratch buffers.
    pub(crate) key: &'a mut Vec<u8>,
    pub(crate) token: &'a mut Vec<u8>,
}

impl FieldTokens<'_> {
    /// The id of a text that is not a token as it is written.
    fn other_id(&mut self, text: &[u8]) -> u32 {
        let token = self.text.canonical(text, self.token);
        if token != text {
            *self.rewritten += 1;
            let id = self.vocabulary.id(self.field, token, self.key);
            if let Some(id) = id.filter(|_| !self.missing.contain(token)) {
                return id;
            }
        }
        if self.words.have(token) || self.missing.contain(token) {
            return MISSING;
        }
        self.unknown.get_or_insert_with(|| token.into());
        OUT_OF_VOCABULARY
    }
}

impl TokenIds for FieldTokens<'_> {
    fn id(&mut self, token: &[u8]) -> u32 {
        let id = self.vocabulary.id(self.field, token, self.key);
        id.unwrap_or_else(|| self.other_id(token))
    }

    fn id_by_key(&mut self, _key: Option<usize>, write: &dyn Fn(&mut Vec<u8>)) -> u32 {
        self.token.clear();
        write(self.token);
        let id = self.vocabulary.id(self.field, self.token, self.key);
        id.unwrap_or(OUT_OF_VOCABULARY)
    }
}

impl std::fmt::Debug for Vocabulary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vocabulary")
            .field("len", &self.len())
            .finish()
    }
}

fn set_key(key: &mut Vec<u8>, field: usize, token: &[u8]) {
    let field = u16::try_from(field).expect("a schema of at most 65,536 fields");
    key.clear();
    key.extend(field.to_be_bytes());
    key.extend(token);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::{hash_set, vec};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_token_gets_the_id_of_its_order_in_its_field(
            fields in vec(hash_set(vec(any::<u8>(), 0..6), 0..20), 1..4)
        ) {
            let fields: Vec<Vec<Box<[u8]>>> = fields
                .into_iter()
                .map(|tokens| tokens.into_iter().map(Vec::into_boxed_slice).collect())
                .collect();
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("vocabulary.fst");
            Vocabulary::new(&fields, 3).save(&path).unwrap();
            let vocabulary = Vocabulary::open(&path).unwrap();
            prop_assert_eq!(vocabulary.len(), fields.iter().map(Vec::len).sum::<usize>());
            let mut key = Vec::new();
            for (field, tokens) in fields.iter().enumerate() {
                for (token, id) in tokens.iter().zip(3..) {
                    prop_assert_eq!(vocabulary.id(field, token, &mut key), Some(id));
                }
                prop_assert_eq!(vocabulary.id(field, b"longer than any", &mut key), None);
                prop_assert_eq!(&vocabulary.tokens(field), tokens);
            }
        }
    }
}
