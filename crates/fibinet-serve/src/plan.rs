use fibinet_data::{Batch, FieldLayout};
use fibinet_nn::{ConfigError, FieldSizes, Numerics};

/// How a data batch becomes a model's inputs: which of its columns are fields, and which are raw
/// numbers.
///
/// With [`Numerics::Embedded`] every column is a field, in the schema's order, a numeric one with a
/// single row that its value multiplies. With [`Numerics::Dense`] the numeric columns go to the
/// head as they are.
#[derive(Debug, Clone)]
pub struct FieldPlan {
    sizes: FieldSizes,
    fields: Vec<Column>,
    num_ids: usize,
    num_numerics: usize,
    numerics: Numerics,
}

#[derive(Debug, Clone, Copy)]
enum Column {
    Id(usize),
    Numeric(usize),
}

/// A batch as a model reads it.
#[derive(Debug, Clone, PartialEq)]
pub struct RowInputs {
    /// Ids, `[B, F]`, row-major, each below its field's rows.
    pub ids: Vec<u32>,
    /// What each field's vector is multiplied by, `[B, F]`; none is 1 everywhere.
    pub values: Option<Vec<f32>>,
    /// Raw numbers of the head, `[B, N]`.
    pub dense: Option<Vec<f32>>,
    /// Labels, `[B]`, or empty.
    pub labels: Vec<f32>,
    /// Rows, `B`.
    pub num_rows: usize,
}

impl FieldPlan {
    /// A plan for an encoder's fields.
    ///
    /// # Errors
    ///
    /// [`ConfigError::OutOfRange`] where no field is left.
    pub fn new(layout: &[FieldLayout], numerics: Numerics) -> Result<Self, ConfigError> {
        let (mut num_ids, mut num_numerics) = (0, 0);
        let (mut sizes, mut fields) = (Vec::new(), Vec::new());
        for field in layout {
            match field.num_ids {
                Some(size) => {
                    sizes.push(size);
                    fields.push(Column::Id(num_ids));
                    num_ids += 1;
                }
                None => {
                    if numerics == Numerics::Embedded {
                        sizes.push(1);
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
        })
    }

    /// The fields' rows in the tables.
    pub fn sizes(&self) -> &FieldSizes {
        &self.sizes
    }

    /// Raw numbers a row, `N`.
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
    /// If the batch is of other fields, or an id is out of range: encoders and shards give none
    /// that is.
    pub fn inputs(&self, batch: Batch) -> RowInputs {
        let num_rows = batch.num_rows;
        assert_eq!(batch.ids.len(), num_rows * self.num_ids, "ids of the batch");
        assert_eq!(
            batch.numerics.len(),
            num_rows * self.num_numerics,
            "numbers of the batch"
        );
        let (ids, values, dense) = match (self.numerics, self.num_numerics) {
            (_, 0) => (batch.ids, None, None),
            (Numerics::Dense, _) => (batch.ids, None, Some(batch.numerics)),
            (Numerics::Embedded, _) => {
                let (ids, values) = self.interleave(&batch);
                (ids, Some(values), None)
            }
        };
        if let Err(error) = self.sizes.check_ids(&ids) {
            panic!("{error}");
        }
        RowInputs {
            ids,
            values,
            dense,
            labels: batch.labels,
            num_rows,
        }
    }

    fn interleave(&self, batch: &Batch) -> (Vec<u32>, Vec<f32>) {
        let len = batch.num_rows * self.fields.len();
        let (mut ids, mut values) = (Vec::with_capacity(len), Vec::with_capacity(len));
        for row in 0..batch.num_rows {
            for field in &self.fields {
                let (id, value) = match *field {
                    Column::Id(column) => (batch.ids[row * self.num_ids + column], 1.0),
                    Column::Numeric(column) => {
                        (0, batch.numerics[row * self.num_numerics + column])
                    }
                };
                ids.push(id);
                values.push(value);
            }
        }
        (ids, values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout() -> Vec<FieldLayout> {
        [("a", Some(5)), ("x", None), ("b", Some(4)), ("z", None)]
            .map(|(name, num_ids)| FieldLayout {
                name: name.to_owned(),
                num_ids,
            })
            .to_vec()
    }

    fn batch() -> Batch {
        Batch {
            ids: vec![1, 2, 3, 0],
            numerics: vec![0.5, -1.0, 2.0, 4.0],
            labels: vec![1.0, 0.0],
            num_rows: 2,
        }
    }

    #[test]
    fn embedded_numbers_stand_among_the_fields_in_the_schemas_order() {
        let plan = FieldPlan::new(&layout(), Numerics::Embedded).unwrap();
        assert_eq!(plan.sizes().sizes(), [5, 1, 4, 1]);
        assert_eq!(plan.num_dense(), 0);
        let inputs = plan.inputs(batch());
        assert_eq!(inputs.ids, [1, 0, 2, 0, 3, 0, 0, 0]);
        let values = [1.0, 0.5, 1.0, -1.0, 1.0, 2.0, 1.0, 4.0];
        assert_eq!(inputs.values.as_deref(), Some(values.as_slice()));
        assert_eq!(inputs.dense, None);
    }

    #[test]
    fn dense_numbers_stand_apart() {
        let plan = FieldPlan::new(&layout(), Numerics::Dense).unwrap();
        assert_eq!(plan.sizes().sizes(), [5, 4]);
        assert_eq!(plan.num_dense(), 2);
        let inputs = plan.inputs(batch());
        assert_eq!(inputs.ids, [1, 2, 3, 0]);
        assert_eq!(inputs.values, None);
        assert_eq!(inputs.dense, Some(batch().numerics));
        assert_eq!(inputs.labels, [1.0, 0.0]);
    }
}
