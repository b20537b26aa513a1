use burn::module::Param;
use burn::nn::Linear;
use burn::tensor::{Device, Tensor, TensorData};
use proptest::prelude::*;

use crate::layers::bilinear::EachMatrices;
use crate::layers::combination::{
    Combination, CombinationConfig, CombinationKind, CombinationOrder, Interaction,
};
use crate::layers::pair_product::PairProductKind;
use crate::pairs::{BilinearKind, num_pairs};

/// What a case is drawn from.
#[derive(Debug, Clone)]
struct Case {
    config: CombinationConfig,
    batch: usize,
    num_dense: usize,
    num_outputs: usize,
    /// Of the numbers' sizes alone.
    absolute: bool,
}

impl Case {
    fn numbers<const D: usize>(&self, shape: [usize; D], seed: u64) -> Tensor<D> {
        let numbers = numbers(shape, seed, &device());
        match self.absolute {
            true => numbers.abs(),
            false => numbers,
        }
    }
}

/// Everything that comes out of a case: the output and the gradient of every input.
type Results = Vec<(&'static str, Vec<f32>)>;

/// Numbers in [-1, 1) that depend on the seed alone (splitmix64).
fn numbers<const D: usize>(shape: [usize; D], seed: u64, device: &Device) -> Tensor<D> {
    let values = (0..shape.iter().product::<usize>() as u64).map(|i| {
        let mut z = (seed << 32 | i).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z >> 40) as f32 / (1 << 23) as f32 - 1.0
    });
    Tensor::from_data(TensorData::new(values.collect(), shape), device)
}

fn device() -> Device {
    Device::flex().autodiff()
}

/// A combination with matrices of the case's own.
fn combination(case: &Case) -> Combination {
    let device = device();
    let mut combination = case.config.init(&device);
    let set = |interaction: &mut Interaction, seed| {
        if let Interaction::Bilinear(bilinear) = interaction {
            let weight = case.numbers(bilinear.weight.shape().dims(), seed);
            bilinear.weight = Param::from_tensor(weight.require_grad());
        }
    };
    set(&mut combination.raw, 1);
    if let Some(senet) = &mut combination.senet {
        set(senet, 2);
    }
    combination
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().expect("f32")
}

/// Runs `forward(combination, raw, reweighted, dense, weight)` and its backward pass.
fn results(
    case: &Case,
    forward: impl Fn(&Combination, Tensor<3>, Tensor<3>, Option<Tensor<2>>, Tensor<2>) -> Tensor<2>,
) -> Results {
    let combination = combination(case);
    let CombinationConfig {
        num_fields,
        embedding_dim,
        ..
    } = case.config;
    let embeddings = |seed| {
        let shape = [case.batch, num_fields, embedding_dim];
        case.numbers(shape, seed).require_grad()
    };
    let (raw, reweighted) = (embeddings(3), embeddings(4));
    let dense =
        (case.num_dense > 0).then(|| case.numbers([case.batch, case.num_dense], 5).require_grad());
    let d_input = case.config.d_output() + case.num_dense;
    let weight = case.numbers([d_input, case.num_outputs], 6).require_grad();

    let inputs = (raw.clone(), reweighted.clone());
    let out = forward(
        &combination,
        inputs.0,
        inputs.1,
        dense.clone(),
        weight.clone(),
    );
    let gradients = (out.clone() * case.numbers(out.dims(), 7)).sum().backward();
    let mut results = vec![("output", values(out))];
    let mut add = |name, gradient: Option<Vec<f32>>| {
        results.extend(gradient.map(|gradient| (name, gradient)));
    };
    add("raw", raw.grad(&gradients).map(values));
    add("reweighted", reweighted.grad(&gradients).map(values));
    add(
        "dense",
        dense.and_then(|dense| dense.grad(&gradients)).map(values),
    );
    add("weight", weight.grad(&gradients).map(values));
    let sides = core::iter::once(&combination.raw).chain(&combination.senet);
    for interaction in sides {
        if let Interaction::Bilinear(bilinear) = interaction {
            add(
                "matrices",
                bilinear.weight.val().grad(&gradients).map(values),
            );
        }
    }
    results
}

fn fused_pairs(case: &Case) -> Results {
    results(case, |combination, raw, reweighted, _, _| {
        let sides = combination
            .kernel_sides(&raw, &reweighted)
            .expect("no inner product");
        crate::kernels::pairs(&sides).expect("the kernel runs on flex")
    })
}

fn pairs_by_tensor_ops(case: &Case) -> Results {
    results(case, |combination, raw, reweighted, _, _| {
        combination.forward_by_tensor_ops(raw, reweighted)
    })
}

fn fused_linear(case: &Case) -> Results {
    results(case, |combination, raw, reweighted, dense, weight| {
        combination
            .forward_linear(&raw, &reweighted, dense.as_ref(), &weight)
            .expect("the kernel runs on flex")
    })
}

fn linear_by_tensor_ops(case: &Case) -> Results {
    results(case, |combination, raw, reweighted, dense, weight| {
        let pairs = combination.forward_by_tensor_ops(raw, reweighted);
        let columns = core::iter::once(pairs).chain(dense).collect();
        Tensor::cat(columns, 1).matmul(weight)
    })
}

/// Sums of the same terms in another order, which differ by some roundings of what the terms' sizes add up
/// to: `run` of absolute numbers, since each result is a sum of products of the numbers.
fn assert_same(fused: &Results, run: impl Fn(&Case) -> Results, case: &Case) {
    let reference = run(case);
    let sizes = run(&Case {
        absolute: true,
        ..case.clone()
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

fn assert_kernels_match(case: &Case) {
    assert_same(&fused_pairs(case), pairs_by_tensor_ops, case);
    assert_same(&fused_linear(case), linear_by_tensor_ops, case);
}

fn case(kind: BilinearKind, num_fields: usize, embedding_dim: usize, batch: usize) -> Case {
    Case {
        config: CombinationConfig::new(num_fields, embedding_dim).with_bilinear_kind(kind),
        batch,
        num_dense: 0,
        num_outputs: 3,
        absolute: false,
    }
}

const KINDS: [BilinearKind; 3] = [
    BilinearKind::FieldAll,
    BilinearKind::FieldEach,
    BilinearKind::FieldInteraction,
];

fn any_case() -> impl Strategy<Value = Case> {
    let sizes = (2usize..=64, 1usize..=64).prop_flat_map(|(num_fields, dim)| {
        // Fewer rows of more columns: the suite stays quick.
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
    let head = (0usize..4, 1usize..20);
    (sizes, kind, combination, choices, head).prop_map(
        |((num_fields, dim, batch), kind, combination, (senet_first, shared, left), head)| {
            let mut case = case(kind, num_fields, dim, batch);
            (case.num_dense, case.num_outputs) = head;
            case.config = case
                .config
                .with_kind(combination)
                .with_shared(shared)
                .with_order(match senet_first {
                    true => CombinationOrder::SenetFirst,
                    false => CombinationOrder::RawFirst,
                })
                .with_each_matrices(match left {
                    true => EachMatrices::LeftFields,
                    false => EachMatrices::All,
                });
            case
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn values_and_gradients_are_those_of_tensor_ops(case in any_case()) {
        assert_kernels_match(&case);
    }
}

#[test]
fn the_smallest_shape_works() {
    for kind in KINDS {
        assert_kernels_match(&case(kind, 2, 1, 1));
    }
}

/// 129,024 columns a side: of a few rows with matrices on both, of more beside the plain product.
#[test]
fn sixty_four_fields_of_64_numbers_work() {
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
fn the_widths_compiled_apart_work() {
    for dim in [4, 8, 10, 16, 20, 32, 40, 64] {
        for batch in [3, 9] {
            assert_kernels_match(&case(BilinearKind::FieldEach, 5, dim, batch));
        }
    }
}

/// Pairs of several chunks of the weight, and a last one in part.
#[test]
fn a_few_rows_read_the_whole_weight() {
    for kind in KINDS {
        for batch in 1..=5 {
            let mut case = case(kind, 12, 10, batch);
            (case.num_dense, case.num_outputs) = (3, 211);
            assert_kernels_match(&case);
        }
    }
}

#[test]
fn more_rows_than_a_range_holds_work() {
    for kind in KINDS {
        assert_kernels_match(&case(kind, 3, 2, 2048 + 65));
    }
}

/// Backward: two ranges of rows, of several panels and the last one in part, and several groups of
/// tasks that cut left fields in two.
#[test]
fn ranges_of_rows_panels_and_tasks_come_together() {
    for kind in KINDS {
        let mut case = case(kind, 24, 10, 2048 + 300);
        case.num_outputs = 8;
        assert_same(&fused_linear(&case), linear_by_tensor_ops, &case);
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let on = |num_threads, run: &(dyn Fn() -> Results + Sync)| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(num_threads);
        pool.build().expect("threads start").install(run)
    };
    for kind in KINDS {
        // 600 rows are three panels, and forward five groups of columns.
        for batch in [600, 2] {
            let mut case = case(kind, 24, 10, batch);
            case.num_outputs = 96;
            let one = on(1, &|| fused_linear(&case));
            let pairs = on(1, &|| fused_pairs(&case));
            for num_threads in [2, 3, 8] {
                assert_eq!(on(num_threads, &|| fused_linear(&case)), one, "{kind:?}");
                assert_eq!(on(num_threads, &|| fused_pairs(&case)), pairs, "{kind:?}");
            }
        }
    }
}

/// Inputs of several tasks, the last one in part, and parts of them that four does not divide.
#[test]
fn a_linear_map_of_a_few_rows_is_that_of_tensor_ops_inside_the_pool_and_outside() {
    let device = Device::flex();
    for batch in 1..=4 {
        let map = linear(403, 211, &device);
        let input: Tensor<2> = numbers([batch, 403], 3, &device);
        let few =
            || crate::kernels::small_batch_linear(&input, &map).expect("the kernel runs on flex");
        let expected = input.clone().matmul(map.weight.val());
        let expected = values(expected + numbers::<1>([211], 2, &device).unsqueeze());
        crate::testing::assert_close(few(), &expected, 1e-5);
        for num_threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(num_threads);
            let pool = pool.build().expect("threads start");
            let inside = pool.install(|| values(few()));
            assert_eq!(inside, values(few()), "{num_threads} threads");
        }
    }
}

#[test]
fn a_linear_map_is_left_to_tensor_ops_where_the_kernel_does_not_pay_or_apply() {
    let runs = |num_rows, num_outputs, device: &Device| {
        let input: Tensor<2> = numbers([num_rows, 400], 3, device);
        crate::kernels::small_batch_linear(&input, &linear(400, num_outputs, device)).is_some()
    };
    let device = Device::flex();
    assert!(runs(4, 400, &device));
    assert!(!runs(0, 400, &device));
    assert!(!runs(5, 400, &device));
    assert!(!runs(1, 100, &device));
    assert!(!runs(1, 400, &device.clone().autodiff()));
    let input: Tensor<2> = numbers([1, 400], 3, &device);
    let mut map = linear(400, 400, &device);
    assert!(
        crate::kernels::small_batch_linear(&input.clone().cast(burn::tensor::DType::F16), &map)
            .is_none()
    );
    map.bias = None;
    assert!(crate::kernels::small_batch_linear(&input, &map).is_none());
}

/// A linear map with a bias, of numbers of its own.
fn linear(d_input: usize, d_output: usize, device: &Device) -> Linear {
    Linear {
        weight: Param::from_tensor(numbers([d_input, d_output], 1, device)),
        bias: Some(Param::from_tensor(numbers([d_output], 2, device))),
    }
}

#[test]
fn without_autodiff_the_kernels_run_too() {
    let device = Device::flex();
    let combination = CombinationConfig::new(4, 3).init(&device);
    let raw: Tensor<3> = numbers([5, 4, 3], 1, &device);
    let weight = numbers([2 * 6 * 3, 7], 2, &device);
    let mapped = combination
        .forward_linear(&raw, &raw, None, &weight)
        .expect("the kernel runs on flex");
    let expected = combination
        .forward_by_tensor_ops(raw.clone(), raw)
        .matmul(weight);
    crate::testing::assert_close(mapped, &values(expected), 1e-5);
}

#[test]
fn the_pairs_alone_of_a_row_or_two_of_field_interaction_are_left_to_tensor_ops() {
    let device = Device::flex();
    let runs = |kind, batch| {
        let config = CombinationConfig::new(4, 3).with_bilinear_kind(kind);
        let raw: Tensor<3> = numbers([batch, 4, 3], 1, &device);
        let sides = config.init(&device).kernel_sides(&raw, &raw);
        crate::kernels::pairs(&sides.expect("no inner product")).is_some()
    };
    assert!(!runs(BilinearKind::FieldInteraction, 2));
    assert!(runs(BilinearKind::FieldInteraction, 4));
    assert!(runs(BilinearKind::FieldEach, 1));
}

#[test]
fn an_inner_side_and_other_dtypes_are_left_to_tensor_ops() {
    let device = Device::flex();
    let raw: Tensor<3> = numbers([5, 4, 3], 1, &device);
    let config = CombinationConfig::new(4, 3).with_kind(CombinationKind::SenetBilinear);
    let inner = config
        .with_product_kind(PairProductKind::Inner)
        .init(&device);
    assert!(inner.kernel_sides(&raw, &raw).is_none());
    let sides = CombinationConfig::new(4, 3)
        .init(&device)
        .kernel_sides(&raw, &raw);
    let sides = sides.expect("no inner product");
    assert!(crate::kernels::pairs(&sides).is_some());
    let halved = sides.map(|mut side| {
        side.embeddings = side.embeddings.cast(burn::tensor::DType::F16);
        side
    });
    assert!(crate::kernels::pairs(&halved).is_none());
}
