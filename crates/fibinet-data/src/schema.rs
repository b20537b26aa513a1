use std::collections::HashSet;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::split::RandomSplit;

/// A `[data]` section that no data can be prepared with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// No field.
    #[error("data: no fields; list them under [[data.fields]] or name a `schema`")]
    NoFields,
    /// A field's settings.
    #[error("data: field `{field}`: {reason}")]
    Field {
        /// The field.
        field: String,
        /// What is wrong.
        reason: String,
    },
    /// A setting outside the fields.
    #[error("data: {reason}")]
    Setting {
        /// What is wrong.
        reason: String,
    },
    /// The random split.
    #[error("data.split: {reason}")]
    Split {
        /// What is wrong.
        reason: String,
    },
    /// An unknown built-in schema.
    #[error("unknown schema `{got}`{suggestion}; known: {known}")]
    UnknownSchema {
        /// The name met.
        got: String,
        /// `, did you mean …?` or nothing.
        suggestion: String,
        /// The names there are.
        known: String,
    },
}

/// The `[data]` section of a run file, as it is written.
///
/// | key | default | purpose |
/// |---|---|---|
/// | `train` | – | the training file |
/// | `valid`, `test` | – | files of their own, or else `split` |
/// | `split` | – | `{ valid, test, seed }`: random shares of the training file |
/// | `schema` | – | a built-in schema, which brings the next four and the fields: `criteo` |
/// | `label` | – | the label's column |
/// | `delimiter` | `,` | one character; with a tab, quotes are ordinary characters |
/// | `columns` | – | names of the columns of files without a header |
/// | `missing` | none | cells that mean "no value", besides empty ones |
/// | `fields` | – | what the model reads |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// The training file.
    pub train: PathBuf,
    /// The validation file.
    pub valid: Option<PathBuf>,
    /// The test file.
    pub test: Option<PathBuf>,
    /// Random shares of the training file, for the files not given.
    pub split: Option<RandomSplit>,
    /// A built-in schema.
    pub schema: Option<String>,
    /// The label's column.
    pub label: Option<String>,
    /// One character.
    pub delimiter: Option<char>,
    /// Names of the columns of files without a header.
    pub columns: Option<Vec<String>>,
    /// Cells that mean "no value".
    pub missing: Option<Vec<String>>,
    /// What the model reads.
    #[serde(default)]
    pub fields: Vec<FieldSpec>,
}

/// A validated [`DataConfig`].
#[derive(Debug, Clone, PartialEq)]
pub struct DataSpec {
    /// Where rows come from.
    pub sources: Sources,
    /// How rows are written.
    pub format: RowFormat,
    /// What the model reads, in this order.
    pub fields: Vec<FieldSpec>,
}

/// Where the rows of each split come from.
#[derive(Debug, Clone, PartialEq)]
pub struct Sources {
    /// The training file.
    pub train: PathBuf,
    /// The validation file; none: a share of the training file.
    pub valid: Option<PathBuf>,
    /// The test file; none: a share of the training file, which may be 0.
    pub test: Option<PathBuf>,
    /// The shares of the training file that go to the splits without a file.
    pub split: Option<RandomSplit>,
}

/// How rows are written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowFormat {
    /// The label's column.
    pub label: String,
    /// Between cells.
    pub delimiter: char,
    /// The columns' names; none: the file's first line.
    pub columns: Option<Vec<String>>,
    /// Cells that mean "no value", besides empty ones.
    pub missing: Vec<String>,
}

/// What a model reads of one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RawField", into = "RawField")]
pub struct FieldSpec {
    /// The column's name.
    pub name: String,
    /// How its cells become ids or numbers.
    pub encoding: FieldEncoding,
}

/// How the cells of a field become ids or numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FieldEncoding {
    /// Each token met at least `min_count` times in training is its own id, the others share one.
    Categorical {
        /// The least count of a token of its own.
        min_count: u64,
    },
    /// A number's id is its quantile among the training rows, of at most `buckets`.
    Quantile {
        /// The number of quantiles.
        buckets: u32,
    },
    /// A number `v > 2` becomes the token `⌊ln(v)²⌋`, any other `⌊v⌋` (its own token): what the
    /// winners of the Criteo challenge did. Tokens are counted as categorical ones.
    Log2 {
        /// The least count of a token of its own.
        min_count: u64,
    },
    /// A number is used as it is, scaled.
    Value {
        /// How it is scaled.
        scaling: Scaling,
    },
}

/// How a numeric value is scaled, by the training rows. A missing value becomes 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scaling {
    /// `(v - mean) / standard deviation`
    Standard,
    /// `(v - min) / (max - min)`
    MinMax,
    /// `v`
    None,
}

/// A field as it is written, all settings side by side.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawField {
    name: String,
    kind: Kind,
    encoding: Option<RawEncoding>,
    min_count: Option<u64>,
    buckets: Option<u32>,
    scaling: Option<Scaling>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Categorical,
    Numeric,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RawEncoding {
    Quantile,
    Log2,
    Value,
}

impl FieldSpec {
    /// A categorical field.
    pub fn categorical(name: impl Into<String>, min_count: u64) -> Self {
        Self {
            name: name.into(),
            encoding: FieldEncoding::Categorical { min_count },
        }
    }
}

impl TryFrom<RawField> for FieldSpec {
    type Error = SchemaError;

    fn try_from(raw: RawField) -> Result<Self, SchemaError> {
        let error = |reason: String| SchemaError::Field {
            field: raw.name.clone(),
            reason,
        };
        if raw.name.is_empty() {
            return Err(error("the name is empty".to_owned()));
        }
        let encoding = match (raw.kind, raw.encoding) {
            (Kind::Categorical, None) => FieldEncoding::Categorical {
                min_count: raw.min_count.unwrap_or(1),
            },
            (Kind::Categorical, Some(_)) => {
                return Err(error("`encoding` is of numeric fields only".to_owned()));
            }
            (Kind::Numeric, None | Some(RawEncoding::Quantile)) => FieldEncoding::Quantile {
                buckets: raw.buckets.unwrap_or(20),
            },
            (Kind::Numeric, Some(RawEncoding::Log2)) => FieldEncoding::Log2 {
                min_count: raw.min_count.unwrap_or(1),
            },
            (Kind::Numeric, Some(RawEncoding::Value)) => FieldEncoding::Value {
                scaling: raw.scaling.unwrap_or(Scaling::Standard),
            },
        };
        let unused = [
            (
                "min_count",
                raw.min_count.is_some()
                    && !matches!(
                        encoding,
                        FieldEncoding::Categorical { .. } | FieldEncoding::Log2 { .. }
                    ),
                "categorical fields and log2",
            ),
            (
                "buckets",
                raw.buckets.is_some() && !matches!(encoding, FieldEncoding::Quantile { .. }),
                "numeric fields with quantile",
            ),
            (
                "scaling",
                raw.scaling.is_some() && !matches!(encoding, FieldEncoding::Value { .. }),
                "numeric fields with value",
            ),
        ];
        if let Some((setting, _, of)) = unused.into_iter().find(|(_, unused, _)| *unused) {
            return Err(error(format!("`{setting}` is of {of} only")));
        }
        if let FieldEncoding::Quantile { buckets } = encoding
            && !(2..=100_000).contains(&buckets)
        {
            return Err(error(format!(
                "`buckets` must be in 2..=100000, but is {buckets}"
            )));
        }
        Ok(Self {
            name: raw.name,
            encoding,
        })
    }
}

impl From<FieldSpec> for RawField {
    fn from(field: FieldSpec) -> Self {
        let (kind, encoding) = match field.encoding {
            FieldEncoding::Categorical { .. } => (Kind::Categorical, None),
            FieldEncoding::Quantile { .. } => (Kind::Numeric, Some(RawEncoding::Quantile)),
            FieldEncoding::Log2 { .. } => (Kind::Numeric, Some(RawEncoding::Log2)),
            FieldEncoding::Value { .. } => (Kind::Numeric, Some(RawEncoding::Value)),
        };
        let mut raw = Self {
            name: field.name,
            kind,
            encoding,
            min_count: None,
            buckets: None,
            scaling: None,
        };
        match field.encoding {
            FieldEncoding::Categorical { min_count } | FieldEncoding::Log2 { min_count } => {
                raw.min_count = Some(min_count);
            }
            FieldEncoding::Quantile { buckets } => raw.buckets = Some(buckets),
            FieldEncoding::Value { scaling } => raw.scaling = Some(scaling),
        }
        raw
    }
}

/// A schema that comes with the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuiltinSchema {
    /// Kaggle's display advertising challenge (`train.txt`): no header, tabs, the label, integers
    /// I1 to I13, categories C1 to C26.
    Criteo,
}

impl BuiltinSchema {
    /// All schemas.
    pub const ALL: [Self; 1] = [Self::Criteo];

    /// The name in run files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Criteo => "criteo",
        }
    }

    /// How its files are written.
    pub fn format(self) -> RowFormat {
        match self {
            Self::Criteo => RowFormat {
                label: "label".to_owned(),
                delimiter: '\t',
                columns: Some(
                    std::iter::once("label".to_owned())
                        .chain(criteo_integers())
                        .chain(criteo_categories())
                        .collect(),
                ),
                missing: Vec::new(),
            },
        }
    }

    /// Its fields: integers as log² tokens, and only tokens met 10 times, as the published
    /// Criteo runs.
    pub fn fields(self) -> Vec<FieldSpec> {
        const MIN_COUNT: u64 = 10;
        match self {
            Self::Criteo => criteo_integers()
                .map(|name| FieldSpec {
                    name,
                    encoding: FieldEncoding::Log2 {
                        min_count: MIN_COUNT,
                    },
                })
                .chain(criteo_categories().map(|name| FieldSpec::categorical(name, MIN_COUNT)))
                .collect(),
        }
    }
}

fn criteo_integers() -> impl Iterator<Item = String> {
    (1..=13).map(|i| format!("I{i}"))
}

fn criteo_categories() -> impl Iterator<Item = String> {
    (1..=26).map(|i| format!("C{i}"))
}

impl FromStr for BuiltinSchema {
    type Err = SchemaError;

    fn from_str(name: &str) -> Result<Self, SchemaError> {
        let names = Self::ALL.map(Self::name);
        Self::ALL
            .into_iter()
            .find(|schema| schema.name() == name)
            .ok_or_else(|| SchemaError::UnknownSchema {
                got: name.to_owned(),
                suggestion: nearest(name, names),
                known: names.join(", "),
            })
    }
}

impl DataConfig {
    /// Checks every setting and fills in what a built-in schema brings.
    ///
    /// # Errors
    ///
    /// The first setting that is wrong.
    pub fn validate(self) -> Result<DataSpec, SchemaError> {
        let setting = |reason: &str| SchemaError::Setting {
            reason: reason.to_owned(),
        };
        let schema = self.schema.as_deref().map(str::parse).transpose()?;
        let builtin: Option<(RowFormat, Vec<FieldSpec>)> =
            schema.map(|schema: BuiltinSchema| (schema.format(), schema.fields()));
        let (format, fields) = match builtin {
            Some((format, fields)) => {
                let (label, columns) = (self.label.is_some(), self.columns.is_some());
                if label || columns || self.delimiter.is_some() {
                    return Err(setting(
                        "`label`, `delimiter` and `columns` are given by `schema`; leave them out",
                    ));
                }
                let missing = self.missing.unwrap_or(format.missing);
                let fields = if self.fields.is_empty() {
                    fields
                } else {
                    self.fields
                };
                (RowFormat { missing, ..format }, fields)
            }
            None => {
                let format = RowFormat {
                    label: self.label.ok_or_else(|| setting("`label` is missing"))?,
                    delimiter: self.delimiter.unwrap_or(','),
                    columns: self.columns,
                    missing: self.missing.unwrap_or_default(),
                };
                (format, self.fields)
            }
        };
        check_fields(&fields, &format)?;
        let sources = Sources {
            train: self.train,
            valid: self.valid,
            test: self.test,
            split: self.split,
        };
        sources.validate()?;
        Ok(DataSpec {
            sources,
            format,
            fields,
        })
    }
}

impl Sources {
    fn validate(&self) -> Result<(), SchemaError> {
        let error = |reason: &str| {
            Err(SchemaError::Split {
                reason: reason.to_owned(),
            })
        };
        if let Some(split) = &self.split {
            split.validate()?;
            if self.valid.is_some() && split.valid > 0.0 {
                return error("`valid` is both a file and a share of the training file");
            }
            if self.test.is_some() && split.test > 0.0 {
                return error("`test` is both a file and a share of the training file");
            }
        }
        if self.valid.is_none() && self.split.is_none_or(|split| split.valid == 0.0) {
            return error(
                "training needs validation rows: give `data.valid`, a file, or `data.split`, \
                 e.g. split = { valid = 0.1, test = 0.1 }",
            );
        }
        Ok(())
    }
}

fn check_fields(fields: &[FieldSpec], format: &RowFormat) -> Result<(), SchemaError> {
    let error = |field: &str, reason: &str| {
        Err(SchemaError::Field {
            field: field.to_owned(),
            reason: reason.to_owned(),
        })
    };
    if !format.delimiter.is_ascii() || matches!(format.delimiter, '"' | '\n' | '\r') {
        return Err(SchemaError::Setting {
            reason: format!(
                "`delimiter` must be an ASCII character, no quote and no line end, but is {:?}",
                format.delimiter
            ),
        });
    }
    if let Some(columns) = &format.columns {
        let mut seen = HashSet::new();
        if let Some(twice) = columns.iter().find(|column| !seen.insert(column.as_str())) {
            return Err(SchemaError::Setting {
                reason: format!("`columns` names `{twice}` twice"),
            });
        }
        for name in fields
            .iter()
            .map(|field| &field.name)
            .chain([&format.label])
        {
            if !columns.contains(name) {
                return error(name, "no such name among `columns`");
            }
        }
    }
    if fields.is_empty() {
        return Err(SchemaError::NoFields);
    }
    // A vocabulary's keys have two bytes for the field.
    if fields.len() > 1 << 16 {
        return Err(SchemaError::Setting {
            reason: format!("at most 65536 fields, but there are {}", fields.len()),
        });
    }
    let mut seen = HashSet::new();
    for field in fields {
        if field.name == format.label {
            return error(&field.name, "the label cannot be a field");
        }
        if !seen.insert(field.name.as_str()) {
            return error(&field.name, "named twice");
        }
    }
    Ok(())
}

/// `, did you mean …?` with the known name nearest to `got`, or nothing where none is near.
pub(crate) fn nearest<'a>(got: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    known
        .into_iter()
        .map(|name| (strsim::jaro_winkler(got, name), name))
        .filter(|(similarity, _)| *similarity > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map_or_else(String::new, |(_, name)| format!(", did you mean `{name}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<DataSpec, String> {
        let config: DataConfig = toml::from_str(text).map_err(|error| error.to_string())?;
        config.validate().map_err(|error| error.to_string())
    }

    const HEAD: &str = "train = 't.csv'\nlabel = 'y'\nsplit = { valid = 0.1 }\n";

    #[test]
    fn fields_get_their_defaults() {
        let spec = parse(&format!(
            "{HEAD}
            [[fields]]\nname = 'site'\nkind = 'categorical'
            [[fields]]\nname = 'age'\nkind = 'numeric'
            [[fields]]\nname = 'price'\nkind = 'numeric'\nencoding = 'value'"
        ))
        .unwrap();
        let encodings: Vec<_> = spec.fields.iter().map(|field| field.encoding).collect();
        assert_eq!(
            encodings,
            [
                FieldEncoding::Categorical { min_count: 1 },
                FieldEncoding::Quantile { buckets: 20 },
                FieldEncoding::Value {
                    scaling: Scaling::Standard
                },
            ]
        );
        assert_eq!(spec.format.delimiter, ',');
    }

    #[test]
    fn criteo_has_its_forty_columns() {
        let spec = parse("train = 't.txt'\nschema = 'criteo'\nsplit = { valid = 0.1 }").unwrap();
        let columns = spec.format.columns.unwrap();
        assert_eq!(columns.len(), 40);
        assert_eq!(
            (columns[0].as_str(), columns[39].as_str()),
            ("label", "C26")
        );
        assert_eq!(spec.fields.len(), 39);
        assert_eq!(spec.format.delimiter, '\t');
    }

    #[test]
    fn wrong_settings_name_the_field_and_the_rule() {
        let field = |text: &str| parse(&format!("{HEAD}[[fields]]\n{text}")).unwrap_err();
        for (text, expected) in [
            (
                "name = 'a'\nkind = 'categorical'\nbuckets = 5",
                "field `a`: `buckets` is of numeric fields with quantile only",
            ),
            (
                "name = 'a'\nkind = 'numeric'\nmin_count = 5",
                "field `a`: `min_count` is of categorical fields and log2 only",
            ),
            (
                "name = 'a'\nkind = 'numeric'\nscaling = 'none'",
                "field `a`: `scaling` is of numeric fields with value only",
            ),
            (
                "name = 'a'\nkind = 'categorical'\nencoding = 'log2'",
                "field `a`: `encoding` is of numeric fields only",
            ),
            (
                "name = 'a'\nkind = 'numeric'\nbuckets = 1",
                "`buckets` must be in 2..=100000, but is 1",
            ),
            ("name = 'a'\nkind = 'sparse'", "unknown variant `sparse`"),
            (
                "name = 'a'\nkind = 'numeric'\nbukets = 3",
                "unknown field `bukets`",
            ),
            (
                "name = 'y'\nkind = 'numeric'",
                "the label cannot be a field",
            ),
            (
                "name = 'a'\nkind = 'numeric'\n[[fields]]\nname = 'a'\nkind = 'categorical'",
                "field `a`: named twice",
            ),
        ] {
            let message = field(text);
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn wrong_sources_are_refused() {
        let fields = "[[fields]]\nname = 'a'\nkind = 'categorical'";
        let sources = |text: &str| parse(&format!("train = 't'\nlabel = 'y'\n{text}\n{fields}"));
        assert!(
            sources("")
                .unwrap_err()
                .contains("training needs validation rows")
        );
        let both = sources("valid = 'v'\nsplit = { valid = 0.1 }").unwrap_err();
        assert!(both.contains("both a file and a share"), "{both}");
        assert!(sources("valid = 'v'").is_ok());
        assert!(sources("valid = 'v'\nsplit = { valid = 0.0, test = 0.1 }").is_ok());
        assert!(parse(HEAD).unwrap_err().contains("no fields"));
        let unknown = parse("train = 't'\nschema = 'crieto'").unwrap_err();
        assert!(unknown.contains("did you mean `criteo`?"), "{unknown}");
    }

    #[test]
    fn a_field_is_written_as_it_is_read() {
        #[derive(Serialize, Deserialize)]
        struct Fields {
            fields: Vec<FieldSpec>,
        }
        let fields = BuiltinSchema::Criteo.fields();
        let text = toml::to_string(&Fields {
            fields: fields.clone(),
        })
        .unwrap();
        assert_eq!(toml::from_str::<Fields>(&text).unwrap().fields, fields);
    }
}
