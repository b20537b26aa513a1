use core::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::fields::{Categorical, FieldEncoding};
use crate::schema_error::{FieldError, SchemaError};

/// What a model reads of one column.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldSpec {
    /// The field's name.
    pub name: String,
    /// The column that it reads. Several fields may read the same one.
    pub column: String,
    /// Cells that mean "no value" in this field, besides those of all columns.
    pub missing: Vec<String>,
    /// Whether tokens are taken as written, byte for byte. Otherwise a value is one token however it is
    /// written: `17`, `17.0` and ` 17 `, if all tokens are integers.
    pub as_written: bool,
    /// How its cells become ids or numbers.
    pub encoding: FieldEncoding,
}

impl FieldSpec {
    /// A field with the name of its column.
    pub fn new(name: impl Into<String>, encoding: impl Into<FieldEncoding>) -> Self {
        let name = name.into();
        Self {
            column: name.clone(),
            name,
            missing: Vec::new(),
            as_written: false,
            encoding: encoding.into(),
        }
    }

    /// A categorical field.
    pub fn categorical(name: impl Into<String>, min_count: u64) -> Self {
        Self::new(name, Categorical { min_count })
    }

    /// The fields that a model reads: each part of a time is one.
    pub(crate) fn expand(self) -> Vec<Self> {
        let parts = self.encoding.parts();
        if parts.is_empty() {
            return vec![self];
        }
        let of_part = |(part, encoding)| Self {
            name: format!("{}.{part}", self.name),
            column: self.column.clone(),
            missing: self.missing.clone(),
            as_written: self.as_written,
            encoding,
        };
        parts.into_iter().map(of_part).collect()
    }
}

/// A field as a run file has it: what all fields share, and the settings of its kind.
#[derive(Deserialize)]
struct ReadField {
    name: String,
    column: Option<String>,
    kind: String,
    encoding: Option<String>,
    #[serde(default)]
    missing: Vec<String>,
    #[serde(default)]
    as_written: bool,
    #[serde(flatten)]
    settings: toml::Table,
}

impl TryFrom<ReadField> for FieldSpec {
    type Error = SchemaError;

    fn try_from(field: ReadField) -> Result<Self, SchemaError> {
        let ReadField {
            name,
            column,
            kind,
            encoding,
            missing,
            as_written,
            settings,
        } = field;
        let encoding = if name.is_empty() {
            Err(FieldError::EmptyName)
        } else {
            FieldEncoding::parse(&kind, encoding.as_deref(), settings)
        };
        let encoding = encoding.and_then(|encoding| match as_written {
            true if !encoding.has_tokens() => Err(FieldEncoding::without_tokens("as_written")),
            _ => Ok(encoding),
        });
        match encoding {
            Ok(encoding) => Ok(Self {
                column: column.unwrap_or_else(|| name.clone()),
                name,
                missing,
                as_written,
                encoding,
            }),
            Err(error) => Err(SchemaError::Field { field: name, error }),
        }
    }
}

/// Checks the settings inside the visitor, so that an error has the position of this field in the run file. After it,
/// a deserializer only knows where the list of fields starts.
impl<'de> Deserialize<'de> for FieldSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = FieldSpec;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the keys of a field")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<FieldSpec, A::Error> {
                let field = ReadField::deserialize(MapAccessDeserializer::new(map))?;
                FieldSpec::try_from(field).map_err(A::Error::custom)
            }
        }
        deserializer.deserialize_map(Keys)
    }
}

impl Serialize for FieldSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct WrittenField<'a> {
            name: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            column: Option<&'a str>,
            kind: &'static str,
            #[serde(skip_serializing_if = "Option::is_none")]
            encoding: Option<&'static str>,
            #[serde(skip_serializing_if = "<[_]>::is_empty")]
            missing: &'a [String],
            #[serde(skip_serializing_if = "std::ops::Not::not")]
            as_written: bool,
            #[serde(flatten)]
            settings: &'a FieldEncoding,
        }
        let (kind, encoding) = self.encoding.keys();
        WrittenField {
            name: &self.name,
            column: (self.column != self.name).then_some(&self.column),
            kind,
            encoding,
            missing: &self.missing,
            as_written: self.as_written,
            settings: &self.encoding,
        }
        .serialize(serializer)
    }
}
