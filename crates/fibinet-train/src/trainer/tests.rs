use std::collections::HashSet;
use std::ops::Range;
use std::path::Path;

use burn::module::Initializer;

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

#[test]
fn each_step_drops_other_embeddings_and_scoring_drops_none() {
    let mut model = CtrModelConfig::new(FiBiNetConfig::new(FIELDS, 4).with_dropout(0.0));
    // Large enough for the loss to tell them apart.
    let (mean, std) = (0.0, 1.0);
    model.tables.embedding_initializer = Initializer::Normal { mean, std };
    let sizes = FieldSizes::new(vec![FIELD_ROWS; FIELDS]).unwrap();
    let train = TrainConfig {
        embedding_dropout: 0.5,
        ..TrainConfig::default()
    };
    let mut trainer =
        Trainer::new(&model, sizes, &train.validate().unwrap(), &Device::flex()).unwrap();
    let batch = rows(0);
    trainer.rows.begin_step(&batch);
    let of_step = |trainer: &Trainer<_>| {
        let inputs = as_leaves(trainer.rows.gather(&batch, &trainer.device));
        let loss = trainer.loss(&batch.labels, inputs).into_scalar::<f32>();
        (loss, trainer.score(&trainer.valid_head(), &batch))
    };
    let (loss, scores) = of_step(&trainer);
    assert_eq!(of_step(&trainer), (loss, scores.clone()));
    trainer.steps += 1;
    let (other_loss, other_scores) = of_step(&trainer);
    assert_ne!(other_loss, loss);
    assert_eq!(other_scores, scores);
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
