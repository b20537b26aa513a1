use std::ops::Range;

/// Encoded rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch {
    /// The ids of the fields that have one id per row, `[rows, fields]`, row-major.
    pub ids: Vec<u32>,
    /// The ids of the fields that have several per row, field by field; empty before the first row is added.
    pub lists: Vec<IdLists>,
    /// The numbers of the fields that have no ids, `[rows, fields]`, row-major.
    pub numerics: Vec<f32>,
    /// 0 or 1 per row; empty if rows are scored without labels.
    pub labels: Vec<f32>,
    /// The group of each row, such as a hash of its user; empty if rows have no groups.
    pub groups: Vec<u64>,
    /// The number of rows.
    pub num_rows: usize,
}

/// The ids of rows that have one or more each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IdLists {
    /// The ids of all rows, one row after the other.
    pub ids: Vec<u32>,
    /// Where the ids of each row end.
    pub ends: Vec<usize>,
}

impl IdLists {
    /// The ids of a row.
    ///
    /// # Panics
    ///
    /// If there is no such row.
    pub fn row(&self, row: usize) -> &[u32] {
        &self.ids[self.range(row)]
    }

    /// The range of the ids of a row.
    pub(crate) fn range(&self, row: usize) -> Range<usize> {
        let start = row.checked_sub(1).map_or(0, |before| self.ends[before]);
        start..self.ends[row]
    }

    /// Appends rows whose ids end at `ends`.
    pub(crate) fn extend(&mut self, ids: &[u32], ends: &[usize]) {
        let start = self.ids.len();
        self.ids.extend_from_slice(ids);
        self.ends.extend(ends.iter().map(|end| start + end));
    }

    /// Appends a row.
    pub(crate) fn push(&mut self, ids: &[u32]) {
        self.extend(ids, &[ids.len()]);
    }

    pub(crate) fn truncate(&mut self, rows: usize) {
        self.ends.truncate(rows);
        self.ids.truncate(self.ends.last().copied().unwrap_or(0));
    }
}

impl Batch {
    /// Removes the rows and keeps the memory.
    pub fn clear(&mut self) {
        self.ids.clear();
        self.lists.iter_mut().for_each(|lists| lists.truncate(0));
        self.numerics.clear();
        self.labels.clear();
        self.groups.clear();
        self.num_rows = 0;
    }

    /// Appends a row of another batch with the same fields.
    ///
    /// # Panics
    ///
    /// If there is no such row.
    pub(crate) fn push_row(&mut self, from: &Self, row: usize) {
        let (num_ids, num_numerics) = (
            from.ids.len() / from.num_rows,
            from.numerics.len() / from.num_rows,
        );
        self.ids
            .extend_from_slice(&from.ids[row * num_ids..][..num_ids]);
        self.numerics
            .extend_from_slice(&from.numerics[row * num_numerics..][..num_numerics]);
        for (list, lists) in from.lists.iter().enumerate() {
            self.list_mut(list).push(lists.row(row));
        }
        self.labels.extend(from.labels.get(row));
        self.groups.extend(from.groups.get(row));
        self.num_rows += 1;
    }

    /// The lists of a field of several ids, by its index among those fields.
    pub(crate) fn list_mut(&mut self, list: usize) -> &mut IdLists {
        if self.lists.len() <= list {
            self.lists.resize(list + 1, IdLists::default());
        }
        &mut self.lists[list]
    }
}
