use burn::tensor::{Device, Tensor, TensorData};
use fibinet_data::shards::Pooling;
use fibinet_nn::inputs::FieldIds;

use crate::inputs::plan::RowInputs;

impl RowInputs {
    /// The ids and values as the layers of `fibinet-nn` read them, for a composed model with tables of its
    /// own.
    ///
    /// # Panics
    ///
    /// If the batch has no rows, or its ids do not fill whole rows.
    pub fn field_ids(&self, device: &Device) -> FieldIds {
        assert!(self.num_rows > 0, "expected at least one row");
        let ids = match &self.lists {
            None => {
                let shape = [self.num_rows, self.ids.len() / self.num_rows];
                let ids = self.ids.iter().map(|&id| i64::from(id)).collect();
                FieldIds::new(Tensor::from_data(
                    TensorData::new::<i64, _>(ids, shape),
                    device,
                ))
            }
            Some(lists) => {
                let pooling: Vec<_> = lists.pooling.iter().map(|p| p.map(layer_pooling)).collect();
                FieldIds::from_lists(&self.ids, &lists.ends, &pooling, device)
            }
        };
        let dims = ids.dims();
        let values = self
            .values
            .as_ref()
            .map(|values| Tensor::from_data(TensorData::new(values.clone(), dims), device));
        ids.with_values(values)
    }
}

/// Converts between the two enums: `fibinet-nn` does not know `fibinet-data`.
fn layer_pooling(pooling: Pooling) -> fibinet_nn::inputs::Pooling {
    match pooling {
        Pooling::Mean => fibinet_nn::inputs::Pooling::Mean,
        Pooling::Sum => fibinet_nn::inputs::Pooling::Sum,
        Pooling::Max => fibinet_nn::inputs::Pooling::Max,
    }
}

#[cfg(test)]
mod tests {
    use fibinet_nn::inputs::FieldSizes;
    use fibinet_nn::layers::FeatureEmbeddingConfig;

    use super::*;
    use crate::inputs::plan::SlotLists;
    use crate::tables::table_rows::TableRows;
    use crate::tables::table_slice::TableSlice;
    use crate::tables::view::TableView;

    /// A layer's lookup of the ids, and the gather of the row trainer and the scorer.
    fn assert_looked_up_as_gathered(rows: &RowInputs) {
        let backend = fibinet_nn::backend::Backend::compiled()
            .next()
            .expect("a backend");
        let device = backend.device().expect("a device");
        let sizes = FieldSizes::new(vec![4, 1, 5]).unwrap();
        for padding in [false, true] {
            let config = FeatureEmbeddingConfig::new(sizes.sizes().to_vec(), 3);
            let layer = config.with_padding(padding).init(&device);
            let table: Vec<f32> = layer.weight.val().into_data().try_into_vec().unwrap();
            let view = TableView {
                embedding: TableSlice::F32(&table),
                linear: None,
                sizes: &sizes,
                embedding_dim: 3,
                padding,
            };
            let gathered = view
                .field_inputs(rows, &device)
                .take_embeddings()
                .into_data();
            let looked_up = layer.forward(rows.field_ids(&device)).into_data();
            looked_up.assert_eq(&gathered, true);
        }
    }

    #[test]
    fn single_ids_are_looked_up_as_they_are_gathered() {
        assert_looked_up_as_gathered(&RowInputs {
            ids: vec![3, 0, 4, 0, 0, 1],
            values: Some(vec![1.0, -2.5, 1.0, 1.0, 0.5, 1.0]),
            num_rows: 2,
            ..RowInputs::default()
        });
    }

    #[test]
    fn lists_are_looked_up_as_they_are_gathered() {
        let lists = |first, last| RowInputs {
            ids: vec![3, 1, 3, 0, 4, 0, 2, 0, 1, 2, 3],
            lists: Some(SlotLists {
                ends: vec![3, 4, 5, 7, 8, 11],
                pooling: vec![Some(first), None, Some(last)].into(),
            }),
            values: Some(vec![1.0, -2.5, 1.0, 1.0, 0.5, 3.0]),
            num_rows: 2,
            ..RowInputs::default()
        };
        for first in [Pooling::Mean, Pooling::Sum, Pooling::Max] {
            for last in [Pooling::Mean, Pooling::Sum, Pooling::Max] {
                assert_looked_up_as_gathered(&lists(first, last));
            }
        }
    }
}
