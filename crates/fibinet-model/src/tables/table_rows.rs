use burn::tensor::Device;
use fibinet_nn::inputs::FieldInputs;
use fibinet_nn::models::Head;

use crate::inputs::plan::RowInputs;

/// Where table rows live: in host memory while a model trains, in a mapped file when it scores.
///
/// [`score`] takes any of them, so rows may lie elsewhere, on a device or in other processes; heads only see
/// the gathered [`FieldInputs`]. A `Scorer` reads a bundle's mapped tables, a trainer its own in host memory.
pub trait TableRows {
    /// What a head reads of a batch, on a device: the table rows of its ids, pooled and multiplied
    /// by their values.
    ///
    /// # Panics
    ///
    /// If the batch has other fields than the tables.
    fn field_inputs(&self, rows: &RowInputs, device: &Device) -> FieldInputs;
}

/// The logits of a batch, `[B]`.
///
/// # Panics
///
/// If the batch has other fields than the tables or the head, or the device fails.
pub fn score(
    head: &impl Head,
    tables: &impl TableRows,
    rows: &RowInputs,
    device: &Device,
) -> Vec<f32> {
    if rows.num_rows == 0 {
        return Vec::new();
    }
    let logits = head.forward(tables.field_inputs(rows, device)).into_data();
    logits.try_into_vec().expect("logits are f32")
}
