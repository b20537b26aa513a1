use std::collections::HashSet;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::fields::time::TimeFormat;
use crate::prepare::split::{Split, SplitConfig, SplitKind};
use crate::shards::layout::Pooling;

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
/// | `split` | – | how the training file is cut: [`SplitConfig`] |
/// | `on_bad_row` | fail | what a row that cannot be read does: `fail`, `skip` |
/// | `negative_rate` | 1 | the share of the negatives that the log kept: scores and metrics are the whole log's |
/// | `shuffle_rows` | 1000000 | training rows mixed in memory; more rows are scattered over files |
/// | `schema` | – | a built-in schema, which brings the next four and the fields: `criteo`, `avazu` |
/// | `label` | – | the label's column |
/// | `group` | – | a column, such as the user's, within whose values rows are ranked for `group_auc` |
/// | `positive` | – | the label's cell that is a click, any other being none; else 1 and 0 |
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
    /// How the training file is cut, for the files not given.
    pub split: Option<SplitConfig>,
    /// What a row that cannot be read does.
    #[serde(default)]
    pub on_bad_row: OnBadRow,
    /// The share of the negatives that the log kept.
    pub negative_rate: Option<f64>,
    /// Training rows that are mixed in memory.
    pub shuffle_rows: Option<usize>,
    /// A built-in schema.
    pub schema: Option<String>,
    /// The label's column.
    pub label: Option<String>,
    /// A column within whose values rows are ranked.
    pub group: Option<String>,
    /// The label's cell that is a click.
    pub positive: Option<String>,
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
    /// What a row that cannot be read does.
    pub on_bad_row: OnBadRow,
    /// The share of the negatives that the log kept.
    pub negative_rate: f64,
    /// Training rows that are mixed in memory.
    pub shuffle_rows: usize,
}

impl DataSpec {
    /// Files that so many training rows are scattered over: four fill the memory for mixing.
    pub(crate) fn num_train_files(&self, rows: u64) -> usize {
        // All are open at once, and some systems allow 256.
        const MAX_FILES: u64 = 192;
        let file_rows = (self.shuffle_rows as u64 / 4).max(1);
        rows.div_ceil(file_rows).clamp(1, MAX_FILES) as usize
    }
}

/// What a row does that cannot be read: one of the wrong width, of a label that is not 0 or 1, of a
/// cell that is not what its field says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnBadRow {
    /// It ends the run.
    #[default]
    Fail,
    /// It is left out and counted.
    Skip,
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
    /// How the training file is cut into the splits without a file.
    pub split: Option<Split>,
}

/// How rows are written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowFormat {
    /// The label's column.
    pub label: String,
    /// The cell that is a click, any other being none; without it labels are 0 and 1.
    #[serde(default)]
    pub positive: Option<String>,
    /// The column whose cells tell the groups of the group AUC.
    #[serde(default)]
    pub group: Option<String>,
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
    /// The field's name.
    pub name: String,
    /// The column that it reads; several fields may read one.
    pub column: String,
    /// How its cells become ids or numbers.
    pub encoding: FieldEncoding,
}

/// How the cells of a field become ids or numbers.
#[derive(Debug, Clone, PartialEq)]
pub enum FieldEncoding {
    /// A cell holds several tokens, each with an id as in [`Categorical`](Self::Categorical); their
    /// vectors are pooled into the field's.
    MultiCategorical {
        /// The least count of a token of its own.
        min_count: u64,
        /// Between the tokens.
        separator: String,
        /// How the vectors become one.
        pooling: Pooling,
    },
    /// A token's id is its hash, in one of `buckets`: no vocabulary, and tokens may share an id.
    Hashed {
        /// The number of ids for tokens.
        buckets: u32,
    },
    /// A cell is an integer below `num_ids`, used as it is.
    Id {
        /// The number of ids.
        num_ids: u32,
    },
    /// A cell is a time, of which the model reads parts, each a field.
    Timestamp {
        /// As `strftime` writes it (`%Y-%m-%d %H:%M:%S`), or `unix` or `unix_ms` for seconds or
        /// milliseconds since 1970, in UTC.
        format: String,
        /// What is read of it.
        parts: Vec<TimePart>,
    },
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

/// What a model reads of a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimePart {
    /// 0 to 23.
    Hour,
    /// 0, Monday, to 6.
    Weekday,
    /// 1 on Saturday and Sunday.
    Weekend,
}

impl TimePart {
    /// All parts.
    pub const ALL: [Self; 3] = [Self::Hour, Self::Weekday, Self::Weekend];

    /// The name in run files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Weekday => "weekday",
            Self::Weekend => "weekend",
        }
    }

    /// The number of values.
    pub const fn num_values(self) -> usize {
        match self {
            Self::Hour => 24,
            Self::Weekday => 7,
            Self::Weekend => 2,
        }
    }
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
    column: Option<String>,
    kind: Kind,
    encoding: Option<RawEncoding>,
    min_count: Option<u64>,
    hash_buckets: Option<u32>,
    buckets: Option<u32>,
    scaling: Option<Scaling>,
    num_ids: Option<u32>,
    format: Option<String>,
    parts: Option<Vec<TimePart>>,
    separator: Option<String>,
    pooling: Option<Pooling>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Categorical,
    MultiCategorical,
    Numeric,
    Id,
    Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RawEncoding {
    Quantile,
    Log2,
    Value,
}

impl FieldSpec {
    /// A field of the column of its name.
    pub fn new(name: impl Into<String>, encoding: FieldEncoding) -> Self {
        let name = name.into();
        Self {
            column: name.clone(),
            name,
            encoding,
        }
    }

    /// A categorical field.
    pub fn categorical(name: impl Into<String>, min_count: u64) -> Self {
        Self::new(name, FieldEncoding::Categorical { min_count })
    }

    /// The fields that a model reads of it: a time's parts are one each.
    fn expand(self) -> Vec<Self> {
        match self.encoding {
            FieldEncoding::Timestamp { format, parts } if parts.len() > 1 => parts
                .into_iter()
                .map(|part| Self {
                    name: format!("{}.{}", self.name, part.name()),
                    column: self.column.clone(),
                    encoding: FieldEncoding::Timestamp {
                        format: format.clone(),
                        parts: vec![part],
                    },
                })
                .collect(),
            _ => vec![self],
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
        if raw.encoding.is_some() && raw.kind != Kind::Numeric {
            return Err(error("`encoding` is of numeric fields only".to_owned()));
        }
        let encoding = match (raw.kind, raw.encoding) {
            (Kind::Categorical, _) => match raw.hash_buckets {
                Some(buckets) => FieldEncoding::Hashed { buckets },
                None => FieldEncoding::Categorical {
                    min_count: raw.min_count.unwrap_or(1),
                },
            },
            (Kind::MultiCategorical, _) => FieldEncoding::MultiCategorical {
                min_count: raw.min_count.unwrap_or(1),
                separator: raw.separator.clone().unwrap_or_else(|| "|".to_owned()),
                pooling: raw.pooling.unwrap_or_default(),
            },
            (Kind::Id, _) => FieldEncoding::Id {
                num_ids: raw
                    .num_ids
                    .ok_or_else(|| error("`num_ids` is missing".to_owned()))?,
            },
            (Kind::Timestamp, _) => FieldEncoding::Timestamp {
                format: raw
                    .format
                    .clone()
                    .ok_or_else(|| error("`format` is missing".to_owned()))?,
                parts: raw.parts.clone().unwrap_or(TimePart::ALL.to_vec()),
            },
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
        if let Some((setting, of)) = raw.unused(&encoding) {
            return Err(error(format!("`{setting}` is of {of} only")));
        }
        // Ids are u32, and three of a field's are no token's.
        let ranges = match &encoding {
            FieldEncoding::Quantile { buckets } => Some(("buckets", 2, *buckets, 100_000)),
            FieldEncoding::Hashed { buckets } => Some(("hash_buckets", 1, *buckets, u32::MAX - 3)),
            FieldEncoding::Id { num_ids } => Some(("num_ids", 1, *num_ids, u32::MAX - 3)),
            _ => None,
        };
        if let Some((setting, least, value, most)) = ranges
            && !(least..=most).contains(&value)
        {
            return Err(error(format!(
                "`{setting}` must be in {least}..={most}, but is {value}"
            )));
        }
        if matches!(&encoding, FieldEncoding::MultiCategorical { separator, .. } if separator.is_empty())
        {
            return Err(error("`separator` is empty".to_owned()));
        }
        if let FieldEncoding::Timestamp { format, parts } = &encoding {
            TimeFormat::new(format).map_err(&error)?;
            if parts.is_empty() {
                return Err(error("`parts` is empty".to_owned()));
            }
        }
        Ok(Self {
            column: raw.column.clone().unwrap_or_else(|| raw.name.clone()),
            name: raw.name,
            encoding,
        })
    }
}

impl RawField {
    /// The first setting that its kind and encoding have no use for, and what it is of.
    fn unused(&self, encoding: &FieldEncoding) -> Option<(&'static str, &'static str)> {
        use FieldEncoding as E;
        let settings = [
            (
                "min_count",
                self.min_count.is_some(),
                matches!(
                    encoding,
                    E::Categorical { .. } | E::MultiCategorical { .. } | E::Log2 { .. }
                ),
                "categorical fields without hash_buckets, and log2",
            ),
            (
                "hash_buckets",
                self.hash_buckets.is_some(),
                matches!(encoding, E::Hashed { .. }),
                "categorical fields",
            ),
            (
                "buckets",
                self.buckets.is_some(),
                matches!(encoding, E::Quantile { .. }),
                "numeric fields with quantile",
            ),
            (
                "scaling",
                self.scaling.is_some(),
                matches!(encoding, E::Value { .. }),
                "numeric fields with value",
            ),
            (
                "num_ids",
                self.num_ids.is_some(),
                matches!(encoding, E::Id { .. }),
                "id fields",
            ),
            (
                "separator",
                self.separator.is_some(),
                matches!(encoding, E::MultiCategorical { .. }),
                "multi_categorical fields",
            ),
            (
                "pooling",
                self.pooling.is_some(),
                matches!(encoding, E::MultiCategorical { .. }),
                "multi_categorical fields",
            ),
            (
                "format",
                self.format.is_some(),
                matches!(encoding, E::Timestamp { .. }),
                "timestamp fields",
            ),
            (
                "parts",
                self.parts.is_some(),
                matches!(encoding, E::Timestamp { .. }),
                "timestamp fields",
            ),
        ];
        settings
            .into_iter()
            .find(|(_, given, used, _)| *given && !used)
            .map(|(setting, _, _, of)| (setting, of))
    }
}

impl From<FieldSpec> for RawField {
    fn from(field: FieldSpec) -> Self {
        let (kind, encoding) = match field.encoding {
            FieldEncoding::Categorical { .. } | FieldEncoding::Hashed { .. } => {
                (Kind::Categorical, None)
            }
            FieldEncoding::MultiCategorical { .. } => (Kind::MultiCategorical, None),
            FieldEncoding::Id { .. } => (Kind::Id, None),
            FieldEncoding::Timestamp { .. } => (Kind::Timestamp, None),
            FieldEncoding::Quantile { .. } => (Kind::Numeric, Some(RawEncoding::Quantile)),
            FieldEncoding::Log2 { .. } => (Kind::Numeric, Some(RawEncoding::Log2)),
            FieldEncoding::Value { .. } => (Kind::Numeric, Some(RawEncoding::Value)),
        };
        let mut raw = Self {
            column: (field.column != field.name).then_some(field.column),
            name: field.name,
            kind,
            encoding,
            min_count: None,
            hash_buckets: None,
            buckets: None,
            scaling: None,
            num_ids: None,
            format: None,
            parts: None,
            separator: None,
            pooling: None,
        };
        match field.encoding {
            FieldEncoding::Categorical { min_count } | FieldEncoding::Log2 { min_count } => {
                raw.min_count = Some(min_count);
            }
            FieldEncoding::MultiCategorical {
                min_count,
                separator,
                pooling,
            } => {
                raw.min_count = Some(min_count);
                raw.separator = Some(separator);
                raw.pooling = Some(pooling);
            }
            FieldEncoding::Hashed { buckets } => raw.hash_buckets = Some(buckets),
            FieldEncoding::Id { num_ids } => raw.num_ids = Some(num_ids),
            FieldEncoding::Timestamp { format, parts } => {
                raw.format = Some(format);
                raw.parts = Some(parts);
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
    /// Kaggle's Avazu challenge (`train.csv`): a header, `click`, an `hour` of the form YYMMDDHH and
    /// categories. The row key `id` is no field.
    Avazu,
}

/// Avazu's columns that are categories.
const AVAZU_CATEGORIES: [&str; 21] = [
    "C1",
    "banner_pos",
    "site_id",
    "site_domain",
    "site_category",
    "app_id",
    "app_domain",
    "app_category",
    "device_id",
    "device_ip",
    "device_model",
    "device_type",
    "device_conn_type",
    "C14",
    "C15",
    "C16",
    "C17",
    "C18",
    "C19",
    "C20",
    "C21",
];

impl BuiltinSchema {
    /// All schemas.
    pub const ALL: [Self; 2] = [Self::Criteo, Self::Avazu];

    /// The name in run files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Criteo => "criteo",
            Self::Avazu => "avazu",
        }
    }

    /// How its files are written.
    pub fn format(self) -> RowFormat {
        let (label, delimiter, columns) = match self {
            Self::Criteo => {
                let label = std::iter::once("label".to_owned());
                let columns = label.chain(criteo_integers()).chain(criteo_categories());
                ("label", '\t', Some(columns.collect()))
            }
            Self::Avazu => ("click", ',', None),
        };
        RowFormat {
            label: label.to_owned(),
            positive: None,
            group: None,
            delimiter,
            columns,
            missing: Vec::new(),
        }
    }

    /// Its fields, by the published runs: only tokens met 10 times in Criteo, 2 times in Avazu;
    /// Criteo's integers as log² tokens, Avazu's hour as hour of the day, weekday and weekend.
    pub fn fields(self) -> Vec<FieldSpec> {
        match self {
            Self::Criteo => {
                let log2 = |name| FieldSpec::new(name, FieldEncoding::Log2 { min_count: 10 });
                let categories = criteo_categories().map(|name| FieldSpec::categorical(name, 10));
                criteo_integers().map(log2).chain(categories).collect()
            }
            Self::Avazu => {
                let hour = FieldEncoding::Timestamp {
                    format: "%y%m%d%H".to_owned(),
                    parts: TimePart::ALL.to_vec(),
                };
                let categories = AVAZU_CATEGORIES.map(|name| FieldSpec::categorical(name, 2));
                std::iter::once(FieldSpec::new("hour", hour))
                    .chain(categories)
                    .collect()
            }
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
                let positive = self.positive;
                let format = RowFormat {
                    missing,
                    positive,
                    group: self.group,
                    ..format
                };
                (format, fields)
            }
            None => {
                let format = RowFormat {
                    label: self.label.ok_or_else(|| setting("`label` is missing"))?,
                    positive: self.positive,
                    group: self.group,
                    delimiter: self.delimiter.unwrap_or(','),
                    columns: self.columns,
                    missing: self.missing.unwrap_or_default(),
                };
                (format, self.fields)
            }
        };
        let fields: Vec<FieldSpec> = fields.into_iter().flat_map(FieldSpec::expand).collect();
        check_fields(&fields, &format)?;
        let negative_rate = self.negative_rate.unwrap_or(1.0);
        if !(negative_rate > 0.0 && negative_rate <= 1.0) {
            return Err(SchemaError::Setting {
                reason: format!("`negative_rate` must be in (0, 1], but is {negative_rate}"),
            });
        }
        let sources = Sources {
            train: self.train,
            valid: self.valid,
            test: self.test,
            split: self.split.map(SplitConfig::validate).transpose()?,
        };
        sources.validate()?;
        let shuffle_rows = self.shuffle_rows.unwrap_or(1_000_000);
        if shuffle_rows == 0 {
            return Err(setting("`shuffle_rows` must be at least 1, but is 0"));
        }
        Ok(DataSpec {
            sources,
            format,
            fields,
            on_bad_row: self.on_bad_row,
            negative_rate,
            shuffle_rows,
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
        let gives = |kind| self.split.as_ref().is_some_and(|split| split.gives(kind));
        if self.valid.is_some() && gives(SplitKind::Valid) {
            return error("`valid` is both a file and a part of the training file");
        }
        if self.test.is_some() && gives(SplitKind::Test) {
            return error("`test` is both a file and a part of the training file");
        }
        if self.valid.is_none() && !gives(SplitKind::Valid) {
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
            .map(|field| &field.column)
            .chain([&format.label])
            .chain(&format.group)
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
        if field.column == format.label || field.name == format.label {
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
        let encodings: Vec<_> = spec
            .fields
            .iter()
            .map(|field| field.encoding.clone())
            .collect();
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
                "field `a`: `min_count` is of categorical fields without hash_buckets, and log2 only",
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
        assert!(both.contains("both a file and a part"), "{both}");
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
