use std::sync::Mutex;

use super::*;
use burn::module::Param;
use burn::nn::LinearConfig;
use burn::tensor::Distribution;
use fibinet_nn::layers::{
    BilinearInteractionConfig, BilinearKind, CombinationConfig, FeatureEmbeddingConfig,
    LinearLogitConfig, PairProductConfig, PairProductKind, SenetConfig, num_pairs,
};
use fibinet_nn::memory::release_kept;
use fibinet_nn::models::{AnySpec, FieldCounts, HeadConfig};
use fibinet_testing::{CountingAllocator, allocated};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// The settings of a model of the registry, as a run file writes them.
fn spec(name: &str) -> AnySpec {
    let section = format!("name = '{name}'\nnumerics = 'dense'\n");
    toml::from_str(&section).expect("a model")
}

#[test]
fn every_model_of_the_registry_learns_from_lists_and_raw_numbers() {
    let _turn = TURN.lock();
    let device = Device::flex();
    let directory = std::env::temp_dir();
    let directory = directory.join(format!("fibinet-own-project-{}", std::process::id()));
    let fields = FieldCounts {
        with_ids: 4,
        numeric: 1,
    };
    for name in AnySpec::NAMES {
        let config = spec(name).resolve(fields).expect("proper settings");
        assert_eq!(config.head.inputs().num_dense, 1, "{name}");
        for tags in [Pooling::Mean, Pooling::Sum, Pooling::Max] {
            device.seed(2019);
            let batcher = RowBatcher { tags };
            let model = Clicks {
                model: config.init(FIELD_SIZES.to_vec(), &device.clone().autodiff()),
            };
            let before = model.valid().loss(batcher, &device);
            let model = train(model, batcher, 1, &directory);
            let after = model.valid().loss(batcher, &device);
            assert!(after < before - 0.05, "{name}, {tags:?}: {before}, {after}");
        }
    }
    std::fs::remove_dir_all(&directory).expect("the logs are removed");
}

/// Tests count allocations of the whole process, so they take turns.
static TURN: Mutex<()> = Mutex::new(());

/// The bytes that are allocated while something runs and finds no memory of earlier outputs.
fn bytes_of<R>(run: impl FnOnce() -> R) -> (usize, R) {
    release_kept();
    let before = allocated();
    let result = run();
    (allocated() - before, result)
}

/// Composed from tensor operations, a side of pairs allocates three arrays of pairs or more. A kernel allocates the
/// output, backward the gradient that starts it, and buffers of matrix products, whose sizes depend on the CPU's
/// caches.
#[test]
fn the_layers_run_their_kernels() {
    let _turn = TURN.lock();
    let device = Device::flex().autodiff();
    assert!(has_kernels(&device, DType::F32));
    let (fields, dim, batch) = (39, 10, 1024);
    let pairs_bytes = batch * num_pairs(fields) * dim * size_of::<f32>();
    let x = Tensor::<3>::random([batch, fields, dim], Distribution::Default, &device);
    let x = x.require_grad();
    let bilinear = BilinearInteractionConfig::new(fields, dim).with_kind(BilinearKind::FieldEach);
    let bilinear = bilinear.init(&device);
    let one_matrix = BilinearInteractionConfig::new(fields, dim).with_kind(BilinearKind::FieldAll);
    let one_matrix = one_matrix.init(&device);
    let per_pair = BilinearInteractionConfig::new(fields, dim);
    let per_pair = per_pair.with_kind(BilinearKind::FieldInteraction);
    let per_pair = per_pair.init(&device);
    let product = PairProductConfig::new(fields).init(&device);
    let inner = PairProductConfig::new(fields).with_kind(PairProductKind::Inner);
    let inner = inner.init(&device);
    let hidden = LinearConfig::new(num_pairs(fields) * dim, 4).init(&device);
    let combination = CombinationConfig::new(fields, dim);
    let combination = combination.with_bilinear_kind(BilinearKind::FieldEach);
    let of_both = LinearConfig::new(combination.d_output(), 4).init(&device);
    let combination = combination.init(&device);
    for (layer, at_most, forward) in [
        (
            "bilinear",
            2.0,
            &(|| bilinear.forward(x.clone()).flatten(1, 2)) as &dyn Fn() -> Tensor<2>,
        ),
        ("one matrix", 1.5, &|| {
            one_matrix.forward(x.clone()).flatten(1, 2)
        }),
        ("a matrix per pair", 1.5, &|| {
            per_pair.forward(x.clone()).flatten(1, 2)
        }),
        ("inner", 0.5, &|| inner.forward(x.clone()).flatten(1, 2)),
        ("product", 1.5, &|| product.forward(x.clone()).flatten(1, 2)),
        ("map", 1.0, &|| {
            bilinear.forward_linear(x.clone(), None, &hidden)
        }),
        ("both sides", 4.0, &|| {
            combination.forward(x.clone(), x.clone())
        }),
        ("map of both sides", 2.0, &|| {
            combination.forward_linear(x.clone(), x.clone(), None, &of_both)
        }),
    ] {
        // The first run also allocates the buffers that each thread of the pool keeps.
        forward().backward();
        let (forward_bytes, output) = bytes_of(forward);
        let (backward_bytes, _) = bytes_of(|| output.backward());
        for bytes in [forward_bytes, backward_bytes] {
            let arrays = bytes as f64 / pairs_bytes as f64;
            assert!(arrays < at_most, "{layer}: {arrays:.2} arrays of pairs");
        }
    }
}

/// The gradient of a table is the only array of its size. Burn's `select` makes another one.
#[test]
fn the_layers_with_tables_run_their_kernels() {
    let _turn = TURN.lock();
    let device = Device::flex().autodiff();
    let (fields, dim, batch, rows) = (39, 10, 64, 10_000);
    let ids = Tensor::<2, Int>::full([batch, fields], 7, &device);
    let embedding = FeatureEmbeddingConfig::new(vec![rows; fields], dim).init(&device);
    let logit = LinearLogitConfig::new(vec![rows; fields]).init(&device);
    let table = Tensor::<2>::zeros([rows * fields, dim], &device).require_grad();
    let tables = |dim, forward: &dyn Fn() -> Tensor<3>| {
        forward().backward();
        let output = forward();
        let (bytes, _) = bytes_of(|| output.backward());
        bytes as f64 / (rows * fields * dim * size_of::<f32>()) as f64
    };
    let select = || table.clone().select(0, ids.clone().flatten(0, 1));
    let composed = tables(dim, &|| select().unsqueeze());
    let embedding = tables(dim, &|| embedding.forward(FieldIds::new(ids.clone())));
    assert!(
        embedding < 1.1,
        "{embedding:.2} tables, composed {composed:.2}"
    );
    assert!(
        embedding < 0.6 * composed,
        "{embedding:.2} tables, composed {composed:.2}"
    );
    let logit = tables(1, &|| {
        let logits: Tensor<1> = logit.forward(FieldIds::new(ids.clone()));
        logits.unsqueeze()
    });
    assert!(logit < 1.1, "{logit:.2} tables");
}

#[test]
fn the_readme_shows_the_model_of_this_project() {
    let readme = include_str!("../../../README.md");
    let model = include_str!("my_model.rs").replace("pub ", "");
    assert!(
        readme.contains(&model),
        "README.md has another model than my_model.rs"
    );
}

#[test]
fn a_model_of_ones_own_learns() {
    let _turn = TURN.lock();
    let device = Device::flex();
    device.seed(2019);
    let losses = train_my_model(50, &device.autodiff());
    assert!(losses[49] < losses[0] - 0.05, "{losses:?}");
}

/// The numbers are worked by hand in the layers' own tests.
#[test]
fn layers_give_the_right_numbers_on_a_backend_they_do_not_know() {
    let _turn = TURN.lock();
    let device = Device::flex();
    let x = Tensor::<3>::from_data([[[0.0, 2.0], [3.0, 3.0], [-3.0, -1.0]]], &device);
    let mut senet = SenetConfig::new(3).init(&device);
    let weight = Tensor::from_data([[1.0], [1.0], [1.0]], &device);
    senet.reduce.weight = Param::from_tensor(weight);
    senet.expand.weight = Param::from_tensor(Tensor::from_data([[1.0, -1.0, 2.0]], &device));
    let y: Vec<f32> = senet.forward(x).into_data().try_to_vec().expect("f32");
    assert_eq!(y, [0.0, 4.0, 0.0, 0.0, -12.0, -4.0]);

    let x = Tensor::<3>::from_data([[[1.0, 2.0], [3.0, -1.0], [0.0, 4.0]]], &device);
    let mut bilinear = BilinearInteractionConfig::new(3, 2)
        .with_kind(BilinearKind::FieldAll)
        .init(&device);
    let weight = Tensor::from_data([[[1.0, 1.0], [0.0, 2.0]]], &device);
    bilinear.weight = Param::from_tensor(weight);
    let y: Vec<f32> = bilinear.forward(x).into_data().try_to_vec().expect("f32");
    assert_eq!(y, [3.0, -5.0, 0.0, 20.0, 0.0, 4.0]);
}
