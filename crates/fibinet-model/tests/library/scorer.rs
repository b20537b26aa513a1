use std::path::Path;

use fibinet_data::config::OnBadRow;
use fibinet_data::formats::{Label, open_rows};
use fibinet_data::prepare::SkippedRows;
use fibinet_data::shards::Batch;
use fibinet_data::{DataError, DataErrorKind};
use fibinet_model::bundle::{BundleError, LogitMap};
use fibinet_model::inputs::RowInputs;
use fibinet_model::scorer::{ScoreOptions, Scorer, probability};
use fibinet_model::tables::score;
use fibinet_nn::inputs::FieldSizes;
use fibinet_nn::models::AnySpec;

use crate::written::{Model, Written, all_devices, cpu_devices};

/// Everything that a scorer gives for the rows of a file.
#[derive(Debug, Default)]
pub(crate) struct Scored {
    pub(crate) logits: Vec<f32>,
    pub(crate) spreads: Vec<f32>,
    labels: Vec<f32>,
    carried: Vec<String>,
    skipped: SkippedRows,
}

pub(crate) fn scored(
    scorer: &Scorer,
    path: &Path,
    options: &ScoreOptions,
) -> Result<Scored, BundleError> {
    let mut reader = open_rows(path, scorer.encoder().format(), Label::Optional)?;
    let mut all = Scored::default();
    let read = scorer.score_rows(reader.as_mut(), options, |rows| {
        all.logits.extend(&rows.logits);
        all.spreads.extend(&rows.spreads);
        all.labels.extend(&rows.labels);
        for cells in &rows.carried {
            let cells: Vec<_> = cells.iter().map(String::from_utf8_lossy).collect();
            all.carried.push(cells.join("|"));
        }
        Ok::<_, BundleError>(())
    })?;
    all.skipped = read.skipped;
    Ok(all)
}

#[test]
fn rows_become_probabilities() {
    let written = Written::new();
    // The label is not needed, the columns may be in any order, and others are ignored.
    let rows = written.file("rows.csv", "b,other,a\n0,x,0\n1,x,1\n,x,0\n1,x,\n");
    for (backend, device) in all_devices() {
        let path = written.bundle(&Model::linear(&device));
        let scorer = Scorer::open(&path, &device).expect("a bundle");
        let scored = scored(&scorer, &rows, &ScoreOptions::default()).expect("rows");
        // 0.5 + 1, -0.5 + 2, 0.5 + 4, 0.25 + 2
        assert_eq!(scored.logits, [1.5, 1.5, 4.5, 2.25], "{backend}");
        assert!(scored.labels.is_empty() && scored.carried.is_empty());
        // 1 / (1 + exp(-1.5))
        assert!((probability(scored.logits[0]) - 0.817_574_5).abs() < 1e-6);
    }
}

#[test]
fn logits_go_through_the_calibration_map() {
    let written = Written::new();
    let rows = written.file("rows.csv", "a,b\n0,0\n1,1\n0,\n");
    for device in cpu_devices() {
        let mut model = Model::linear(&device);
        model.output = LogitMap {
            scale: 2.0,
            shift: -1.0,
        };
        let scorer = Scorer::open(&written.bundle(&model), &device).expect("a bundle");
        let scored = scored(&scorer, &rows, &ScoreOptions::default()).expect("rows");
        assert_eq!(scored.logits, [2.0, 2.0, 8.0]);
    }
}

#[test]
fn labels_and_cells_come_with_their_rows() {
    let written = Written::new();
    let rows = written.file("rows.csv", "id,y,a,b\nr1,1,0,0\nr2,0,1,1\n");
    let bare = written.file("bare.csv", "a,b\n0,0\n");
    let options = ScoreOptions {
        labels: true,
        carry: vec![0, 3],
        ..ScoreOptions::default()
    };
    for device in cpu_devices() {
        let path = written.bundle(&Model::linear(&device));
        let scorer = Scorer::open(&path, &device).expect("a bundle");
        let with = scored(&scorer, &rows, &options).expect("rows");
        assert_eq!(with.logits, [1.5, 1.5]);
        assert_eq!(with.labels, [1.0, 0.0]);
        assert_eq!(with.carried, ["r1|0", "r2|1"]);
        // A label that is asked for must be there.
        let error = scored(&scorer, &bare, &options).expect_err("no labels");
        assert!(error.to_string().contains("no column `y`"), "{error}");
    }
}

/// Rows 2 and 4 of the file are malformed: not an id, and a cell too many.
const MALFORMED: &str = "a,b\n0,0\n7,0\n1,1\n0,0,0\n0,\n";

#[test]
fn a_malformed_row_ends_the_scoring_with_its_place() {
    let written = Written::new();
    let rows = written.file("rows.csv", MALFORMED);
    for device in cpu_devices() {
        let path = written.bundle(&Model::linear(&device));
        let scorer = Scorer::open(&path, &device).expect("a bundle");
        match scored(&scorer, &rows, &ScoreOptions::default()) {
            Err(BundleError::Data(error)) => {
                assert!(error.is_bad_row());
                assert!(
                    error.to_string().contains("rows.csv:3, column `a`"),
                    "{error}"
                );
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn malformed_rows_are_skipped_and_counted_where_asked() {
    let written = Written::new();
    let rows = written.file("rows.csv", MALFORMED);
    let options = ScoreOptions {
        on_bad_row: OnBadRow::Skip,
        carry: vec![0, 1],
        ..ScoreOptions::default()
    };
    for device in cpu_devices() {
        let path = written.bundle(&Model::linear(&device));
        let scorer = Scorer::open(&path, &device).expect("a bundle");
        let some = scored(&scorer, &rows, &options).expect("rows");
        assert_eq!(some.logits, [1.5, 1.5, 4.5]);
        assert_eq!(some.carried, ["0|0", "1|1", "0|"]);
        assert_eq!(some.skipped.bad_rows, 2);
        let first = some.skipped.first_bad_row.expect("the first");
        assert!(first.contains("rows.csv:3"), "{first}");
    }
}

#[test]
fn a_file_of_malformed_rows_alone_is_an_error_even_if_they_are_skipped() {
    let written = Written::new();
    let rows = written.file("rows.csv", "a,b\n7,0\n8,0\n");
    let options = ScoreOptions {
        on_bad_row: OnBadRow::Skip,
        ..ScoreOptions::default()
    };
    for device in cpu_devices() {
        let path = written.bundle(&Model::linear(&device));
        let scorer = Scorer::open(&path, &device).expect("a bundle");
        match scored(&scorer, &rows, &options) {
            Err(BundleError::Data(error)) => {
                assert!(
                    matches!(error.kind(), DataErrorKind::AllBad { .. }),
                    "{error}"
                );
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_score_that_is_not_a_number_is_an_error_with_its_row() {
    let written = Written::new();
    // More rows than a batch, so that the number counts those of the batch before.
    let rows = "0,0\n".repeat(5000) + "1,0\n0,0\n";
    let rows = written.file("rows.csv", &format!("a,b\n{rows}"));
    for device in cpu_devices() {
        for number in [f32::NAN, f32::INFINITY] {
            let mut model = Model::linear(&device);
            model.linear[4] = number;
            let scorer = Scorer::open(&written.bundle(&model), &device).expect("a bundle");
            match scored(&scorer, &rows, &ScoreOptions::default()) {
                Err(BundleError::NotFinite { row: 5001 }) => {}
                other => panic!("{:?}", other.map(|scored| scored.logits.len())),
            }
        }
    }
}

#[test]
fn an_error_of_the_sink_ends_the_scoring() {
    let written = Written::new();
    let rows = written.file("rows.csv", &format!("a,b\n{}", "0,0\n".repeat(10_000)));
    for device in cpu_devices() {
        let path = written.bundle(&Model::linear(&device));
        let scorer = Scorer::open(&path, &device).expect("a bundle");
        let format = scorer.encoder().format();
        let mut reader = open_rows(&rows, format, Label::Optional).expect("rows");
        let mut batches = 0;
        let result = scorer.score_rows(reader.as_mut(), &ScoreOptions::default(), |_| {
            batches += 1;
            Err(BundleError::NotFinite { row: 0 })
        });
        assert!(matches!(result, Err(BundleError::NotFinite { row: 0 })));
        assert_eq!(batches, 1);
    }
}

/// Encodes the rows of a file into one batch.
fn batch(scorer: &Scorer, path: &Path) -> Result<Batch, DataError> {
    let mut reader = open_rows(path, scorer.encoder().format(), Label::Optional)?;
    let mut rows = scorer.encoder().rows(reader.as_ref(), false)?;
    let mut batch = Batch::default();
    while reader.read_row()? {
        rows.encode(reader.row(), &reader.position(), &mut batch)?;
    }
    Ok(batch)
}

/// Compares exactly on a CPU. A GPU's matrix products may change their order of sums from call to call.
fn assert_same(logits: &[f32], expected: &[f32], backend: &str, model: &str) {
    let is_gpu = backend == "wgpu";
    assert_eq!(logits.len(), expected.len());
    for (i, (logit, expected)) in logits.iter().zip(expected).enumerate() {
        let tolerance = if is_gpu {
            1e-5 * (1.0 + expected.abs())
        } else {
            0.0
        };
        let difference = (logit - expected).abs();
        assert!(
            difference <= tolerance,
            "{model} on {backend}, row {i}: {logit}, expected {expected}"
        );
    }
}

#[test]
fn a_scorer_gives_the_logits_of_the_model_that_was_written_on_any_number_of_threads() {
    let written = Written::new();
    let rows: String = (0..300)
        .map(|i| format!("{},{}\n", i % 2, i / 2 % 2))
        .collect();
    let rows = written.file("rows.csv", &format!("a,b\n{rows},\n0,\n"));
    for (backend, device) in all_devices() {
        for name in AnySpec::NAMES {
            let model = Model::of_name(name, &device);
            let scorer = Scorer::open(&written.bundle(&model), &device).expect("a bundle");
            let batch = batch(&scorer, &rows).expect("rows");
            let inputs: RowInputs = scorer.bundle().plan.inputs(&batch);
            let sizes = FieldSizes::new(vec![5, 5]).expect("sizes");
            let expected = score(&model.head, &model.tables(&sizes), &inputs, &device);
            assert_eq!(expected.len(), 302);
            let distinct = expected.iter().any(|logit| *logit != expected[0]);
            assert!(distinct, "{name}: every row scores {}", expected[0]);
            std::thread::scope(|scope| {
                let scores: Vec<_> = (0..4)
                    .map(|_| scope.spawn(|| scorer.logits(&batch)))
                    .collect();
                for logits in scores {
                    assert_same(&logits.join().expect("logits"), &expected, backend, name);
                }
            });
        }
    }
}
