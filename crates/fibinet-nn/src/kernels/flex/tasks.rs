use core::ops::Range;

#[cfg(feature = "autodiff")]
use super::matrix::Matrix;
use super::row_shape::{RowShape, matrices_of};
use crate::pairs::num_pairs;

/// Consecutive pairs of one left field.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Run {
    pub(super) left: usize,
    pub(super) rights: Range<usize>,
    /// The first of its columns, counted within the task.
    pub(super) column: usize,
}

/// Pair columns that are formed together, whole pairs of one side.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Task {
    /// The side, by its index.
    pub(super) side: usize,
    pub(super) runs: Vec<Run>,
    /// The first of its columns, counted over all sides.
    pub(super) column: usize,
    /// The number of columns.
    pub(super) width: usize,
}

/// Divides each side into tasks of at most `columns` columns (or one pair), as evenly as whole pairs
/// allow.
pub(super) fn tasks(shape: RowShape, num_sides: usize, columns: usize) -> Vec<Task> {
    let num_pairs = num_pairs(shape.num_fields);
    let num_tasks = num_pairs.div_ceil((columns / shape.embedding_dim).max(1));
    let mut tasks = Vec::with_capacity(num_sides * num_tasks);
    for side in 0..num_sides {
        let (mut pairs_left, mut tasks_left, mut capacity) = (num_pairs, num_tasks, 0);
        for left in 0..shape.num_fields {
            let mut rights = left + 1..shape.num_fields;
            while !rights.is_empty() {
                if capacity == 0 {
                    capacity = pairs_left.div_ceil(tasks_left);
                    (pairs_left, tasks_left) = (pairs_left - capacity, tasks_left - 1);
                    tasks.push(Task::after(tasks.last(), side));
                }
                let task = tasks.last_mut().expect("a task was just pushed");
                let taken = capacity.min(rights.len());
                task.take(shape, left, rights.start..rights.start + taken);
                (rights.start, capacity) = (rights.start + taken, capacity - taken);
            }
        }
    }
    tasks
}

/// Divides each side into tasks of whole left fields: as many as fit into the side's number of columns, at least
/// one.
pub(super) fn whole_fields(shape: RowShape, columns: &[usize]) -> Vec<Task> {
    let mut tasks: Vec<Task> = Vec::new();
    for (side, &columns) in columns.iter().enumerate() {
        for left in 0..shape.num_fields - 1 {
            let width = shape.width_of(left);
            let full = |task: &Task| task.side != side || task.width + width > columns;
            if tasks.last().is_none_or(full) {
                tasks.push(Task::after(tasks.last(), side));
            }
            let task = tasks.last_mut().expect("a task was just pushed");
            task.take(shape, left, left + 1..shape.num_fields);
        }
    }
    tasks
}

impl Task {
    /// An empty task that starts at the column after `previous`.
    fn after(previous: Option<&Self>, side: usize) -> Self {
        Self {
            side,
            runs: Vec::new(),
            column: previous.map_or(0, |previous| previous.column + previous.width),
            width: 0,
        }
    }

    /// Appends pairs of one left field.
    fn take(&mut self, shape: RowShape, left: usize, rights: Range<usize>) {
        let run = Run {
            left,
            rights,
            column: self.width,
        };
        self.width += run.width(shape);
        self.runs.push(run);
    }
}

impl Run {
    /// The number of columns.
    pub(super) fn width(&self, shape: RowShape) -> usize {
        self.rights.len() * shape.embedding_dim
    }

    /// The elements of the run's right vectors in a row of embeddings.
    pub(super) fn rights(&self, shape: RowShape) -> Range<usize> {
        shape.field_range(self.rights.start).start..shape.field_range(self.rights.end).start
    }

    /// The elements of the run's pairs in an array `[width, lanes]` of the task, and of its right vectors
    /// in an array `[F K, lanes]`.
    #[cfg(feature = "autodiff")]
    pub(super) fn parts(&self, shape: RowShape, lanes: usize) -> [Range<usize>; 2] {
        let len = self.width(shape) * lanes;
        [self.column, shape.field_range(self.rights.start).start]
            .map(|first| first * lanes..first * lanes + len)
    }

    /// Where the matrices of the run's pairs start in [`side_by_side`](super::side::side_by_side) matrices.
    pub(super) fn first_weight(&self, shape: RowShape) -> usize {
        let skipped = self.rights.start - self.left - 1;
        matrices_of(shape, self.left).start + skipped * shape.embedding_dim
    }

    /// The matrices of the run's `n` pairs, `[K, n K]`, out of [`side_by_side`](super::side::side_by_side)
    /// matrices.
    #[cfg(feature = "autodiff")]
    pub(super) fn matrices<'a>(&self, shape: RowShape, by_field: &'a [f32]) -> Matrix<'a> {
        let size = [shape.embedding_dim, self.width(shape)];
        let weights = &by_field[self.first_weight(shape)..];
        Matrix::new(weights, size, shape.width_of(self.left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: RowShape = RowShape {
        num_fields: 4,
        embedding_dim: 3,
    };

    /// The side, first column and width of each task.
    fn columns(tasks: &[Task]) -> Vec<(usize, usize, usize)> {
        let columns = tasks
            .iter()
            .map(|task| (task.side, task.column, task.width));
        columns.collect()
    }

    fn run(left: usize, rights: Range<usize>, column: usize) -> Run {
        Run {
            left,
            rights,
            column,
        }
    }

    #[test]
    fn tasks_hold_whole_pairs_in_order() {
        let tasks = tasks(SHAPE, 2, 7);
        let expected = [0, 6, 12, 18, 24, 30].map(|column| (column / 18, column, 6));
        assert_eq!(columns(&tasks), expected);
        assert_eq!(tasks[0].runs, [run(0, 1..3, 0)]);
        assert_eq!(tasks[1].runs, [run(0, 3..4, 0), run(1, 2..3, 3)]);
        assert_eq!(tasks[5].runs, [run(1, 3..4, 0), run(2, 3..4, 3)]);
    }

    #[test]
    fn tasks_are_of_even_width() {
        // Six pairs, of which four fit: three and three.
        let expected = [(0, 0, 9), (0, 9, 9), (1, 18, 9), (1, 27, 9)];
        assert_eq!(columns(&tasks(SHAPE, 2, 13)), expected);
    }

    #[test]
    fn left_fields_stay_whole() {
        let fields = whole_fields(SHAPE, &[10, 10]);
        let expected = [(0, 0, 9), (0, 9, 9), (1, 18, 9), (1, 27, 9)];
        assert_eq!(columns(&fields), expected);
        assert_eq!(fields[0].runs, [run(0, 1..4, 0)]);
        assert_eq!(fields[3].runs, [run(1, 2..4, 0), run(2, 3..4, 6)]);
    }
}
