use clap::ValueEnum;
use clap::builder::{EnumValueParser, TypedValueParser};
use fibinet::data::config::BuiltinSchema;

/// The values of `--schema`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SchemaName {
    /// Kaggle's display advertising challenge: tabs and no header.
    Criteo,
    /// Kaggle's Avazu challenge: a header, hours as YYMMDDHH.
    Avazu,
}

impl From<SchemaName> for BuiltinSchema {
    fn from(name: SchemaName) -> Self {
        match name {
            SchemaName::Criteo => Self::Criteo,
            SchemaName::Avazu => Self::Avazu,
        }
    }
}

/// Parses `--schema`, whose values help and completions list.
pub(crate) fn schema_parser() -> impl TypedValueParser<Value = BuiltinSchema> {
    EnumValueParser::<SchemaName>::new().map(BuiltinSchema::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_builtin_schema_can_be_asked_for_by_its_name() {
        let names = SchemaName::value_variants().iter().map(|name| {
            let value = name.to_possible_value().expect("no schema is hidden");
            assert_eq!(value.get_name(), BuiltinSchema::from(*name).name());
            BuiltinSchema::from(*name)
        });
        assert!(names.eq(BuiltinSchema::ALL));
    }
}
