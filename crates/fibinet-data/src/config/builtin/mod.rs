//! Schemas of known logs, one per file.

mod avazu;
mod criteo;

use std::str::FromStr;

use crate::config::row_format::RowFormat;
use crate::fields::FieldSpec;
use crate::schema_error::{SchemaError, nearest};

/// A schema that comes with the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuiltinSchema {
    /// Kaggle's display advertising challenge (`train.txt`): no header, separated by tabs, the label,
    /// integers I1 to I13, categories C1 to C26.
    Criteo,
    /// Kaggle's Avazu challenge (`train.csv`): a header, `click`, an `hour` of the form YYMMDDHH and
    /// categories. The row key `id` is not a field.
    Avazu,
}

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
        match self {
            Self::Criteo => criteo::format(),
            Self::Avazu => avazu::format(),
        }
    }

    /// Its fields, as in published runs: tokens need a count of 10 in Criteo and of 2 in Avazu; Criteo's
    /// integers are log² tokens; Avazu's hour is read as hour of the day, weekday and weekend.
    pub fn fields(self) -> Vec<FieldSpec> {
        match self {
            Self::Criteo => criteo::fields(),
            Self::Avazu => avazu::fields(),
        }
    }
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
