use burn::module::Param;
use burn::nn::LinearConfig;
use burn::tensor::{Device, Tensor};
use proptest::prelude::*;

use super::{Case, KINDS, Results, case, device, gpus, numbers, on_threads, ran, results, values};
use crate::kernels::{self, Side, ops, reference};
use crate::layers::bilinear::EachMatrices;
use crate::layers::combination::{CombinationConfig, CombinationKind, CombinationOrder};
use crate::pairs::{BilinearKind, num_pairs};
use crate::testing::assert_close;

fn fused_pairs(case: &Case) -> Results {
    results(case, |sides, _, _| ran(ops::pairs(sides)))
}

fn pairs_by_tensor_ops(case: &Case) -> Results {
    results(case, |sides, _, _| reference::pairs(sides))
}

fn fused_linear(case: &Case) -> Results {
    results(case, |sides, dense, weight| {
        ran(ops::pairs_linear(sides, dense.as_ref(), &weight))
    })
}

fn linear_by_tensor_ops(case: &Case) -> Results {
    results(case, composed_linear)
}

fn composed_linear(sides: &[Side], dense: Option<Tensor<2>>, weight: Tensor<2>) -> Tensor<2> {
    let pairs = reference::pairs(sides);
    let columns = core::iter::once(pairs).chain(dense).collect();
    Tensor::cat(columns, 1).matmul(weight)
}

/// Asserts that a kernel's results are those of `run` on flex, but for the order in which terms are summed.
///
/// That order moves a sum by a few roundings of the sum of its terms' absolute values. Each result is a sum
/// of products of a case's numbers, so `run` on absolute numbers gives those bounds.
fn assert_same(fused: &Results, run: impl Fn(&Case) -> Results, case: &Case) {
    let on_flex = Case {
        device: device(),
        ..case.clone()
    };
    let reference = run(&on_flex);
    let sizes = run(&Case {
        absolute: true,
        ..on_flex
    });
    assert_eq!(fused.len(), reference.len(), "{case:?}");
    for (((name, fused), (_, reference)), (_, sizes)) in fused.iter().zip(&reference).zip(&sizes) {
        assert_eq!(fused.len(), reference.len(), "{name} of {case:?}");
        for (i, ((a, e), size)) in fused.iter().zip(reference).zip(sizes).enumerate() {
            assert!(
                (a - e).abs() <= 16.0 * f32::EPSILON * size,
                "element {i} of {name}: {a}, expected {e}, of terms that add up to {size}\n{case:?}"
            );
        }
    }
}

pub(super) fn assert_kernels_match(case: &Case) {
    assert_same(&fused_pairs(case), pairs_by_tensor_ops, case);
    assert_same(&fused_linear(case), linear_by_tensor_ops, case);
}

/// The same where layers run tensor operations.
pub(super) fn assert_tensor_ops_match(case: &Case) {
    let pairs = results(case, |sides, _, _| kernels::pairs(sides));
    assert_same(&pairs, pairs_by_tensor_ops, case);
    let linear = results(case, |sides, dense, weight| {
        let [d_input, d_output] = weight.dims();
        let config = LinearConfig::new(d_input, d_output).with_bias(false);
        let mut map = config.init(&case.device);
        map.weight = Param::from_tensor(weight);
        kernels::pairs_linear(sides, dense.as_ref(), &map)
    });
    assert_same(&linear, linear_by_tensor_ops, case);
}

fn any_case() -> impl Strategy<Value = Case> {
    let sizes = (2usize..=64, 1usize..=64).prop_flat_map(|(num_fields, dim)| {
        // Fewer batch rows of more columns keep the suite quick.
        let most = (1 << 18) / (num_pairs(num_fields) * dim);
        (Just(num_fields), Just(dim), 1..=most.clamp(6, 70))
    });
    let kind = prop::sample::select(KINDS.to_vec());
    let combination = prop::sample::select(vec![
        CombinationKind::BothBilinear,
        CombinationKind::SenetBilinear,
        CombinationKind::RawBilinear,
        CombinationKind::NoneBilinear,
    ]);
    let choices = (any::<bool>(), any::<bool>(), any::<bool>());
    let head = (0usize..4, 1usize..20, 1usize..=2);
    (sizes, kind, combination, choices, head).prop_map(
        |((num_fields, dim, batch), kind, combination, (senet_first, shared, left), head)| {
            let mut case = case(kind, num_fields, dim, batch);
            (case.num_dense, case.num_outputs, case.num_sides) = head;
            case.config = case
                .config
                .with_kind(combination)
                .with_shared(shared)
                .with_order(if senet_first {
                    CombinationOrder::SenetFirst
                } else {
                    CombinationOrder::RawFirst
                })
                .with_each_matrices(if left {
                    EachMatrices::LeftFields
                } else {
                    EachMatrices::All
                });
            case
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn values_and_gradients_match_tensor_ops(case in any_case()) {
        assert_kernels_match(&case);
    }
}

#[test]
fn the_smallest_shape_works() {
    for kind in KINDS {
        assert_kernels_match(&case(kind, 2, 1, 1));
    }
}

/// 129,024 columns per side: in a small batch with matrices on both sides, and in a larger one where one
/// side is the plain product.
#[test]
fn sixty_four_fields_of_dimension_64_work() {
    for (batch, combination) in [
        (2, CombinationKind::BothBilinear),
        (5, CombinationKind::SenetBilinear),
    ] {
        for kind in KINDS {
            let mut case = case(kind, 64, 64, batch);
            case.num_dense = 3;
            case.config = case.config.with_kind(combination);
            assert_kernels_match(&case);
        }
    }
}

#[test]
fn dimensions_with_a_loop_of_their_own_work() {
    for dim in [4, 8, 10, 16, 20, 32, 40, 64] {
        for batch in [3, 9] {
            assert_kernels_match(&case(BilinearKind::FieldEach, 5, dim, batch));
        }
    }
}

/// Batch rows that fill groups and blocks of the kernel's, and some that do not. The last shape has a left field of
/// more columns than are computed at once.
#[test]
fn blocks_of_field_interaction_add_up() {
    let shapes = [2, 3, 13].map(|num_fields| [1, 3, 10, 33].map(|dim| (num_fields, dim)));
    for (num_fields, dim) in shapes.into_iter().flatten().chain([(30, 10)]) {
        for batch in [7, 8, 15, 16, 17, 25, 65] {
            let case = case(BilinearKind::FieldInteraction, num_fields, dim, batch);
            assert_same(&fused_pairs(&case), pairs_by_tensor_ops, &case);
        }
    }
}

/// Pairs that span several tasks, the last of which is not full.
#[test]
fn a_small_batch_reads_the_whole_weight() {
    for kind in KINDS {
        for batch in 1..=5 {
            let mut case = case(kind, 12, 10, batch);
            (case.num_dense, case.num_outputs) = (3, 211);
            assert_kernels_match(&case);
        }
    }
}

#[test]
fn more_batch_rows_than_the_backward_pass_takes_at_once_work() {
    for kind in KINDS {
        assert_kernels_match(&case(kind, 3, 2, 2048 + 65));
    }
}

/// Backward, these are two ranges of batch rows with several panels, the last of which is not full, and
/// several groups of tasks that divide left fields.
#[test]
fn ranges_panels_and_tasks_add_up() {
    for kind in KINDS {
        let mut case = case(kind, 24, 10, 2048 + 300);
        case.num_outputs = 8;
        assert_same(&fused_linear(&case), linear_by_tensor_ops, &case);
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    for kind in KINDS {
        // 600 rows are three panels and, forward, five groups of columns.
        for batch in [600, 2] {
            let mut case = case(kind, 24, 10, batch);
            case.num_outputs = 96;
            let one = on_threads(1, || fused_linear(&case));
            let pairs = on_threads(1, || fused_pairs(&case));
            for num_threads in [2, 3, 8] {
                let mapped = on_threads(num_threads, || fused_linear(&case));
                assert_eq!(mapped, one, "{kind:?}");
                let formed = on_threads(num_threads, || fused_pairs(&case));
                assert_eq!(formed, pairs, "{kind:?}");
            }
        }
    }
}

/// But for the map behind the pairs, which is a matrix product of the backend's.
#[test]
fn a_second_run_on_a_gpu_changes_no_bit() {
    for device in gpus() {
        for kind in KINDS {
            let mut case = case(kind, 12, 10, 70);
            case.device = device.clone();
            assert_eq!(fused_pairs(&case), fused_pairs(&case), "{case:?}");
        }
    }
}

#[test]
fn the_kernels_run_without_autodiff() {
    let device = Device::flex();
    let weight: Tensor<2> = numbers([2 * 6 * 3, 7], 2, &device);
    for kind in KINDS {
        for batch in 1..=5 {
            let config = CombinationConfig::new(4, 3).with_bilinear_kind(kind);
            let embeddings = |seed| numbers([batch, 4, 3], seed, &device);
            let combination = config.init(&device);
            let sides = combination.kernel_sides(embeddings(1), embeddings(3));
            let sides = sides.expect("no inner product");
            let expected = reference::pairs(&sides);
            assert_close(ran(ops::pairs(&sides)), &values(expected.clone()), 1e-5);
            let mapped = ran(ops::pairs_linear(&sides, None, &weight));
            assert_close(mapped, &values(expected.matmul(weight.clone())), 1e-5);
        }
    }
}
