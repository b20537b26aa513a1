use serde::Serialize;

use crate::fields::bucket_lists::Sharing;
use crate::fields::kind::{CellEncoder, FieldFit, FieldKind, FittedField, Setting};
use crate::fields::look::ColumnLook;
use crate::fields::number_format::NumberFormat;
use crate::fields::{
    Categorical, Cumulative, Hashed, Id, Log2, MultiCategorical, Quantile, Smoothed, Timestamp,
    Value,
};
use crate::schema_error::FieldError;

/// Lists the kinds. `init` asks them in this order what a column looks like. Of several with the same
/// `kind` in run files, the first whose required settings are given is taken.
macro_rules! field_kinds {
    ($($kind:ident),* $(,)?) => {
        /// The kind of a field and its settings: how cells become ids or numbers.
        #[derive(Debug, Clone, PartialEq, Serialize)]
        #[serde(untagged)]
        #[non_exhaustive]
        pub enum FieldEncoding {
            $(#[doc = concat!("See [`", stringify!($kind), "`](crate::fields::", stringify!($kind), ").")]
            $kind($kind),)*
        }

        $(impl From<$kind> for FieldEncoding {
            fn from(kind: $kind) -> Self {
                Self::$kind(kind)
            }
        })*

        const KINDS: &[RegisteredKind] = &[$(RegisteredKind::of::<$kind>()),*];

        impl FieldEncoding {
            /// Its `kind` and `encoding` in run files.
            pub(crate) fn keys(&self) -> (&'static str, Option<&'static str>) {
                match self {
                    $(Self::$kind(_) => ($kind::KIND, $kind::ENCODING),)*
                }
            }

            /// Whether the model reads numbers of the field, and not ids.
            pub fn is_number(&self) -> bool {
                match self {
                    $(Self::$kind(_) => $kind::IS_NUMBER,)*
                }
            }

            /// See [`FieldKind::HAS_TOKENS`].
            pub(crate) fn has_tokens(&self) -> bool {
                match self {
                    $(Self::$kind(_) => $kind::HAS_TOKENS,)*
                }
            }

            /// See [`FieldKind::TELLS_UNKNOWN`].
            pub(crate) fn tells_unknown(&self) -> bool {
                match self {
                    $(Self::$kind(_) => $kind::TELLS_UNKNOWN,)*
                }
            }

            /// See [`FieldKind::validate`].
            pub(crate) fn validate(&self) -> Result<(), FieldError> {
                match self {
                    $(Self::$kind(kind) => kind.validate(),)*
                }
            }

            /// See [`FieldKind::parts`].
            pub(crate) fn parts(&self) -> Vec<(&'static str, Self)> {
                match self {
                    $(Self::$kind(kind) => {
                        let parts = kind.parts().into_iter();
                        parts.map(|(name, part)| (name, part.into())).collect()
                    })*
                }
            }

            /// See [`FieldKind::fit`].
            pub(crate) fn fit(&self, field: usize) -> Box<dyn FieldFit> {
                match self {
                    $(Self::$kind(kind) => kind.fit(field),)*
                }
            }

            /// See [`FieldKind::encoder`].
            pub(crate) fn encoder(&self, fitted: &FittedField) -> Option<Box<dyn CellEncoder>> {
                match self {
                    $(Self::$kind(kind) => kind.encoder(fitted),)*
                }
            }
        }
    };
}

field_kinds! {
    Id,
    Timestamp,
    MultiCategorical,
    Quantile,
    Cumulative,
    Smoothed,
    Log2,
    Value,
    Hashed,
    Categorical,
}

/// The constants and constructors of a kind.
struct RegisteredKind {
    kind: &'static str,
    encoding: Option<&'static str>,
    settings: &'static [Setting],
    fields: &'static str,
    has_tokens: bool,
    parse: fn(toml::Table) -> Result<FieldEncoding, FieldError>,
    guess: fn(&ColumnLook) -> Option<(FieldEncoding, String)>,
}

impl RegisteredKind {
    const fn of<K: FieldKind + Into<FieldEncoding>>() -> Self {
        Self {
            kind: K::KIND,
            encoding: K::ENCODING,
            settings: K::SETTINGS,
            fields: K::FIELDS,
            has_tokens: K::HAS_TOKENS,
            parse: |settings| {
                let parsed = K::deserialize(toml::Value::Table(settings));
                let parsed: K = parsed.map_err(|error| {
                    FieldError::WrongType(error.to_string().trim_end().replace('\n', " "))
                })?;
                Ok(parsed.into())
            },
            guess: |look| K::guess(look).map(|(kind, reason)| (kind.into(), reason)),
        }
    }

    fn has(&self, setting: &str) -> bool {
        self.settings.iter().any(|known| known.name == setting)
    }

    /// The first required setting that is not given.
    fn lacks(&self, settings: &toml::Table) -> Option<&'static str> {
        let mut required = self.settings.iter().filter(|setting| setting.required);
        let lacking = required.find(|setting| !settings.contains_key(setting.name))?;
        Some(lacking.name)
    }
}

impl FieldEncoding {
    /// The settings of the kind that `kind`, `encoding` and the keys of a run file name.
    pub(crate) fn parse(
        kind: &str,
        encoding: Option<&str>,
        settings: toml::Table,
    ) -> Result<Self, FieldError> {
        let chosen = choose(kind, encoding, &settings)?;
        if let Some(misplaced) = settings.keys().find(|setting| !chosen.has(setting)) {
            return Err(not_of_this_kind(misplaced));
        }
        if let Some(missing) = chosen.lacks(&settings) {
            return Err(FieldError::Missing(missing));
        }
        let parsed = (chosen.parse)(settings)?;
        parsed.validate()?;
        Ok(parsed)
    }

    /// The error of a setting that only kinds with tokens have.
    pub(crate) fn without_tokens(setting: &str) -> FieldError {
        let with_tokens = KINDS.iter().filter(|known| known.has_tokens);
        FieldError::Misplaced {
            setting: setting.to_owned(),
            applies_to: joined(with_tokens.map(|known| known.fields.to_owned())),
        }
    }

    /// Settings for a column by what it looks like, and the reason.
    pub(crate) fn guess(look: &ColumnLook) -> Option<(Self, String)> {
        KINDS.iter().find_map(|kind| (kind.guess)(look))
    }

    /// Buckets for a column of numbers in this format, which share the more the fewer rows there are.
    pub(crate) fn bucketed(look: &ColumnLook, format: NumberFormat) -> Self {
        let buckets = look.num_buckets();
        match look.sharing() {
            Some(Sharing::Steps) => Cumulative { buckets, format }.into(),
            Some(Sharing::Neighbours) => Smoothed { buckets, format }.into(),
            None => Quantile { buckets, format }.into(),
        }
    }
}

fn choose(
    kind: &str,
    encoding: Option<&str>,
    settings: &toml::Table,
) -> Result<&'static RegisteredKind, FieldError> {
    let candidates: Vec<&RegisteredKind> =
        KINDS.iter().filter(|known| known.kind == kind).collect();
    let encodings = candidates.iter().filter_map(|known| known.encoding);
    let (Some(first), Some(encoding)) = (candidates.first(), encoding) else {
        let complete = candidates
            .iter()
            .find(|known| known.lacks(settings).is_none());
        return complete
            .or(candidates.first())
            .copied()
            .ok_or_else(|| FieldError::UnknownKind {
                got: kind.to_owned(),
                known: listed(KINDS.iter().map(|known| known.kind)),
            });
    };
    if first.encoding.is_none() {
        let with_encoding = KINDS.iter().filter(|known| known.encoding.is_some());
        return Err(FieldError::Misplaced {
            setting: "encoding".to_owned(),
            applies_to: joined(with_encoding.map(|known| format!("{} fields", known.kind))),
        });
    }
    let found = candidates
        .iter()
        .find(|known| known.encoding == Some(encoding));
    found.copied().ok_or_else(|| FieldError::UnknownEncoding {
        got: encoding.to_owned(),
        known: listed(encodings),
    })
}

/// The error of a setting that the kind does not have.
fn not_of_this_kind(setting: &str) -> FieldError {
    let others: Vec<&RegisteredKind> = KINDS.iter().filter(|known| known.has(setting)).collect();
    if others.is_empty() {
        let settings = KINDS.iter().flat_map(|known| known.settings);
        let common = [
            "name",
            "column",
            "kind",
            "encoding",
            "missing",
            "as_written",
        ];
        return FieldError::UnknownSetting {
            got: setting.to_owned(),
            known: listed(
                common
                    .into_iter()
                    .chain(settings.map(|setting| setting.name)),
            ),
        };
    }
    FieldError::Misplaced {
        setting: setting.to_owned(),
        applies_to: joined(others.iter().map(|known| known.fields.to_owned())),
    }
}

/// Distinct names between backticks.
fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut distinct: Vec<String> = Vec::new();
    for name in names.map(|name| format!("`{name}`")) {
        if !distinct.contains(&name) {
            distinct.push(name);
        }
    }
    distinct.join(", ")
}

/// Distinct texts, joined as in "a, to b and to c".
fn joined(texts: impl Iterator<Item = String>) -> String {
    let mut distinct: Vec<String> = texts.collect();
    distinct.dedup();
    match distinct.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and to {last}", others.join(", to ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::FieldSpec;
    use serde::Deserialize;

    fn parse(text: &str) -> Result<FieldEncoding, FieldError> {
        let mut settings: toml::Table = text.parse().unwrap();
        let mut key = |name| match settings.remove(name) {
            Some(toml::Value::String(text)) => Some(text),
            _ => None,
        };
        let (kind, encoding) = (key("kind").unwrap(), key("encoding"));
        FieldEncoding::parse(&kind, encoding.as_deref(), settings)
    }

    #[test]
    fn every_kind_is_written_as_it_is_read() {
        #[derive(PartialEq, Debug, Serialize, Deserialize)]
        struct Fields {
            fields: Vec<FieldSpec>,
        }
        let text = r#"[[fields]]
name = "a"
kind = "id"
num_ids = 9

[[fields]]
name = "b"
kind = "timestamp"
format = "%Y-%m-%d"
parts = ["weekday", "weekend"]

[[fields]]
name = "c"
column = "tags"
kind = "multi_categorical"
min_count = 3
separator = ";"
brackets = true
pooling = "max"

[[fields]]
name = "d"
kind = "numeric"
encoding = "quantile"
missing = ["inf", "n.a."]
buckets = 7
decimal = ","
thousands = "."
unit = "%"

[[fields]]
name = "e"
kind = "numeric"
encoding = "cumulative"
buckets = 9

[[fields]]
name = "f"
kind = "numeric"
encoding = "smoothed"
buckets = 9

[[fields]]
name = "g"
kind = "numeric"
encoding = "log2"
min_count = 4

[[fields]]
name = "h"
kind = "numeric"
encoding = "value"
scaling = "min_max"

[[fields]]
name = "i"
kind = "categorical"
hash_buckets = 100

[[fields]]
name = "j"
kind = "categorical"
min_count = 5
"#;
        let fields: Fields = toml::from_str(text).unwrap();
        assert_eq!(toml::to_string(&fields).unwrap(), text);
        let kinds = fields.fields.iter().map(|field| field.encoding.keys());
        let registered = KINDS.iter().map(|known| (known.kind, known.encoding));
        assert!(kinds.eq(registered), "one field of each kind");
    }

    #[test]
    fn settings_have_the_keys_that_their_kind_declares() {
        for (text, kind) in [
            ("kind = 'id'\nnum_ids = 9", 0),
            ("kind = 'timestamp'\nformat = 'unix'", 1),
            ("kind = 'multi_categorical'\nbrackets = true", 2),
            ("kind = 'numeric'", 3),
            ("kind = 'numeric'\nencoding = 'cumulative'", 4),
            ("kind = 'numeric'\nencoding = 'smoothed'", 5),
            ("kind = 'numeric'\nencoding = 'log2'", 6),
            ("kind = 'numeric'\nencoding = 'value'", 7),
            ("kind = 'categorical'\nhash_buckets = 9", 8),
            ("kind = 'categorical'", 9),
        ] {
            let is_numeric = text.starts_with("kind = 'numeric'");
            let written = "\ndecimal = ','\nthousands = '.'\nunit = '%'";
            let text = text.to_owned() + if is_numeric { written } else { "" };
            let written = toml::Table::try_from(parse(&text).unwrap()).unwrap();
            let mut declared: Vec<_> = KINDS[kind].settings.iter().map(|s| s.name).collect();
            declared.sort_unstable();
            assert!(written.keys().eq(declared.iter()), "{text}: {written}");
        }
    }

    #[test]
    fn a_wrong_setting_is_named_with_its_rule() {
        for (text, expected) in [
            (
                "kind = 'categorical'\nbuckets = 5",
                "`buckets` only applies to numeric fields with `encoding = \"quantile\"`, to numeric fields \
                 with `encoding = \"cumulative\"` and to numeric fields with `encoding = \"smoothed\"`",
            ),
            (
                "kind = 'numeric'\nmin_count = 5",
                "`min_count` only applies to multi_categorical fields, to numeric fields with \
                 `encoding = \"log2\"` and to categorical fields without `hash_buckets`",
            ),
            (
                "kind = 'categorical'\nhash_buckets = 9\nmin_count = 5",
                "`min_count` only applies to multi_categorical fields, to numeric fields with \
                 `encoding = \"log2\"` and to categorical fields without `hash_buckets`",
            ),
            (
                "kind = 'numeric'\nscaling = 'none'",
                "`scaling` only applies to numeric fields with `encoding = \"value\"`",
            ),
            (
                "kind = 'categorical'\nencoding = 'log2'",
                "`encoding` only applies to numeric fields",
            ),
            (
                "kind = 'numeric'\nencoding = 'log'",
                "unknown encoding `log`, expected one of `quantile`, `cumulative`, `smoothed`, `log2`, `value`",
            ),
            (
                "kind = 'sparse'",
                "unknown kind `sparse`, expected one of `id`, `timestamp`, `multi_categorical`, \
                 `numeric`, `categorical`",
            ),
            (
                "kind = 'numeric'\nbuckets = 1",
                "`buckets` must be in 2..=100000, but is 1",
            ),
            (
                "kind = 'numeric'\nencoding = 'cumulative'\nbuckets = 1001",
                "`buckets` must be in 2..=1000, but is 1001",
            ),
            (
                "kind = 'categorical'\nhash_buckets = 0",
                "`hash_buckets` must be in 1..=4294967292, but is 0",
            ),
            ("kind = 'id'", "`num_ids` is missing"),
            ("kind = 'timestamp'", "`format` is missing"),
            (
                "kind = 'timestamp'\nformat = 'unix'\nparts = []",
                "`parts` is empty",
            ),
            (
                "kind = 'multi_categorical'\nseparator = ''",
                "`separator` is empty",
            ),
            (
                "kind = 'categorical'\nthousands = ','",
                "`thousands` only applies to numeric fields with `encoding = \"quantile\"`, to numeric \
                 fields with `encoding = \"cumulative\"`, to numeric fields with `encoding = \"smoothed\"`, to \
                 numeric fields with `encoding = \"log2\"` and to numeric fields with `encoding = \"value\"`",
            ),
            (
                "kind = 'numeric'\nencoding = 'value'\ndecimal = ','\nthousands = ','",
                "`decimal` and `thousands` must be two different characters, and neither letters, \
                 digits nor signs",
            ),
            ("kind = 'numeric'\nunit = ''", "`unit` is empty"),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), expected);
        }
        let unknown = parse("kind = 'numeric'\nbukets = 3")
            .unwrap_err()
            .to_string();
        let expected = "unknown setting `bukets`, expected one of `name`, `column`, `kind`, `encoding`, `missing`";
        assert!(unknown.starts_with(expected), "{unknown}");
        let wrong = parse("kind = 'numeric'\nbuckets = 'many'").unwrap_err();
        let wrong = wrong.to_string();
        assert!(
            wrong.contains("invalid type: string \"many\"") && wrong.contains("buckets"),
            "{wrong}"
        );
    }
}
