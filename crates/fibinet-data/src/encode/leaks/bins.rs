use hashbrown::HashMap;

use crate::encode::leaks::sample::{Cell, Row};

/// The number of bins that each label's numbers are cut into: 32 together.
const BINS_PER_LABEL: usize = 16;
/// The bins of cells that are not numbers.
const MISSING: u32 = 0;
const TEXT: u32 = 1;
const FIRST_NUMBER: u32 = 2;

/// The cells of a column by their bin.
pub(super) struct Bins {
    /// The bin of each row.
    pub(super) of_rows: Vec<u32>,
    pub(super) len: usize,
}

impl Bins {
    /// Bins of equal shares of the clicks, crossed with such of the other rows. So a threshold that
    /// parts rare clicks from the other rows lies at an edge.
    pub(super) fn of_numbers(cells: &[Cell], rows: &[Row]) -> Self {
        let edges = edges(cells, rows);
        let bin = |cell: &Cell| match (cell, cell.value()) {
            (_, Some(number)) => {
                FIRST_NUMBER + edges.partition_point(|edge| *edge <= number) as u32
            }
            (Cell::Missing, None) => MISSING,
            (_, None) => TEXT,
        };
        Self {
            of_rows: cells.iter().map(bin).collect(),
            len: FIRST_NUMBER as usize + edges.len() + 1,
        }
    }

    /// A bin per distinct cell, and the cell of each.
    pub(super) fn of_values(cells: &[Cell]) -> (Self, Vec<Cell>) {
        let (mut bins, mut distinct) = (HashMap::new(), Vec::new());
        let of_rows = cells.iter().map(|cell| {
            *bins.entry(*cell).or_insert_with(|| {
                distinct.push(*cell);
                distinct.len() as u32 - 1
            })
        });
        let of_rows = of_rows.collect();
        let len = distinct.len();
        (Self { of_rows, len }, distinct)
    }
}

/// Ascending lower edges: quantiles of the clicks' numbers and of the other rows'.
fn edges(cells: &[Cell], rows: &[Row]) -> Vec<f64> {
    let mut by_label = [Vec::new(), Vec::new()];
    for (cell, row) in cells.iter().zip(rows) {
        by_label[usize::from(row.click)].extend(cell.value());
    }
    let mut edges = Vec::new();
    for numbers in &mut by_label {
        numbers.sort_unstable_by(f64::total_cmp);
        let quantile = |k| numbers.get(k * numbers.len() / BINS_PER_LABEL);
        edges.extend((0..BINS_PER_LABEL).filter_map(quantile));
    }
    edges.sort_unstable_by(f64::total_cmp);
    edges.dedup();
    edges
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::leaks::sample::testing::sample_of_column;

    #[test]
    fn the_least_number_of_rare_clicks_is_an_edge() {
        // 20 clicks from 7000 on among 2,000 rows.
        let numbers: Vec<u32> = (0..2000)
            .map(|row| if row % 100 == 0 { 7000 + row } else { row })
            .collect();
        let clicks: Vec<bool> = numbers.iter().map(|number| *number >= 7000).collect();
        let cells: Vec<String> = numbers.iter().map(u32::to_string).collect();
        let sample = sample_of_column(&clicks, &cells);
        let edges = edges(&sample.columns()[0].cells, sample.rows());
        assert!(edges.contains(&7000.0) && edges.len() <= 32, "{edges:?}");
    }

    #[test]
    fn missing_cells_and_texts_have_bins_of_their_own() {
        let cells = ["1", "", "x", "2", "y", ""].map(str::to_owned);
        let sample = sample_of_column(&[true, false, true, false, true, false], &cells);
        let bins = Bins::of_numbers(&sample.columns()[0].cells, sample.rows());
        assert_eq!(bins.of_rows, [3, 0, 1, 4, 1, 0]);
        assert_eq!(bins.len, 5);
    }

    #[test]
    fn equal_cells_share_a_bin() {
        let cells = ["a", "b", "", "a", "1", "1.0"].map(str::to_owned);
        let sample = sample_of_column(&[false; 6], &cells);
        let (bins, distinct) = Bins::of_values(&sample.columns()[0].cells);
        assert_eq!(bins.of_rows, [0, 1, 2, 0, 3, 3]);
        assert_eq!((bins.len, distinct.len()), (4, 4));
    }
}
