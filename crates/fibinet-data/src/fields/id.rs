use serde::{Deserialize, Serialize};

use crate::fields::cells::{BadCell, FIRST_TOKEN};
use crate::fields::fixed::{CellValues, Fixed, FixedValue};
use crate::fields::kind::{CellEncoder, FieldFit, FieldKind, FittedField, Setting};
use crate::schema_error::FieldError;

/// `kind = "id"`: a cell is an integer below `num_ids`, used as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Id {
    /// The number of ids.
    pub num_ids: u32,
}

impl FieldKind for Id {
    const KIND: &'static str = "id";
    const SETTINGS: &'static [Setting] = &[Setting::required("num_ids")];
    const FIELDS: &'static str = "id fields";

    fn validate(&self) -> Result<(), FieldError> {
        FieldError::check_range("num_ids", 1, u32::MAX - FIRST_TOKEN, self.num_ids)
    }

    fn fit(&self, _field: usize) -> Box<dyn FieldFit> {
        Fixed::fit(self.clone())
    }

    fn encoder(&self, fitted: &FittedField) -> Option<Box<dyn CellEncoder>> {
        Fixed::encoder(self.clone(), fitted)
    }
}

impl CellValues for Id {
    fn num_values(&self) -> usize {
        self.num_ids as usize
    }

    fn value(&self, text: &[u8]) -> Result<FixedValue, BadCell> {
        std::str::from_utf8(text)
            .ok()
            .and_then(|text| text.trim().parse::<u32>().ok())
            .filter(|id| *id < self.num_ids)
            .map(FixedValue::from)
            .ok_or_else(|| {
                BadCell::Rule(format!("an id must be an integer below {}", self.num_ids))
            })
    }
}
