//! A bundle's scorer, called by several threads at once.

use std::path::Path;

use fibinet::data::shards::{Batch, FieldShape, IdLists};
use fibinet::model::scorer::Scorer;
use fibinet::nn::backend::Backend;
use fibinet::train::config::RunConfig;
use fibinet::train::run::{RunOptions, train};
use rayon::prelude::*;

const ROWS: usize = 700;
const CALLS: usize = 16;

/// The scorer of a model trained on the sample for one epoch.
fn scorer(directory: &Path) -> Scorer {
    let backend = Backend::compiled().next().expect("a backend");
    let device = backend.device().expect("its device");
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/adult.toml");
    let one_epoch = ["train.epochs=1".to_owned()];
    let config = RunConfig::read(&config, &one_epoch).expect("a run file");
    let out = directory.join("run");
    let options = RunOptions {
        out: &out,
        force: false,
        device: &device,
        warm_start: None,
        cache: None,
    };
    train(&config, &options, |_| {}).expect("a trained model");
    Scorer::open(&out, &device).expect("a bundle")
}

/// A batch with ids of every field, and two in each list.
fn batch(scorer: &Scorer) -> Batch {
    let layout = scorer.encoder().layout();
    let (mut single, mut lists) = (Vec::new(), Vec::new());
    for field in &layout {
        match field.shape {
            FieldShape::Id { num_ids } => single.push(num_ids),
            FieldShape::Ids { num_ids, .. } => lists.push(IdLists {
                ids: (0..2 * ROWS).map(|at| (at * 7 % num_ids) as u32).collect(),
                ends: (1..=ROWS).map(|row| 2 * row).collect(),
            }),
            FieldShape::Number => panic!("expected fields of ids, not {field:?}"),
        }
    }
    let slots = (0..ROWS).flat_map(|row| single.iter().map(move |ids| row * 7 % ids));
    Batch {
        ids: slots.map(|id| id as u32).collect(),
        lists,
        num_rows: ROWS,
        ..Batch::default()
    }
}

#[test]
fn logits_are_the_same_bits_on_several_threads_at_once_and_in_a_pool() {
    let directory = tempfile::tempdir().expect("a directory");
    let scorer = scorer(directory.path());
    let batch = batch(&scorer);
    let bits = || -> Vec<u32> {
        let logits = scorer.logits(&batch);
        logits.into_iter().map(f32::to_bits).collect()
    };
    let alone = bits();
    assert_eq!(alone.len(), ROWS);
    std::thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| (0..CALLS).for_each(|_| assert_eq!(bits(), alone)));
        }
    });
    let in_parallel = || {
        let calls = (0..CALLS).into_par_iter();
        calls.for_each(|_| assert_eq!(bits(), alone));
    };
    in_parallel();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build();
    pool.expect("threads").install(in_parallel);
}
