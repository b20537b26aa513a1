use hashbrown::DefaultHashBuilder;
use hashbrown::hash_table::{Entry, HashTable};
use std::hash::BuildHasher;

/// Bytes of a token that its slot has room for.
const SHORT: usize = 12;

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
    /// A short token, filled up with zeros; of a longer one, four bytes of its hash and where it
    /// begins in `long`.
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
        let (hash, text) = hashed(hasher, token);
        let entry = slots.entry(
            hash,
            |slot| slot.is(token, text, long),
            |slot| hashed(hasher, slot.token(long)).0,
        );
        match entry {
            Entry::Occupied(entry) => entry.get().place,
            Entry::Vacant(entry) => {
                let place = u32::try_from(numbers.len())
                    .ok()
                    .filter(|place| *place < Self::MAX_TOKENS)
                    .expect("a field of fewer than 2³² - 3 tokens");
                let mut slot = Slot {
                    len: u32::try_from(token.len()).expect("a token of less than 4 GiB"),
                    text,
                    place,
                };
                if token.len() > SHORT {
                    slot.text[4..].copy_from_slice(&(long.len() as u64).to_le_bytes());
                    long.extend_from_slice(token);
                }
                entry.insert(slot);
                numbers.push(0);
                place
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
        let (hash, text) = hashed(&self.hasher, token);
        let slot = self
            .slots
            .find(hash, |slot| slot.is(token, text, &self.long))?;
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
    /// Whether the slot is the token's, whose `text` [`hashed`] gave.
    fn is(&self, token: &[u8], text: [u8; SHORT], long: &[u8]) -> bool {
        if self.len as usize != token.len() {
            return false;
        }
        match token.len() > SHORT {
            true => self.text[..4] == text[..4] && self.token(long) == token,
            false => self.text == text,
        }
    }

    fn token<'a>(&'a self, long: &'a [u8]) -> &'a [u8] {
        let len = self.len as usize;
        if len <= SHORT {
            return &self.text[..len];
        }
        let [_, _, _, _, start @ ..] = self.text;
        &long[u64::from_le_bytes(start) as usize..][..len]
    }
}

/// A token's hash, and what its slot has of it.
fn hashed(hasher: &DefaultHashBuilder, token: &[u8]) -> (u64, [u8; SHORT]) {
    let mut text = [0; SHORT];
    if token.len() > SHORT {
        let hash = hasher.hash_one(token);
        // The low bits are the table's own.
        text[..4].copy_from_slice(&hash.to_le_bytes()[4..]);
        return (hash, text);
    }
    // Overlapping reads of a known length, where a copy of `len` bytes would be a call.
    let (low, high) = if let (Some(first), Some(last)) = (token.first_chunk(), token.last_chunk()) {
        let last: u32 = u32::from_le_bytes(*last);
        let rest = u64::from(last) >> (8 * (SHORT - token.len()));
        (u64::from_le_bytes(*first), rest as u32)
    } else if let (Some(first), Some(last)) = (token.first_chunk(), token.last_chunk()) {
        let last = u64::from(u32::from_le_bytes(*last)) >> (8 * (8 - token.len()));
        (u64::from(u32::from_le_bytes(*first)) | last << 32, 0)
    } else {
        let bytes = token.iter().rev();
        (bytes.fold(0, |low, byte| low << 8 | u64::from(*byte)), 0)
    };
    text[..8].copy_from_slice(&low.to_le_bytes());
    text[8..].copy_from_slice(&high.to_le_bytes());
    let hash = hasher.hash_one((low, u64::from(high) << 32 | token.len() as u64));
    (hash, text)
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
            let places: Vec<u32> = tokens.iter().map(|token| table.place(token.as_bytes())).collect();
            for (token, place) in tokens.iter().zip(places) {
                prop_assert_eq!(table.numbers_mut()[place as usize], map[token.as_bytes()]);
            }
        }
    }
}
