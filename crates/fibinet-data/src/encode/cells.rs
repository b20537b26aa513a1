use crate::cell::Cell;
use crate::config::RowFormat;
use crate::error::{DataError, DataErrorKind};
use crate::fields::FieldSpec;
use crate::fields::cells::{BadCell, CellReader, parse};
use crate::fields::token_text::{TokenText, is_same_value};
use crate::position::Position;

/// A reader of a field's cells. `text` is how its tokens are written, if a fit has chosen it.
pub(crate) fn field_reader<'a>(
    format: &'a RowFormat,
    field: &'a FieldSpec,
    text: Option<TokenText>,
) -> CellReader<'a> {
    let reader = CellReader::of_field(&format.missing, &field.missing, &format.missing_words);
    reader.with_text(text, field.as_written)
}

/// The error of a cell that its field cannot read.
pub(crate) fn cell_error(
    bad: BadCell,
    position: &Position,
    column: &str,
    cell: Cell<'_>,
) -> DataError {
    let (position, column) = (position.clone(), column.to_owned());
    let got = shown(cell);
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

/// The text of a cell, for an error.
fn shown(cell: Cell<'_>) -> String {
    String::from_utf8_lossy(cell.text(&mut Vec::new())).into_owned()
}

/// A label's cell as 0 or 1.
pub(crate) fn parse_label(
    cell: Cell<'_>,
    reader: &mut CellReader<'_>,
    format: &RowFormat,
    position: &Position,
) -> Result<f32, DataError> {
    let label = match &format.positive {
        Some(positive) => {
            let missing = reader.missing;
            let text = reader.text(cell);
            let is_positive = is_same_value(positive.as_bytes(), text);
            (is_positive || !missing.contain(text)).then_some(f32::from(is_positive))
        }
        None => parse(cell).filter(|label| *label == 0.0 || *label == 1.0),
    };
    label.ok_or_else(|| {
        DataErrorKind::Label {
            position: position.clone(),
            column: format.label.clone(),
            got: shown(cell),
            values: String::new(),
            positive: None,
        }
        .into()
    })
}

/// The group of a row, by its cell.
pub(crate) fn group_hash(cell: Cell<'_>, reader: &mut CellReader<'_>) -> u64 {
    twox_hash::XxHash64::oneshot(0, reader.text(cell))
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
        let mut reader = CellReader::new(&format.missing);
        let mut parse = |cell: &str| {
            let cell = Cell::Text(cell.as_bytes());
            parse_label(cell, &mut reader, &format, &position)
        };
        for (cell, label) in [("yes", 1.0), ("no", 0.0), ("1", 0.0)] {
            assert_eq!(parse(cell).unwrap(), label, "{cell}");
        }
        let missing = parse("").unwrap_err();
        assert!(missing.is_bad_row(), "{missing}");
    }
}
