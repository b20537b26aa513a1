use burn::tensor::Device;
use fibinet_nn::inputs::FieldInputs;
use fibinet_nn::models::Head;

use crate::inputs::buffers::InputBuffers;
use crate::inputs::plan::RowInputs;

/// Where table rows live: in host memory while a model trains, in a mapped file when it scores.
///
/// Implement this to keep rows elsewhere, on a device or in other processes. Heads only see the gathered
/// [`FieldInputs`].
pub trait TableRows {
    /// What a head reads of a batch, on a device: the table rows of its ids, pooled and multiplied
    /// by their values. Reuses the buffers of an earlier batch.
    ///
    /// # Panics
    ///
    /// If the batch has other fields than the tables.
    fn field_inputs_in(
        &self,
        buffers: &mut InputBuffers,
        rows: &RowInputs,
        device: &Device,
    ) -> FieldInputs;

    /// [`field_inputs_in`](Self::field_inputs_in) with buffers of its own.
    ///
    /// # Panics
    ///
    /// If the batch has other fields than the tables.
    fn field_inputs(&self, rows: &RowInputs, device: &Device) -> FieldInputs {
        self.field_inputs_in(&mut InputBuffers::default(), rows, device)
    }
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
    match rows.num_rows {
        0 => Vec::new(),
        _ => logits(head, tables.field_inputs(rows, device)),
    }
}

/// [`score`] with the buffers of an earlier batch, which hold this batch's memory afterwards. On a device
/// that does not [give memory back](crate::inputs::buffers::gives_memory_back) the inputs would be copied.
pub(crate) fn score_in(
    buffers: &mut InputBuffers,
    head: &impl Head,
    tables: &impl TableRows,
    rows: &RowInputs,
    device: &Device,
) -> Vec<f32> {
    if rows.num_rows == 0 {
        return Vec::new();
    }
    let inputs = tables.field_inputs_in(buffers, rows, device);
    let used = inputs.clone();
    let logits = logits(head, inputs);
    buffers.take_back(used);
    logits
}

fn logits(head: &impl Head, inputs: FieldInputs) -> Vec<f32> {
    let logits = head.forward(inputs).into_data();
    logits.try_into_vec().expect("logits are f32")
}
