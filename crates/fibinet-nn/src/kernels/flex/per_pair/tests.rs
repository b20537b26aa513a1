use pulp::Scalar;
#[cfg(target_arch = "x86_64")]
use pulp::x86::V3;

use super::*;
use crate::kernels::flex::side::side_by_side;

const FIELDS: usize = 4;
/// Two tiles, and a third one with every number of rows that are computed together.
const NUM_ROWS: usize = 3 * TILE_ROWS - 1;

/// The first run starts in the middle of its left field.
fn runs(dim: usize) -> [Run; 2] {
    [(0, 2..4, 0), (1, 2..3, 2 * dim)].map(|(left, rights, column)| Run {
        left,
        rights,
        column,
    })
}

/// The number, left field and right field of each pair of the runs.
const PAIRS: [[usize; 3]; 3] = [[1, 0, 2], [2, 0, 3], [3, 1, 2]];

/// Whole and small, so that sums are exact in any order.
fn numbers(len: usize, seed: usize) -> Vec<f32> {
    let number = |i| ((i * 7 + seed) % 11) as f32 - 5.0;
    (0..len).map(number).collect()
}

/// Embeddings, and matrices of all six pairs.
struct Inputs {
    shape: RowShape,
    rows: Vec<f32>,
    matrices: Vec<f32>,
}

impl Inputs {
    fn new(dim: usize) -> Self {
        let shape = RowShape {
            num_fields: FIELDS,
            embedding_dim: dim,
        };
        Self {
            shape,
            rows: numbers(NUM_ROWS * shape.len(), 1),
            matrices: numbers(6 * dim * dim, 2),
        }
    }

    /// The index of a field's vector.
    fn start(&self, row: usize, field: usize) -> usize {
        row * self.shape.len() + field * self.shape.embedding_dim
    }

    /// `v_i W_ij` of a pair in a batch row.
    fn left_vector(&self, row: usize, pair: usize, left: usize) -> Vec<f32> {
        let dim = self.shape.embedding_dim;
        let vector = &self.rows[self.start(row, left)..][..dim];
        let matrix = &self.matrices[pair * dim * dim..];
        let number = |c| (0..dim).map(|k| vector[k] * matrix[k * dim + c]).sum();
        (0..dim).map(number).collect()
    }
}

/// Something to assert at a SIMD level.
trait Check: Copy {
    fn assert_at<S: Simd>(self, simd: S);

    /// Asserts it at the levels that this machine has.
    fn assert_at_every_level(self) {
        struct Widest<C>(C);
        impl<C: Check> WithSimd for Widest<C> {
            type Output = ();
            fn with_simd<S: Simd>(self, simd: S) {
                self.0.assert_at(simd);
            }
        }
        self.assert_at(Scalar);
        #[cfg(target_arch = "x86_64")]
        if let Some(simd) = V3::try_new() {
            self.assert_at(simd);
        }
        Arch::new().dispatch(Widest(self));
    }
}

/// The pairs and all gradients are right.
#[derive(Clone, Copy)]
struct Right {
    dim: usize,
}

impl Check for Right {
    fn assert_at<S: Simd>(self, simd: S) {
        assert_right_at(simd, self.dim);
    }
}

fn assert_right_at<S: Simd>(simd: S, dim: usize) {
    let inputs = Inputs::new(dim);
    let by_field = side_by_side(inputs.shape, &inputs.matrices);
    let (runs, stride) = (runs(dim), 3 * dim + 1);
    let left = LeftVectors {
        shape: inputs.shape,
        runs: &runs,
        matrices: &by_field,
        rows: &inputs.rows,
    };
    let strip = Strip { stride, offset: 1 };
    let mut out = vec![f32::NAN; NUM_ROWS * stride];
    simd.vectorize(left.for_each_tile(CrossPerPair {
        left,
        out: &mut out,
        strip,
    }));
    for row in 0..NUM_ROWS {
        let out = &out[row * stride..][..stride];
        assert!(out[0].is_nan(), "a column of another task");
        for (pairs, [pair, field, right]) in out[1..].chunks_exact(dim).zip(PAIRS) {
            let crossed = inputs.left_vector(row, pair, field);
            let rights = &inputs.rows[inputs.start(row, right)..];
            for c in 0..dim {
                assert_eq!(pairs[c], crossed[c] * rights[c], "{row} {pair} {c}");
            }
        }
    }
    #[cfg(feature = "autodiff")]
    {
        let gradient = numbers(NUM_ROWS * stride, 3);
        let mut to_rows = vec![1.0; inputs.rows.len()];
        let mut to_matrices = side_by_side(inputs.shape, &vec![1.0; inputs.matrices.len()]);
        simd.vectorize(left.for_each_tile(FoldPerPair {
            left,
            gradient: &gradient,
            strip,
            to_rows: &mut to_rows,
            to_matrices: &mut to_matrices,
        }));
        let mut expected_rows = vec![1.0; inputs.rows.len()];
        let mut expected_matrices = vec![1.0; inputs.matrices.len()];
        for row in 0..NUM_ROWS {
            for (n, [pair, left, right]) in PAIRS.into_iter().enumerate() {
                let crossed = inputs.left_vector(row, pair, left);
                let (left, right) = (inputs.start(row, left), inputs.start(row, right));
                for c in 0..dim {
                    let of_pair = gradient[row * stride + 1 + n * dim + c];
                    expected_rows[right + c] += of_pair * crossed[c];
                    for k in 0..dim {
                        let at = (pair * dim + k) * dim + c;
                        let to_left = of_pair * inputs.rows[right + c];
                        expected_rows[left + k] += to_left * inputs.matrices[at];
                        expected_matrices[at] += to_left * inputs.rows[left + k];
                    }
                }
            }
        }
        assert_eq!(to_rows, expected_rows);
        assert_eq!(
            *to_matrices,
            *side_by_side(inputs.shape, &expected_matrices)
        );
    }
}

/// The dimensions are products of fives, and fours with each remainder. Two vectors of 130 numbers, and one of 260,
/// do not fit into a tile.
#[test]
fn every_simd_level_computes_the_same() {
    for dim in [1, 3, 7, 10, 16, 130, 260] {
        Right { dim }.assert_at_every_level();
    }
}

/// A NaN in the matrix and the gradient of the pair after another leaves that one's numbers finite.
#[derive(Clone, Copy)]
struct NanApart {
    /// The left field of both pairs.
    field: usize,
    /// The number of the first pair.
    pair: usize,
}

impl Check for NanApart {
    fn assert_at<S: Simd>(self, simd: S) {
        let dim = 3;
        let mut inputs = Inputs::new(dim);
        let next = (self.pair + 1) * dim * dim;
        if let Some(matrix) = inputs.matrices.get_mut(next..next + dim * dim) {
            matrix.fill(f32::NAN);
        }
        let by_field = side_by_side(inputs.shape, &inputs.matrices);
        let run = Run {
            left: self.field,
            rights: self.field + 1..self.field + 2,
            column: 0,
        };
        let left = LeftVectors {
            shape: inputs.shape,
            runs: core::slice::from_ref(&run),
            matrices: &by_field,
            rows: &inputs.rows,
        };
        let (stride, offset) = (2 * dim, 0);
        let strip = Strip { stride, offset };
        let mut pairs = vec![f32::NAN; NUM_ROWS * stride];
        simd.vectorize(left.for_each_tile(CrossPerPair {
            left,
            out: &mut pairs,
            strip,
        }));
        for pairs in pairs.chunks_exact(stride) {
            let (of_pair, next) = pairs.split_at(dim);
            assert!(of_pair.iter().all(|number| number.is_finite()));
            assert!(next.iter().all(|number| number.is_nan()));
        }
        #[cfg(feature = "autodiff")]
        {
            let mut to_rows = vec![0.0; inputs.rows.len()];
            let mut to_matrices = side_by_side(inputs.shape, &vec![0.0; inputs.matrices.len()]);
            simd.vectorize(left.for_each_tile(FoldPerPair {
                left,
                gradient: &pairs,
                strip,
                to_rows: &mut to_rows,
                to_matrices: &mut to_matrices,
            }));
            assert!(to_rows.iter().all(|number| number.is_finite()));
            let row_stride = inputs.shape.width_of(self.field);
            for (index, number) in to_matrices.iter().enumerate() {
                let column = index.checked_sub(run.first_weight(inputs.shape));
                let is_pairs = column
                    .is_some_and(|column| column < dim * row_stride && column % row_stride < dim);
                assert!(
                    number.is_finite() && (is_pairs || *number == 0.0),
                    "{index}"
                );
            }
        }
    }
}

/// The last register of the pair (0, 1) reaches into (0, 2), and that of (2, 3) into the padding.
#[test]
fn a_nan_stays_in_its_pair() {
    NanApart { field: 0, pair: 0 }.assert_at_every_level();
    NanApart { field: 2, pair: 5 }.assert_at_every_level();
}
