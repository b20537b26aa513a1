use fibinet_model::RowInputs;
use rayon::prelude::*;

use crate::optim::rows::tables::Tables;

/// Ids of one field from which on more threads than one sort them.
const PARALLEL_SORT: usize = 1 << 14;

/// Which rows get a gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowsTaken {
    /// Those the batch met.
    Met,
    /// All: those not met have a gradient of zero, and their L2.
    All,
}

/// The distinct rows of a batch and the places that use each. Padding rows are left out.
///
/// Filling it costs one sort of each field's ids, `O(n log n)` of the batch's ids whatever the tables
/// are, over the fields in parallel; buffers are kept from step to step.
#[derive(Debug, Clone, Default)]
pub(crate) struct Segments {
    /// Rows of the tables, ascending.
    rows: Vec<usize>,
    /// Per row: where its places end in `places`.
    ends: Vec<u32>,
    /// Places `batch row · F + field`, row by row and ascending within one; a place is there as often
    /// as its list has the row.
    places: Vec<u32>,
    /// Per field: `row in the field << 32 | place`, sorted.
    occurrences: Vec<Vec<u64>>,
}

impl Segments {
    /// The rows, ascending.
    pub(crate) fn rows(&self) -> &[usize] {
        &self.rows
    }

    /// The places of the row at `index` of [`rows`](Self::rows).
    pub(crate) fn places(&self, index: usize) -> &[u32] {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.places[start as usize..self.ends[index] as usize]
    }

    /// Becomes the segments of a batch.
    ///
    /// # Panics
    ///
    /// If the batch has 2³² ids or places.
    pub(crate) fn fill(&mut self, tables: &Tables, rows: &RowInputs, taken: RowsTaken) {
        let fields = tables.sizes.num_fields();
        let most = rows.ids.len().max(rows.num_rows * fields);
        assert!(u32::try_from(most).is_ok(), "a batch of fewer than 2³² ids");
        self.occurrences.resize_with(fields, Vec::new);
        self.occurrences
            .par_iter_mut()
            .enumerate()
            .for_each(|(field, met)| occurrences(tables, rows, field, met));

        self.rows.clear();
        self.ends.clear();
        self.places.clear();
        for (field, met) in self.occurrences.iter().enumerate() {
            let offset = tables.sizes.offset(field);
            let mut met = met.iter().map(|both| (both >> 32, *both as u32)).peekable();
            let mut push = |row: u64, met: &mut std::iter::Peekable<_>| {
                while let Some((_, place)) = met.next_if(|(other, _): &(u64, u32)| *other == row) {
                    self.places.push(place);
                }
                self.rows.push(offset + row as usize);
                self.ends.push(self.places.len() as u32);
            };
            match taken {
                RowsTaken::Met => {
                    while let Some((row, _)) = met.peek() {
                        push(*row, &mut met);
                    }
                }
                RowsTaken::All => {
                    for row in 0..tables.sizes.size(field) as u32 {
                        if !tables.view().is_padding(field, row) {
                            push(u64::from(row), &mut met);
                        }
                    }
                }
            }
        }
    }
}

/// Every use of a field's rows, sorted.
fn occurrences(tables: &Tables, rows: &RowInputs, field: usize, met: &mut Vec<u64>) {
    let (fields, view) = (tables.sizes.num_fields(), tables.view());
    met.clear();
    for batch_row in 0..rows.num_rows {
        let place = batch_row * fields + field;
        for row in &rows.ids[rows.slot(place)] {
            if !view.is_padding(field, *row) {
                met.push(u64::from(*row) << 32 | place as u64);
            }
        }
    }
    match met.len() < PARALLEL_SORT {
        true => met.sort_unstable(),
        false => met.par_sort_unstable(),
    }
}
