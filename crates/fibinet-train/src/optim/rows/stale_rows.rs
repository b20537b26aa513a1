use fibinet_model::tables::huge_pages::zeroed;

use crate::optim::rules::Replay;

/// Tracks which rows are stale, that is, have not received steps that move them without touching them, and
/// replays those steps.
#[derive(Debug)]
pub(crate) struct StaleRows {
    replay: Box<dyn Replay>,
    /// Per row: the last step that is in its weights and state; 0 if no step has touched it.
    last_steps: Vec<u32>,
    /// Scratch buffer: the last steps of the rows that are replayed.
    replayed: Vec<u32>,
}

impl StaleRows {
    /// No row is stale yet.
    pub(crate) fn new(replay: Box<dyn Replay>, num_rows: usize) -> Self {
        Self {
            replay,
            last_steps: zeroed(num_rows),
            replayed: Vec::new(),
        }
    }

    /// Forgets all steps.
    pub(crate) fn restart(&mut self, replay: Box<dyn Replay>) {
        self.replay = replay;
        // The old memory is freed before as much is allocated.
        let num_rows = std::mem::take(&mut self.last_steps).len();
        self.last_steps = zeroed(num_rows);
    }

    /// The steps recorded so far.
    pub(crate) fn steps(&self) -> u32 {
        self.replay.steps()
    }

    /// Whether a row lacks steps.
    pub(crate) fn is_stale(&self, row: usize) -> bool {
        ![0, self.steps()].contains(&self.last_steps[row])
    }

    /// Marks rows as up to date, for the caller to replay, each from after its own last step. `None` if all
    /// of them are up to date already.
    pub(crate) fn mark_replayed(&mut self, rows: &[usize]) -> Option<(&dyn Replay, &[u32])> {
        let steps = self.steps();
        if rows.iter().all(|row| self.last_steps[*row] == steps) {
            return None;
        }
        let last_steps = &mut self.last_steps;
        let last_steps = rows
            .iter()
            .map(|row| std::mem::replace(&mut last_steps[*row], steps));
        self.replayed.clear();
        self.replayed.extend(last_steps);
        Some((&*self.replay, &self.replayed))
    }

    /// Moves a copy of a row's weights by the steps that the row lacks.
    pub(crate) fn replay_copy(&self, row: usize, copy: &mut [f32], state: &[f32]) {
        self.replay.replay(self.last_steps[row], copy, state);
    }

    /// Records a step, which updated these rows.
    pub(crate) fn record(&mut self, learning_rate: f64, rows: &[usize]) {
        self.replay.record(learning_rate);
        let steps = self.steps();
        for row in rows {
            self.last_steps[*row] = steps;
        }
    }

    /// The rows of a range that steps have touched, ascending.
    pub(crate) fn touched(
        &self,
        range: std::ops::Range<usize>,
    ) -> impl Iterator<Item = usize> + use<'_> {
        let last_steps = self.last_steps[range.clone()].iter();
        let touched = range.zip(last_steps).filter(|(_, last)| **last != 0);
        touched.map(|(row, _)| row)
    }
}
