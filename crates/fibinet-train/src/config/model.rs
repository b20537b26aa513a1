use core::fmt;
use core::marker::PhantomData;

use fibinet_nn::nearest;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

/// The `[model]` section of a model whose name is known: the keys of its spec, and `name`, which is
/// passed over.
///
/// The spec reads the keys where they are written, so that its errors have their line and column. (Serde's
/// tagged enums read a copy, which has no positions.)
#[derive(Debug, Default)]
pub(super) struct NamedSpec<M>(pub(super) M);

impl<'de, M: Deserialize<'de>> Deserialize<'de> for NamedSpec<M> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys<M>(PhantomData<M>);
        impl<'de, M: Deserialize<'de>> Visitor<'de> for Keys<M> {
            type Value = M;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the keys of a model")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<M, A::Error> {
                M::deserialize(serde::de::value::MapAccessDeserializer::new(WithoutName(
                    map,
                )))
            }
        }
        deserializer.deserialize_map(Keys(PhantomData)).map(Self)
    }
}

/// A map without its entry `name`.
struct WithoutName<A>(A);

impl<'de, A: MapAccess<'de>> MapAccess<'de> for WithoutName<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        mut seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        loop {
            match self.0.next_key_seed(KeySeed(seed))? {
                None => return Ok(None),
                Some(Key::Other(key)) => return Ok(Some(key)),
                Some(Key::Name(unused)) => {
                    self.0.next_value::<IgnoredAny>()?;
                    seed = unused;
                }
            }
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.0.next_value_seed(seed)
    }
}

struct KeySeed<K>(K);

enum Key<'de, K: DeserializeSeed<'de>> {
    Name(K),
    Other(K::Value),
}

impl<'de, K: DeserializeSeed<'de>> DeserializeSeed<'de> for KeySeed<K> {
    type Value = Key<'de, K>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Key<'de, K>, D::Error> {
        use serde::de::{Error as _, IntoDeserializer};

        let key = String::deserialize(deserializer)?;
        if key == "name" {
            return Ok(Key::Name(self.0));
        }
        let misspelt = !nearest(&key, ["name"]).is_empty();
        let unknown = format!("unknown field `{key}`, expected `name` or a setting of the model");
        let other = self.0.deserialize(key.into_deserializer());
        other.map(Key::Other).map_err(|error: D::Error| {
            if misspelt {
                D::Error::custom(unknown)
            } else {
                error
            }
        })
    }
}
