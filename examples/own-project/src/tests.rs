use super::*;
use burn::module::Param;
use fibinet_nn::layers::{BilinearInteractionConfig, BilinearKind, SenetConfig};
use fibinet_nn::models::{AnySpec, FieldCounts, HeadConfig};

/// The settings of a model of the registry, as a run file writes them.
fn spec(name: &str) -> AnySpec {
    let section = format!("name = '{name}'\nnumerics = 'dense'\n");
    toml::from_str(&section).expect("a model")
}

#[test]
fn every_model_of_the_registry_learns_from_lists_and_raw_numbers() {
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

/// The numbers are worked by hand in the layers' own tests.
#[test]
fn layers_give_the_right_numbers_on_a_backend_they_do_not_know() {
    assert_eq!(
        Backend::compiled().count(),
        0,
        "fibinet-nn has a backend feature on"
    );
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
