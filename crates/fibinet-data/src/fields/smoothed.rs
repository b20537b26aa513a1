use serde::{Deserialize, Serialize};

use crate::fields::bucket_lists::{self, Sharing};
use crate::fields::buckets::{self, BUCKET_SETTINGS, default_buckets};
use crate::fields::kind::{CellEncoder, FieldFit, FieldKind, FittedField, Setting};
use crate::fields::look::ColumnLook;
use crate::fields::number_format::NumberFormat;
use crate::schema_error::FieldError;

/// `kind = "numeric"`, `encoding = "smoothed"`: buckets as in [`Quantile`](crate::fields::Quantile), which share what
/// they learn: a number has the ids of its bucket, twice, and of the buckets below and above it, and their embeddings
/// are averaged. A value with at least twice the rows of a bucket shares nothing. Where there is no bucket to share
/// with stands the number's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Smoothed {
    /// The most buckets.
    #[serde(default = "default_buckets")]
    pub buckets: u32,
    /// How the numbers are written.
    #[serde(flatten)]
    pub format: NumberFormat,
}

impl Smoothed {
    /// Buckets of numbers with a point before their fraction.
    pub fn new(buckets: u32) -> Self {
        Self {
            buckets,
            format: NumberFormat::default(),
        }
    }
}

impl FieldKind for Smoothed {
    const KIND: &'static str = "numeric";
    const ENCODING: Option<&'static str> = Some("smoothed");
    const SETTINGS: &'static [Setting] = BUCKET_SETTINGS;
    const FIELDS: &'static str = "numeric fields with `encoding = \"smoothed\"`";

    fn validate(&self) -> Result<(), FieldError> {
        buckets::validate(self.buckets, &self.format)
    }

    fn fit(&self, field: usize) -> Box<dyn FieldFit> {
        buckets::fit(self.buckets, &self.format, field)
    }

    fn encoder(&self, fitted: &FittedField) -> Option<Box<dyn CellEncoder>> {
        bucket_lists::encoder(Sharing::Neighbours, &self.format, fitted)
    }

    fn guess(look: &ColumnLook) -> Option<(Self, String)> {
        let (buckets, format, reason) = look.buckets_sharing(Some(Sharing::Neighbours))?;
        Some((Self { buckets, format }, reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::bucket_lists::ids_by;
    use crate::fields::cells::MISSING;

    #[test]
    fn a_number_has_the_ids_of_its_bucket_and_of_those_beside_it() {
        assert_eq!(
            ids_by(Sharing::Neighbours, &[], &[1.5, f64::NAN, -9.0, 3.0]),
            [&[3, 4, 4, 5][..], &[MISSING], &[3, 3, 3, 4], &[5, 6, 6, 6]]
        );
    }

    #[test]
    fn a_frequent_value_shares_nothing() {
        assert_eq!(
            ids_by(Sharing::Neighbours, &[2.0], &[1.0, 1.5, 2.0, 2.5]),
            [&[3, 3, 3, 4][..], &[3, 4, 4, 4], &[5], &[6, 6, 6, 6]]
        );
        assert_eq!(
            ids_by(Sharing::Neighbours, &[-1.0, 9.0], &[0.0, 3.0]),
            [[3], [6]]
        );
    }
}
