use core::fmt::Display;

/// A setting that a layer or model cannot be built with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A value outside what its setting allows.
    #[error("{setting} must be {rule}, but is {got}")]
    OutOfRange {
        /// The setting's name.
        setting: &'static str,
        /// What it must be.
        rule: &'static str,
        /// The value given.
        got: String,
    },
    /// A name that is not one of the choices.
    #[error("unknown {setting} `{got}`{suggestion}; known: {known}")]
    UnknownName {
        /// The setting's name.
        setting: &'static str,
        /// The name given.
        got: String,
        /// `, did you mean …?`, or empty.
        suggestion: String,
        /// The names of all choices.
        known: String,
    },
}

/// `Ok` if `holds`, otherwise the error that names the setting, its rule and the value given.
pub(crate) fn require(
    holds: bool,
    setting: &'static str,
    rule: &'static str,
    got: impl Display,
) -> Result<(), ConfigError> {
    if holds {
        return Ok(());
    }
    Err(ConfigError::OutOfRange {
        setting,
        rule,
        got: got.to_string(),
    })
}

/// The largest width of any layer: far above any use, and far below what overflows.
pub(crate) const MAX_WIDTH: usize = 1 << 24;

/// Checks a width, dimension or number of fields: at least 1, at most [`MAX_WIDTH`].
pub(crate) fn require_width(setting: &'static str, value: usize) -> Result<(), ConfigError> {
    require(value >= 1, setting, "at least 1", value)?;
    require(value <= MAX_WIDTH, setting, "at most 16777216", value)
}

/// Checks a number of raw numeric inputs.
pub(crate) fn require_dense(num_dense: usize) -> Result<(), ConfigError> {
    require(
        num_dense <= MAX_WIDTH,
        "num_dense",
        "at most 16777216",
        num_dense,
    )
}

/// Checks that there are fields for a pair, which every crossing layer needs, and not so many that the columns of
/// their pairs overflow.
pub(crate) fn require_pairs(num_fields: usize) -> Result<(), ConfigError> {
    require(num_fields >= 2, "num_fields", "at least 2", num_fields)?;
    require(
        num_fields <= 1 << 16,
        "num_fields",
        "at most 65536",
        num_fields,
    )
}
