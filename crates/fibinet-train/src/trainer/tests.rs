use std::collections::HashSet;
use std::ops::Range;
use std::path::Path;

use super::*;
use crate::config::TrainConfig;
use crate::optim::rows::rule::RowRule;
use fibinet_data::encode::Encoder;
use fibinet_model::bundle::{Bundle, BundleParts, LogitMap, MemberParts};
use fibinet_model::tables::TableDtype;
use fibinet_nn::models::AnyHeadConfig;
use fibinet_nn::models::fibinet::FiBiNetConfig;
use fibinet_testing::{id_encoder, to_vec};

const FIELDS: usize = 2;
/// More rows than a checkpoint writes at once.
const FIELD_ROWS: usize = 10_000;

/// A batch whose ids follow Zipf's law.
fn rows(step: u64) -> RowInputs {
    const BATCH: usize = 8;
    let id = |place| {
        let draw = mix_seed(step, place) as f64 / u64::MAX as f64;
        (FIELD_ROWS as f64).powf(draw) as u32 - 1
    };
    RowInputs {
        ids: (0..(BATCH * FIELDS) as u64).map(id).collect(),
        labels: (0..BATCH).map(|row| (row % 2) as f32).collect(),
        num_rows: BATCH,
        ..RowInputs::default()
    }
}

fn numbers(head: &AnyHead) -> Vec<f32> {
    struct Numbers(Vec<f32>);
    impl ModuleVisitor for Numbers {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.extend(to_vec(param.val()));
        }
    }
    let mut numbers = Numbers(Vec::new());
    head.visit(&mut numbers);
    numbers.0
}

#[test]
fn tables_of_another_number_of_fields_are_refused() {
    let model = CtrModelConfig::new(FiBiNetConfig::new(3, 2));
    let sizes = FieldSizes::new(vec![4; 2]).unwrap();
    let train = TrainConfig::default().validate().unwrap();
    let error = Trainer::new(&model, sizes, &train, &Device::flex()).err();
    assert_eq!(
        error.unwrap().to_string(),
        "num_fields must be the number of fields of the tables, but is 3"
    );
}

/// The loss of the first step and the logits after it.
fn after_a_step(embedding_dropout: f64, seed: u64) -> (f32, Vec<f32>) {
    let model = CtrModelConfig::new(FiBiNetConfig::new(FIELDS, 4).with_dropout(0.0));
    let sizes = FieldSizes::new(vec![FIELD_ROWS; FIELDS]).unwrap();
    let train = TrainConfig {
        embedding_dropout,
        seed,
        ..TrainConfig::default()
    };
    let train = train.validate().unwrap();
    let mut trainer = Trainer::new(&model, sizes, &train, &Device::flex()).unwrap();
    let before = trainer.score(&trainer.valid_head(), &rows(0));
    assert_eq!(trainer.score(&trainer.valid_head(), &rows(0)), before);
    let loss = trainer.step(&rows(0));
    (loss, trainer.score(&trainer.valid_head(), &rows(0)))
}

#[test]
fn a_step_drops_embeddings_and_an_evaluation_does_not() {
    let (whole, half) = (after_a_step(0.0, 1), after_a_step(0.5, 1));
    assert_ne!(half, whole);
    assert_eq!(after_a_step(0.5, 1), half);
}

/// Writes a bundle of a model in training, and opens it.
fn checkpoint(
    trainer: &Trainer,
    encoder: &Encoder,
    model: &CtrModelConfig<AnyHeadConfig>,
    directory: &Path,
) -> Bundle {
    let head = trainer.valid_head();
    let parts = BundleParts {
        encoder,
        model,
        members: vec![MemberParts {
            head: &head,
            tables: trainer.view(),
            finished: trainer.finished_rows(),
        }],
        output: LogitMap::IDENTITY,
        negative_rate: 1.0,
        alternate_batch_norm: false,
    };
    parts.write_encoder(directory).unwrap();
    parts.write_settings(directory).unwrap();
    parts.write_weights(directory).unwrap();
    Bundle::open_unchecked(directory).unwrap()
}

#[test]
fn a_checkpoint_of_exact_adam_is_what_would_be_read_and_changes_no_bit() {
    const STEPS: u64 = 400;
    const EVERY: u64 = 40;
    let ids =
        |steps: Range<u64>| -> HashSet<u32> { steps.flat_map(|step| rows(step).ids).collect() };
    let untouched = ids(0..EVERY).difference(&ids(EVERY..STEPS)).count();
    assert!(untouched > 0, "some row should stay untouched for long");

    let device = Device::flex();
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let encoder = id_encoder(directory, FIELDS, FIELD_ROWS as u32 - 3, 1);
    let head = FiBiNetConfig::new(FIELDS, 2).with_hidden_units(vec![4]);
    let model = CtrModelConfig::new(head).into_any();
    let sizes = FieldSizes::new(vec![FIELD_ROWS; FIELDS]).unwrap();
    let initial = model.head.try_init(&device.clone().autodiff()).unwrap();
    draw_in_order(&initial);
    for dtype in [TableDtype::F32, TableDtype::Bf16, TableDtype::F16] {
        let train = TrainConfig {
            learning_rate: 0.01,
            row_optimizer: RowRule::ExactAdam,
            table_dtype: dtype,
            ..TrainConfig::default()
        };
        let train = train.validate().unwrap();
        let [mut written, mut unwritten] = [(); 2].map(|()| {
            let tables = Tables::new(&model.tables, sizes.clone(), 7, dtype).unwrap();
            Trainer::from_parts(tables, initial.clone(), &train, &device)
        });
        for step in 1..=STEPS {
            let batch = rows(step - 1);
            written.step(&batch);
            unwritten.step(&batch);
            if !step.is_multiple_of(EVERY) {
                continue;
            }
            let bundle = checkpoint(&written, &encoder, &model, directory);
            let (tables, current) = (bundle.tables(0), unwritten.current_tables());
            let lies = unwritten.view().embedding;
            assert!(
                lies != current.embedding.as_slice(),
                "{dtype}, {step}: no row is stale"
            );
            assert!(
                tables.embedding == current.embedding.as_slice(),
                "{dtype}, {step}"
            );
            assert!(
                tables.linear == current.linear.as_deref(),
                "{dtype}, {step}"
            );
            let head = bundle.head(0, &device).unwrap();
            assert_eq!(
                numbers(&head),
                numbers(&unwritten.valid_head()),
                "{dtype}, {step}"
            );
        }
        let (tables, other) = (written.view(), unwritten.view());
        assert!(tables.embedding == other.embedding, "{dtype}");
        assert!(tables.linear == other.linear, "{dtype}");
        assert_eq!(
            numbers(written.head()),
            numbers(unwritten.head()),
            "{dtype}"
        );
    }
}
