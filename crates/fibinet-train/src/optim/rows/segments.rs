use fibinet_model::inputs::RowInputs;
use rayon::prelude::*;

use crate::optim::rows::tables::Tables;

/// The number of ids of one field from which on several threads sort them.
const PARALLEL_SORT: usize = 1 << 14;

/// Which table rows a step updates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowSelection {
    /// The rows that the batch touches.
    Touched,
    /// All rows. Those that the batch does not touch have a gradient of zero, plus their L2.
    All,
}

/// The selected table rows of a batch, and the slots that read each of them. Padding rows are not included.
///
/// A slot is one field of one batch row; its number is `batch row · F + field`.
///
/// Filling the segments costs one sort of each field's ids, `O(n log n)` in the batch's ids whatever the size of the
/// tables is, with the fields in parallel. Buffers are kept between steps.
#[derive(Debug, Clone, Default)]
pub(crate) struct Segments {
    /// Table rows, ascending.
    rows: Vec<usize>,
    /// Per row: where its slots end in `slots`.
    ends: Vec<u32>,
    /// The slots of each row, ascending. A slot occurs as often as its list has the row.
    slots: Vec<u32>,
    /// Scratch buffers, one per field: `row of the field << 32 | slot`, sorted.
    occurrences: Vec<Vec<u64>>,
}

impl Segments {
    /// The rows, ascending.
    pub(crate) fn rows(&self) -> &[usize] {
        &self.rows
    }

    /// The slots of the row at `index` in [`rows`](Self::rows).
    pub(crate) fn slots(&self, index: usize) -> &[u32] {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.slots[start as usize..self.ends[index] as usize]
    }

    /// Becomes the segments of a batch.
    ///
    /// # Panics
    ///
    /// If the batch has 2³² ids or slots.
    pub(crate) fn fill(&mut self, tables: &Tables, rows: &RowInputs, selection: RowSelection) {
        let fields = tables.sizes.num_fields();
        let most = rows.ids.len().max(rows.num_rows * fields);
        assert!(
            u32::try_from(most).is_ok(),
            "expected a batch of fewer than 2³² ids and slots, got {most}"
        );
        self.occurrences.resize_with(fields, Vec::new);
        self.occurrences
            .par_iter_mut()
            .enumerate()
            .for_each(|(field, occurrences)| sort_slots(tables, rows, field, occurrences));

        self.rows.clear();
        self.ends.clear();
        self.slots.clear();
        for field in 0..fields {
            match selection {
                RowSelection::Touched => self.push_touched(tables, field),
                RowSelection::All => self.push_all(tables, field),
            }
        }
    }

    /// Appends the rows of a field that the batch touches.
    fn push_touched(&mut self, tables: &Tables, field: usize) {
        let offset = tables.sizes.offset(field);
        for same_row in self.occurrences[field].chunk_by(|a, b| a >> 32 == b >> 32) {
            self.slots.extend(same_row.iter().map(|both| *both as u32));
            self.rows.push(offset + (same_row[0] >> 32) as usize);
            self.ends.push(self.slots.len() as u32);
        }
    }

    /// Appends all rows of a field.
    fn push_all(&mut self, tables: &Tables, field: usize) {
        let offset = tables.sizes.offset(field);
        let mut occurrences = self.occurrences[field].iter().copied().peekable();
        for row in 0..tables.sizes.size(field) as u32 {
            if tables.view().is_padding(field, row) {
                continue;
            }
            while let Some(both) = occurrences.next_if(|both| both >> 32 == u64::from(row)) {
                self.slots.push(both as u32);
            }
            self.rows.push(offset + row as usize);
            self.ends.push(self.slots.len() as u32);
        }
    }
}

/// Every slot that reads a row of a field, sorted by row.
fn sort_slots(tables: &Tables, rows: &RowInputs, field: usize, occurrences: &mut Vec<u64>) {
    let (fields, view) = (tables.sizes.num_fields(), tables.view());
    occurrences.clear();
    for batch_row in 0..rows.num_rows {
        let slot = batch_row * fields + field;
        for row in &rows.ids[rows.slot(slot)] {
            if !view.is_padding(field, *row) {
                occurrences.push(u64::from(*row) << 32 | slot as u64);
            }
        }
    }
    if occurrences.len() < PARALLEL_SORT {
        occurrences.sort_unstable();
    } else {
        occurrences.par_sort_unstable();
    }
}
