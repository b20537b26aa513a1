use crate::shards::batch::{Batch, IdLists};
use crate::shards::layout::{FieldLayout, FieldShape};

/// Encoded rows, column by column. A [`Batch`] has them row by row.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Columns {
    pub(crate) labels: Vec<f32>,
    /// Empty if rows have no groups.
    pub(crate) groups: Vec<u64>,
    pub(crate) fields: Vec<Column>,
}

/// The values of a field.
#[derive(Debug, PartialEq)]
pub(crate) enum Column {
    Ids(Vec<u32>),
    Lists(IdLists),
    Numbers(Vec<f32>),
    /// Numbers that wait until their field is fitted.
    Unscaled(Vec<f64>),
}

impl Columns {
    /// Columns of these fields, without rows.
    pub(crate) fn new(fields: &[FieldLayout]) -> Self {
        let column = |field: &FieldLayout| match field.shape {
            FieldShape::Number => Column::Numbers(Vec::new()),
            FieldShape::Id { .. } => Column::Ids(Vec::new()),
            FieldShape::Ids { .. } => Column::Lists(IdLists::default()),
        };
        Self {
            fields: fields.iter().map(column).collect(),
            ..Self::default()
        }
    }

    pub(crate) fn num_rows(&self) -> usize {
        self.labels.len()
    }

    /// Appends a row of a batch with the same fields.
    pub(crate) fn push_row(&mut self, batch: &Batch, row: usize) {
        let (num_ids, num_numerics) = (
            batch.ids.len() / batch.num_rows,
            batch.numerics.len() / batch.num_rows,
        );
        let mut ids = batch.ids[row * num_ids..].iter();
        let mut numbers = batch.numerics[row * num_numerics..].iter();
        let mut lists = batch.lists.iter();
        for column in &mut self.fields {
            match column {
                Column::Ids(column) => column.extend(ids.next()),
                Column::Numbers(column) => column.extend(numbers.next()),
                Column::Unscaled(_) => unreachable!("a batch is encoded"),
                Column::Lists(column) => {
                    if let Some(lists) = lists.next() {
                        column.push(lists.row(row));
                    }
                }
            }
        }
        self.labels.extend(batch.labels.get(row));
        self.groups.extend(batch.groups.get(row));
    }

    /// Appends some rows of columns of the same fields.
    pub(crate) fn extend(&mut self, from: &Self, rows: &[u32]) {
        fn pick<T: Copy>(values: &mut Vec<T>, from: &[T], rows: &[u32]) {
            values.extend(rows.iter().map(|row| from[*row as usize]));
        }
        for fields in self.fields.iter_mut().zip(&from.fields) {
            match fields {
                (Column::Ids(ids), Column::Ids(from)) => pick(ids, from, rows),
                (Column::Numbers(numbers), Column::Numbers(from)) => pick(numbers, from, rows),
                (Column::Lists(lists), Column::Lists(from)) => {
                    rows.iter()
                        .for_each(|row| lists.push(from.row(*row as usize)));
                }
                (to, from) => unreachable!("{from:?} is added to {to:?}"),
            }
        }
        pick(&mut self.labels, &from.labels, rows);
        if !from.groups.is_empty() {
            pick(&mut self.groups, &from.groups, rows);
        }
    }

    /// Appends all rows of columns of the same fields.
    pub(crate) fn append(&mut self, from: &Self) {
        for fields in self.fields.iter_mut().zip(&from.fields) {
            match fields {
                (Column::Ids(ids), Column::Ids(from)) => ids.extend_from_slice(from),
                (Column::Numbers(numbers), Column::Numbers(from)) => {
                    numbers.extend_from_slice(from);
                }
                (Column::Lists(lists), Column::Lists(from)) => lists.extend(&from.ids, &from.ends),
                (to, from) => unreachable!("{from:?} is added to {to:?}"),
            }
        }
        self.labels.extend_from_slice(&from.labels);
        self.groups.extend_from_slice(&from.groups);
    }

    /// Removes the rows and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.labels.clear();
        self.groups.clear();
        for column in &mut self.fields {
            match column {
                Column::Ids(ids) => ids.clear(),
                Column::Lists(lists) => lists.truncate(0),
                Column::Numbers(numbers) => numbers.clear(),
                Column::Unscaled(numbers) => numbers.clear(),
            }
        }
    }
}

impl Column {
    /// Whether a row has this id.
    pub(crate) fn has_id(&self, row: usize, id: u32) -> bool {
        match self {
            Self::Ids(ids) => ids[row] == id,
            Self::Lists(lists) => lists.row(row).contains(&id),
            Self::Numbers(_) | Self::Unscaled(_) => false,
        }
    }

    /// Keeps the rows that are `kept`.
    pub(crate) fn retain(&mut self, kept: &[bool]) {
        match self {
            Self::Ids(ids) => retain(ids, kept),
            Self::Numbers(numbers) => retain(numbers, kept),
            Self::Unscaled(numbers) => retain(numbers, kept),
            Self::Lists(lists) => {
                let mut left = IdLists::default();
                for (row, _) in kept.iter().enumerate().filter(|(_, kept)| **kept) {
                    left.push(lists.row(row));
                }
                *lists = left;
            }
        }
    }
}

/// Keeps the values that are `kept`.
pub(crate) fn retain<T>(values: &mut Vec<T>, kept: &[bool]) {
    let mut kept = kept.iter();
    values.retain(|_| kept.next().is_some_and(|kept| *kept));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(rows: &[u32]) -> Columns {
        let mut lists = IdLists::default();
        rows.iter()
            .for_each(|row| lists.push(&[*row, 2 * row][..1 + *row as usize % 2]));
        Columns {
            labels: rows.iter().map(|row| (row % 2) as f32).collect(),
            groups: rows.iter().map(|row| u64::from(*row) << 40).collect(),
            fields: vec![
                Column::Ids(rows.to_vec()),
                Column::Lists(lists),
                Column::Numbers(rows.iter().map(|row| *row as f32).collect()),
            ],
        }
    }

    #[test]
    fn rows_are_appended_and_removed_whole() {
        let mut some = columns(&[7, 4]);
        some.extend(&columns(&[5, 6, 3, 8]), &[3, 0, 2]);
        assert_eq!(some, columns(&[7, 4, 8, 5, 3]));
        let mut twice = columns(&[7, 4]);
        twice.append(&columns(&[8, 5, 3]));
        assert_eq!(twice, some);
        let kept = [false, true, true, false, true];
        some.fields
            .iter_mut()
            .for_each(|column| column.retain(&kept));
        assert_eq!(some.fields, columns(&[4, 8, 3]).fields);
        some.clear();
        assert_eq!(some, columns(&[]));
    }
}
