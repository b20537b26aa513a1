use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::error::{ConfigError, require};

/// An id that is not below its field's number of table rows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("row {row}, field {field}: id {id} is out of range: the field has {size} table rows")]
pub struct IdOutOfRange {
    /// The batch row, from 0.
    pub row: usize,
    /// The field, from 0.
    pub field: usize,
    /// The id.
    pub id: u32,
    /// The field's number of table rows.
    pub size: usize,
}

/// How the fields of a model share one table: the table rows of field `f` start at `offset(f)`.
///
/// ```
/// use fibinet_nn::inputs::FieldSizes;
///
/// let fields = FieldSizes::new(vec![10, 1, 30])?;
/// assert_eq!((fields.offset(2), fields.num_rows()), (11, 41));
/// assert!(fields.check_ids(&[9, 0, 29, 3, 0, 30]).is_err()); // row 1, field 2: 30 of 30
/// # Ok::<(), fibinet_nn::ConfigError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldSizes {
    sizes: Vec<usize>,
    offsets: Vec<usize>,
    num_rows: usize,
}

impl FieldSizes {
    /// Fields with the given numbers of table rows.
    ///
    /// # Errors
    ///
    /// [`ConfigError::OutOfRange`] if there is no field, or a field has no table rows or more than
    /// `u32::MAX`.
    pub fn new(sizes: Vec<usize>) -> Result<Self, ConfigError> {
        require(!sizes.is_empty(), "field_sizes", "non-empty", "empty")?;
        for &size in &sizes {
            require(
                (1..=u32::MAX as usize).contains(&size),
                "field_sizes",
                "in 1..=4294967295 each",
                size,
            )?;
        }
        let mut num_rows = 0;
        let offsets = sizes
            .iter()
            .map(|size| {
                num_rows += size;
                num_rows - size
            })
            .collect();
        Ok(Self {
            sizes,
            offsets,
            num_rows,
        })
    }

    /// The number of fields, `F`.
    pub fn num_fields(&self) -> usize {
        self.sizes.len()
    }

    /// The number of table rows of all fields together, `V`.
    pub fn num_rows(&self) -> usize {
        self.num_rows
    }

    /// The number of table rows of a field.
    pub fn size(&self, field: usize) -> usize {
        self.sizes[field]
    }

    /// The number of table rows of each field, `[F]`.
    pub fn sizes(&self) -> &[usize] {
        &self.sizes
    }

    /// The first table row of a field.
    pub fn offset(&self, field: usize) -> usize {
        self.offsets[field]
    }

    /// Whether row 0 of a field is its padding row, in a model that has padding rows.
    ///
    /// A field of one row is a numeric field, whose single vector is multiplied by its value. It has no
    /// padding row.
    pub fn has_padding_row(&self, field: usize) -> bool {
        self.sizes[field] > 1
    }

    /// Checks ids `[B, F]`, row-major, against the size of their field.
    ///
    /// A GPU reads out of range silently, so ids are checked here, on the host, before they reach a
    /// device.
    ///
    /// # Errors
    ///
    /// The first id that is out of range.
    ///
    /// # Panics
    ///
    /// If the number of ids is not a multiple of `F`.
    pub fn check_ids(&self, ids: &[u32]) -> Result<(), IdOutOfRange> {
        self.assert_whole_rows(ids.len());
        for (row, ids) in ids.chunks_exact(self.num_fields()).enumerate() {
            for (field, id) in ids.iter().enumerate() {
                self.check_slot(row, field, core::slice::from_ref(id))?;
            }
        }
        Ok(())
    }

    /// Checks lists of ids, laid out as for [`FieldIds::from_lists`](crate::inputs::FieldIds::from_lists),
    /// against the size of their field.
    ///
    /// # Errors
    ///
    /// The first id that is out of range.
    ///
    /// # Panics
    ///
    /// If the number of slots is not a multiple of `F`, or `ends` does not rise within `ids`.
    pub fn check_lists(&self, ids: &[u32], ends: &[u32]) -> Result<(), IdOutOfRange> {
        self.assert_whole_rows(ends.len());
        let mut start = 0;
        for (row, ends) in ends.chunks_exact(self.num_fields()).enumerate() {
            for (field, &end) in ends.iter().enumerate() {
                self.check_slot(row, field, &ids[start..end as usize])?;
                start = end as usize;
            }
        }
        Ok(())
    }

    fn assert_whole_rows(&self, num_slots: usize) {
        let num_fields = self.num_fields();
        assert!(
            num_slots.is_multiple_of(num_fields),
            "expected whole rows of {num_fields} slots, got {num_slots} slots"
        );
    }

    fn check_slot(&self, row: usize, field: usize, ids: &[u32]) -> Result<(), IdOutOfRange> {
        let size = self.sizes[field];
        match ids.iter().find(|&&id| id as usize >= size) {
            Some(&id) => Err(IdOutOfRange {
                row,
                field,
                id,
                size,
            }),
            None => Ok(()),
        }
    }

    /// The offsets of the fields as a tensor, `[1, F]`.
    pub(crate) fn offsets_tensor(&self, device: &Device) -> Tensor<2, Int> {
        let offsets: Vec<i64> = self.offsets.iter().map(|&offset| offset as i64).collect();
        Tensor::from_data(TensorData::new(offsets, [1, self.num_fields()]), device)
    }

    /// 1 for each field with a padding row, 0 for the others, `[1, F]`.
    pub(crate) fn padding_rows_tensor(&self, device: &Device) -> Tensor<2> {
        let has_padding: Vec<f32> = (0..self.num_fields())
            .map(|field| f32::from(u8::from(self.has_padding_row(field))))
            .collect();
        Tensor::from_data(TensorData::new(has_padding, [1, self.num_fields()]), device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_id_out_of_range_is_named() {
        let fields = FieldSizes::new(vec![3, 2]).unwrap();
        assert_eq!(fields.check_ids(&[2, 1, 0, 0]), Ok(()));
        let error = fields.check_ids(&[2, 1, 0, 2, 3, 0]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "row 1, field 1: id 2 is out of range: the field has 2 table rows"
        );
        let ends = [2, 3, 4, 6];
        assert_eq!(fields.check_lists(&[2, 1, 0, 0, 1, 1], &ends), Ok(()));
        let error = fields.check_lists(&[2, 1, 0, 0, 1, 2], &ends).unwrap_err();
        assert_eq!((error.row, error.field, error.id, error.size), (1, 1, 2, 2));
    }
}
