//! One table with a range of rows per field: how it is drawn, and how a batch reads it.

use burn::module::{Initializer, Param};
use burn::tensor::{Device, IndexingUpdateOp, Int, Tensor};

use crate::inputs::field_ids::{FieldIds, IdLists, SlotIds};
use crate::inputs::field_sizes::FieldSizes;
use crate::kernels;

/// A drawn table whose padding rows are zero.
pub(crate) fn table(
    shape: [usize; 2],
    fields: &FieldSizes,
    padding: bool,
    initializer: &Initializer,
    device: &Device,
) -> Param<Tensor<2>> {
    let drawn = initializer.init(shape, device);
    if !padding {
        return drawn;
    }
    let rows: Vec<i64> = (0..fields.num_fields())
        .filter(|&field| fields.has_padding_row(field))
        .map(|field| fields.offset(field) as i64)
        .collect();
    drawn.init_mapper(move |table| {
        let device = table.device();
        let rows = Tensor::<1, Int>::from_data(rows.as_slice(), &device);
        let padding = table.clone().select(0, rows.clone());
        table.select_assign(0, rows, -padding, IndexingUpdateOp::Add)
    })
}

/// The table rows of every slot, pooled and multiplied by the slot's value.
///
/// # Shapes
///
/// - table: `[V, K]`
/// - offsets, padding_rows: `[1, F]`
/// - output: `[B, F, K]`
pub(crate) fn lookup(
    table: Tensor<2>,
    ids: FieldIds,
    offsets: &Tensor<2, Int>,
    padding_rows: Option<&Tensor<2>>,
) -> Tensor<3> {
    let ([_, num_fields], [_, got]) = (offsets.dims(), ids.dims());
    assert_eq!(got, num_fields, "expected ids of {num_fields} fields");
    match ids.ids {
        SlotIds::Single(single) => single_ids(table, single, ids.values, offsets, padding_rows),
        SlotIds::Lists(lists) => {
            let pooled = pooled_ids(table, lists, offsets, padding_rows);
            match ids.values {
                Some(values) => pooled * values.unsqueeze_dim(2),
                None => pooled,
            }
        }
    }
}

fn single_ids(
    table: Tensor<2>,
    ids: Tensor<2, Int>,
    values: Option<Tensor<2>>,
    offsets: &Tensor<2, Int>,
    padding_rows: Option<&Tensor<2>>,
) -> Tensor<3> {
    let [batch, num_fields] = ids.dims();
    let [_, width] = table.dims();
    let kept = padding_rows.map(|padding_rows| kept(&ids, padding_rows.clone()));
    let factors = match (values, kept) {
        (Some(values), Some(kept)) => Some(values * kept),
        (values, kept) => values.or(kept),
    };
    let rows = (ids + offsets.clone()).flatten::<1>(0, 1); // [B F]
    let vectors = kernels::table_rows(table, rows).reshape([batch, num_fields, width]);
    match factors {
        Some(factors) => vectors * factors.unsqueeze_dim(2),
        None => vectors,
    }
}

fn pooled_ids(
    table: Tensor<2>,
    lists: IdLists,
    offsets: &Tensor<2, Int>,
    padding_rows: Option<&Tensor<2>>,
) -> Tensor<3> {
    let [batch, num_fields] = lists.dims;
    let [_, width] = table.dims();
    let fields = lists.fields;
    let rows = lists.ids.clone() + offsets.clone().flatten::<1>(0, 1).select(0, fields.clone());
    let mut vectors = kernels::table_rows(table, rows); // [A + M L, K]
    if let Some(padding_rows) = padding_rows {
        let padding_rows = padding_rows.clone().flatten::<1>(0, 1).select(0, fields);
        vectors = vectors * kept(&lists.ids, padding_rows).unsqueeze_dim(1);
    }

    let options = (&vectors.device(), vectors.dtype());
    let mut pooled = Tensor::zeros([batch * num_fields, width], options);
    let num_added = lists.added_to.as_ref().map_or(0, |slots| slots.dims()[0]);
    let num_maxed = vectors.dims()[0] - num_added;
    if let Some(slots) = lists.added_to {
        let added = vectors.clone().narrow(0, 0, num_added);
        pooled = pooled.select_assign(0, slots, added, IndexingUpdateOp::Add);
    }
    if let Some(shares) = lists.shares {
        pooled = pooled * shares;
    }
    if let Some(slots) = lists.maxima_of {
        let [num_slots] = slots.dims();
        let maxima = vectors
            .narrow(0, num_added, num_maxed)
            .reshape([num_slots, num_maxed / num_slots, width])
            .max_dim(1)
            .squeeze_dim(1); // [M, K]
        pooled = pooled.select_assign(0, slots, maxima, IndexingUpdateOp::Add);
    }
    pooled.reshape([batch, num_fields, width])
}

/// 0 for ids that name a padding row, 1 for all others.
fn kept<const D: usize>(ids: &Tensor<D, Int>, padding_rows: Tensor<D>) -> Tensor<D> {
    let is_zero = ids.clone().equal_elem(0).float();
    (is_zero * padding_rows).neg().add_scalar(1.0)
}
