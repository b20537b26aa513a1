use fibinet_model::tables::huge_pages::zeroed;

use crate::optim::rows::rounding::{Draws, Stored};
use crate::optim::rows::table_numbers::TableSliceMut;

/// Rows that one task updates.
const CHUNK_ROWS: usize = 256;
/// Rows that are read ahead, before the first of them is updated.
const READ_AHEAD: usize = 32;

/// The optimizer state of a table's rows, row by row.
///
/// All numbers of a row are adjacent, so that updating it touches one stretch of memory.
#[derive(Debug, Default)]
pub(crate) struct State {
    numbers: Vec<f32>,
    /// Numbers per row.
    width: usize,
}

impl State {
    /// Zeros, `width` per row.
    pub(crate) fn new(num_rows: usize, width: usize) -> Self {
        Self {
            numbers: zeroed(num_rows * width),
            width,
        }
    }

    /// Becomes zeros again.
    pub(crate) fn clear(&mut self) {
        // The old memory is freed before as much is allocated.
        let len = std::mem::take(&mut self.numbers).len();
        self.numbers = zeroed(len);
    }

    /// The state of a row.
    pub(crate) fn row(&self, row: usize) -> &[f32] {
        &self.numbers[row * self.width..][..self.width]
    }
}

/// A table and its optimizer state, to be changed row by row.
pub(crate) struct StatefulTable<'a> {
    weights: TableSliceMut<'a>,
    state: &'a mut State,
    width: usize,
    draws: Draws,
}

impl<'a> StatefulTable<'a> {
    /// - `width`: weights per row; 0 for a model without such a table
    /// - `draws`: the random bits by which changed weights are rounded
    pub(crate) fn new(
        weights: TableSliceMut<'a>,
        state: &'a mut State,
        width: usize,
        draws: Draws,
    ) -> Self {
        Self {
            weights,
            state,
            width,
            draws,
        }
    }

    /// Weights per row.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Calls `change` with the index of each row in `rows`, which ascend, the row's weights in f32 and its
    /// state, and stores what these have become. Several threads share the rows.
    pub(crate) fn for_each<C>(self, rows: &[usize], change: &C)
    where
        C: Fn(usize, &mut [f32], &mut [f32]) + Sync,
    {
        if self.width == 0 {
            return;
        }
        let Self {
            state,
            width,
            draws,
            ..
        } = self;
        match self.weights {
            TableSliceMut::F32(weights) => {
                Part::new(weights, state, width, draws).for_each(rows, 0, change);
            }
            TableSliceMut::Bf16(weights) => {
                Part::new(weights, state, width, draws).for_each(rows, 0, change);
            }
            TableSliceMut::F16(weights) => {
                Part::new(weights, state, width, draws).for_each(rows, 0, change);
            }
        }
    }
}

/// Consecutive rows of a table, with their state.
struct Part<'a, N> {
    first_row: usize,
    /// Weights per row.
    width: usize,
    weights: &'a mut [N],
    draws: Draws,
    /// Numbers of state per row.
    state_width: usize,
    state: &'a mut [f32],
}

impl<'a, N: Stored> Part<'a, N> {
    /// A whole table.
    fn new(weights: &'a mut [N], state: &'a mut State, width: usize, draws: Draws) -> Self {
        Self {
            first_row: 0,
            width,
            weights,
            draws,
            state_width: state.width,
            state: &mut state.numbers,
        }
    }

    /// The rows before `row`, and those from it on.
    fn split_at(self, row: usize) -> (Self, Self) {
        let rows = row - self.first_row;
        let (weights, more_weights) = self.weights.split_at_mut(rows * self.width);
        let (state, more_state) = self.state.split_at_mut(rows * self.state_width);
        let before = Self {
            weights,
            state,
            ..self
        };
        let after = Self {
            first_row: row,
            weights: more_weights,
            state: more_state,
            ..self
        };
        (before, after)
    }

    /// [`StatefulTable::for_each`] for rows whose indices start at `start`. Halves go to other threads.
    fn for_each<C>(self, rows: &[usize], start: usize, change: &C)
    where
        C: Fn(usize, &mut [f32], &mut [f32]) + Sync,
    {
        if rows.len() > CHUNK_ROWS {
            let half = rows.len() / 2;
            let (before, after) = self.split_at(rows[half]);
            rayon::join(
                || before.for_each(&rows[..half], start, change),
                || after.for_each(&rows[half..], start + half, change),
            );
            return;
        }
        let (width, state_width) = (self.width, self.state_width);
        let (mut index, mut buffer) = (start, vec![0.0; width]);
        for rows in rows.chunks(READ_AHEAD) {
            self.read_ahead(rows);
            for row in rows {
                let offset = row - self.first_row;
                let state = &mut self.state[offset * state_width..][..state_width];
                N::change(
                    &mut self.weights[offset * width..][..width],
                    &mut buffer,
                    || self.draws.of_row(*row),
                    |weights| change(index, weights, state),
                );
                index += 1;
            }
        }
    }

    /// Reads the first number of each row. The rows of a large table are in no cache, and these reads do not
    /// wait for each other, as the updates would.
    fn read_ahead(&self, rows: &[usize]) {
        let first_numbers = rows.iter().map(|row| {
            let offset = row - self.first_row;
            let state = self.state.get(offset * self.state_width).copied();
            self.weights[offset * self.width].wide() + state.unwrap_or_default()
        });
        std::hint::black_box(first_numbers.sum::<f32>());
    }
}
