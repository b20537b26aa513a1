use std::sync::Arc;

use fibinet_data::config::RowFormat;
use fibinet_data::prepare::Prepared;
use fibinet_data::shards::Shards;

use crate::error::TrainError;

/// The clicks of each split, counted before training.
#[derive(Debug, Clone, Copy)]
pub(super) struct ClassCounts {
    /// Clicks of the training split.
    pub(super) train_clicks: usize,
    /// Clicks of the validation split.
    pub(super) valid_clicks: usize,
    /// Clicks of the test split.
    pub(super) test_clicks: usize,
}

impl ClassCounts {
    /// Counts the clicks of prepared rows.
    ///
    /// # Errors
    ///
    /// [`TrainError::OneClass`] if the training or the validation rows have only one class, and an error if
    /// rows cannot be read. Test rows may have one class: only their AUC is undefined.
    pub(super) fn of(prepared: &Prepared, format: &RowFormat) -> Result<Self, TrainError> {
        let test = prepared.test.as_ref();
        Ok(Self {
            train_clicks: both_classes("training", &prepared.train, format)?,
            valid_clicks: both_classes("validation", &prepared.valid, format)?,
            test_clicks: test.map_or(Ok(0), |test| test.num_clicks())?,
        })
    }
}

/// The clicks of a split that must have both classes.
fn both_classes(
    split: &'static str,
    shards: &Arc<Shards>,
    format: &RowFormat,
) -> Result<usize, TrainError> {
    let (rows, clicks) = (shards.num_rows(), shards.num_clicks()?);
    if (1..rows).contains(&clicks) {
        return Ok(clicks);
    }
    let hint = match &format.positive {
        Some(positive) if clicks == 0 => format!(
            "no cell of `{}` is `{positive}`, which `data.positive` says is a click",
            format.label
        ),
        _ => "see `data.label`, `data.positive` and `data.split`".to_owned(),
    };
    Err(TrainError::OneClass {
        split,
        rows,
        clicks,
        hint,
    })
}
