use burn::tensor::{Device, Gradients, Tensor};
use fibinet_model::inputs::RowInputs;
use fibinet_model::tables::{FinishedRows, TableRows, TableView};
use fibinet_nn::inputs::{FieldInputs, FieldSizes};

use crate::optim::rows::batch_tables::batch_tables;
use crate::optim::rows::gradients::{LeafGradients, RowGradients};
use crate::optim::rows::optimizer::RowOptimizer;
use crate::optim::rows::rule::RowRule;
use crate::optim::rows::segments::{RowSelection, Segments};
use crate::optim::rows::tables::Tables;

/// The table rows of a model in training, in host memory, with the optimizer that updates them.
///
/// A trainer asks nothing else of table rows than these methods, so rows that live elsewhere can take their
/// place. One step calls [`begin_step`](Self::begin_step), [`gather`](Self::gather),
/// [`sum_gradients`](Self::sum_gradients), [`squared_norm`](Self::squared_norm) if it bounds the norm, and
/// [`update`](Self::update), in this order and with one batch.
///
/// As [`TableRows`] it reads any batch, between steps too: stale rows are replayed in a copy.
#[derive(Debug)]
pub(crate) struct HostRows {
    /// Some rows may be stale.
    tables: Tables,
    optimizer: RowOptimizer,
    /// The rows that a step updates.
    selection: RowSelection,
    /// The selected rows of the step's batch. A buffer, reused between steps.
    segments: Segments,
    /// The gradients of these rows. A buffer, reused between steps.
    gradients: RowGradients,
}

/// The gradients of what a head reads of the tables. `None` for what it does not read.
#[derive(Debug)]
pub(crate) struct FieldGradients {
    /// `[B, F, K]`
    embeddings: Option<Tensor<3>>,
    /// `[B, F]`
    linear: Option<Tensor<2>>,
}

impl FieldGradients {
    /// Takes the gradients of a head's inputs, of which those that were read have one.
    pub(crate) fn take(inputs: FieldInputs, gradients: &mut Gradients) -> Self {
        let FieldInputs {
            embeddings, linear, ..
        } = inputs;
        Self {
            embeddings: embeddings.and_then(|vectors| vectors.grad_remove(gradients)),
            linear: linear.and_then(|terms| terms.grad_remove(gradients)),
        }
    }
}

impl HostRows {
    /// The rows of these tables before the first step. `seed` is that of the stochastic rounding of 16-bit
    /// numbers.
    pub(crate) fn new(tables: Tables, rule: RowRule, selection: RowSelection, seed: u64) -> Self {
        let optimizer = match selection {
            RowSelection::Touched => RowOptimizer::new(rule, &tables, seed),
            RowSelection::All => RowOptimizer::of_all_rows(rule, &tables, seed),
        };
        Self {
            tables,
            optimizer,
            selection,
            segments: Segments::default(),
            gradients: RowGradients::default(),
        }
    }

    /// The number of rows of each field.
    pub(crate) fn sizes(&self) -> &FieldSizes {
        &self.tables.sizes
    }

    /// Finds the rows that a step on a batch updates, and replays the steps that they lack.
    ///
    /// # Panics
    ///
    /// If the batch has other fields.
    pub(crate) fn begin_step(&mut self, rows: &RowInputs) {
        self.segments.fill(&self.tables, rows, self.selection);
        self.optimizer
            .replay(&mut self.tables, self.segments.rows());
    }

    /// What the head reads of the step's batch. Nothing is stale in it, and nothing is copied twice.
    pub(crate) fn gather(&self, rows: &RowInputs, device: &Device) -> FieldInputs {
        self.tables.field_inputs(rows, device)
    }

    /// Sums the gradients of the step's batch by row, and adds the L2 gradient `l2 · w` of each row.
    pub(crate) fn sum_gradients(&mut self, rows: &RowInputs, gradients: FieldGradients, l2: f64) {
        let embedding = gradients.embeddings.map(to_vec);
        let linear = gradients.linear.map(to_vec);
        let leaves = LeafGradients {
            embedding: embedding.as_deref(),
            linear: linear.as_deref(),
        };
        self.gradients
            .sum(&self.tables, rows, &self.segments, leaves, l2);
    }

    /// The sum of the squares of the summed gradients, the same bits at any number of threads.
    pub(crate) fn squared_norm(&self) -> f64 {
        self.gradients.squared_norm()
    }

    /// Moves the step's rows by their summed gradients times `scale`.
    pub(crate) fn update(&mut self, learning_rate: f64, scale: f64) {
        let (tables, gradients) = (&mut self.tables, &self.gradients);
        self.optimizer.step(tables, gradients, learning_rate, scale);
    }

    /// The tables as they are, with stale rows, if any.
    pub(crate) fn view(&self) -> TableView<'_> {
        self.tables.view()
    }

    /// What the rows of [`view`](Self::view) become when they are replayed; `None` if no row can be stale.
    pub(crate) fn finished(&self) -> Option<&dyn FinishedRows> {
        let leaves = self.optimizer.leaves_stale_rows();
        leaves.then_some(&self.optimizer as &dyn FinishedRows)
    }

    /// A copy of the tables without stale rows.
    pub(crate) fn current(&self) -> Tables {
        self.optimizer.current(&self.tables)
    }

    /// Copies the rows of other tables, as [`Tables::copy_rows`] does, and returns their number. The other rows
    /// keep their replayed weights, and the optimizer restarts.
    ///
    /// # Panics
    ///
    /// As [`Tables::copy_rows`].
    pub(crate) fn copy_rows(&mut self, base: &TableView<'_>) -> usize {
        self.optimizer.replay_all(&mut self.tables);
        self.optimizer.restart();
        self.tables.copy_rows(base)
    }
}

impl TableRows for HostRows {
    fn field_inputs(&self, rows: &RowInputs, device: &Device) -> FieldInputs {
        if !self.optimizer.leaves_stale_rows() {
            return self.tables.field_inputs(rows, device);
        }
        let (tables, rows) = batch_tables(&self.tables, &self.optimizer, rows);
        tables.field_inputs(&rows, device)
    }
}

fn to_vec<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor
        .into_data()
        .try_into_vec()
        .expect("gradients are f32")
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use burn::module::Initializer;
    use fibinet_model::tables::TableDtype;
    use fibinet_nn::models::TablesConfig;
    use fibinet_testing::to_vec;

    /// Two fields of three rows, K = 1, all weights 1.
    fn host_rows(rule: RowRule, selection: RowSelection) -> HostRows {
        let config = TablesConfig::new(1)
            .with_linear_initializer(Initializer::Ones)
            .with_embedding_initializer(Initializer::Ones);
        let sizes = FieldSizes::new(vec![3, 3]).unwrap();
        let tables = Tables::new(&config, sizes, 0, TableDtype::F32).unwrap();
        HostRows::new(tables, rule, selection, 0)
    }

    fn batch(ids: [u32; 2]) -> RowInputs {
        RowInputs {
            ids: ids.to_vec(),
            num_rows: 1,
            ..RowInputs::default()
        }
    }

    fn read(inputs: FieldInputs) -> Vec<f32> {
        let mut numbers = to_vec(inputs.embeddings.unwrap());
        numbers.extend(to_vec(inputs.linear.unwrap()));
        numbers
    }

    /// A step on one batch row whose head reads the embeddings alone, with a gradient of 2 for each.
    fn step(rows: &mut HostRows, ids: [u32; 2], l2: f64) -> f64 {
        let (batch, device) = (batch(ids), Device::flex());
        rows.begin_step(&batch);
        assert_eq!(
            read(rows.gather(&batch, &device)),
            read(rows.field_inputs(&batch, &device))
        );
        let gradients = FieldGradients {
            embeddings: Some(Tensor::full([1, 2, 1], 2.0, &device)),
            linear: None,
        };
        rows.sum_gradients(&batch, gradients, l2);
        let squares = rows.squared_norm();
        rows.update(0.1, 0.5);
        squares
    }

    #[test]
    fn a_step_moves_the_selected_rows_by_their_scaled_gradients_and_l2() {
        let mut touched = host_rows(RowRule::Sgd, RowSelection::Touched);
        // 2 + l2 for two embeddings and l2 for two linear weights.
        assert_eq!(step(&mut touched, [0, 2], 0.5), 2.0 * 6.25 + 2.0 * 0.25);
        let current = touched.current();
        let moved = [0.875, 1.0, 1.0, 1.0, 1.0, 0.875];
        assert_eq!(current.embedding.to_f32(), moved);
        let moved = [0.975, 1.0, 1.0, 1.0, 1.0, 0.975];
        assert_eq!(current.linear, Some(moved.to_vec()));
        let mut all = host_rows(RowRule::Sgd, RowSelection::All);
        step(&mut all, [0, 2], 0.5);
        let current = all.current();
        let moved = [0.875, 0.975, 0.975, 0.975, 0.975, 0.875];
        assert_eq!(current.embedding.to_f32(), moved);
        assert_eq!(current.linear, Some(vec![0.975; 6]));
    }

    #[test]
    fn any_batch_is_read_without_stale_rows_and_without_a_change() {
        let (stale, device) = (batch([0, 0]), Device::flex());
        let mut rows = host_rows(RowRule::ExactAdam, RowSelection::Touched);
        step(&mut rows, [0, 0], 0.0);
        step(&mut rows, [1, 1], 0.0);
        let before = rows.view().embedding.to_f32();
        let as_it_lies = read(rows.view().field_inputs(&stale, &device));
        let finished = read(rows.field_inputs(&stale, &device));
        assert_ne!(finished, as_it_lies);
        assert_eq!(finished, read(rows.current().field_inputs(&stale, &device)));
        assert_eq!(rows.view().embedding.to_f32(), before);
        rows.begin_step(&stale);
        assert_eq!(finished, read(rows.gather(&stale, &device)));
    }

    #[test]
    fn copied_rows_restart_the_optimizer_and_leave_no_row_stale() {
        let mut rows = host_rows(RowRule::ExactAdam, RowSelection::Touched);
        step(&mut rows, [0, 0], 0.0);
        step(&mut rows, [1, 1], 0.0);
        let before = rows.current();
        let base = host_rows(RowRule::ExactAdam, RowSelection::Touched);
        assert_eq!(rows.copy_rows(&before.view()), 6);
        assert_eq!(rows.view().embedding.to_f32(), before.embedding.to_f32());
        assert_eq!(rows.copy_rows(&base.view()), 6);
        // As in a first step.
        let mut first = host_rows(RowRule::ExactAdam, RowSelection::Touched);
        for rows in [&mut rows, &mut first] {
            step(rows, [2, 1], 0.0);
        }
        assert_eq!(rows.current().embedding, first.current().embedding);
    }
}
