use hashbrown::DefaultHashBuilder;
use hashbrown::hash_table::{Entry, HashTable};
use std::hash::BuildHasher;

/// Bytes of a token that its slot has room for.
const SHORT: usize = 12;

/// Tokens that are hashed before they are looked for: a short loop over the table leaves the processor
/// room to wait for the memory of several at once.
const RUN: usize = 64;

/// Distinct tokens, each with a place (the order in which they came) and a number: how often it was
/// met, and later its id.
///
/// Short tokens lie in the table itself, so that finding one is a look at one slot; the text of
/// longer ones lies one after the other in one allocation.
#[derive(Debug, Default)]
pub(crate) struct TokenTable {
    slots: HashTable<Slot>,
    /// The tokens that are too long for a slot.
    long: Vec<u8>,
    /// By place.
    numbers: Vec<u64>,
    hasher: DefaultHashBuilder,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    len: u32,
    /// A short token, filled up with zeros; of a longer one, where it begins in `long` and four bytes
    /// of its hash.
    text: [u8; SHORT],
    place: u32,
}

impl TokenTable {
    /// The place of a token, which is made where it is new, with a number of 0.
    pub(crate) fn place(&mut self, token: &[u8]) -> u32 {
        let Self {
            slots,
            long,
            numbers,
            hasher,
        } = self;
        let (hash, words) = hashed(hasher, token);
        let entry = slots.entry(
            hash,
            |slot| slot.is(token, words, long),
            |slot| hashed(hasher, slot.token(long)).0,
        );
        match entry {
            Entry::Occupied(entry) => entry.get().place,
            Entry::Vacant(entry) => {
                let place = u32::try_from(numbers.len())
                    .ok()
                    .filter(|place| *place < Self::MAX_TOKENS)
                    .expect("a field of fewer than 2³² - 3 tokens");
                let (mut low, high) = words;
                if token.len() > SHORT {
                    low = long.len() as u64;
                    long.extend_from_slice(token);
                }
                let mut text = [0; SHORT];
                text[..8].copy_from_slice(&low.to_le_bytes());
                text[8..].copy_from_slice(&high.to_le_bytes());
                entry.insert(Slot {
                    len: u32::try_from(token.len()).expect("a token of less than 4 GiB"),
                    text,
                    place,
                });
                numbers.push(0);
                place
            }
        }
    }

    /// Gives the places of tokens, each with what comes with it: [`place`](Self::place) of many.
    pub(crate) fn places<'a, T: Copy>(
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
                let is = |slot: &Slot| slot.is(token, *words, &self.long);
                let known = self.slots.find(*hash, is).map(|slot| slot.place);
                each(*with, known.unwrap_or_else(|| self.place(token)));
            }
            if run.len() < RUN {
                return;
            }
        }
    }

    /// Ids are u32, and three of them are no token's.
    const MAX_TOKENS: u32 = u32::MAX - 3;

    /// The number of a token, which is 0 where it is new.
    pub(crate) fn number_mut(&mut self, token: &[u8]) -> &mut u64 {
        let place = self.place(token);
        &mut self.numbers[place as usize]
    }

    /// The number of a token, where it is known.
    pub(crate) fn number(&self, token: &[u8]) -> Option<u64> {
        let (hash, words) = hashed(&self.hasher, token);
        let slot = self
            .slots
            .find(hash, |slot| slot.is(token, words, &self.long))?;
        Some(self.numbers[slot.place as usize])
    }

    /// The numbers of the tokens, by place.
    pub(crate) fn numbers(&self) -> &[u64] {
        &self.numbers
    }

    /// The same, to be changed.
    pub(crate) fn numbers_mut(&mut self) -> &mut [u64] {
        &mut self.numbers
    }

    /// The tokens and their numbers, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], u64)> {
        let slots = self.slots.iter();
        slots.map(|slot| (slot.token(&self.long), self.numbers[slot.place as usize]))
    }
}

impl Slot {
    /// Whether the slot is the token's, of which [`hashed`] gave these words.
    fn is(&self, token: &[u8], (low, high): (u64, u32), long: &[u8]) -> bool {
        let own = self.words();
        self.len as usize == token.len()
            && own.1 == high
            && match token.len() > SHORT {
                true => self.token(long) == token,
                false => own.0 == low,
            }
    }

    fn words(&self) -> (u64, u32) {
        let [a, b, c, d, e, f, g, h, high @ ..] = self.text;
        let low = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        (low, u32::from_le_bytes(high))
    }

    fn token<'a>(&'a self, long: &'a [u8]) -> &'a [u8] {
        let len = self.len as usize;
        match len > SHORT {
            true => &long[self.words().0 as usize..][..len],
            false => &self.text[..len],
        }
    }
}

/// A token's hash, and a short token as two words, or what a longer one's slot has of the hash.
#[inline]
fn hashed(hasher: &DefaultHashBuilder, token: &[u8]) -> (u64, (u64, u32)) {
    let len = token.len();
    if len > SHORT {
        let hash = hasher.hash_one(token);
        // The low bits are the table's own.
        return (hash, (0, (hash >> 32) as u32));
    }
    // Reads of known lengths that overlap, where one of `len` bytes would be a call.
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
            let (mut other, mut places) = (TokenTable::default(), Vec::new());
            let tokens = tokens.iter().map(|token| token.as_bytes());
            other.places(tokens.clone().enumerate(), |at, place| places.push((at, place)));
            for (at, token) in tokens.enumerate() {
                prop_assert_eq!(places[at], (at, table.place(token)));
                prop_assert_eq!(table.numbers()[places[at].1 as usize], map[token]);
            }
        }
    }
}
