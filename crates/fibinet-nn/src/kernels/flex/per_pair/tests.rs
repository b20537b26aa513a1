use pulp::Scalar;
#[cfg(target_arch = "x86_64")]
use pulp::x86::V3;

use super::*;
use crate::kernels::flex::side::side_by_side;

const FIELDS: usize = 4;
/// Two blocks, and a third one with every number of rows that are computed together.
const NUM_ROWS: usize = 3 * BLOCK_ROWS - 1;

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

    /// The place of a field's vector.
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
    simd.vectorize(CrossPerPair {
        left,
        out: &mut out,
        strip,
    });
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
        simd.vectorize(FoldPerPair {
            left,
            gradient: &gradient,
            strip,
            to_rows: &mut to_rows,
            to_matrices: &mut to_matrices,
        });
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

/// The columns of two vectors of 130 numbers are not computed at once.
#[test]
fn every_simd_level_computes_the_same() {
    struct Widest(usize);
    impl WithSimd for Widest {
        type Output = ();
        fn with_simd<S: Simd>(self, simd: S) {
            assert_right_at(simd, self.0);
        }
    }
    for dim in [3, 10, 130] {
        assert_right_at(Scalar, dim);
        #[cfg(target_arch = "x86_64")]
        if let Some(simd) = V3::try_new() {
            assert_right_at(simd, dim);
        }
        Arch::new().dispatch(Widest(dim));
    }
}

/// The last register of the pair (0, 1) reaches into (0, 2), whose matrix and gradient are NaN.
#[test]
fn a_nan_stays_in_its_pair() {
    let mut inputs = Inputs::new(3);
    inputs.matrices[9..18].fill(f32::NAN);
    let by_field = side_by_side(inputs.shape, &inputs.matrices);
    let runs = [Run {
        left: 0,
        rights: 1..2,
        column: 0,
    }];
    let left = LeftVectors {
        shape: inputs.shape,
        runs: &runs,
        matrices: &by_field,
        rows: &inputs.rows,
    };
    let mut pairs = vec![f32::NAN; NUM_ROWS * 6];
    let strip = Strip {
        stride: 6,
        offset: 0,
    };
    let cross = CrossPerPair {
        left,
        out: &mut pairs,
        strip,
    };
    cross.run();
    for pairs in pairs.chunks_exact(6) {
        let (of_pair, next) = pairs.split_at(3);
        assert!(of_pair.iter().all(|number| number.is_finite()));
        assert!(next.iter().all(|number| number.is_nan()));
    }
    #[cfg(feature = "autodiff")]
    {
        let mut to_rows = vec![0.0; inputs.rows.len()];
        let mut to_matrices = vec![0.0; inputs.matrices.len()];
        let fold = FoldPerPair {
            left,
            gradient: &pairs,
            strip,
            to_rows: &mut to_rows,
            to_matrices: &mut to_matrices,
        };
        fold.run();
        assert!(to_rows.iter().all(|number| number.is_finite()));
        for k in 0..3 {
            let (of_pair, next) = to_matrices[k * 9..(k + 1) * 9].split_at(3);
            assert!(of_pair.iter().all(|number| number.is_finite()));
            assert!(next.iter().all(|number| *number == 0.0));
        }
    }
}
