use hashbrown::DefaultHashBuilder;
use hashbrown::hash_table::{Entry, HashTable};
use std::hash::BuildHasher;

/// Distinct tokens, each with a number: how often it was met, and later its id.
///
/// The tokens lie one after the other in one allocation; with the table over them that is about 25
/// bytes a token beyond its own.
#[derive(Debug, Default)]
pub(crate) struct TokenTable {
    text: Vec<u8>,
    /// Where each token's text ends.
    ends: Vec<usize>,
    numbers: Vec<u64>,
    /// The tokens' places in the order in which they came.
    places: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl TokenTable {
    /// The number of a token, which is 0 where it is new.
    pub(crate) fn number_mut(&mut self, token: &[u8]) -> &mut u64 {
        let Self {
            text,
            ends,
            numbers,
            places,
            hasher,
        } = self;
        let hash = hasher.hash_one(token);
        let entry = places.entry(
            hash,
            |place| slice(text, ends, *place) == token,
            |place| hasher.hash_one(slice(text, ends, *place)),
        );
        let place = match entry {
            Entry::Occupied(entry) => *entry.get(),
            Entry::Vacant(entry) => {
                let place = u32::try_from(numbers.len()).expect("fewer than 2³² tokens");
                entry.insert(place);
                text.extend_from_slice(token);
                ends.push(text.len());
                numbers.push(0);
                place
            }
        };
        &mut numbers[place as usize]
    }

    /// The number of a token, where it is known.
    pub(crate) fn number(&self, token: &[u8]) -> Option<u64> {
        let place = self.places.find(self.hasher.hash_one(token), |place| {
            slice(&self.text, &self.ends, *place) == token
        })?;
        Some(self.numbers[*place as usize])
    }

    /// The tokens and their numbers, in the order in which they came.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], u64)> {
        let places = 0..self.numbers.len() as u32;
        places.map(|place| {
            (
                slice(&self.text, &self.ends, place),
                self.numbers[place as usize],
            )
        })
    }

    /// Sets every number to 0.
    pub(crate) fn forget_numbers(&mut self) {
        self.numbers.fill(0);
    }
}

fn slice<'a>(text: &'a [u8], ends: &[usize], place: u32) -> &'a [u8] {
    let place = place as usize;
    let start = place.checked_sub(1).map_or(0, |before| ends[before]);
    &text[start..ends[place]]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    proptest! {
        #[test]
        fn it_counts_as_a_map_does(tokens in proptest::collection::vec("[ab]{0,6}", 0..300)) {
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
            table.forget_numbers();
            prop_assert!(table.iter().all(|(_, count)| count == 0));
        }
    }
}
