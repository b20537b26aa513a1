use core::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::ConfigError;
use crate::models::ctr_model::CtrModelConfig;
use crate::models::head::HeadConfig;
use crate::models::tables_config::Numerics;

/// The fields of a log, as a model's settings need them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldCounts {
    /// Fields with ids.
    pub with_ids: usize,
    /// Numeric fields that are not cut into buckets.
    pub numeric: usize,
}

impl FieldCounts {
    /// The fields `F` and raw numeric inputs `N` of a model that reads numeric fields as `numerics` says.
    pub fn read_as(self, numerics: Numerics) -> (usize, usize) {
        match numerics {
            Numerics::Embedded => (self.with_ids + self.numeric, 0),
            Numerics::Dense => (self.with_ids, self.numeric),
        }
    }
}

/// A model as a run file writes it: the keys of its `[model]` section, all optional.
///
/// Serde refuses unknown keys. [`resolve`](Self::resolve) fills in the defaults for a log's fields.
pub trait ModelSpec: Clone + Debug + Default + PartialEq + Serialize + DeserializeOwned {
    /// The settings of the model's head.
    type Config: HeadConfig;

    /// What `fibinet init --model NAME` writes below `name = …`.
    const TEMPLATE: &'static str;

    /// The settings of the model for a log's fields.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for a name or value that cannot be resolved; ranges are checked by
    /// [`CtrModelConfig::validate`].
    fn resolve(&self, fields: FieldCounts) -> Result<CtrModelConfig<Self::Config>, ConfigError>;
}
