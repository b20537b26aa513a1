use hashbrown::DefaultHashBuilder;
use hashbrown::hash_table::{Entry, HashTable};
use std::hash::BuildHasher;

/// The longest token that is stored in the table itself, in bytes.
const SHORT: usize = 12;

/// The number of tokens that are hashed before they are searched: in a short loop of searches the processor
/// waits for the memory of several at once.
const RUN: usize = 64;

/// Distinct tokens, each with a slot (the order in which it first came) and a number: its count, and later
/// its id.
///
/// Short tokens are stored in the table itself, so that a search looks at one entry. The texts of longer
/// ones are stored one after the other in one allocation.
#[derive(Debug, Default)]
pub(crate) struct TokenTable {
    stored: HashTable<StoredToken>,
    /// The texts of long tokens.
    long: Vec<u8>,
    /// By slot.
    numbers: Vec<u64>,
    hasher: DefaultHashBuilder,
}

#[derive(Debug, Clone, Copy)]
struct StoredToken {
    len: u32,
    /// A short token, padded with zeros; for a long one, where it begins in `long`, and four bytes of
    /// its hash.
    text: [u8; SHORT],
    slot: u32,
}

impl TokenTable {
    /// The slot of a token. A new token gets the next slot and the number 0.
    pub(crate) fn slot(&mut self, token: &[u8]) -> u32 {
        let Self {
            stored,
            long,
            numbers,
            hasher,
        } = self;
        let (hash, words) = hashed(hasher, token);
        let entry = stored.entry(
            hash,
            |stored| stored.is(token, words, long),
            |stored| hashed(hasher, stored.token(long)).0,
        );
        match entry {
            Entry::Occupied(entry) => entry.get().slot,
            Entry::Vacant(entry) => {
                let slot = u32::try_from(numbers.len())
                    .ok()
                    .filter(|slot| *slot < Self::MAX_TOKENS)
                    .expect("a field of fewer than 2³² - 3 tokens");
                let (mut low, high) = words;
                if token.len() > SHORT {
                    low = long.len() as u64;
                    long.extend_from_slice(token);
                }
                let mut text = [0; SHORT];
                text[..8].copy_from_slice(&low.to_le_bytes());
                text[8..].copy_from_slice(&high.to_le_bytes());
                entry.insert(StoredToken {
                    len: u32::try_from(token.len()).expect("a token of less than 4 GiB"),
                    text,
                    slot,
                });
                numbers.push(0);
                slot
            }
        }
    }

    /// Calls `each` with the slot of each token and with what comes with the token. Faster than
    /// [`slot`](Self::slot) for many tokens.
    pub(crate) fn slots<'a, T: Copy>(
        &mut self,
        mut tokens: impl Iterator<Item = (T, &'a [u8])>,
        mut each: impl FnMut(T, u32),
    ) {
        let mut run = Vec::with_capacity(RUN);
        loop {
            run.clear();
            run.extend(tokens.by_ref().take(RUN).map(|(with, token)| {
                let (hash, words) = hashed(&self.hasher, token);
                (with, token, hash, words)
            }));
            for (with, token, hash, words) in &run {
                let is = |stored: &StoredToken| stored.is(token, *words, &self.long);
                let known = self.stored.find(*hash, is).map(|stored| stored.slot);
                each(*with, known.unwrap_or_else(|| self.slot(token)));
            }
            if run.len() < RUN {
                return;
            }
        }
    }

    /// Ids are u32, and three of them do not stand for tokens.
    const MAX_TOKENS: u32 = u32::MAX - 3;

    /// The number of a token; 0 if it is new.
    pub(crate) fn number_mut(&mut self, token: &[u8]) -> &mut u64 {
        let slot = self.slot(token);
        &mut self.numbers[slot as usize]
    }

    /// The number of a token; `None` if the table does not have it.
    pub(crate) fn number(&self, token: &[u8]) -> Option<u64> {
        let (hash, words) = hashed(&self.hasher, token);
        let stored = self
            .stored
            .find(hash, |stored| stored.is(token, words, &self.long))?;
        Some(self.numbers[stored.slot as usize])
    }

    /// The token of a slot. A search of the whole table.
    pub(crate) fn token(&self, slot: usize) -> Option<&[u8]> {
        let stored = self
            .stored
            .iter()
            .find(|stored| stored.slot as usize == slot)?;
        Some(stored.token(&self.long))
    }

    /// The numbers of the tokens, by slot.
    pub(crate) fn numbers(&self) -> &[u64] {
        &self.numbers
    }

    /// [`numbers`](Self::numbers), to change them.
    pub(crate) fn numbers_mut(&mut self) -> &mut [u64] {
        &mut self.numbers
    }

    /// Sets the number of each token.
    pub(crate) fn set_numbers(&mut self, mut number: impl FnMut(&[u8]) -> u64) {
        for stored in &self.stored {
            self.numbers[stored.slot as usize] = number(stored.token(&self.long));
        }
    }

    /// About how much memory the tokens take.
    pub(crate) fn num_bytes(&self) -> usize {
        self.numbers.len() * (size_of::<StoredToken>() + size_of::<u64>()) + self.long.len()
    }

    /// The tokens and their numbers, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], u64)> {
        let stored = self.stored.iter();
        stored.map(|stored| (stored.token(&self.long), self.numbers[stored.slot as usize]))
    }
}

impl StoredToken {
    /// Whether this is `token`, for which [`hashed`] gave these words.
    fn is(&self, token: &[u8], (low, high): (u64, u32), long: &[u8]) -> bool {
        let own = self.words();
        self.len as usize == token.len()
            && own.1 == high
            && if token.len() > SHORT {
                self.token(long) == token
            } else {
                own.0 == low
            }
    }

    fn words(&self) -> (u64, u32) {
        let [a, b, c, d, e, f, g, h, high @ ..] = self.text;
        let low = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        (low, u32::from_le_bytes(high))
    }

    fn token<'a>(&'a self, long: &'a [u8]) -> &'a [u8] {
        let len = self.len as usize;
        if len > SHORT {
            &long[self.words().0 as usize..][..len]
        } else {
            &self.text[..len]
        }
    }
}

/// A token's hash, with a short token as two words, or with the part of a long one's hash that is stored.
#[inline]
fn hashed(hasher: &DefaultHashBuilder, token: &[u8]) -> (u64, (u64, u32)) {
    let len = token.len();
    if len > SHORT {
        let hash = hasher.hash_one(token);
        // The table itself uses the low bits.
        return (hash, (0, (hash >> 32) as u32));
    }
    // Overlapping reads of known lengths: one of `len` bytes would be a function call.
    let (low, high) = if let (Some(first), Some(last)) = (token.first_chunk(), token.last_chunk()) {
        let last = u64::from(u32::from_le_bytes(*last)) >> (8 * (SHORT - len));
        (u64::from_le_bytes(*first), last as u32)
    } else if let (Some(first), Some(last)) = (token.first_chunk(), token.last_chunk()) {
        let last = u64::from(u32::from_le_bytes(*last)) >> (8 * (8 - len));
        (u64::from(u32::from_le_bytes(*first)) | last << 32, 0)
    } else {
        let bytes = token.iter().rev();
        (bytes.fold(0, |low, byte| low << 8 | u64::from(*byte)), 0)
    };
    let hash = hasher.hash_one((low, u64::from(high) << 32 | len as u64));
    (hash, (low, high))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    proptest! {
        #[test]
        fn it_counts_as_a_map_does(
            tokens in proptest::collection::vec("[ab\0]{0,5}|(a|b){6,15}", 0..300)
        ) {
            let (mut table, mut map) = (TokenTable::default(), HashMap::new());
            for token in &tokens {
                *table.number_mut(token.as_bytes()) += 1;
                *map.entry(token.as_bytes()).or_insert(0) += 1;
            }
            prop_assert_eq!(table.iter().count(), map.len());
            for (token, count) in table.iter() {
                prop_assert_eq!(map[token], count);
                prop_assert_eq!(table.number(token), Some(count));
            }
            prop_assert_eq!(table.number(b"c"), None);
            let (mut other, mut slots) = (TokenTable::default(), Vec::new());
            let tokens = tokens.iter().map(|token| token.as_bytes());
            other.slots(tokens.clone().enumerate(), |at, slot| slots.push((at, slot)));
            for (at, token) in tokens.enumerate() {
                prop_assert_eq!(slots[at], (at, table.slot(token)));
                prop_assert_eq!(table.numbers()[slots[at].1 as usize], map[token]);
            }
        }
    }
}
