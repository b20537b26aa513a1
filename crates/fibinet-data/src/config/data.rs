use std::collections::HashSet;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::builtin::BuiltinSchema;
use crate::config::delimiter::Delimiter;
use crate::config::quote::Quote;
use crate::config::row_format::RowFormat;
use crate::config::sources::Sources;
use crate::config::split::SplitConfig;
use crate::fields::FieldSpec;
use crate::schema_error::{FieldError, SchemaError};
use crate::shards::layout::GROUP;

/// A vocabulary's keys have two bytes for the field.
const MAX_FIELDS: usize = 1 << 16;

/// The `[data]` section of a run file, as it is written.
///
/// | key | default | purpose |
/// |---|---|---|
/// | `train` | – | the training file |
/// | `valid`, `test` | – | files of the other splits, instead of parts of the training file |
/// | `split` | – | how the training file is cut into splits: [`SplitConfig`] |
/// | `on_bad_row` | fail | what to do with malformed rows: `fail` stops with an error, `skip` drops and counts them |
/// | `negative_rate` | 1 | the share of the negatives that the log kept: scores and metrics are corrected to the whole log |
/// | `shuffle_rows` | 1000000 | training rows that are shuffled in memory; more rows are scattered over files |
/// | `schema` | – | a built-in schema, which sets the keys of the rows' format and the fields: `criteo`, `avazu` |
/// | `label` | – | the label's column |
/// | `group` | – | a column, such as the user, within whose values rows are ranked for `group_auc`; rows with a blank cell are one group |
/// | `positive` | – | the cell that means a click; any other means no click. Without it, labels are 1 and 0 |
/// | `delimiter` | `,` | what stands between cells: one ASCII character, or several such as `::` |
/// | `quote` | `"`, or none with a tab | the character around cells that hold a delimiter or a line end; `""` if quotes are ordinary characters |
/// | `columns` | – | the names of the columns, for files without a header |
/// | `missing` | none | cells that mean "no value" in every column, besides empty ones; a field may have its own |
/// | `missing_words` | `?`, `NA`, `null`, `None`, `-` and such | words that mean "no value" in numbers, times and lists, and in categories whose training rows do not have them as tokens |
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
    /// How the training file is cut into the splits that have no file.
    pub split: Option<SplitConfig>,
    /// What to do with malformed rows.
    #[serde(default)]
    pub on_bad_row: OnBadRow,
    /// The share of the negatives that the log kept.
    pub negative_rate: Option<f64>,
    /// Training rows that are shuffled in memory.
    pub shuffle_rows: Option<usize>,
    /// A built-in schema.
    pub schema: Option<String>,
    /// The label's column.
    pub label: Option<String>,
    /// A column within whose values rows are ranked.
    pub group: Option<String>,
    /// The cell of the label that means a click.
    pub positive: Option<String>,
    /// What stands between cells.
    pub delimiter: Option<Delimiter>,
    /// The character around cells.
    pub quote: Option<Quote>,
    /// The names of the columns, for files without a header.
    pub columns: Option<Vec<String>>,
    /// Cells that mean "no value" in every column.
    pub missing: Option<Vec<String>>,
    /// Words that mean "no value" unless they are tokens, instead of the usual ones.
    pub missing_words: Option<Vec<String>>,
    /// What the model reads.
    #[serde(default)]
    pub fields: Vec<FieldSpec>,
}

/// A validated [`DataConfig`].
#[derive(Debug, Clone, PartialEq)]
pub struct DataSpec {
    /// Where rows come from.
    pub(crate) sources: Sources,
    /// How rows are written.
    pub format: RowFormat,
    /// What the model reads, in this order.
    pub fields: Vec<FieldSpec>,
    /// What to do with malformed rows.
    pub on_bad_row: OnBadRow,
    /// The share of the negatives that the log kept.
    pub negative_rate: f64,
    /// Training rows that are shuffled in memory.
    pub shuffle_rows: usize,
}

/// What to do with malformed rows: rows with the wrong number of cells, a label that is neither 0 nor 1,
/// or a cell that its field cannot read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnBadRow {
    /// Stop with an error.
    #[default]
    Fail,
    /// Skip and count them.
    Skip,
}

impl DataSpec {
    /// The number of files that training rows are scattered over: four of them fill the memory for
    /// shuffling.
    pub(crate) fn num_train_files(&self, rows: u64) -> usize {
        // All are open at once, and some systems allow 256.
        const MAX_FILES: u64 = 192;
        let file_rows = (self.shuffle_rows as u64 / 4).max(1);
        rows.div_ceil(file_rows).clamp(1, MAX_FILES) as usize
    }
}

impl DataConfig {
    /// Checks every setting and fills in what a built-in schema sets.
    ///
    /// # Errors
    ///
    /// The first setting that breaks a rule.
    pub fn validate(self) -> Result<DataSpec, SchemaError> {
        let (format, fields) = self.format_and_fields()?;
        check_format(&format)?;
        let fields: Vec<FieldSpec> = fields.into_iter().flat_map(FieldSpec::expand).collect();
        check_fields(&fields, &format)?;
        let negative_rate = self.negative_rate.unwrap_or(1.0);
        if !(negative_rate > 0.0 && negative_rate <= 1.0) {
            return Err(SchemaError::NegativeRate(negative_rate));
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
            return Err(SchemaError::ShuffleRows);
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

    /// The usual words for "no value", unless the file replaces them.
    fn missing_words(&self) -> Vec<String> {
        let given = self.missing_words.clone();
        given.unwrap_or_else(RowFormat::usual_words)
    }

    /// What the built-in schema sets, or else what is written.
    fn format_and_fields(&self) -> Result<(RowFormat, Vec<FieldSpec>), SchemaError> {
        let Some(schema) = &self.schema else {
            let label = self.label.clone();
            let format = RowFormat {
                label: label.ok_or(SchemaError::Missing { setting: "label" })?,
                positive: self.positive.clone(),
                group: self.group.clone(),
                delimiter: self.delimiter.clone().unwrap_or_else(Delimiter::comma),
                quote: self.quote,
                columns: self.columns.clone(),
                missing: self.missing.clone().unwrap_or_default(),
                missing_words: self.missing_words(),
                zoned_times: true,
            };
            return Ok((format, self.fields.clone()));
        };
        let schema: BuiltinSchema = schema.parse()?;
        for (setting, given) in [
            ("label", self.label.is_some()),
            ("delimiter", self.delimiter.is_some()),
            ("quote", self.quote.is_some()),
            ("columns", self.columns.is_some()),
        ] {
            if given {
                return Err(SchemaError::GivenBySchema { setting });
            }
        }
        let format = schema.format();
        let format = RowFormat {
            missing: self.missing.clone().unwrap_or(format.missing),
            missing_words: self.missing_words(),
            positive: self.positive.clone(),
            group: self.group.clone(),
            ..format
        };
        let fields = if self.fields.is_empty() {
            schema.fields()
        } else {
            self.fields.clone()
        };
        Ok((format, fields))
    }
}

fn check_format(format: &RowFormat) -> Result<(), SchemaError> {
    if let Some(quote) = format.quote_byte().map(char::from)
        && format.delimiter.as_str().contains(quote)
    {
        return Err(SchemaError::QuoteInDelimiter(quote));
    }
    if format.group.is_some() && format.label == GROUP {
        return Err(SchemaError::ReservedLabel(GROUP));
    }
    let Some(columns) = &format.columns else {
        return Ok(());
    };
    let mut seen = HashSet::new();
    if let Some(twice) = columns.iter().find(|column| !seen.insert(column.as_str())) {
        return Err(SchemaError::DuplicateColumn(twice.clone()));
    }
    for (setting, column) in [
        ("label", Some(&format.label)),
        ("group", format.group.as_ref()),
    ] {
        if let Some(column) = column.filter(|column| !columns.contains(column)) {
            let column = column.clone();
            return Err(SchemaError::NotAColumn { setting, column });
        }
    }
    Ok(())
}

fn check_fields(fields: &[FieldSpec], format: &RowFormat) -> Result<(), SchemaError> {
    if fields.is_empty() {
        return Err(SchemaError::NoFields);
    }
    if fields.len() > MAX_FIELDS {
        return Err(SchemaError::TooManyFields {
            max: MAX_FIELDS,
            got: fields.len(),
        });
    }
    let mut seen = HashSet::new();
    for field in fields {
        let columns = format.columns.as_ref();
        let error = if field.column == format.label || field.name == format.label {
            FieldError::Label
        } else if columns.is_some_and(|columns| !columns.contains(&field.column)) {
            FieldError::NotAColumn(field.column.clone())
        } else if format.group.is_some() && field.name == GROUP {
            FieldError::ReservedName
        } else if !seen.insert(field.name.as_str()) {
            FieldError::Duplicate
        } else {
            continue;
        };
        let field = field.name.clone();
        return Err(SchemaError::Field { field, error });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::{Categorical, FieldEncoding, Quantile, Scaling, Value};

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
        let scaling = Scaling::Standard;
        assert_eq!(
            encodings,
            [
                FieldEncoding::from(Categorical { min_count: 1 }),
                Quantile::new(20).into(),
                Value::new(scaling).into(),
            ]
        );
        assert_eq!(spec.format.delimiter, Delimiter::comma());
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
        assert_eq!(spec.format.delimiter, Delimiter::tab());
    }

    #[test]
    fn wrong_settings_name_the_field_and_the_rule() {
        let field = |text: &str| parse(&format!("{HEAD}[[fields]]\n{text}")).unwrap_err();
        for (text, expected) in [
            (
                "name = 'a'\nkind = 'categorical'\nbuckets = 5",
                "data: field `a`: `buckets` only applies to numeric fields with",
            ),
            ("name = 'a'\nkind = 'sparse'", "unknown kind `sparse`"),
            (
                "name = 'a'\nkind = 'numeric'\nbukets = 3",
                "unknown setting `bukets`",
            ),
            ("name = ''\nkind = 'numeric'", "the name is empty"),
            ("kind = 'numeric'", "missing field `name`"),
            (
                "name = 'y'\nkind = 'numeric'",
                "the label cannot be a field",
            ),
            (
                "name = 'a'\nkind = 'numeric'\n[[fields]]\nname = 'a'\nkind = 'categorical'",
                "field `a`: two fields have this name",
            ),
        ] {
            let message = field(text);
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn wrong_formats_are_refused() {
        let field = "[[fields]]\nname = 'a'\nkind = 'categorical'";
        let format = |text: &str| parse(&format!("{HEAD}{text}\n{field}"));
        for (text, expected) in [
            ("delimiter = '→'", "must be one ASCII character"),
            ("delimiter = '\"'", "must be one ASCII character"),
            ("delimiter = ''", "must be one ASCII character"),
            ("quote = '“'", "must be one punctuation character"),
            (
                "delimiter = \"a'\"\nquote = \"'\"",
                "`delimiter` contains the `quote`",
            ),
            ("columns = ['y', 'a', 'y']", "`columns` names `y` twice"),
            (
                "columns = ['a']",
                "`label` is `y`, which is not among `columns`",
            ),
            (
                "columns = ['y', 'a']\ngroup = 'user'",
                "`group` is `user`, which is not among `columns`",
            ),
            (
                "columns = ['y', 'b']",
                "field `a`: the column `a` is not among `columns`",
            ),
            ("negative_rate = 0.0", "must be in (0, 1], but is 0"),
            ("negative_rate = nan", "must be in (0, 1], but is NaN"),
            ("shuffle_rows = 0", "must be at least 1, but is 0"),
        ] {
            let message = format(text).unwrap_err();
            assert!(message.contains(expected), "{message}");
        }
        for text in ["delimiter = ';'", "delimiter = '::'", "quote = ''"] {
            assert!(format(text).is_ok(), "{text}");
        }
        let label = parse("train = 't'\nschema = 'criteo'\nlabel = 'y'").unwrap_err();
        assert!(label.contains("`label` is set by `schema`"), "{label}");
    }

    #[test]
    fn the_name_of_the_groups_column_is_reserved_where_rows_have_groups() {
        let field = "[[fields]]\nname = '__group'\nkind = 'categorical'";
        assert!(parse(&format!("{HEAD}{field}")).is_ok());
        let error = parse(&format!("{HEAD}group = 'user'\n{field}")).unwrap_err();
        assert!(
            error.contains("field `__group`: encoded files reserve this name"),
            "{error}"
        );
        // The column itself may be called so, and may be a field under another name.
        let renamed = "[[fields]]\nname = 'user'\ncolumn = '__group'\nkind = 'categorical'";
        assert!(parse(&format!("{HEAD}group = '__group'\n{renamed}")).is_ok());
        let text = HEAD.replace("'y'", "'__group'");
        let error = parse(&format!("{text}group = 'user'\n{renamed}")).unwrap_err();
        assert!(error.contains("`label` cannot be `__group`"), "{error}");
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
        assert!(both.contains("both as a file and as a part"), "{both}");
        assert!(sources("valid = 'v'").is_ok());
        assert!(sources("valid = 'v'\nsplit = { valid = 0.0, test = 0.1 }").is_ok());
        assert!(parse(HEAD).unwrap_err().contains("no fields"));
        let unknown = parse("train = 't'\nschema = 'crieto'").unwrap_err();
        assert!(unknown.contains("did you mean `criteo`?"), "{unknown}");
    }

    #[test]
    fn fields_of_a_schema_are_written_as_they_are_read() {
        #[derive(Serialize, Deserialize)]
        struct Fields {
            fields: Vec<FieldSpec>,
        }
        for schema in BuiltinSchema::ALL {
            let fields = schema.fields();
            let text = toml::to_string(&Fields {
                fields: fields.clone(),
            })
            .unwrap();
            assert_eq!(toml::from_str::<Fields>(&text).unwrap().fields, fields);
        }
    }
}
