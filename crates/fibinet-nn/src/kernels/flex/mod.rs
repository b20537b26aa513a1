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
//! Outputs are allocated anew each time and handed over to tensors. Pooling them gains nothing: the
//! allocator reuses their memory in the next step, and a step is no faster with a glibc that is told to
//! keep all memory (`python3 benches/vs_pytorch/run.py`, "allocator tuned"). Weights above 32 MB are the
//! exception, because glibc maps those afresh: at K = 16 a step is 3% faster if glibc keeps them
//! (`MALLOC_MMAP_THRESHOLD_=268435456 MALLOC_TRIM_THRESHOLD_=1073741824 cargo bench --bench training --
//! --kind field_each --dim 16`).

#[cfg(feature = "autodiff")]
mod batch_innermost;
#[cfg(feature = "autodiff")]
mod fold;
#[cfg(feature = "autodiff")]
mod gradient;
mod linear;
mod linear_map;
mod matrix;
mod pairs;
mod row_shape;
mod rows;
mod side;
mod small_batch;
mod small_batch_linear;
mod tasks;
mod tensors;

use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Flex, TensorMetadata};

#[cfg(feature = "autodiff")]
use self::gradient::Gradients;
use self::linear_map::LinearMap;
use self::row_shape::RowShape;
use self::side::PreparedSide;
#[cfg(feature = "autodiff")]
use self::tensors::shaped_like;
use self::tensors::tensor;
use super::ops::{Matrices, PairOps, PairSide, PairSides, Reader};
#[cfg(feature = "autodiff")]
use super::ops::{PairGradients, ReaderGradients, SideGradients};
use crate::kernels::SMALL_BATCH_ROWS;
use crate::pairs::BilinearKind;

impl PairOps for Flex {
    fn pairs(sides: PairSides<Self>) -> FloatTensor<Self> {
        let sides = DenseSides::new(sides);
        let values = pairs::forward(&sides.prepared(), sides.shape);
        tensor(values, [sides.batch, 2 * sides.shape.num_columns()])
    }

    fn pairs_linear(sides: PairSides<Self>, reader: Reader<Self>) -> FloatTensor<Self> {
        let (sides, reader) = (DenseSides::new(sides), DenseReader::new(reader));
        let map = reader.map();
        let num_dense = map.dense.map_or(0, |(dense, num_dense)| {
            assert_eq!(
                dense.len(),
                sides.batch * num_dense,
                "expected raw numeric inputs for each batch row"
            );
            num_dense
        });
        let num_inputs = 2 * sides.shape.num_columns() + num_dense;
        let len = num_inputs * map.num_outputs;
        assert_eq!(
            map.weight.len(),
            len,
            "expected a weight row for each input"
        );
        let values = match sides.batch {
            ..=SMALL_BATCH_ROWS => small_batch::forward(sides.slices(), sides.shape, map),
            _ => linear::forward(&sides.prepared(), sides.shape, map),
        };
        tensor(values, [sides.batch, map.num_outputs])
    }
}

#[cfg(feature = "autodiff")]
impl PairGradients for Flex {
    fn pairs_backward(
        sides: PairSides<Self>,
        gradient: FloatTensor<Self>,
    ) -> [SideGradients<Self>; 2] {
        let sides = DenseSides::new(sides);
        let gradient = gradient.to_contiguous();
        let gradients = pairs::backward(&sides.prepared(), sides.shape, gradient.storage());
        sides.gradients(gradients)
    }

    fn pairs_linear_backward(
        sides: PairSides<Self>,
        reader: Reader<Self>,
        gradient: FloatTensor<Self>,
    ) -> ([SideGradients<Self>; 2], ReaderGradients<Self>) {
        let (sides, reader) = (DenseSides::new(sides), DenseReader::new(reader));
        let gradient = gradient.to_contiguous();
        let slices = sides.slices();
        let gradients = linear::backward(slices, sides.shape, reader.map(), gradient.storage());
        let reader_gradients = ReaderGradients {
            weight: shaped_like(&reader.weight, gradients.weight),
            dense: gradients
                .dense
                .zip(reader.dense.as_ref())
                .map(|(values, dense)| shaped_like(dense, values)),
        };
        (sides.gradients(gradients.sides), reader_gradients)
    }
}

/// Both sides as contiguous tensors.
struct DenseSides {
    sides: [(FlexTensor, Option<(BilinearKind, FlexTensor)>); 2],
    batch: usize,
    shape: RowShape,
}

impl DenseSides {
    fn new(sides: PairSides<Flex>) -> Self {
        let PairSides { first, second } = sides;
        let dense = |side: PairSide<Flex>| {
            let matrices = match side.matrices {
                Matrices::None => None,
                Matrices::All(tensor) => Some((BilinearKind::FieldAll, tensor)),
                Matrices::Each(tensor) => Some((BilinearKind::FieldEach, tensor)),
                Matrices::Interaction(tensor) => Some((BilinearKind::FieldInteraction, tensor)),
            };
            let matrices = matrices.map(|(kind, tensor)| (kind, tensor.to_contiguous()));
            (side.embeddings.to_contiguous(), matrices)
        };
        let [batch, num_fields, embedding_dim] = first.embeddings.shape().dims();
        Self {
            sides: [dense(first), dense(second)],
            batch,
            shape: RowShape {
                num_fields,
                embedding_dim,
            },
        }
    }

    fn slices(&self) -> [small_batch::SideSlices<'_>; 2] {
        self.sides.each_ref().map(|(embeddings, matrices)| {
            let matrices = matrices.as_ref().map(|(kind, m)| (*kind, m.storage()));
            (embeddings.storage(), matrices)
        })
    }

    fn prepared(&self) -> [PreparedSide<'_>; 2] {
        self.slices()
            .map(|(embeddings, matrices)| PreparedSide::new(self.shape, embeddings, matrices))
    }

    #[cfg(feature = "autodiff")]
    fn gradients(&self, [first, second]: [Gradients; 2]) -> [SideGradients<Flex>; 2] {
        let gradients = |gradients: Gradients, (embeddings, matrices): &_| {
            let matrices: &Option<(BilinearKind, FlexTensor)> = matrices;
            SideGradients {
                embeddings: shaped_like(embeddings, gradients.embeddings),
                matrices: gradients
                    .matrices
                    .zip(matrices.as_ref())
                    .map(|(values, (_, matrices))| shaped_like(matrices, values)),
            }
        };
        [
            gradients(first, &self.sides[0]),
            gradients(second, &self.sides[1]),
        ]
    }
}

/// A linear map and the raw numeric inputs that it reads, as contiguous tensors.
struct DenseReader {
    weight: FlexTensor,
    dense: Option<FlexTensor>,
}

impl DenseReader {
    fn new(reader: Reader<Flex>) -> Self {
        let (weight, dense) = match reader {
            Reader::Pairs { weight } => (weight, None),
            Reader::PairsAndDense { weight, dense } => (weight, Some(dense)),
        };
        Self {
            weight: weight.to_contiguous(),
            dense: dense.map(|dense| dense.to_contiguous()),
        }
    }

    fn map(&self) -> LinearMap<'_> {
        let [_, num_outputs] = self.weight.shape().dims();
        LinearMap {
            weight: self.weight.storage(),
            num_outputs,
            dense: self.dense.as_ref().map(|dense| {
                let [_, num_dense] = dense.shape().dims();
                (dense.storage(), num_dense)
            }),
        }
    }
}
