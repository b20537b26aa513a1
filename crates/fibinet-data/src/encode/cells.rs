use crate::config::RowFormat;
use crate::error::{DataError, DataErrorKind};
use crate::fields::cells::BadCell;
use crate::fields::parse;
use crate::position::Position;

/// The error of a cell that its field cannot read.
pub(crate) fn cell_error(
    bad: BadCell,
    position: &Position,
    column: &str,
    cell: &[u8],
) -> DataError {
    let (position, column) = (position.clone(), column.to_owned());
    let got = String::from_utf8_lossy(cell).into_owned();
    match bad {
        BadCell::Number => DataErrorKind::Number {
            position,
            column,
            got,
        },
        BadCell::Rule(rule) => DataErrorKind::Cell {
            position,
            column,
            rule,
            got,
        },
    }
    .into()
}

/// A label's cell as 0 or 1.
pub(crate) fn parse_label(
    cell: &[u8],
    format: &RowFormat,
    position: &Position,
) -> Result<f32, DataError> {
    match (&format.positive, parse(cell)) {
        (Some(positive), _) if positive.as_bytes() == cell => Ok(1.0),
        (Some(_), _) if !format.is_missing(cell) => Ok(0.0),
        (None, Some(label)) if label == 0.0 || label == 1.0 => Ok(label),
        _ => Err(DataErrorKind::Label {
            position: position.clone(),
            column: format.label.clone(),
            got: String::from_utf8_lossy(cell).into_owned(),
        }
        .into()),
    }
}

/// The group of a row, by its cell.
pub(crate) fn group_hash(cell: &[u8]) -> u64 {
    twox_hash::XxHash64::oneshot(0, cell)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::Location;
    use std::sync::Arc;

    #[test]
    fn a_named_label_is_a_click_and_any_other_is_not() {
        let format = RowFormat {
            positive: Some("yes".to_owned()),
            ..RowFormat::csv("y")
        };
        let position = Position {
            path: Arc::new("rows.csv".into()),
            location: Location::Line(2),
        };
        for (cell, label) in [("yes", 1.0), ("no", 0.0), ("1", 0.0)] {
            let parsed = parse_label(cell.as_bytes(), &format, &position).unwrap();
            assert_eq!(parsed, label, "{cell}");
        }
        let missing = parse_label(b"", &format, &position).unwrap_err();
        assert!(missing.is_bad_row(), "{missing}");
    }
}
