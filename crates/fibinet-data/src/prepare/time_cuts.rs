use std::path::Path;

use rayon::prelude::*;

use crate::config::DataSpec;
use crate::config::split::{SplitKind, TimeSplit};
use crate::error::{DataError, DataErrorKind};
use crate::fields::FieldEncoding;
use crate::fields::time_order::TimeOrder;
use crate::formats::blocks::{Block, Row};
use crate::formats::parts::open_rows;
use crate::formats::reader::{Label, column_index};
use crate::prepare::scan::for_each_block;
use crate::prepare::sorted_keys::SortedKeys;

/// The times at which the validation rows and the test rows begin.
#[derive(Debug)]
pub(crate) struct TimeCuts {
    order: TimeOrder,
    /// `None` if there are no such rows.
    valid: Option<i64>,
    test: Option<i64>,
}

impl TimeCuts {
    /// Finds the cuts in a pass over the training file, whose times wait in an unnamed file in the directory,
    /// 8 bytes each.
    ///
    /// # Errors
    ///
    /// If a file cannot be read or written, or a row has no time and malformed rows are not skipped.
    pub(crate) fn find(
        spec: &DataSpec,
        split: &TimeSplit,
        directory: &Path,
        mut progress: impl FnMut(u64),
    ) -> Result<Self, DataError> {
        let path = &spec.sources.train;
        let reader = open_rows(path, &spec.format, Label::Required)?;
        let column = column_index(reader.as_ref(), &split.column)?;
        let mut order = order_of(spec, split);
        let mut keys = SortedKeys::create(directory)?;
        let mut read = 0;
        for_each_block(reader, path, spec.on_bad_row, |block| {
            let rows: Vec<Row<'_>> = (0..block.num_rows()).map(|at| block.row(at)).collect();
            if order.is_none() {
                let mut scratch = Vec::new();
                order = rows
                    .iter()
                    .find_map(|row| TimeOrder::of_cell(row.cell(column).text(&mut scratch)));
            }
            read += rows.len() as u64;
            progress(read);
            add_keys(block, column, order.as_ref(), split, &mut keys)
        })?;
        let order = order.unwrap_or(TimeOrder::Numbers);
        let [valid, test] = cuts(&mut keys, split)?;
        Ok(Self { order, valid, test })
    }

    /// The split of a row.
    ///
    /// # Errors
    ///
    /// [`DataErrorKind::Cell`] if it has no time.
    pub(crate) fn assign(
        &self,
        row: Row<'_>,
        column: usize,
        split: &TimeSplit,
    ) -> Result<SplitKind, DataError> {
        let key = key(row, column, Some(&self.order), split)?;
        let is_from = |cut: Option<i64>| cut.is_some_and(|cut| key >= cut);
        Ok(if is_from(self.test) {
            SplitKind::Test
        } else if is_from(self.valid) {
            SplitKind::Valid
        } else {
            SplitKind::Train
        })
    }
}

/// How times are written: as the split says, or else as the field that reads them says. `None` if neither does.
fn order_of(spec: &DataSpec, split: &TimeSplit) -> Option<TimeOrder> {
    let fields = spec.fields.iter();
    let mut formats = fields.filter_map(|field| match &field.encoding {
        FieldEncoding::Timestamp(time) if field.column == split.column => Some(&time.format),
        _ => None,
    });
    let format = split.format.as_ref().or_else(|| formats.next())?;
    TimeOrder::of_format(format)
}

/// Adds the times of a block's rows, and returns the rows without one.
fn add_keys(
    block: &Block,
    column: usize,
    order: Option<&TimeOrder>,
    split: &TimeSplit,
    keys: &mut SortedKeys,
) -> Result<Vec<(u64, DataError)>, DataError> {
    let rows = (0..block.num_rows())
        .into_par_iter()
        .map(|at| block.row(at));
    let read: Vec<_> = rows
        .map(|row| key(row, column, order, split).map_err(|error| (row.number(), error)))
        .collect();
    let mut bad = Vec::new();
    for key in read {
        match key {
            Ok(key) => keys.push(key)?,
            Err(error) => bad.push(error),
        }
    }
    Ok(bad)
}

/// The time of a row.
fn key(
    row: Row<'_>,
    column: usize,
    order: Option<&TimeOrder>,
    split: &TimeSplit,
) -> Result<i64, DataError> {
    let mut scratch = Vec::new();
    let cell = row.cell(column).text(&mut scratch);
    order.and_then(|order| order.key(cell)).ok_or_else(|| {
        let expected = match order {
            Some(order) => format!("the split goes by time, so expected {}", order.expected()),
            None => {
                "the split goes by time, so expected a number or an ISO date or time (else set \
                     `format` in `data.split`)"
                    .to_owned()
            }
        };
        DataErrorKind::Cell {
            position: row.position().clone(),
            column: split.column.clone(),
            rule: expected,
            got: String::from_utf8_lossy(cell).into_owned(),
        }
        .into()
    })
}

/// Where the validation rows and the test rows begin.
fn cuts(keys: &mut SortedKeys, split: &TimeSplit) -> Result<[Option<i64>; 2], DataError> {
    let mut end = keys.len();
    let mut begin = |share: f64| -> Result<Option<i64>, DataError> {
        if share == 0.0 || end == 0 {
            return Ok(None);
        }
        let rows = (keys.len() as f64 * share).round() as u64;
        let (key, start) = cut(keys, end, rows.clamp(1, end))?;
        end = start;
        Ok(Some(key))
    };
    let test = begin(split.test)?;
    Ok([begin(split.valid)?, test])
}

/// The first key of the last `rows` of the first `end` keys, and the index where it begins. Of the cuts before
/// and after equal keys it is the one that is nearer to `rows`, but not one that leaves no row.
fn cut(keys: &mut SortedKeys, end: u64, rows: u64) -> Result<(i64, u64), DataError> {
    let at = keys.nth(end - rows)?;
    let after = at.num_smaller + at.num_equal;
    let (with, without) = (end - at.num_smaller, end - after);
    let is_nearer = rows - without < with - rows;
    Ok(if without > 0 && (is_nearer || at.num_smaller == 0) {
        (at.key + 1, after)
    } else {
        (at.key, at.num_smaller)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows of each split, train first, of rows with these times.
    fn rows_of(times: &[i64], valid: f64, test: f64) -> [usize; 3] {
        let directory = tempfile::tempdir().unwrap();
        let mut keys = SortedKeys::create(directory.path()).unwrap();
        times.iter().for_each(|time| keys.push(*time).unwrap());
        let split = TimeSplit {
            column: "t".to_owned(),
            format: None,
            valid,
            test,
        };
        let [valid, test] = cuts(&mut keys, &split).unwrap();
        let from = |cut: Option<i64>| {
            let cut = cut.unwrap_or(i64::MAX);
            times.iter().filter(|time| **time >= cut).count()
        };
        let (test, later) = (from(test), from(valid.or(test)));
        [times.len() - later, later - test, test]
    }

    #[test]
    fn the_latest_rows_are_test_rows_and_those_before_them_validation_rows() {
        let times: Vec<i64> = (0..100).map(|i| i * 37 % 100).collect();
        assert_eq!(rows_of(&times, 0.2, 0.1), [70, 20, 10]);
        assert_eq!(rows_of(&times, 0.2, 0.0), [80, 20, 0]);
        assert_eq!(rows_of(&times, 0.0, 0.1), [90, 0, 10]);
    }

    #[test]
    fn rows_of_one_time_stay_together_and_the_nearer_cut_is_made() {
        // Ten days, of which the last has one row less than a tenth of all.
        let times: Vec<i64> = (0..199).map(|i| i / 20).collect();
        assert_eq!(rows_of(&times, 0.1, 0.1), [160, 20, 19]);
        let three: Vec<i64> = (0..30).map(|i| i / 10).collect();
        assert_eq!(rows_of(&three, 0.1, 0.1), [10, 10, 10]);
        assert_eq!(rows_of(&three, 0.1, 0.4), [10, 10, 10]);
        assert_eq!(rows_of(&[7; 10], 0.1, 0.1), [0, 0, 10]);
    }

    #[test]
    fn a_share_of_less_than_a_row_is_a_row() {
        assert_eq!(rows_of(&[1, 2, 3, 4], 0.01, 0.01), [2, 1, 1]);
    }
}
