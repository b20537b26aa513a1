use std::collections::HashMap;
use std::sync::OnceLock;

use crate::cell::Cell;
use crate::encode::leaks::elements::Elements;
use crate::fields::MultiCategorical;
use crate::fields::cells::CellReader;
use crate::formats::raw_row::RawRow;
use crate::mix::mix;

/// The number of folds: each row is scored by the rows of the other folds.
pub(super) const FOLDS: usize = 5;
/// The greatest number of rows that are kept.
const MAX_ROWS: usize = 100_000;
/// The greatest number of cells that are kept, for logs of many columns: 128 MiB.
const MAX_CELLS: usize = 1 << 23;
/// Distinct texts of a column that are kept to be shown.
const MAX_TEXTS: usize = 4096;
/// The number of bytes that are kept of a text.
pub(super) const MAX_TEXT: usize = 64;
/// The greatest number of elements of lists that are kept: 64 MiB.
const MAX_ELEMENTS: usize = 1 << 24;
const SEED: u64 = 0x1eaf;

/// A cell, as far as its identity and its number go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum CellKey {
    Missing,
    Integer(i64),
    /// The bits of a number that is not an integer.
    Fraction(u64),
    /// The hash of a text.
    Text(u64),
}

impl CellKey {
    /// A cell that is not missing.
    pub(super) fn of(cell: &[u8]) -> Self {
        let cell = cell.trim_ascii();
        let starts_number = cell
            .first()
            .is_some_and(|byte| b"0123456789+-.".contains(byte));
        let number = starts_number.then(|| std::str::from_utf8(cell).ok());
        number
            .flatten()
            .and_then(Self::number)
            .unwrap_or_else(|| Self::Text(hash(cell)))
    }

    fn number(text: &str) -> Option<Self> {
        if let Ok(integer) = text.parse() {
            return Some(Self::Integer(integer));
        }
        let number: f64 = text.parse().ok()?;
        // Integers of more digits are ids, and would lose their last ones.
        let is_long = text.bytes().all(|byte| byte.is_ascii_digit());
        if !number.is_finite() || is_long {
            return None;
        }
        let is_integer = number.fract() == 0.0 && number.abs() < 9e15;
        Some(if is_integer {
            Self::Integer(number as i64)
        } else {
            Self::Fraction(number.to_bits())
        })
    }

    /// Its number, if it is one.
    pub(super) fn value(self) -> Option<f64> {
        match self {
            Self::Integer(integer) => Some(integer as f64),
            Self::Fraction(bits) => Some(f64::from_bits(bits)),
            Self::Missing | Self::Text(_) => None,
        }
    }
}

/// By which a text is told apart from others.
pub(super) fn hash(text: &[u8]) -> u64 {
    twox_hash::XxHash64::oneshot(SEED, text)
}

/// A row of a [`Sample`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) click: bool,
    pub(super) fold: usize,
    /// A hash of its number, by which rows are kept.
    rank: u64,
}

/// A uniform sample of rows. It takes 16 bytes per cell, thus 1.6 MB per column, and at most .5 MB more for a
/// column of texts. A column of lists takes 32 bytes more per row, 4 per element of a row, and at most 8 MB for
/// the beginnings of its distinct elements.
#[derive(Debug)]
pub(super) struct Sample {
    columns: Vec<SampledColumn>,
    rows: Vec<Row>,
    capacity: usize,
    max_elements: usize,
    /// The number of rows that were added, kept or not.
    num_added: u64,
    /// Rows of a greater rank are not kept.
    max_rank: u64,
}

/// The cells of a column.
#[derive(Debug, Default)]
pub(super) struct SampledColumn {
    pub(super) cells: Vec<CellKey>,
    /// The beginnings of some texts, by their hash.
    texts: HashMap<u64, Box<[u8]>>,
    /// `None` if the cells are no lists.
    pub(super) elements: Option<Elements>,
    num_most_frequent: OnceLock<usize>,
}

impl Sample {
    /// A sample without rows. A column comes with how its lists are written, if it has lists.
    pub(super) fn new(columns: &[Option<MultiCategorical>]) -> Self {
        let column = |lists: &Option<MultiCategorical>| SampledColumn {
            elements: lists.clone().map(Elements::new),
            ..SampledColumn::default()
        };
        Self {
            columns: columns.iter().map(column).collect(),
            rows: Vec::new(),
            capacity: (MAX_CELLS / columns.len().max(1)).min(MAX_ROWS),
            max_elements: MAX_ELEMENTS,
            num_added: 0,
            max_rank: u64::MAX,
        }
    }

    /// Adds a row, perhaps in the place of others.
    pub(super) fn add(&mut self, row: RawRow<'_>, click: bool, cells: &mut CellReader<'_>) {
        let rank = mix(SEED, self.num_added);
        self.num_added += 1;
        if rank > self.max_rank {
            return;
        }
        if self.rows.len() >= self.capacity || self.num_elements() > self.max_elements {
            self.halve();
        }
        let fold = (mix(SEED, rank) % FOLDS as u64) as usize;
        self.rows.push(Row { click, fold, rank });
        for (column, cell) in self.columns.iter_mut().zip(row.cells()) {
            column.add(cell, cells);
        }
    }

    /// Keeps about half of the rows.
    fn halve(&mut self) {
        self.max_rank /= 2;
        let keep: Vec<bool> = self
            .rows
            .iter()
            .map(|row| row.rank <= self.max_rank)
            .collect();
        let retain = |at: &mut usize| {
            *at += 1;
            keep[*at - 1]
        };
        let mut at = 0;
        self.rows.retain(|_| retain(&mut at));
        for column in &mut self.columns {
            let mut at = 0;
            column.cells.retain(|_| retain(&mut at));
            if let Some(elements) = &mut column.elements {
                let mut at = 0;
                elements.retain_rows(|| retain(&mut at));
            }
        }
    }

    /// The number of elements of lists that are kept.
    fn num_elements(&self) -> usize {
        let elements = self.columns.iter();
        let elements = elements.filter_map(|column| column.elements.as_ref());
        elements.map(Elements::len).sum()
    }

    pub(super) fn rows(&self) -> &[Row] {
        &self.rows
    }

    pub(super) fn columns(&self) -> &[SampledColumn] {
        &self.columns
    }

    /// The number of rows without and with a click.
    pub(super) fn label_counts(&self) -> [u64; 2] {
        let clicks = self.rows.iter().filter(|row| row.click).count() as u64;
        [self.rows.len() as u64 - clicks, clicks]
    }
}

impl SampledColumn {
    /// Adds a cell. A list without elements is missing.
    fn add(&mut self, cell: Cell<'_>, cells: &mut CellReader<'_>) {
        let elements = self.elements.as_mut();
        let is_empty = elements.is_some_and(|elements| !elements.add(cell, cells));
        let text = cells.value(cell).filter(|_| !is_empty);
        let cell = text.map_or(CellKey::Missing, CellKey::of);
        self.cells.push(cell);
        if let (CellKey::Text(hash), Some(text)) = (cell, text)
            && self.texts.len() < MAX_TEXTS
        {
            let shown = || text[..text.len().min(MAX_TEXT)].into();
            self.texts.entry(hash).or_insert_with(shown);
        }
    }

    /// Whether the other column has the same cells. As many rows may differ as are 1% of those that do not have
    /// the most frequent cell: two rare things are no copies because most rows have neither.
    pub(super) fn is_copy_of(&self, other: &Self) -> bool {
        let max_different = (self.cells.len() - self.num_most_frequent()) / 100;
        let pairs = self.cells.iter().zip(&other.cells);
        let different = pairs.filter(|(own, other)| own != other);
        different.take(max_different + 1).count() <= max_different
    }

    /// The number of rows that have the most frequent cell.
    fn num_most_frequent(&self) -> usize {
        *self.num_most_frequent.get_or_init(|| {
            let mut counts: HashMap<CellKey, usize> = HashMap::new();
            for cell in &self.cells {
                *counts.entry(*cell).or_default() += 1;
            }
            counts.into_values().max().unwrap_or(0)
        })
    }

    /// A cell as text, if it is known.
    pub(super) fn text(&self, cell: CellKey) -> Option<String> {
        match cell {
            CellKey::Missing => Some(String::new()),
            CellKey::Integer(integer) => Some(integer.to_string()),
            CellKey::Fraction(bits) => Some(f64::from_bits(bits).to_string()),
            CellKey::Text(hash) => {
                let text = self.texts.get(&hash)?;
                Some(String::from_utf8_lossy(text).into_owned())
            }
        }
    }
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;
    use csv::ByteRecord;

    use crate::encode::leaks::values::Values;

    /// Rows of a click and a cell, each so many times.
    pub(in crate::encode::leaks) fn repeated(parts: &[(usize, bool, &str)]) -> Vec<(bool, String)> {
        let part =
            |(times, click, cell): &(usize, bool, &str)| vec![(*click, (*cell).to_owned()); *times];
        parts.iter().flat_map(part).collect()
    }

    /// The values of a column, of which empty cells are missing.
    pub(in crate::encode::leaks) fn values_of(rows: &[(bool, String)]) -> Values {
        let mut sample = Sample::new(&[None]);
        for (click, cell) in rows {
            let row = ByteRecord::from_iter([cell.as_bytes()]);
            sample.add((&row).into(), *click, &mut CellReader::new(&[]));
        }
        Values::of(&sample.columns[0].cells, &sample.rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use csv::ByteRecord;

    use crate::shards::layout::Pooling;

    #[test]
    fn a_number_is_the_same_cell_however_it_is_written() {
        for text in ["42", " 42", "+42", "042", "42.0", "4.2e1"] {
            assert_eq!(CellKey::of(text.as_bytes()), CellKey::Integer(42), "{text}");
        }
        assert_eq!(CellKey::of(b"-0.0"), CellKey::Integer(0));
        assert_eq!(CellKey::of(b"0.5").value(), Some(0.5));
        for text in ["1,234", "2024-05-01", "1e999", "x", "inf", "-"] {
            assert_eq!(CellKey::of(text.as_bytes()).value(), None, "{text}");
        }
        let [a, b] = ["10000000000000000001", "10000000000000000002"];
        assert_ne!(CellKey::of(a.as_bytes()), CellKey::of(b.as_bytes()));
    }

    #[test]
    fn a_full_sample_is_thinned_evenly() {
        let mut sample = Sample::new(&[None]);
        sample.capacity = 1000;
        for row in 0..100_000_u32 {
            let cells = ByteRecord::from(vec![row.to_string()]);
            sample.add((&cells).into(), row % 2 == 0, &mut CellReader::new(&[]));
        }
        assert!(
            (400..=1000).contains(&sample.rows.len()),
            "{}",
            sample.rows.len()
        );
        let numbers: Vec<f64> = sample.columns[0]
            .cells
            .iter()
            .filter_map(|cell| cell.value())
            .collect();
        assert_eq!(numbers.len(), sample.rows.len());
        let mean = numbers.iter().sum::<f64>() / numbers.len() as f64;
        assert!((mean / 50_000.0 - 1.0).abs() < 0.1, "{mean}");
        let [others, clicks] = sample.label_counts();
        assert!(clicks.abs_diff(others) < 150, "{clicks} {others}");
        // Cells stay beside their rows.
        for (number, row) in numbers.iter().zip(&sample.rows) {
            assert_eq!(row.click, number % 2.0 == 0.0);
        }
    }

    /// A sample of 100,000 lists, every other one of a click, of which the earlier half has a `buy` too.
    fn sample_of_lists(mut sample: Sample) -> Sample {
        for row in 0..100_000_u32 {
            let click = row % 2 == 0;
            let bought = click && row < 50_000;
            let list = if bought { "a|buy" } else { "a" };
            let cells = ByteRecord::from(vec![list]);
            sample.add((&cells).into(), click, &mut CellReader::new(&[]));
        }
        sample
    }

    fn empty_sample_of_lists() -> Sample {
        let lists = MultiCategorical {
            min_count: 1,
            separator: "|".to_owned(),
            brackets: false,
            pooling: Pooling::default(),
        };
        Sample::new(&[Some(lists)])
    }

    #[test]
    fn elements_are_thinned_with_their_rows() {
        let mut sample = empty_sample_of_lists();
        sample.capacity = 1000;
        let sample = sample_of_lists(sample);
        let column = &sample.columns[0];
        let bought = column.cells.iter();
        let bought = bought.filter(|cell| **cell == CellKey::of(b"a|buy"));
        let bought = bought.count() as u64;
        assert!((50..400).contains(&bought), "{bought}");
        let elements = column.elements.as_ref().unwrap();
        assert_eq!(
            elements.pure(&sample.rows),
            Some(("buy".to_owned(), bought))
        );
    }

    #[test]
    fn a_log_of_many_elements_has_a_smaller_sample() {
        let mut sample = empty_sample_of_lists();
        sample.max_elements = 1000;
        let sample = sample_of_lists(sample);
        let num_elements = sample.num_elements();
        assert!((400..=1002).contains(&num_elements), "{num_elements}");
        // A quarter of the rows have two.
        let num_rows = sample.rows.len();
        assert!(
            (num_elements * 7 / 10..num_elements * 9 / 10).contains(&num_rows),
            "{num_rows} {num_elements}"
        );
    }

    #[test]
    fn a_log_of_many_columns_has_a_smaller_sample() {
        assert_eq!(Sample::new(&vec![None; 40]).capacity, MAX_ROWS);
        assert_eq!(Sample::new(&vec![None; 8192]).capacity, 1024);
    }
}
