//! The kernels of Burn's flex backend, for f32.
//!
//! They multiply with `gemm`, as flex does, but in blocks of their own, because flex's products are slow
//! in these shapes. Below are billions of operations per second at `[14_820, 400]`, on two cores of a
//! Zen 4 that reach 234 at most (`cargo bench --bench layers -- products 15`):
//!
//! | batch rows | forward | gradient of the weight | gradient of the input | kernel |
//! |---|---|---|---|---|
//! | 1 | 9 | .5 | 9 | each thread reads a part of the weight: `small_batch`, `small_batch_linear` |
//! | 256 | 173 | 80 | 123 | `linear` forward, `batch_innermost` backward |
//! | 2,048 | 183 | 164 | 118 | the same |
//!
//! (The input's gradient is an array that only flex's product writes, 121 MB at 2,048 rows.)
//!
//! [Outputs](output) and scratch buffers of 128 KiB and more are kept when they are dropped, for the next one of the
//! same size: the system takes longer to hand out the pages of a new array than a kernel to write them. Forward and
//! backward (`cargo bench --bench layers -- alone 7` on two cores of a Zen 4, two runs before and after), a layer
//! alone takes .4 to .5 of its time with new arrays (Hadamard, `FeatureEmbedding`), .35 to .75 (the bilinear kinds),
//! .5 to .85 (inner), and .75 to 1 (`LinearLogit`). A step of FiBiNET at K = 16, whose weight's gradient is 38 MB,
//! takes .97, and at K = 10 as long as before (`cargo bench --bench training -- --kind field_each [--dim 16]`).

#[cfg(feature = "autodiff")]
mod batch_innermost;
#[cfg(feature = "autodiff")]
mod fold;
#[cfg(feature = "autodiff")]
mod gradient;
mod inner;
mod linear;
mod linear_map;
mod matrix;
mod operands;
mod output;
mod pairs;
mod per_pair;
mod row_shape;
mod rows;
mod side;
mod small_batch;
mod small_batch_linear;
mod table_rows;
mod tasks;

use burn::backend::Flex;
#[cfg(feature = "autodiff")]
use burn::backend::TensorMetadata;
use burn::backend::tensor::FloatTensor;
#[cfg(feature = "autodiff")]
use burn::backend::tensor::IntTensor;

#[cfg(feature = "autodiff")]
use self::operands::shaped_like;
use self::operands::{DenseReader, DenseSides, sizes, tensor};
#[cfg(feature = "autodiff")]
use super::ops::{PairGradients, TableGradients};
use super::ops::{PairOps, PairSides, Reader};
use crate::kernels::SMALL_BATCH_ROWS;
use crate::pairs::num_pairs;

impl PairOps for Flex {
    fn pairs(sides: PairSides<Self>) -> FloatTensor<Self> {
        let sides = DenseSides::new(sides);
        let values = match sides.batch {
            ..=SMALL_BATCH_ROWS if sides.have_matrix_per_pair() => {
                small_batch::pairs(&sides.slices(), sides.shape)
            }
            _ => pairs::forward(&sides.prepared(), sides.shape),
        };
        tensor(values, [sides.batch, sides.num_columns()])
    }

    fn pairs_linear(sides: PairSides<Self>, reader: Reader<Self>) -> FloatTensor<Self> {
        let sides = DenseSides::new(sides);
        let reader = DenseReader::new(reader, &sides);
        let map = reader.map();
        let values = match sides.batch {
            ..=SMALL_BATCH_ROWS => small_batch::forward(&sides.slices(), sides.shape, map),
            _ => linear::forward(&sides.prepared(), sides.shape, map),
        };
        tensor(values, [sides.batch, map.num_outputs])
    }

    fn inner_products(embeddings: FloatTensor<Self>) -> FloatTensor<Self> {
        let (shape, batch) = sizes(&embeddings);
        let values = inner::forward(embeddings.to_contiguous().storage(), shape);
        tensor(values, [batch, num_pairs(shape.num_fields)])
    }
}

#[cfg(feature = "autodiff")]
impl PairGradients for Flex {
    fn pairs_backward(sides: PairSides<Self>, gradient: FloatTensor<Self>) -> PairSides<Self> {
        let sides = DenseSides::new(sides);
        let gradient = gradient.to_contiguous();
        let gradients = pairs::backward(&sides.prepared(), sides.shape, gradient.storage());
        sides.gradients(gradients)
    }

    fn pairs_linear_backward(
        sides: PairSides<Self>,
        reader: Reader<Self>,
        gradient: FloatTensor<Self>,
    ) -> (PairSides<Self>, Reader<Self>) {
        let sides = DenseSides::new(sides);
        let reader = DenseReader::new(reader, &sides);
        let gradient = gradient.to_contiguous();
        let slices = sides.slices();
        let gradients = linear::backward(&slices, sides.shape, reader.map(), gradient.storage());
        let reader = reader.gradients(gradients.weight, gradients.dense);
        (sides.gradients(gradients.sides), reader)
    }

    fn inner_products_backward(
        embeddings: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let (shape, _) = sizes(&embeddings);
        let [contiguous, gradient] = [&embeddings, &gradient].map(|x| x.to_contiguous());
        let values = inner::backward(contiguous.storage(), shape, gradient.storage());
        shaped_like(&embeddings, values)
    }
}

#[cfg(feature = "autodiff")]
impl TableGradients for Flex {
    fn table_rows_backward(
        num_rows: usize,
        rows: IntTensor<Self>,
        gradient: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let [_, width] = gradient.shape().dims();
        let gradient = gradient.to_contiguous();
        let rows = table_rows::indices(&rows, num_rows);
        let values = table_rows::backward([num_rows, width], &rows, gradient.storage());
        tensor(values, [num_rows, width])
    }
}
