use core::fmt;

use burn::tensor::{Device, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};

/// Which pairs share a matrix in a bilinear interaction.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum BilinearKind {
    /// One matrix for all pairs.
    FieldAll,
    /// One matrix per left field.
    FieldEach,
    /// One matrix per pair.
    FieldInteraction,
}

impl fmt::Display for BilinearKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FieldAll => "field_all",
            Self::FieldEach => "field_each",
            Self::FieldInteraction => "field_interaction",
        })
    }
}

/// The number of pairs of `num_fields` fields, `P = F (F - 1) / 2`.
///
/// ```
/// assert_eq!(fibinet_nn::layers::num_pairs(39), 741);
/// ```
pub const fn num_pairs(num_fields: usize) -> usize {
    num_fields * num_fields.saturating_sub(1) / 2
}

/// The left and the right field of every pair, `[P]` each: (0,1), (0,2), …, (F-2,F-1).
pub(crate) fn pair_indices(num_fields: usize, device: &Device) -> (Tensor<1, Int>, Tensor<1, Int>) {
    let pairs =
        (0..num_fields).flat_map(|i| (i + 1..num_fields).map(move |j| (i as i64, j as i64)));
    let (left, right): (Vec<_>, Vec<_>) = pairs.unzip();
    let tensor = |indices: Vec<i64>| {
        let shape = [indices.len()];
        Tensor::from_data(TensorData::new(indices, shape), device)
    };
    (tensor(left), tensor(right))
}
