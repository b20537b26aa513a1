use hashbrown::HashMap;

use crate::encode::leaks::sample::{CellKey, FOLDS, Row};

/// The number of bins that each label's numbers are cut into: 32 together.
const BINS_PER_LABEL: u64 = 16;

/// The number of rows by fold, without and with a click.
pub(super) type Counts = [[u64; 2]; FOLDS];

/// The distinct cells of a column and their rows.
#[derive(Debug, Default)]
pub(super) struct Values {
    pub(super) cells: Vec<CellKey>,
    /// The rows of each cell.
    pub(super) counts: Vec<Counts>,
}

impl Values {
    pub(super) fn of(cells: &[CellKey], rows: &[Row]) -> Self {
        let (mut indices, mut values) = (HashMap::new(), Self::default());
        for (cell, row) in cells.iter().zip(rows) {
            let index = *indices.entry(*cell).or_insert_with(|| {
                values.cells.push(*cell);
                values.counts.push([[0; 2]; FOLDS]);
                values.cells.len() - 1
            });
            values.counts[index][row.fold][usize::from(row.click)] += 1;
        }
        values
    }

    /// Each cell, with its number of rows without and with a click.
    pub(super) fn totals(&self) -> impl Iterator<Item = (CellKey, [u64; 2])> {
        let totals = self.counts.iter().map(total);
        self.cells.iter().copied().zip(totals)
    }

    /// Whether at least half of the rows with a value have a number.
    pub(super) fn are_numbers(&self) -> bool {
        let rows_where = |holds: fn(CellKey) -> bool| -> u64 {
            let cells = self.totals().filter(|(cell, _)| holds(*cell));
            cells.map(|(_, [others, clicks])| others + clicks).sum()
        };
        let numbers = rows_where(|cell| cell.value().is_some());
        numbers > 0 && 2 * numbers >= rows_where(|cell| cell != CellKey::Missing)
    }

    /// The rows in bins of numbers: of equal shares of the clicks, crossed with such of the other rows.
    /// So a threshold that parts rare clicks from the other rows lies between two bins. Missing cells
    /// have a bin of their own, and so have texts.
    pub(super) fn number_bins(&self) -> Vec<Counts> {
        let mut bins = vec![[[0; 2]; FOLDS]; 2];
        let (mut numbers, mut rows) = (Vec::new(), [0; 2]);
        for (cell, counts) in self.cells.iter().zip(&self.counts) {
            match cell.value() {
                Some(number) => {
                    rows = add(rows, total(counts));
                    numbers.push((number, counts));
                }
                None => merge(&mut bins[usize::from(*cell == CellKey::Missing)], counts),
            }
        }
        numbers.sort_unstable_by(|(a, _), (b, _)| a.total_cmp(b));
        let (mut read, mut quantile) = ([0; 2], [0; 2]);
        for (_, counts) in numbers {
            read = add(read, total(counts));
            let mut is_edge = false;
            for label in 0..2 {
                // The rank of the quantile is among the rows of this number.
                while quantile[label] < BINS_PER_LABEL
                    && quantile[label] * rows[label] / BINS_PER_LABEL < read[label]
                {
                    quantile[label] += 1;
                    is_edge = true;
                }
            }
            if is_edge {
                bins.push([[0; 2]; FOLDS]);
            }
            let last = bins.len() - 1;
            merge(&mut bins[last], counts);
        }
        bins
    }
}

/// The rows of all folds.
pub(super) fn total(counts: &Counts) -> [u64; 2] {
    counts.iter().copied().fold([0, 0], add)
}

fn add(a: [u64; 2], b: [u64; 2]) -> [u64; 2] {
    [a[0] + b[0], a[1] + b[1]]
}

fn merge(counts: &mut Counts, more: &Counts) {
    for (counts, more) in counts.iter_mut().zip(more) {
        *counts = add(*counts, *more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::leaks::sample::testing::values_of;

    fn bins_of(clicks: &[bool], cells: &[String]) -> Vec<[u64; 2]> {
        let rows = clicks.iter().copied().zip(cells.iter().cloned());
        let bins = values_of(&rows.collect::<Vec<_>>()).number_bins();
        bins.iter().map(total).collect()
    }

    #[test]
    fn a_threshold_of_rare_clicks_parts_two_bins() {
        // 20 clicks from 7000 on among 2,000 rows.
        let numbers: Vec<u32> = (0..2000)
            .map(|row| if row % 100 == 0 { 7000 + row } else { row })
            .collect();
        let clicks: Vec<bool> = numbers.iter().map(|number| *number >= 7000).collect();
        let cells: Vec<String> = numbers.iter().map(u32::to_string).collect();
        let bins = bins_of(&clicks, &cells);
        assert_eq!(bins.len(), 2 + 32, "{bins:?}");
        assert!(bins.iter().all(|[others, clicks]| others * clicks == 0));
        // Of 1,980 other rows a sixteenth are 123 or 124.
        let sixteenths = bins[2..18].iter();
        assert!(
            sixteenths
                .clone()
                .all(|[others, _]| (123..=124).contains(others)),
            "{bins:?}"
        );
    }

    #[test]
    fn missing_cells_and_texts_have_bins_of_their_own() {
        let cells = ["1", "", "x", "2", "y", ""].map(str::to_owned);
        let clicks = [true, false, true, false, true, false];
        assert_eq!(bins_of(&clicks, &cells), [[0, 2], [2, 0], [0, 1], [1, 0]]);
    }

    #[test]
    fn equal_cells_are_one_value() {
        let rows = [
            (true, "a"),
            (false, "b"),
            (false, ""),
            (false, "a"),
            (true, "1"),
            (true, "1.0"),
        ];
        let values = values_of(&rows.map(|(click, cell)| (click, cell.to_owned())));
        let totals: Vec<[u64; 2]> = values.totals().map(|(_, total)| total).collect();
        assert_eq!(totals, [[1, 1], [1, 0], [1, 0], [0, 2]]);
        assert_eq!(values.cells[2], CellKey::Missing);
        assert!(!values.are_numbers());
    }
}
