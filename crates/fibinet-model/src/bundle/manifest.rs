use fibinet_nn::models::{AnyHeadConfig, CtrModelConfig};
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::bundle::logit_map::LogitMap;

/// The format that this program writes, and the newest that it reads.
///
/// Format 6 may have several members, of two kinds, and its encoder knows the zones of a Parquet file's times and
/// integers of single precision. The encoder of
/// format 5 gives a value one text, keeps the range of numbers and counts the cells of the validation rows. Format
/// 4 names the model and has its tables' settings apart from its head's. Formats up to 3 held only FiBiNET, with all
/// settings in one table `[fibinet]`; they are still read.
pub(crate) const FORMAT: i64 = 6;

/// What is in `bundle.toml`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    pub(crate) format: i64,
    pub(crate) program: String,
    #[serde(default)]
    pub(crate) output: LogitMap,
    #[serde(default = "all_negatives")]
    pub(crate) negative_rate: f64,
    /// The number of members, whose probabilities are averaged.
    #[serde(default = "one_member", skip_serializing_if = "is_one")]
    pub(crate) members: usize,
    /// Whether every second member has batch norm.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) alternate_batch_norm: bool,
    pub(crate) model: CtrModelConfig<AnyHeadConfig>,
}

fn all_negatives() -> f64 {
    1.0
}

fn one_member() -> usize {
    1
}

fn is_one(members: &usize) -> bool {
    *members == 1
}

fn is_false(value: &bool) -> bool {
    !value
}

impl Manifest {
    /// Reads a manifest of any format.
    ///
    /// # Errors
    ///
    /// If the text is not TOML, or a key is missing, unknown or has a wrong value.
    pub(crate) fn parse(text: &str) -> Result<Self, toml::de::Error> {
        let mut table: Table = text.parse()?;
        if let Some(Value::Table(settings)) = table.remove(UNNAMED) {
            table.insert("model".to_owned(), Value::Table(named(settings)));
        }
        Value::Table(table).try_into()
    }

    /// Checks the numbers that TOML leaves open.
    ///
    /// # Errors
    ///
    /// What is out of range.
    pub(crate) fn validate(&self) -> Result<(), &'static str> {
        let LogitMap { scale, shift } = self.output;
        let rate = self.negative_rate;
        if !(scale > 0.0 && scale.is_finite() && shift.is_finite() && rate > 0.0 && rate <= 1.0) {
            return Err("`output` or `negative_rate` is out of range");
        }
        if self.members == 0 {
            return Err("`members` is 0");
        }
        Ok(())
    }

    /// The format of a manifest; `None` if the text has none.
    pub(crate) fn format_of(text: &str) -> Option<i64> {
        let table: Table = text.parse().ok()?;
        table.get("format")?.as_integer()
    }
}

/// The table that formats up to 3 keep all settings in.
const UNNAMED: &str = "fibinet";

/// Settings of formats up to 3, as later ones have them.
fn named(mut settings: Table) -> Table {
    let mut tables = Table::new();
    for key in ["embedding_dim", "linear"] {
        // The head has them too.
        tables.extend(
            settings
                .get(key)
                .map(|value| (key.to_owned(), value.clone())),
        );
    }
    for key in [
        "numerics",
        "padding",
        "embedding_initializer",
        "linear_initializer",
    ] {
        tables.extend(settings.remove_entry(key));
    }
    settings.insert("name".to_owned(), Value::String(UNNAMED.to_owned()));
    let tables = [("tables", tables), ("head", settings)];
    let tables = tables.map(|(name, table)| (name.to_owned(), Value::Table(table)));
    tables.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use fibinet_nn::models::{AnySpec, FieldCounts, HeadConfig, Numerics};

    fn model(name: &str) -> CtrModelConfig<AnyHeadConfig> {
        let spec: AnySpec = toml::from_str(&format!("name = \"{name}\"")).unwrap();
        let fields = FieldCounts {
            with_ids: 3,
            numeric: 1,
        };
        spec.resolve(fields).unwrap()
    }

    #[test]
    fn a_manifest_of_every_model_is_read_as_it_was_written() {
        for name in AnySpec::NAMES {
            let manifest = Manifest {
                format: FORMAT,
                program: "test".to_owned(),
                output: LogitMap::IDENTITY,
                negative_rate: 0.5,
                members: 3,
                alternate_batch_norm: true,
                model: model(name),
            };
            let text = toml::to_string(&manifest).unwrap();
            assert!(text.contains(&format!("name = \"{name}\"")), "{text}");
            let read = Manifest::parse(&text).unwrap();
            assert_eq!((read.members, &read.model), (3, &manifest.model));
            assert!(read.alternate_batch_norm);
            assert_eq!(Manifest::format_of(&text), Some(FORMAT));
            // Burn's configs ignore keys that they do not know; a manifest's own are refused.
            assert!(Manifest::parse(&format!("unknown = 1\n{text}")).is_err());
        }
    }

    #[test]
    fn a_manifest_without_a_name_is_fibinets() {
        let text = include_str!("../../../../tests/fixtures/bundle_format_3/bundle.toml");
        let read = Manifest::parse(text).unwrap();
        assert_eq!(read.members, 1);
        assert!(!read.alternate_batch_norm);
        assert_eq!(read.model.tables.numerics, Numerics::Dense);
        let inputs = read.model.head.inputs();
        assert_eq!(inputs.num_fields, 3);
        assert_eq!(inputs.embedding_dim, read.model.tables.embedding_dim);
        assert!(matches!(read.model.head, AnyHeadConfig::FiBiNet(_)));
    }
}
