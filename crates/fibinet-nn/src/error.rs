use core::fmt::Display;

/// A setting that no layer can be built with.
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
        /// The value met.
        got: String,
    },
    /// A name that no choice has.
    #[error("unknown {setting} `{got}`{suggestion}; known: {known}")]
    UnknownName {
        /// What was being named.
        setting: &'static str,
        /// The name met.
        got: String,
        /// `, did you mean …?` or nothing.
        suggestion: String,
        /// The names there are.
        known: String,
    },
}

/// `Ok` where `holds`, else the error that names the setting, its rule and the value met.
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

/// The widest that any layer may be: far above any use, and far below what overflows.
pub(crate) const MAX_WIDTH: usize = 1 << 24;

/// A width, dimension or number of fields: at least `least`.
pub(crate) fn require_width(setting: &'static str, value: usize) -> Result<(), ConfigError> {
    require(value >= 1, setting, "at least 1", value)?;
    require(value <= MAX_WIDTH, setting, "at most 16777216", value)
}

/// The two fields that a pair takes are the least any crossing layer works on.
pub(crate) fn require_pairs(num_fields: usize) -> Result<(), ConfigError> {
    require(num_fields >= 2, "num_fields", "at least 2", num_fields)
}
