use fibinet_model::huge_pages::zeroed;

use crate::optim::rows::optimizer::RowRule;
use crate::optim::rows::rounding::{Draws, Stored};
use crate::optim::rows::table_numbers::TableNumbers;

/// Rows that one task updates.
const CHUNK_ROWS: usize = 256;
/// Rows that are touched before the first of them is updated.
const TOUCHED_ROWS: usize = 32;

/// What a rule keeps of a table's rows, row by row: nothing, `s`, or the first moments and then the
/// second, which lie beside each other so that a row is one place in memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    pub(crate) numbers: Vec<f32>,
    /// Numbers a row.
    width: usize,
}

impl State {
    /// Of a table of `width` numbers a row.
    pub(crate) fn new(rule: RowRule, num_rows: usize, width: usize) -> Self {
        let width = rule.state_width(width);
        Self {
            numbers: zeroed(num_rows * width),
            width,
        }
    }
}

/// [`Part::for_rows`] of a whole embedding table of any numbers.
pub(crate) fn for_table_rows<E>(
    table: &mut TableNumbers,
    state: &mut State,
    width: usize,
    draws: Draws,
    rows: &[usize],
    each: &E,
) where
    E: Fn(usize, &mut [f32], &mut [f32]) + Sync,
{
    match table {
        TableNumbers::F32(numbers) => {
            Part::new(numbers, state, width, draws).for_rows(rows, 0, each);
        }
        TableNumbers::Bf16(numbers) => {
            Part::new(numbers, state, width, draws).for_rows(rows, 0, each);
        }
        TableNumbers::F16(numbers) => {
            Part::new(numbers, state, width, draws).for_rows(rows, 0, each);
        }
    }
}

/// Consecutive rows of a table, with their state.
pub(crate) struct Part<'a, N> {
    first_row: usize,
    /// Numbers a row.
    width: usize,
    weights: &'a mut [N],
    /// Of their rounding.
    draws: Draws,
    /// Numbers of state a row.
    state_width: usize,
    state: &'a mut [f32],
}

impl<'a, N: Stored> Part<'a, N> {
    /// A whole table of `width` numbers a row.
    pub(crate) fn new(
        weights: &'a mut [N],
        state: &'a mut State,
        width: usize,
        draws: Draws,
    ) -> Self {
        Self {
            first_row: 0,
            width,
            weights,
            draws,
            state_width: state.width,
            state: &mut state.numbers,
        }
    }

    /// The rows before one, and those from it on.
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

    /// Calls `each` with an index from `start` on, the weights and the state of the row there, for rows
    /// that ascend, and stores what the weights have become. Halves go to other threads.
    ///
    /// Rows of a large table lie in memory that no cache has. The first numbers of a few rows are read
    /// before the first of these is updated: such reads do not wait for each other, as updates would.
    pub(crate) fn for_rows<E>(self, rows: &[usize], start: usize, each: &E)
    where
        E: Fn(usize, &mut [f32], &mut [f32]) + Sync,
    {
        if rows.len() > CHUNK_ROWS {
            let half = rows.len() / 2;
            let (before, after) = self.split_at(rows[half]);
            rayon::join(
                || before.for_rows(&rows[..half], start, each),
                || after.for_rows(&rows[half..], start + half, each),
            );
            return;
        }
        let (width, state_width) = (self.width, self.state_width);
        let (mut index, mut buffer) = (start, vec![0.0; width]);
        for rows in rows.chunks(TOUCHED_ROWS) {
            let touched = rows.iter().map(|row| {
                let place = row - self.first_row;
                let state = self.state.get(place * state_width).copied();
                self.weights[place * width].wide() + state.unwrap_or_default()
            });
            std::hint::black_box(touched.sum::<f32>());
            for row in rows {
                let place = row - self.first_row;
                let state = &mut self.state[place * state_width..][..state_width];
                N::change(
                    &mut self.weights[place * width..][..width],
                    &mut buffer,
                    || self.draws.of_row(*row),
                    |weights| each(index, weights, state),
                );
                index += 1;
            }
        }
    }
}
