//! The cost of a step does not grow with the vocabulary: the same batch touches the same rows and allocates
//! the same bytes whatever the size of the tables is. The memory of a model grows by the documented bytes per
//! row. This is a binary of its own because of its allocator.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Mutex;

use burn::tensor::Device;
use fibinet_data::formats::{Label, open_rows};
use fibinet_model::bundle::{Bundle, BundleError, BundleParts, LogitMap, MemberParts};
use fibinet_model::inputs::RowInputs;
use fibinet_model::scorer::{ScoreOptions, Scorer};
use fibinet_model::tables::{FinishedRows, TableDtype, TableView, score};
use fibinet_nn::backend::Backend;
use fibinet_nn::inputs::FieldSizes;
use fibinet_nn::layers::num_pairs;
use fibinet_nn::memory::release_kept;
use fibinet_nn::models::fibinet::FiBiNetConfig;
use fibinet_nn::models::{AnyHeadConfig, CtrModelConfig, HeadConfig};
use fibinet_testing::{CountingAllocator, allocated, id_encoder, skipped};
use fibinet_train::Trainer;
use fibinet_train::config::{RowUpdate, TrainConfig};
use fibinet_train::optim::{RowGradients, RowOptimizer, RowRule, Tables};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

const FIELDS: usize = 4;
const BATCH: usize = 256;
const EMBEDDING_DIM: usize = 6;
/// All ids are below this, in tables of any size.
const FIELD_IDS: usize = 2500;

fn rows(step: usize) -> RowInputs {
    let id = |i: usize| ((i * i * 31 + i * 7 + step * 977) % FIELD_IDS) as u32;
    RowInputs {
        ids: (0..BATCH * FIELDS).map(id).collect(),
        labels: (0..BATCH).map(|row| (row % 2) as f32).collect(),
        num_rows: BATCH,
        ..RowInputs::default()
    }
}

fn distinct_rows(rows: &RowInputs) -> usize {
    let slots = rows.ids.iter().enumerate();
    let distinct: HashSet<_> = slots.map(|(slot, id)| (slot % FIELDS, *id)).collect();
    distinct.len()
}

/// The embedding table and the linear weights.
fn numbers(tables: TableView<'_>) -> (Vec<f32>, Vec<f32>) {
    let linear = tables.linear.expect("a linear part");
    (tables.embedding.to_f32(), linear.to_vec())
}

fn moved_rows(before: &(Vec<f32>, Vec<f32>), after: &(Vec<f32>, Vec<f32>)) -> usize {
    let differs = |row: &usize| {
        let range = row * EMBEDDING_DIM..(row + 1) * EMBEDDING_DIM;
        before.0[range.clone()] != after.0[range] || before.1[*row] != after.1[*row]
    };
    (0..before.1.len()).filter(differs).count()
}

/// The cost of a step and of a model.
struct Cost {
    /// Table rows that a step moved.
    moved_rows: usize,
    /// Bytes that the step allocated.
    step_bytes: usize,
    /// Bytes that the model and its optimizers allocated.
    model_bytes: usize,
}

/// FiBiNET with one hidden layer.
fn model(fields: usize, embedding_dim: usize, units: usize) -> CtrModelConfig<AnyHeadConfig> {
    let head = FiBiNetConfig::new(fields, embedding_dim).with_hidden_units(vec![units]);
    CtrModelConfig::new(head).into_any()
}

fn cost(field_rows: usize, rule: RowRule, update: RowUpdate, dtype: TableDtype) -> Cost {
    let model = model(FIELDS, EMBEDDING_DIM, 8);
    let sizes = FieldSizes::new(vec![field_rows; FIELDS]).expect("proper sizes");
    let train = TrainConfig {
        row_optimizer: rule,
        row_update: update,
        table_dtype: dtype,
        embedding_l2: 1e-4,
        ..TrainConfig::default()
    };
    let train = train.validate().expect("proper settings");
    let backend = Backend::compiled().next().expect("a backend");
    let device = backend.device().expect("its device");
    let start = allocated();
    let mut trainer = Trainer::new(&model, sizes, &train, &device).expect("a proper config");
    let model_bytes = allocated() - start;
    // Buffers grow to the size of the batch, and are then reused.
    for step in 0..4 {
        trainer.step(&rows(step));
    }
    let (batch, before) = (rows(4), numbers(trainer.view()));
    trainer.step(&batch);
    let moved_rows = moved_rows(&before, &numbers(trainer.view()));
    // The test harness allocates too, when it reports on a long test. It does so once, so the least of several
    // steps, each on a new batch, is the step's own.
    let step_bytes = (5..8).map(|step| {
        let batch = rows(step);
        // Memory kept from earlier steps would hide an array that this one makes.
        release_kept();
        let start = allocated();
        trainer.step(&batch);
        allocated() - start
    });
    let step_bytes = step_bytes.min().expect("three steps");
    Cost {
        moved_rows,
        step_bytes,
        model_bytes,
    }
}

/// Held by the running test, because all tests share one counter.
static TURN: Mutex<()> = Mutex::new(());

#[test]
fn scoring_allocates_neither_the_first_weight_for_a_row_nor_the_pairs_of_a_batch() {
    const FIELDS: usize = 24;
    let _turn = TURN.lock();
    let Some(flex) = Backend::compiled().find(|backend| backend.name() == "flex") else {
        skipped("what a step allocates", "only flex has these kernels");
        return;
    };
    let device = flex.device().expect("its device");
    let model = model(FIELDS, 8, 128);
    let sizes = FieldSizes::new(vec![100; FIELDS]).expect("proper sizes");
    let train = TrainConfig::default().validate().expect("the defaults");
    let trainer = Trainer::new(&model, sizes, &train, &device).expect("a proper config");
    let head = trainer.valid_head();
    let score = |num_rows: usize| {
        let rows = RowInputs {
            ids: (0..num_rows * FIELDS)
                .map(|i| (i * 7 % 100) as u32)
                .collect(),
            num_rows,
            ..RowInputs::default()
        };
        let mut bytes = 0;
        // The first run allocates what is allocated once.
        for _ in 0..2 {
            release_kept();
            let start = allocated();
            let logits = score(&head, &trainer.view(), &rows, &device);
            bytes = allocated() - start;
            assert_eq!(logits.len(), num_rows);
        }
        bytes
    };
    let columns = 2 * num_pairs(FIELDS) * 8;
    let (row, batch) = (score(1), score(2048));
    assert!(row < columns * 128 * 4 / 20, "a row allocates {row} bytes");
    assert!(
        batch < columns * 2048 * 4 * 2 / 3,
        "2,048 rows allocate {batch} bytes"
    );
}

/// Fields of the scorer that is tested below.
const SCORED_FIELDS: usize = 24;

/// The scorer of a bundle in a directory that also has a log of `num_rows` rows.
fn scorer(directory: &Path, num_rows: usize, device: &Device) -> Scorer {
    let model = model(SCORED_FIELDS, 8, 128);
    let sizes = FieldSizes::new(vec![100; SCORED_FIELDS]).expect("proper sizes");
    let train = TrainConfig::default().validate().expect("the defaults");
    let trainer = Trainer::new(&model, sizes, &train, device).expect("a proper config");
    let head = trainer.valid_head();
    let parts = BundleParts {
        encoder: &id_encoder(directory, SCORED_FIELDS, 97, num_rows),
        model: &model,
        members: vec![MemberParts {
            head: &head,
            tables: trainer.view(),
            finished: None,
        }],
        output: LogitMap::IDENTITY,
        negative_rate: 1.0,
        alternate_batch_norm: false,
    };
    parts.write_encoder(directory).expect("written");
    parts.write_settings(directory).expect("written");
    parts.write_weights(directory).expect("written");
    let bundle = Bundle::open_unchecked(directory).expect("a bundle");
    Scorer::new(bundle, device).expect("a bundle")
}

#[test]
fn a_scorer_reuses_the_memory_of_the_batch_before() {
    const BATCH_ROWS: usize = 4096;
    let _turn = TURN.lock();
    let backend = Backend::compiled().next().expect("a backend");
    let device = backend.device().expect("its device");
    let directory = tempfile::tempdir().expect("a directory");
    let scorer = scorer(directory.path(), 3 * BATCH_ROWS, &device);
    let path = directory.path().join("log.csv");
    let format = scorer.encoder().format();
    let mut reader = open_rows(&path, format, Label::Optional).expect("a log");
    let options = ScoreOptions {
        labels: true,
        carry: vec![1, 2],
        ..ScoreOptions::default()
    };
    let mut allocated_before = Vec::new();
    let scored = scorer.score_rows(reader.as_mut(), &options, |rows| {
        assert_eq!(rows.logits.len(), BATCH_ROWS);
        assert_eq!(rows.carried.len(), BATCH_ROWS);
        allocated_before.push(allocated());
        Ok::<(), BundleError>(())
    });
    scored.expect("proper rows");
    let third_batch = allocated_before[2] - allocated_before[1];

    let batch = RowInputs {
        ids: vec![10; BATCH_ROWS * SCORED_FIELDS],
        num_rows: BATCH_ROWS,
        ..RowInputs::default()
    };
    let bundle = scorer.bundle();
    let head = bundle.head(0, &device).expect("a head");
    score(&head, &bundle.tables(0), &batch, &device);
    let start = allocated();
    score(&head, &bundle.tables(0), &batch, &device);
    let logits = allocated() - start;
    // A few bytes belong to the threads' queues and the file.
    assert!(
        third_batch < logits + (128 << 10),
        "a third batch takes {third_batch} bytes, its logits {logits}"
    );
}

/// The bytes that writing the weights allocates, and the bytes of the tables, for tables of `field_rows` rows per
/// field. All rows are stale if the rule leaves rows stale.
fn checkpoint_bytes(field_rows: usize, rule: RowRule, dtype: TableDtype) -> [usize; 2] {
    let directory = tempfile::tempdir().expect("a directory");
    let backend = Backend::compiled().next().expect("a backend");
    let device = backend.device().expect("its device");
    let model = model(FIELDS, EMBEDDING_DIM, 8);
    let sizes = FieldSizes::new(vec![field_rows; FIELDS]).expect("proper sizes");
    let mut tables = Tables::new(&model.tables, sizes, 0, dtype).expect("a proper config");
    let mut optimizer = RowOptimizer::new(rule, &tables, 0);
    let num_rows = field_rows * FIELDS;
    let gradients = RowGradients {
        rows: (0..num_rows).collect(),
        embedding: vec![0.1; num_rows * EMBEDDING_DIM],
        linear: vec![0.1; num_rows],
    };
    for gradients in [gradients, RowGradients::default()] {
        optimizer.step(&mut tables, &gradients, 1e-3, 1.0);
    }
    let head = model.head.try_init(&device).expect("a proper config");
    let leaves = optimizer.leaves_stale_rows();
    let parts = BundleParts {
        encoder: &id_encoder(directory.path(), SCORED_FIELDS, 97, 1),
        model: &model,
        members: vec![MemberParts {
            head: &head,
            tables: tables.view(),
            finished: leaves.then_some(&optimizer as &dyn FinishedRows),
        }],
        output: LogitMap::IDENTITY,
        negative_rate: 1.0,
        alternate_batch_norm: false,
    };
    let start = allocated();
    parts.write_weights(directory.path()).expect("written");
    [allocated() - start, tables.view().num_bytes()]
}

#[test]
fn a_checkpoint_takes_no_more_memory_for_more_rows() {
    let _turn = TURN.lock();
    // One thread, for the same reason as below.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    pool.expect("a thread").install(|| {
        for rule in [RowRule::LazyAdam, RowRule::ExactAdam] {
            for dtype in [TableDtype::F32, TableDtype::Bf16, TableDtype::F16] {
                let [of_few, _] = checkpoint_bytes(10 * FIELD_IDS, rule, dtype);
                let [of_many, table_bytes] = checkpoint_bytes(100 * FIELD_IDS, rule, dtype);
                assert!(
                    of_many < table_bytes / 8,
                    "{rule:?}: {of_many} of {table_bytes}"
                );
                assert!(
                    of_many.abs_diff(of_few) < 4096,
                    "{rule:?}: {of_few}, {of_many} bytes"
                );
            }
        }
    });
}

#[test]
fn rows_touched_and_bytes_allocated_do_not_grow_with_the_vocabulary() {
    let _turn = TURN.lock();
    // One thread, because how often threads take work from each other differs from run to run.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    pool.expect("a thread").install(|| {
        let distinct = distinct_rows(&rows(4));
        // The bytes per row that the docs of `Tables` state.
        let dim = EMBEDDING_DIM;
        for (rule, of_f32, of_16_bits) in [
            (RowRule::Sgd, 4 * dim + 4, 2 * dim + 4),
            (RowRule::Adagrad, 8 * dim + 8, 6 * dim + 8),
            (RowRule::RowwiseAdagrad, 4 * dim + 12, 2 * dim + 12),
            (RowRule::LazyAdam, 12 * dim + 12, 10 * dim + 12),
            (RowRule::ExactAdam, 12 * dim + 16, 10 * dim + 16),
        ] {
            for (dtype, row_bytes) in [
                (TableDtype::F32, of_f32),
                (TableDtype::Bf16, of_16_bits),
                (TableDtype::F16, of_16_bits),
            ] {
                let small = cost(FIELD_IDS, rule, RowUpdate::Touched, dtype);
                let large = cost(100 * FIELD_IDS, rule, RowUpdate::Touched, dtype);
                if dtype == TableDtype::F32 {
                    let moved = (small.moved_rows, large.moved_rows);
                    assert_eq!(moved, (distinct, distinct), "{rule:?}");
                }
                // Some small updates of 16-bit numbers are rounded away.
                let some = distinct / 2..=distinct;
                assert!(
                    some.contains(&large.moved_rows),
                    "{rule:?}: {}",
                    large.moved_rows
                );
                assert_eq!(small.step_bytes, large.step_bytes, "{rule:?}");
                // The tables and the rule's state are allocated once, and nothing else grows.
                let more_rows = 99 * FIELD_IDS * FIELDS;
                let more_bytes = large.model_bytes - small.model_bytes;
                // A few bytes belong to the threads' queues.
                let unexplained = more_bytes.abs_diff(more_rows * row_bytes);
                assert!(
                    unexplained < 4096,
                    "{rule:?}: {unexplained} bytes of {more_bytes}"
                );
            }
        }
        let dense = cost(FIELD_IDS, RowRule::Sgd, RowUpdate::All, TableDtype::F32);
        assert!(dense.moved_rows > distinct);
    });
}
