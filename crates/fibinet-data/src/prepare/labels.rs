use std::path::Path;

use crate::config::RowFormat;
use crate::encode::label_values::LabelValues;
use crate::error::{DataError, DataErrorKind};

/// Adds the values of the label's column to the error of a label that is neither 0 nor 1: all that a
/// person needs to set `positive`. The first rows of the file are read again for that.
pub(crate) fn with_label_values(error: DataError, path: &Path, format: &RowFormat) -> DataError {
    // A pipe cannot be read a second time.
    if format.positive.is_some() || !(path.is_file() || path.is_dir()) {
        return error;
    }
    match error.into_kind() {
        DataErrorKind::Label {
            position,
            column,
            got,
            ..
        } => {
            let values = LabelValues::read(path, format).ok();
            DataErrorKind::Label {
                position,
                column,
                got,
                positive: values.as_ref().and_then(LabelValues::positive),
                values: values.map_or(String::new(), |values| format!("; the column has {values}")),
            }
            .into()
        }
        other => other.into(),
    }
}
