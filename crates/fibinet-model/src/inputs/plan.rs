use std::ops::Range;
use std::sync::Arc;

use fibinet_data::shards::{Batch, FieldLayout, FieldShape, Pooling};
use fibinet_nn::ConfigError;
use fibinet_nn::inputs::FieldSizes;
use fibinet_nn::models::Numerics;

/// How a data batch becomes a model's inputs: which of its columns are fields, and which are raw
/// numeric inputs.
///
/// With [`Numerics::Embedded`] every column is a field, in the schema's order. A numeric field has a
/// single table row, which its value multiplies. With [`Numerics::Dense`] the numeric columns go to the
/// head as they are.
#[derive(Debug, Clone)]
pub struct FieldPlan {
    sizes: FieldSizes,
    fields: Vec<Column>,
    num_ids: usize,
    num_numerics: usize,
    numerics: Numerics,
    /// How each field pools its ids; `None` if no field has several per slot.
    pooling: Option<Arc<[Option<Pooling>]>>,
}

#[derive(Debug, Clone, Copy)]
enum Column {
    Id(usize),
    List(usize),
    Numeric(usize),
}

/// A batch as a model reads it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RowInputs {
    /// Ids, `[B, F]`, row-major, each below its field's number of table rows. With `lists`, the ids of
    /// all slots, one slot after the other.
    pub ids: Vec<u32>,
    /// How many ids each slot has, and how they are pooled; `None` if every slot has one.
    pub lists: Option<SlotLists>,
    /// What each slot's vector is multiplied by, `[B, F]`; `None` is 1 everywhere.
    pub values: Option<Vec<f32>>,
    /// Raw numeric inputs of the head, `[B, N]`.
    pub dense: Option<Vec<f32>>,
    /// Labels, `[B]`; empty if the batch has none.
    pub labels: Vec<f32>,
    /// Batch rows, `B`.
    pub num_rows: usize,
}

/// The lists of ids of a batch's slots. A *slot* is one field of one batch row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotLists {
    /// Where the ids of each slot end, `[B, F]`.
    pub ends: Vec<u32>,
    /// How each field pools its ids, `[F]`; `None` for a field of one id per slot.
    pub pooling: Arc<[Option<Pooling>]>,
}

impl RowInputs {
    /// The range in `ids` of the slot `row * F + field`.
    pub fn slot(&self, slot: usize) -> Range<usize> {
        match &self.lists {
            None => slot..slot + 1,
            Some(lists) => {
                let start = slot.checked_sub(1).map_or(0, |before| lists.ends[before]);
                start as usize..lists.ends[slot] as usize
            }
        }
    }

    /// How a field pools its ids; `None` for a field of one id per slot.
    pub fn pooling(&self, field: usize) -> Option<Pooling> {
        self.lists.as_ref()?.pooling[field]
    }
}

impl FieldPlan {
    /// A plan for an encoder's fields.
    ///
    /// # Errors
    ///
    /// [`ConfigError::OutOfRange`] if no field is left.
    pub fn new(layout: &[FieldLayout], numerics: Numerics) -> Result<Self, ConfigError> {
        let (mut num_ids, mut num_lists, mut num_numerics) = (0, 0, 0);
        let (mut sizes, mut fields, mut pooling) = (Vec::new(), Vec::new(), Vec::new());
        for field in layout {
            match field.shape {
                FieldShape::Ids {
                    num_ids: size,
                    pooling: of_field,
                } => {
                    sizes.push(size);
                    pooling.push(Some(of_field));
                    fields.push(Column::List(num_lists));
                    num_lists += 1;
                }
                FieldShape::Id { num_ids: size } => {
                    sizes.push(size);
                    pooling.push(None);
                    fields.push(Column::Id(num_ids));
                    num_ids += 1;
                }
                FieldShape::Number => {
                    if numerics == Numerics::Embedded {
                        sizes.push(1);
                        pooling.push(None);
                        fields.push(Column::Numeric(num_numerics));
                    }
                    num_numerics += 1;
                }
            }
        }
        Ok(Self {
            sizes: FieldSizes::new(sizes)?,
            fields,
            num_ids,
            num_numerics,
            numerics,
            pooling: (num_lists > 0).then(|| pooling.into()),
        })
    }

    /// The number of table rows of each field.
    pub fn sizes(&self) -> &FieldSizes {
        &self.sizes
    }

    /// Raw numeric inputs per batch row, `N`.
    pub fn num_dense(&self) -> usize {
        match self.numerics {
            Numerics::Embedded => 0,
            Numerics::Dense => self.num_numerics,
        }
    }

    /// A batch as the model reads it.
    ///
    /// # Panics
    ///
    /// If the batch has other fields, or an id is out of range, which encoders and shards rule out.
    pub fn inputs(&self, batch: &Batch) -> RowInputs {
        let mut inputs = RowInputs::default();
        self.inputs_into(batch, &mut inputs);
        inputs
    }

    /// [`inputs`](Self::inputs), overwriting those of another batch to reuse their memory.
    ///
    /// # Panics
    ///
    /// As [`inputs`](Self::inputs).
    pub(crate) fn inputs_into(&self, batch: &Batch, inputs: &mut RowInputs) {
        let num_rows = batch.num_rows;
        assert_eq!(
            batch.ids.len(),
            num_rows * self.num_ids,
            "expected one id per row and id field"
        );
        assert_eq!(
            batch.numerics.len(),
            num_rows * self.num_numerics,
            "expected one number per row and numeric field"
        );
        inputs.num_rows = num_rows;
        inputs.ids.clear();
        let has_values = self.numerics == Numerics::Embedded && self.num_numerics > 0;
        if has_values || self.pooling.is_some() {
            self.interleave(batch, has_values, inputs);
        } else {
            inputs.ids.extend_from_slice(&batch.ids);
            (inputs.values, inputs.lists) = (None, None);
        }
        let mut dense = emptied(inputs.dense.take());
        inputs.dense = (self.num_dense() > 0).then(|| {
            dense.extend_from_slice(&batch.numerics);
            dense
        });
        inputs.labels.clear();
        inputs.labels.extend_from_slice(&batch.labels);
        self.check_ids(inputs);
    }

    /// Writes ids, lists and values with the fields in the schema's order.
    fn interleave(&self, batch: &Batch, has_values: bool, inputs: &mut RowInputs) {
        let len = batch.num_rows * self.fields.len();
        let mut values = emptied(inputs.values.take());
        let mut ends = emptied(inputs.lists.take().map(|lists| lists.ends));
        values.reserve(if has_values { len } else { 0 });
        ends.reserve(if self.pooling.is_some() { len } else { 0 });
        let ids = &mut inputs.ids;
        ids.reserve(len);
        for row in 0..batch.num_rows {
            for field in &self.fields {
                let mut value = 1.0;
                match *field {
                    Column::Id(column) => ids.push(batch.ids[row * self.num_ids + column]),
                    Column::List(list) => ids.extend_from_slice(batch.lists[list].row(row)),
                    Column::Numeric(column) => {
                        ids.push(0);
                        value = batch.numerics[row * self.num_numerics + column];
                    }
                }
                if has_values {
                    values.push(value);
                }
                if self.pooling.is_some() {
                    let end = u32::try_from(ids.len()).expect("a batch of fewer than 2³² ids");
                    ends.push(end);
                }
            }
        }
        inputs.values = has_values.then_some(values);
        inputs.lists = self
            .pooling
            .clone()
            .map(|pooling| SlotLists { ends, pooling });
    }

    fn check_ids(&self, inputs: &RowInputs) {
        let checked = match &inputs.lists {
            None => self.sizes.check_ids(&inputs.ids),
            Some(lists) => {
                let fields = self.sizes.num_fields();
                let empty = (0..lists.ends.len()).find(|slot| inputs.slot(*slot).is_empty());
                if let Some(slot) = empty {
                    panic!(
                        "row {}, field {}: expected at least one id",
                        slot / fields,
                        slot % fields
                    );
                }
                self.sizes.check_lists(&inputs.ids, &lists.ends)
            }
        };
        if let Err(error) = checked {
            panic!("{error}");
        }
    }
}

/// An empty vector with the memory of one that is not needed any more.
fn emptied<T>(used: Option<Vec<T>>) -> Vec<T> {
    let mut vector = used.unwrap_or_default();
    vector.clear();
    vector
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout() -> Vec<FieldLayout> {
        [
            ("a", FieldShape::Id { num_ids: 5 }),
            ("x", FieldShape::Number),
            ("b", FieldShape::Id { num_ids: 4 }),
            ("z", FieldShape::Number),
        ]
        .map(|(name, shape)| FieldLayout {
            name: name.to_owned(),
            shape,
        })
        .to_vec()
    }

    const SUMMED: FieldShape = FieldShape::Ids {
        num_ids: 4,
        pooling: Pooling::Sum,
    };

    fn batch() -> Batch {
        Batch {
            ids: vec![1, 2, 3, 0],
            numerics: vec![0.5, -1.0, 2.0, 4.0],
            labels: vec![1.0, 0.0],
            num_rows: 2,
            ..Batch::default()
        }
    }

    #[test]
    fn embedded_numbers_are_fields_in_the_schemas_order() {
        let plan = FieldPlan::new(&layout(), Numerics::Embedded).unwrap();
        assert_eq!(plan.sizes().sizes(), [5, 1, 4, 1]);
        assert_eq!(plan.num_dense(), 0);
        let inputs = plan.inputs(&batch());
        assert_eq!(inputs.ids, [1, 0, 2, 0, 3, 0, 0, 0]);
        let values = [1.0, 0.5, 1.0, -1.0, 1.0, 2.0, 1.0, 4.0];
        assert_eq!(inputs.values.as_deref(), Some(values.as_slice()));
        assert_eq!(inputs.dense, None);
    }

    #[test]
    fn dense_numbers_are_no_fields() {
        let plan = FieldPlan::new(&layout(), Numerics::Dense).unwrap();
        assert_eq!(plan.sizes().sizes(), [5, 4]);
        assert_eq!(plan.num_dense(), 2);
        let inputs = plan.inputs(&batch());
        assert_eq!(inputs.ids, [1, 2, 3, 0]);
        assert_eq!(inputs.values, None);
        assert_eq!(inputs.dense, Some(batch().numerics));
        assert_eq!(inputs.labels, [1.0, 0.0]);
    }

    /// Rows whose field 2 has lists of ids.
    fn with_list(ids: &[u32], ends: &[usize]) -> (Vec<FieldLayout>, Batch) {
        let (mut layout, mut batch) = (layout(), batch());
        layout[2].shape = SUMMED;
        batch.ids = vec![1, 3];
        batch.lists = vec![fibinet_data::shards::IdLists {
            ids: ids.to_vec(),
            ends: ends.to_vec(),
        }];
        (layout, batch)
    }

    fn inputs_with_list(ids: &[u32], ends: &[usize]) -> RowInputs {
        let (layout, batch) = with_list(ids, ends);
        let plan = FieldPlan::new(&layout, Numerics::Embedded).unwrap();
        plan.inputs(&batch)
    }

    #[test]
    fn lists_of_ids_keep_their_fields_order() {
        let (layout, batch) = with_list(&[2, 1, 0], &[2, 3]);
        let plan = FieldPlan::new(&layout, Numerics::Embedded).unwrap();
        let inputs = plan.inputs(&batch);
        assert_eq!(inputs.ids, [1, 0, 2, 1, 0, 3, 0, 0, 0]);
        let slots: Vec<_> = (0..8).map(|slot| inputs.slot(slot)).collect();
        assert_eq!(slots, [0..1, 1..2, 2..4, 4..5, 5..6, 6..7, 7..8, 8..9]);
        assert_eq!(inputs.pooling(2), Some(Pooling::Sum));
        assert_eq!(inputs.pooling(0), None);
        let plan = FieldPlan::new(&layout, Numerics::Dense).unwrap();
        let inputs = plan.inputs(&batch);
        assert_eq!(inputs.ids, [1, 2, 1, 3, 0]);
        assert_eq!(inputs.lists.unwrap().ends, [1, 3, 4, 5]);
    }

    #[test]
    #[should_panic(expected = "row 1, field 2: expected at least one id")]
    fn a_list_without_ids_is_refused() {
        inputs_with_list(&[2, 1], &[2, 2]);
    }

    #[test]
    #[should_panic(expected = "row 0, field 2: id 4 is out of range")]
    fn a_list_with_an_id_out_of_range_is_refused() {
        inputs_with_list(&[4, 1], &[1, 2]);
    }

    #[test]
    fn reused_inputs_equal_new_ones() {
        let single = layout();
        let (listed, lists) = with_list(&[2, 1, 0], &[2, 3]);
        let plan = |layout: &[FieldLayout], numerics| FieldPlan::new(layout, numerics).unwrap();
        let mut inputs = RowInputs::default();
        for (layout, batch) in [(&single, batch()), (&listed, lists), (&single, batch())] {
            for numerics in [Numerics::Embedded, Numerics::Dense] {
                let plan = plan(layout, numerics);
                for _ in 0..2 {
                    plan.inputs_into(&batch, &mut inputs);
                    assert_eq!(inputs, plan.inputs(&batch));
                }
            }
        }
    }
}
