//! Each operation as plain tensor operations: what runs where no kernel does, what graph capture sees, and what the
//! tests compare the kernels with.

use burn::nn::Linear;
use burn::tensor::{Int, Tensor};

use super::Side;
use crate::pairs::BilinearKind;

/// See [`super::pairs`].
pub(crate) fn pairs(sides: &[Side]) -> Tensor<2> {
    let pairs = sides
        .iter()
        .map(|side| pairs_of(side).flatten::<2>(1, 2))
        .collect();
    joined(pairs)
}

/// The pairs of one side, `[B, P, K]`.
fn pairs_of(side: &Side) -> Tensor<3> {
    let embeddings = &side.embeddings;
    let [left, right] = side.fields.clone();
    let crossed_left = match &side.matrices {
        None => embeddings.clone().select(1, left),
        Some((kind, matrices)) => crossed_left(embeddings.clone(), *kind, matrices.clone(), left),
    };
    crossed_left * embeddings.clone().select(1, right)
}

/// The left vector of every pair, multiplied by the pair's matrix, `[B, P, K]`.
fn crossed_left(
    embeddings: Tensor<3>,
    kind: BilinearKind,
    matrices: Tensor<3>,
    left: Tensor<1, Int>,
) -> Tensor<3> {
    let [batch, num_fields, embedding_dim] = embeddings.dims();
    match kind {
        BilinearKind::FieldAll => {
            // One matrix product of [B F, K], instead of B products of [F, K].
            let rows = embeddings.reshape([-1, embedding_dim as i32]);
            let crossed = rows.matmul(matrices.squeeze_dim::<2>(0));
            crossed
                .reshape([batch, num_fields, embedding_dim])
                .select(1, left)
        }
        BilinearKind::FieldEach => {
            let by_field = embeddings.swap_dims(0, 1); // [F, B, K]
            let used = by_field.narrow(0, 0, matrices.dims()[0]);
            used.matmul(matrices).swap_dims(0, 1).select(1, left)
        }
        BilinearKind::FieldInteraction => {
            let by_pair = embeddings.swap_dims(0, 1).select(0, left); // [P, B, K]
            by_pair.matmul(matrices).swap_dims(0, 1)
        }
    }
}

/// See [`super::pairs_linear`].
pub(crate) fn pairs_linear(sides: &[Side], dense: Option<&Tensor<2>>, map: &Linear) -> Tensor<2> {
    let inputs = core::iter::once(pairs(sides)).chain(dense.cloned());
    map.forward(joined(inputs.collect()))
}

/// See [`super::inner_products`].
pub(crate) fn inner_products(
    embeddings: Tensor<3>,
    [left, right]: [Tensor<1, Int>; 2],
) -> Tensor<2> {
    let [_, num_fields, _] = embeddings.dims();
    let products = embeddings.clone().matmul(embeddings.swap_dims(1, 2)); // [B, F, F]
    let upper_triangle = left * num_fields as i64 + right;
    products.flatten::<2>(1, 2).select(1, upper_triangle)
}

/// The columns of all arrays side by side.
fn joined(mut columns: Vec<Tensor<2>>) -> Tensor<2> {
    if columns.len() == 1 {
        return columns.swap_remove(0);
    }
    Tensor::cat(columns, 1)
}
