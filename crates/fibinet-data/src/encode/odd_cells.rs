use crate::cell::Cell;
use crate::encode::shown::shown;
use crate::fields::FieldSpec;
use crate::fields::cells::CellReader;
use crate::fields::look::{ColumnCells, Seen};
use crate::position::Position;

/// The number of odd cells that a note names.
const NAMED: usize = 3;

/// The cells of a column that its field cannot read, in the order in which they come.
pub(super) struct OddCells<'a> {
    cells: Vec<(&'a [u8], &'a Seen)>,
    num_rows: u64,
    /// Whether they are at most 1%, so that they may count as missing.
    are_few: bool,
}

impl<'a> OddCells<'a> {
    /// Reads the cells of a column as a fit of the field does.
    pub(super) fn of(column: &'a ColumnCells, field: &FieldSpec) -> Self {
        let cells: Vec<(&[u8], &Seen)> = column.distinct().collect();
        let texts: Vec<Cell<'_>> = cells.iter().map(|(text, _)| Cell::Text(text)).collect();
        let mut reader = CellReader::new(&[]);
        let (_, refused) = field.encoding.fit(0).read(&texts, &mut reader);
        let mut odd: Vec<_> = refused.into_iter().map(|(at, _)| cells[at]).collect();
        odd.sort_unstable_by_key(|(_, seen)| seen.first);
        let num_rows = odd.iter().map(|(_, seen)| seen.num_rows).sum();
        Self {
            cells: odd,
            num_rows,
            are_few: !column.are_more_than_a_few(num_rows),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// The cells that the field should take as missing.
    pub(super) fn missing(&self) -> Vec<String> {
        let texts = self.cells.iter().map(|(text, _)| *text);
        let texts = texts.filter(|_| self.are_few);
        let texts = texts.filter_map(|text| std::str::from_utf8(text).ok());
        texts.map(str::to_owned).collect()
    }

    /// Their number, and what becomes of them.
    fn count(&self) -> String {
        let (rows, odd) = (
            self.num_rows,
            if self.num_rows == 1 { "cell" } else { "cells" },
        );
        if self.are_few {
            format!("{rows} odd {odd} taken as missing")
        } else {
            format!("{rows} {odd} cannot be read, and training will refuse them")
        }
    }

    /// Their number, and where the first ones are.
    pub(super) fn note(&self, positions: &[Position]) -> String {
        let named = self.cells.iter().take(NAMED).map(|(text, seen)| {
            let text = String::from_utf8_lossy(text);
            let rows = match seen.num_rows {
                1 => String::new(),
                rows => format!(" ({rows} rows)"),
            };
            format!("{} at {}{rows}", shown(&text), positions[seen.first])
        });
        let mut named: Vec<String> = named.collect();
        if let Some(others) = self.cells.len().checked_sub(NAMED + 1) {
            named.push(format!("and {} others", others + 1));
        }
        format!("{}: {}", self.count(), named.join(", "))
    }
}
