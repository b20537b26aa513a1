use burn::tensor::{Device, Int, Tensor, TensorData, assert_shape};
use serde::{Deserialize, Serialize};

/// How the vectors of a slot that holds several ids become one vector.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Pooling {
    /// Their mean.
    Mean,
    /// Their sum.
    Sum,
    /// Their elementwise maximum.
    Max,
}

/// The ids of a batch, and what each slot's vector is multiplied by.
///
/// A *slot* is one field of one batch row. It holds one id, or a list of ids if its field is
/// multi-valued.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Int, Tensor};
/// use fibinet_nn::inputs::{FieldIds, Pooling};
/// use fibinet_nn::layers::FeatureEmbeddingConfig;
///
/// let device = Device::flex();
/// let embedding = FeatureEmbeddingConfig::new(vec![10, 20], 4).init(&device);
///
/// // One id per slot, two batch rows.
/// let ids = Tensor::<2, Int>::from_data([[3, 19], [0, 7]], &device);
/// assert_eq!(embedding.forward(FieldIds::new(ids)).dims(), [2, 2, 4]);
///
/// // The second field is a list: ids 19 and 4 in the first row, id 7 in the second.
/// let ids = FieldIds::from_lists(&[3, 19, 4, 0, 7], &[1, 3, 4, 5], &[None, Some(Pooling::Mean)], &device);
/// assert_eq!(embedding.forward(ids).dims(), [2, 2, 4]);
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct FieldIds {
    pub(crate) ids: SlotIds,
    pub(crate) values: Option<Tensor<2>>,
}

/// The ids of all slots.
#[derive(Debug, Clone)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one per batch, and boxing would cost the usual variant an allocation"
)]
pub(crate) enum SlotIds {
    /// One id per slot, `[B, F]`.
    Single(Tensor<2, Int>),
    /// Lists of ids.
    Lists(IdLists),
}

/// Slots with lists of ids, arranged for one lookup.
///
/// The lookup reads `A` ids whose vectors are added up in their slots, then `M × L` ids of the `M`
/// slots pooled by maximum, each list brought to the longest length `L` by repeating its first id.
/// The repetition changes neither the maximum nor, since only one of the largest numbers receives
/// the gradient, any table row's gradient.
#[derive(Debug, Clone)]
pub(crate) struct IdLists {
    /// `[B, F]`
    pub dims: [usize; 2],
    /// The ids to look up, `[A + M L]`.
    pub ids: Tensor<1, Int>,
    /// The field of each id, `[A + M L]`.
    pub fields: Tensor<1, Int>,
    /// The slots that the first `A` vectors are added to, `[A]`. `None` if `A` is 0.
    pub added_to: Option<Tensor<1, Int>>,
    /// What each slot's sum is multiplied by, `[B F, 1]`. `None` if no field is pooled by mean.
    pub shares: Option<Tensor<2>>,
    /// The slots pooled by maximum, `[M]`. `None` if `M` is 0.
    pub maxima_of: Option<Tensor<1, Int>>,
}

impl FieldIds {
    /// One id per slot, `[B, F]`, each below its field's number of table rows.
    pub fn new(ids: Tensor<2, Int>) -> Self {
        Self {
            ids: SlotIds::Single(ids),
            values: None,
        }
    }

    /// Lists of ids, from host memory.
    ///
    /// `ids` holds the ids of all slots one after the other, batch rows in order and fields in order
    /// within a row. `ends[row * F + field]` is where a slot's ids end. `pooling` has an entry per
    /// field, `None` for a field with one id per slot.
    ///
    /// The layers do not check ids against the size of their field: see
    /// [`FieldSizes::check_lists`](crate::inputs::FieldSizes::check_lists).
    ///
    /// # Panics
    ///
    /// If `pooling` is empty, the slots are not whole rows of its fields, a slot has no id, a slot
    /// of a field without pooling has several, or the last end is not the number of ids.
    pub fn from_lists(
        ids: &[u32],
        ends: &[u32],
        pooling: &[Option<Pooling>],
        device: &Device,
    ) -> Self {
        assert_lists(ids, ends, pooling);
        let dims = [ends.len() / pooling.len(), pooling.len()];
        let ids = if ids.len() == ends.len() {
            // One id per slot, which every pooling leaves as it is.
            let ids = TensorData::new(ids.iter().map(|&id| i64::from(id)).collect(), dims);
            SlotIds::Single(Tensor::from_data(ids, device))
        } else {
            let lists = Arrangement::new(ids, ends, pooling).into_lists(dims, device);
            SlotIds::Lists(lists)
        };
        Self { ids, values: None }
    }

    /// Multiplies each slot's vector, after pooling, by a value, `[B, F]`. `None` multiplies by 1.
    ///
    /// # Panics
    ///
    /// If the values have another shape than the slots.
    pub fn with_values(self, values: Option<Tensor<2>>) -> Self {
        if let Some(values) = &values {
            let [batch, num_fields] = self.dims();
            assert_shape!(values, [batch, num_fields]);
        }
        Self { values, ..self }
    }

    /// The number of batch rows and the number of fields, `[B, F]`.
    pub fn dims(&self) -> [usize; 2] {
        match &self.ids {
            SlotIds::Single(ids) => ids.dims(),
            SlotIds::Lists(lists) => lists.dims,
        }
    }
}

impl From<Tensor<2, Int>> for FieldIds {
    fn from(ids: Tensor<2, Int>) -> Self {
        Self::new(ids)
    }
}

/// See [`FieldIds::from_lists`].
fn assert_lists(ids: &[u32], ends: &[u32], pooling: &[Option<Pooling>]) {
    let num_fields = pooling.len();
    assert!(
        num_fields > 0 && ends.len().is_multiple_of(num_fields),
        "expected whole rows of {num_fields} slots, got {} slots",
        ends.len()
    );
    assert_eq!(
        ends.last().map_or(0, |end| *end as usize),
        ids.len(),
        "expected the last list to end with the ids"
    );
    let mut start = 0;
    for (slot, &end) in ends.iter().enumerate() {
        let (row, field) = (slot / num_fields, slot % num_fields);
        assert!(
            end > start,
            "row {row}, field {field}: expected at least one id"
        );
        assert!(
            pooling[field].is_some() || end - start == 1,
            "row {row}, field {field}: expected one id, since the field has no pooling, got {}",
            end - start
        );
        start = end;
    }
}

/// The parts of [`IdLists`] in host memory.
#[derive(Default)]
struct Arrangement {
    ids: Vec<i64>,
    fields: Vec<i64>,
    added_to: Vec<i64>,
    shares: Vec<f32>,
    maxima_of: Vec<i64>,
}

impl Arrangement {
    fn new(ids: &[u32], ends: &[u32], pooling: &[Option<Pooling>]) -> Self {
        let mut arranged = Self::default();
        let mut maxima: Vec<&[u32]> = Vec::new();
        let mut start = 0;
        for (slot, &end) in ends.iter().enumerate() {
            let field = slot % pooling.len();
            let list = &ids[start..end as usize];
            start = end as usize;
            arranged.shares.push(match pooling[field] {
                Some(Pooling::Mean) => 1.0 / list.len() as f32,
                Some(Pooling::Sum | Pooling::Max) | None => 1.0,
            });
            if pooling[field] == Some(Pooling::Max) {
                arranged.maxima_of.push(slot as i64);
                maxima.push(list);
            } else {
                arranged.push(field, list.iter());
                let to = core::iter::repeat_n(slot as i64, list.len());
                arranged.added_to.extend(to);
            }
        }
        let longest = maxima.iter().map(|list| list.len()).max().unwrap_or(0);
        for (list, slot) in maxima.into_iter().zip(arranged.maxima_of.clone()) {
            let repeated = core::iter::repeat_n(&list[0], longest - list.len());
            arranged.push(slot as usize % pooling.len(), list.iter().chain(repeated));
        }
        arranged
    }

    fn push<'a>(&mut self, field: usize, ids: impl Iterator<Item = &'a u32>) {
        self.ids.extend(ids.map(|&id| i64::from(id)));
        self.fields.resize(self.ids.len(), field as i64);
    }

    fn into_lists(self, dims: [usize; 2], device: &Device) -> IdLists {
        let ints = |ints: Vec<i64>| Tensor::<1, Int>::from_data(ints.as_slice(), device);
        let some_ints = |values: Vec<i64>| (!values.is_empty()).then(|| ints(values));
        let has_shares = self.shares.iter().any(|share| *share != 1.0);
        let shape = [self.shares.len(), 1];
        IdLists {
            dims,
            ids: ints(self.ids),
            fields: ints(self.fields),
            added_to: some_ints(self.added_to),
            shares: has_shares
                .then(|| Tensor::from_data(TensorData::new(self.shares, shape), device)),
            maxima_of: some_ints(self.maxima_of),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::cpu_devices;

    fn from_lists(ids: &[u32], ends: &[u32], pooling: &[Option<Pooling>]) -> FieldIds {
        FieldIds::from_lists(ids, ends, pooling, &cpu_devices()[0])
    }

    #[test]
    fn lists_of_one_id_are_single_ids() {
        let ids = from_lists(&[1, 2, 3, 4], &[1, 2, 3, 4], &[None, Some(Pooling::Mean)]);
        let SlotIds::Single(single) = &ids.ids else {
            panic!("expected single ids, got {ids:?}");
        };
        let expected = TensorData::from([[1, 2], [3, 4]]);
        single.to_data().assert_eq(&expected, false);
        assert_eq!(ids.dims(), [2, 2]);
    }

    #[test]
    #[should_panic(expected = "row 1, field 0: expected at least one id")]
    fn an_empty_list_panics() {
        from_lists(&[1, 2, 3], &[1, 2, 2, 3], &[Some(Pooling::Sum), None]);
    }

    #[test]
    #[should_panic(expected = "row 0, field 1: expected one id")]
    fn several_ids_of_a_field_without_pooling_panic() {
        from_lists(&[1, 2, 3], &[1, 3], &[Some(Pooling::Sum), None]);
    }

    #[test]
    #[should_panic(expected = "expected whole rows of 2 slots, got 3 slots")]
    fn part_of_a_row_panics() {
        from_lists(&[1, 2, 3], &[1, 2, 3], &[Some(Pooling::Sum), None]);
    }

    #[test]
    #[should_panic(expected = "expected the last list to end with the ids")]
    fn ids_of_no_slot_panic() {
        from_lists(&[1, 2, 3], &[1, 2], &[Some(Pooling::Sum), None]);
    }
}
