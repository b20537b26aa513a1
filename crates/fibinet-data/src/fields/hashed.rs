use serde::{Deserialize, Serialize};

use crate::fields::cells::{BadCell, FIRST_TOKEN};
use crate::fields::fixed::{CellValues, Fixed};
use crate::fields::kind::{CellEncoder, FieldFit, FieldKind, FittedField, Setting};
use crate::schema_error::FieldError;

/// `kind = "categorical"` with `hash_buckets`: the id of a token is its hash, in one of `buckets`. It
/// has no vocabulary, and tokens may share an id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hashed {
    /// The number of ids for tokens.
    #[serde(rename = "hash_buckets")]
    pub buckets: u32,
}

impl FieldKind for Hashed {
    const KIND: &'static str = "categorical";
    const SETTINGS: &'static [Setting] = &[Setting::required("hash_buckets")];
    const FIELDS: &'static str = "categorical fields";

    fn validate(&self) -> Result<(), FieldError> {
        FieldError::check_range("hash_buckets", 1, u32::MAX - FIRST_TOKEN, self.buckets)
    }

    fn fit(&self, _field: usize) -> Box<dyn FieldFit> {
        Fixed::fit(self.clone())
    }

    fn encoder(&self, fitted: &FittedField) -> Option<Box<dyn CellEncoder>> {
        Fixed::encoder(self.clone(), fitted)
    }
}

impl CellValues for Hashed {
    fn num_values(&self) -> usize {
        self.buckets as usize
    }

    fn value(&self, text: &[u8]) -> Result<u32, BadCell> {
        Ok((twox_hash::XxHash64::oneshot(0, text) % u64::from(self.buckets)) as u32)
    }
}
