//! Heads that do not read everything that the tables have: the rows that they ignore get a gradient of zero,
//! to which L2 still applies.

use burn::module::{Initializer, Module, Param};
use burn::tensor::{Device, Tensor};
use fibinet_model::inputs::RowInputs;
use fibinet_model::tables::TableDtype;
use fibinet_nn::inputs::{FieldInputs, FieldSizes};
use fibinet_nn::models::{Head, TablesConfig};
use fibinet_testing::cpu_devices;
use fibinet_train::Trainer;
use fibinet_train::config::{RowUpdate, TrainConfig};
use fibinet_train::optim::{RowRule, Tables};

const RULES: [RowRule; 5] = [
    RowRule::Sgd,
    RowRule::Adagrad,
    RowRule::RowwiseAdagrad,
    RowRule::LazyAdam,
    RowRule::ExactAdam,
];

/// Logistic regression: reads the linear terms and ignores the embeddings.
#[derive(Module, Debug)]
struct LinearTerms {
    bias: Param<Tensor<1>>,
}

impl Head for LinearTerms {
    fn forward(&self, inputs: FieldInputs) -> Tensor<1> {
        let terms = inputs.linear.expect("linear terms");
        terms.sum_dim(1).squeeze_dim(1) + self.bias.val()
    }
}

/// The sum of all embeddings: ignores the linear terms.
#[derive(Module, Debug)]
struct Embeddings {
    bias: Param<Tensor<1>>,
}

impl Head for Embeddings {
    fn forward(&self, inputs: FieldInputs) -> Tensor<1> {
        let embeddings = inputs.embeddings.expect("embeddings");
        let sums = embeddings.flatten::<2>(1, 2).sum_dim(1);
        sums.squeeze_dim(1) + self.bias.val()
    }
}

fn bias(device: &Device) -> Param<Tensor<1>> {
    Param::from_tensor(Tensor::zeros([1], device).require_grad())
}

/// Two fields of three rows, K = 2, all weights 1.
fn tables() -> Tables {
    let config = TablesConfig::new(2)
        .with_linear_initializer(Initializer::Ones)
        .with_embedding_initializer(Initializer::Ones);
    let sizes = FieldSizes::new(vec![3, 3]).expect("proper sizes");
    Tables::new(&config, sizes, 0, TableDtype::F32).expect("proper initializers")
}

/// Touches rows 0 and 2 of the first field and row 1 of the second, which is row 4 of the tables.
fn batch() -> RowInputs {
    RowInputs {
        ids: vec![0, 1, 2, 1],
        labels: vec![1.0, 0.0],
        num_rows: 2,
        ..RowInputs::default()
    }
}

/// The tables after a step of a head that gets a bias of 0.
fn trained<H: Head>(
    head: fn(Param<Tensor<1>>) -> H,
    device: &Device,
    (rule, update, l2): (RowRule, RowUpdate, f64),
) -> Tables {
    let config = TrainConfig {
        learning_rate: 0.5,
        row_optimizer: rule,
        row_update: update,
        embedding_l2: l2,
        max_gradient_norm: 0.0,
        ..TrainConfig::default()
    };
    let config = config.validate().expect("proper settings");
    let mut trainer = Trainer::from_parts(tables(), head(bias(device)), &config, device);
    assert!(trainer.step(&batch()).is_finite());
    assert_eq!(trainer.score(&trainer.valid_head(), &batch()).len(), 2);
    trainer.current_tables()
}

#[test]
fn ignored_rows_stay_without_l2_by_every_rule() {
    for (backend, device) in cpu_devices() {
        for rule in RULES {
            for update in [RowUpdate::Touched, RowUpdate::All] {
                let step = (rule, update, 0.0);
                let tables = trained(|bias| LinearTerms { bias }, &device, step);
                assert_eq!(tables.embedding.to_f32(), [1.0; 12], "{rule:?}, {backend}");
                assert_ne!(tables.linear, Some(vec![1.0; 6]), "{rule:?}, {backend}");
                let tables = trained(|bias| Embeddings { bias }, &device, step);
                assert_eq!(tables.linear, Some(vec![1.0; 6]), "{rule:?}, {backend}");
                assert_ne!(tables.embedding.to_f32(), [1.0; 12], "{rule:?}, {backend}");
            }
        }
    }
}

#[test]
fn l2_applies_to_ignored_rows_that_a_step_updates() {
    // SGD by hand: w = 1 - .5 · .125 · 1
    let moved = 0.9375;
    let touched = [true, false, true, false, true, false].map(|t| if t { moved } else { 1.0 });
    let of_embedding = |rows: [f32; 6]| -> Vec<f32> { rows.iter().flat_map(|w| [*w; 2]).collect() };
    for (_, device) in cpu_devices() {
        for (update, expected) in [(RowUpdate::Touched, touched), (RowUpdate::All, [moved; 6])] {
            let step = (RowRule::Sgd, update, 0.125);
            let tables = trained(|bias| LinearTerms { bias }, &device, step);
            assert_eq!(tables.embedding.to_f32(), of_embedding(expected));
            let tables = trained(|bias| Embeddings { bias }, &device, step);
            assert_eq!(tables.linear, Some(expected.to_vec()));
        }
    }
}
