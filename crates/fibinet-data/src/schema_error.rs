/// A `[data]` section that breaks a rule.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// No field.
    #[error("data: no fields; list them under [[data.fields]] or name a `schema`")]
    NoFields,
    /// More fields than a vocabulary can tell apart.
    #[error("data: expected at most {max} fields, got {got}")]
    TooManyFields {
        /// The limit.
        max: usize,
        /// The number of fields.
        got: usize,
    },
    /// A field breaks a rule.
    #[error("data: field `{field}`: {error}")]
    Field {
        /// The field's name.
        field: String,
        /// The rule.
        error: FieldError,
    },
    /// A required setting is missing.
    #[error("data: `{setting}` is missing")]
    Missing {
        /// The setting.
        setting: &'static str,
    },
    /// A setting that the built-in schema already sets.
    #[error("data: `{setting}` is set by `schema`; remove it")]
    GivenBySchema {
        /// The setting.
        setting: &'static str,
    },
    /// A rate of kept negatives that is not a share.
    #[error("data: `negative_rate` must be in (0, 1], but is {0}")]
    NegativeRate(f64),
    /// A shuffle buffer without rows.
    #[error("data: `shuffle_rows` must be at least 1, but is 0")]
    ShuffleRows,
    /// A delimiter that cannot separate cells.
    #[error(
        "data: `delimiter` must be one ASCII character or several such as `::`, without a double quote \
         or a line end, but is {0:?}"
    )]
    Delimiter(String),
    /// A quote that is not one character.
    #[error("data: `quote` must be one punctuation character, or empty for none, but is {0:?}")]
    Quote(String),
    /// A delimiter with the quote in it.
    #[error("data: `delimiter` contains the `quote`, {0:?}")]
    QuoteInDelimiter(char),
    /// A name that occurs twice in `columns`.
    #[error("data: `columns` names `{0}` twice")]
    DuplicateColumn(String),
    /// A column that is not listed in `columns`.
    #[error("data: `{setting}` is `{column}`, which is not among `columns`")]
    NotAColumn {
        /// The setting that names it.
        setting: &'static str,
        /// The column.
        column: String,
    },
    /// A label's name that encoded files need for the groups.
    #[error(
        "data: `label` cannot be `{0}` together with `group`: encoded files reserve this name for groups"
    )]
    ReservedLabel(&'static str),
    /// The split or the files of the splits.
    #[error("data.split: {0}")]
    Split(SplitError),
    /// An unknown built-in schema.
    #[error("unknown schema `{got}`{suggestion}; known: {known}")]
    UnknownSchema {
        /// The unknown name.
        got: String,
        /// `, did you mean …?` or nothing.
        suggestion: String,
        /// The known names.
        known: String,
    },
}

/// A rule that a field breaks.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FieldError {
    /// The name is empty.
    #[error("the name is empty")]
    EmptyName,
    /// There is no such kind.
    #[error("unknown kind `{got}`, expected one of {known}")]
    UnknownKind {
        /// The unknown kind.
        got: String,
        /// The known kinds.
        known: String,
    },
    /// There is no such encoding for the kind.
    #[error("unknown encoding `{got}`, expected one of {known}")]
    UnknownEncoding {
        /// The unknown encoding.
        got: String,
        /// The encodings of the kind.
        known: String,
    },
    /// No kind has such a setting.
    #[error("unknown setting `{got}`, expected one of {known}")]
    UnknownSetting {
        /// The unknown setting.
        got: String,
        /// The settings of fields.
        known: String,
    },
    /// A setting that the kind does not have.
    #[error("`{setting}` only applies to {applies_to}")]
    Misplaced {
        /// The setting.
        setting: String,
        /// The fields that have it.
        applies_to: String,
    },
    /// A required setting is missing.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// A setting whose value has the wrong type.
    #[error("{0}")]
    WrongType(String),
    /// A setting outside its range.
    #[error("`{setting}` must be in {min}..={max}, but is {got}")]
    OutOfRange {
        /// The setting.
        setting: &'static str,
        /// The smallest value.
        min: u32,
        /// The largest value.
        max: u32,
        /// The value.
        got: u32,
    },
    /// A `decimal` and a `thousands` that cannot be told apart, or that are part of a number.
    #[error(
        "`decimal` and `thousands` must be two different characters, and neither letters, digits nor \
         signs"
    )]
    NumberMarks,
    /// A setting that must not be empty.
    #[error("`{0}` is empty")]
    Empty(&'static str),
    /// A `format` that `strftime` does not know.
    #[error("`format` must be a strftime format, but is `{0}`")]
    NotATimeFormat(String),
    /// A `format` that gives no date.
    #[error("`format` must give a date, as \"%Y-%m-%d %H:%M:%S\" does, but is `{0}`")]
    TimeFormatWithoutDate(String),
    /// A `format` whose hour may be in either half of the day.
    #[error("`format` must give the hour of the day, by %H or by %I and %p, but is `{0}`")]
    TimeFormatOfHalfDay(String),
    /// A column that is not listed in `columns`.
    #[error("the column `{0}` is not among `columns`")]
    NotAColumn(String),
    /// The label, which a model must not read.
    #[error("the label cannot be a field")]
    Label,
    /// Another field has the same name.
    #[error("two fields have this name")]
    Duplicate,
    /// A name that encoded files need for the groups.
    #[error(
        "encoded files reserve this name for the rows' groups; give the field another `name` and set \
         `column` to this one"
    )]
    ReservedName,
}

impl FieldError {
    /// Checks that a setting is in `min..=max`.
    pub(crate) fn check_range(
        setting: &'static str,
        min: u32,
        max: u32,
        got: u32,
    ) -> Result<(), Self> {
        if (min..=max).contains(&got) {
            return Ok(());
        }
        Err(Self::OutOfRange {
            setting,
            min,
            max,
            got,
        })
    }
}

/// A rule that the split, or a file of a split, breaks.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SplitError {
    /// A share outside its range.
    #[error("`{setting}` must be in [0, 1), but is {got}")]
    Share {
        /// The setting.
        setting: &'static str,
        /// The value.
        got: f64,
    },
    /// Shares that leave nothing to train on.
    #[error("`valid` and `test` must leave rows to train on, but add up to {0}")]
    NothingToTrainOn(f64),
    /// A setting that this kind of split does not have.
    #[error("`{setting}` only applies to splits with {by}")]
    Misplaced {
        /// The setting.
        setting: &'static str,
        /// The kinds of splits that have it.
        by: &'static str,
    },
    /// A split by time without a column.
    #[error("`by = \"time\"` needs `column`, the column of the times")]
    MissingColumnOfTimes,
    /// The format of the times.
    #[error(transparent)]
    Format(#[from] FieldError),
    /// A required setting of a split by a column.
    #[error("`by = \"column\"` needs `{0}`")]
    MissingForColumn(&'static str),
    /// A seed where nothing is drawn.
    #[error("`seed` does not apply to `by = \"{0}\"`, which draws nothing")]
    SeedWithoutDraws(&'static str),
    /// A cell that would belong to two splits.
    #[error("two splits have the same value, `{0}`")]
    SameValue(String),
    /// A share of test rows beside a column.
    #[error(
        "with `by = \"column\"`, `test_value` selects the test rows; remove `test`, which is a share"
    )]
    TestShareWithColumn,
    /// Validation rows by a share and by a cell.
    #[error("`valid` and `valid_value` are both given; remove one")]
    TwoValidations,
    /// A split that is both a file and a part of the training file.
    #[error("`{0}` is given both as a file and as a part of the training file")]
    TwoSources(&'static str),
    /// No validation rows.
    #[error(
        "training needs validation rows: give `data.valid`, a file, or `data.split`, \
         e.g. split = {{ valid = 0.1, test = 0.1 }}"
    )]
    NoValidation,
}

/// `, did you mean …?` with the known name nearest to `got`, or nothing if none is near.
pub(crate) fn nearest<'a>(got: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    known
        .into_iter()
        .map(|name| (strsim::jaro_winkler(got, name), name))
        .filter(|(similarity, _)| *similarity > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map_or_else(String::new, |(_, name)| format!(", did you mean `{name}`?"))
}

impl From<SplitError> for SchemaError {
    fn from(error: SplitError) -> Self {
        Self::Split(error)
    }
}
