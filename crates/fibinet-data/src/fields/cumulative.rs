use serde::{Deserialize, Serialize};

use crate::fields::bucket_lists::{self, Sharing};
use crate::fields::buckets::{self, BUCKET_SETTINGS, default_buckets};
use crate::fields::kind::{CellEncoder, FieldFit, FieldKind, FittedField, Setting};
use crate::fields::look::ColumnLook;
use crate::fields::number_format::NumberFormat;
use crate::schema_error::FieldError;

/// A number has half as many ids on average.
const MOST_STEPS: u32 = 1_000;

/// `kind = "numeric"`, `encoding = "cumulative"`: buckets as in [`Quantile`](crate::fields::Quantile), whose vectors
/// are steps: a number has the ids of its bucket and of all buckets below, and their embeddings are added. So a bucket
/// learns only how it differs from the one below (the cumulative form of piecewise-linear embeddings, [Gorishniy et
/// al., 2022](https://arxiv.org/abs/2203.05556), without their linear parts). A value with at least twice the rows of
/// a bucket is not a step: no other number has its bucket's id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cumulative {
    /// The most buckets, at most 1,000.
    #[serde(default = "default_buckets")]
    pub buckets: u32,
    /// How the numbers are written.
    #[serde(flatten)]
    pub format: NumberFormat,
}

impl Cumulative {
    /// Buckets of numbers with a point before their fraction.
    pub fn new(buckets: u32) -> Self {
        Self {
            buckets,
            format: NumberFormat::default(),
        }
    }
}

impl FieldKind for Cumulative {
    const KIND: &'static str = "numeric";
    const ENCODING: Option<&'static str> = Some("cumulative");
    const SETTINGS: &'static [Setting] = BUCKET_SETTINGS;
    const FIELDS: &'static str = "numeric fields with `encoding = \"cumulative\"`";

    fn validate(&self) -> Result<(), FieldError> {
        FieldError::check_range("buckets", 2, MOST_STEPS, self.buckets)?;
        self.format.validate()
    }

    fn fit(&self, field: usize) -> Box<dyn FieldFit> {
        buckets::fit(self.buckets, &self.format, field)
    }

    fn encoder(&self, fitted: &FittedField) -> Option<Box<dyn CellEncoder>> {
        bucket_lists::encoder(Sharing::Steps, &self.format, fitted)
    }

    fn guess(look: &ColumnLook) -> Option<(Self, String)> {
        let (buckets, format, reason) = look.buckets_sharing(Some(Sharing::Steps))?;
        Some((Self { buckets, format }, reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::bucket_lists::ids_by;
    use crate::fields::cells::MISSING;

    #[test]
    fn a_number_has_the_ids_of_its_bucket_and_of_all_below() {
        assert_eq!(
            ids_by(Sharing::Steps, &[], &[1.5, f64::NAN, -9.0, 3.0]),
            [&[3, 4][..], &[MISSING], &[3], &[3, 4, 5, 6]]
        );
    }

    #[test]
    fn a_frequent_value_is_a_step_for_no_other_number() {
        assert_eq!(
            ids_by(Sharing::Steps, &[2.0], &[1.0, 1.5, 2.0, 2.5]),
            [&[3][..], &[3, 4], &[3, 4, 5], &[3, 4, 6]]
        );
    }
}
