use crate::fields::cell_counts::{CellCounts, Unusual};
use crate::fields::cells::{MISSING, OUT_OF_VOCABULARY};
use crate::fields::number_range::NumberRange;
use crate::shards::columns::Column;

/// Counts the cells of a column of the training file that belong to validation and test rows.
#[derive(Debug)]
pub(crate) struct ColumnCounter<'a> {
    rows: &'a [SplitRows; 2],
    counts: [CellCounts; 2],
    /// The first test row with a cell that is unusual in each way, by its place among the test rows.
    first_of_test: [Option<usize>; 4],
}

/// Ascending indices of the rows of a split.
pub(crate) type SplitRows = Vec<u32>;

impl<'a> ColumnCounter<'a> {
    /// A counter for these validation and test rows.
    pub(crate) fn new(rows: &'a [SplitRows; 2]) -> Self {
        Self {
            rows,
            counts: Default::default(),
            first_of_test: [None; 4],
        }
    }

    /// The counts of validation and test rows.
    pub(crate) fn counts(&self) -> [CellCounts; 2] {
        self.counts
    }

    /// The first test row with a cell that is unusual in this way, by its place among the test rows.
    pub(crate) fn first_of_test(&self, unusual: Unusual) -> Option<usize> {
        self.first_of_test[unusual as usize]
    }

    /// Counts the cells of a column of ids, or of lists of them.
    pub(crate) fn count(&mut self, column: &Column) {
        for (rows, counts) in self.rows.iter().zip(&mut self.counts) {
            let rows = rows.iter().map(|row| *row as usize);
            match column {
                Column::Ids(ids) => add_ids(counts, rows.map(|row| ids[row])),
                Column::Lists(lists) => {
                    add_ids(counts, rows.flat_map(|row| lists.row(row)).copied());
                }
                Column::Numbers(_) | Column::Unscaled(_) => {
                    unreachable!("numbers are counted with their range")
                }
            }
        }
        self.find_first(Unusual::Unknown, |row| {
            column.has_id(row, OUT_OF_VOCABULARY)
        });
        self.find_first(Unusual::Missing, |row| column.has_id(row, MISSING));
    }

    /// Counts one number per row; NaN is missing.
    pub(crate) fn count_numbers(&mut self, numbers: &[f64], range: Option<NumberRange>) {
        for (rows, counts) in self.rows.iter().zip(&mut self.counts) {
            for row in rows {
                let number = numbers[*row as usize];
                counts.missing += u64::from(number.is_nan());
                let is_outside = range.is_some_and(|range| range.excludes(number));
                counts.out_of_range += u64::from(is_outside);
            }
            counts.cells += rows.len() as u64;
        }
        self.find_first(Unusual::OutOfRange, |row| {
            range.is_some_and(|range| range.excludes(numbers[row]))
        });
    }

    /// Looks for the first test row, if one was counted.
    fn find_first(&mut self, unusual: Unusual, is_unusual: impl Fn(usize) -> bool) {
        let [_, test] = self.rows;
        let first = &mut self.first_of_test[unusual as usize];
        if first.is_none() && self.counts[1].of(unusual) > 0 {
            *first = test.iter().position(|row| is_unusual(*row as usize));
        }
    }

    /// Counts an unusual cell, unless it is one of a training row.
    pub(crate) fn note(&mut self, row: usize, unusual: Unusual) {
        let [valid, test] = self.rows;
        if valid.binary_search(&(row as u32)).is_ok() {
            self.counts[0].add(unusual);
        } else if let Ok(at) = test.binary_search(&(row as u32)) {
            self.counts[1].add(unusual);
            self.first_of_test[unusual as usize].get_or_insert(at);
        }
    }
}

fn add_ids(counts: &mut CellCounts, ids: impl Iterator<Item = u32>) {
    // Without a branch: whether a cell is missing is hard to predict.
    let mut by_id = [0_u64; 4];
    ids.for_each(|id| by_id[id.min(3) as usize] += 1);
    counts.cells += by_id.iter().sum::<u64>();
    counts.unknown += by_id[OUT_OF_VOCABULARY as usize];
    counts.missing += by_id[MISSING as usize];
}
