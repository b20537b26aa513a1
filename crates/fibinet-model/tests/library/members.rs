//! Bundles of several members.

use std::fs;
use std::path::PathBuf;

use fibinet_model::bundle::{Bundle, BundleError, LogitMap};
use fibinet_model::scorer::{ScoreOptions, Scorer};
use fibinet_nn::models::AnySpec;
use fibinet_storage::{StorageError, checksums};

use crate::bundle::{is_damaged, rewrite};
use crate::scorer::scored;
use crate::written::{LINEAR, Model, Written, cpu_devices, device};

/// Logistic regression in which every row of the field `b` has this weight, and those of `a` have none.
fn of_weight(weight: f32) -> Model {
    let mut model = Model::linear(&device());
    model.linear = [[0.0; 5], [weight; 5]].concat();
    model
}

fn bundle_of_three(written: &Written) -> PathBuf {
    let models = [of_weight(1.0), of_weight(2.0), of_weight(3.0)];
    written.bundle_of(&[&models[0], &models[1], &models[2]])
}

#[test]
fn members_of_every_model_open_as_they_were_written() {
    let written = Written::new();
    for device in cpu_devices() {
        for name in AnySpec::NAMES {
            let [first, mut second] = [(); 2].map(|()| Model::of_name(name, &device));
            second.embedding.fill(0.5);
            second.linear.fill(-0.5);
            let path = written.bundle_of(&[&first, &second]);
            let bundle = Bundle::open_verified(&path).expect("a bundle");
            assert_eq!((bundle.num_members(), &bundle.model), (2, &first.config));
            for (member, model) in [&first, &second].into_iter().enumerate() {
                let tables = bundle.tables(member);
                assert_eq!(tables.embedding.to_f32(), model.embedding, "{name}");
                if let Some(linear) = tables.linear {
                    assert_eq!(linear, model.linear, "{name}");
                }
                bundle.head(member, &device).expect("a head");
            }
            let members = Scorer::new(bundle, &device).expect("a bundle").num_params();
            let one = Scorer::open(&written.bundle(&first), &device).expect("a bundle");
            assert_eq!(members, 2 * one.num_params(), "{name}");
        }
    }
}

#[test]
fn the_score_is_the_mean_of_the_members_probabilities() {
    let written = Written::new();
    let rows = written.file("rows.csv", "a,b\n0,0\n1,1\n");
    // Odds of 1 to 4, 1 to 1 and 4 to 1, and of 1 to 4 twice.
    let [low, even, high] = [0.25_f32, 1.0, 4.0].map(|odds| of_weight(odds.ln()));
    for (members, probability) in [
        (vec![&low, &even, &high], (0.2 + 0.5 + 0.8) / 3.0),
        (vec![&even, &high], 0.65),
        (vec![&low, &low], 0.2),
    ] {
        let path = written.bundle_of(&members);
        for device in cpu_devices() {
            let scorer = Scorer::open(&path, &device).expect("a bundle");
            let scored = scored(&scorer, &rows, &ScoreOptions::default()).expect("rows");
            let expected = (probability / (1.0_f32 - probability)).ln();
            for logit in &scored.logits {
                assert!((logit - expected).abs() < 1e-6, "{logit}, {expected}");
            }
            assert_eq!(scored.logits.len(), 2);
            assert!(scored.spreads.is_empty());
        }
    }
}

#[test]
fn the_mean_is_calibrated_and_the_spread_is_that_of_calibrated_members() {
    let written = Written::new();
    let rows = written.file("rows.csv", "a,b\n0,0\n");
    let [mut even, high] = [1.0_f32, 4.0].map(|odds| of_weight(odds.ln()));
    even.output = LogitMap {
        scale: 1.0,
        shift: 2.0_f64.ln(),
    };
    let path = written.bundle_of(&[&even, &high]);
    let options = ScoreOptions {
        spread: true,
        ..ScoreOptions::default()
    };
    for device in cpu_devices() {
        let scorer = Scorer::open(&path, &device).expect("a bundle");
        let scored = scored(&scorer, &rows, &options).expect("rows");
        // .65, with its odds doubled.
        let expected = (2.0_f32 * 0.65 / 0.35).ln();
        assert!((scored.logits[0] - expected).abs() < 1e-6, "{scored:?}");
        // Odds of 2 to 1 and 8 to 1.
        let expected = (8.0_f32 / 9.0 - 2.0 / 3.0) / 2.0;
        assert!((scored.spreads[0] - expected).abs() < 1e-6, "{scored:?}");
    }
}

#[test]
fn a_member_whose_score_is_not_a_number_is_not_outvoted() {
    let written = Written::new();
    let rows = written.file("rows.csv", "a,b\n0,0\n");
    let [good, bad] = [1.0, f32::INFINITY].map(of_weight);
    let path = written.bundle_of(&[&good, &bad]);
    for device in cpu_devices() {
        let scorer = Scorer::open(&path, &device).expect("a bundle");
        match scored(&scorer, &rows, &ScoreOptions::default()) {
            Err(BundleError::NotFinite { row: 1 }) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn only_a_bundle_of_several_members_says_how_many() {
    let written = Written::new();
    let manifest = |path: PathBuf| fs::read_to_string(path.join("bundle.toml")).expect("text");
    let one = written.bundle(&of_weight(1.0));
    assert!(!one.join("members").exists());
    let one = manifest(one);
    assert!(!one.contains("members"), "{one}");
    let three = manifest(bundle_of_three(&written));
    assert!(three.contains("members = 3\n"), "{three}");
}

#[test]
fn a_missing_file_of_a_member_is_named() {
    let written = Written::new();
    for file in ["head.safetensors", "tables.safetensors"] {
        let path = bundle_of_three(&written);
        fs::remove_file(path.join("members/3").join(file)).expect("removed");
        for open in [Bundle::open, Bundle::open_verified] {
            let error = open(&path).expect_err("a file is missing");
            assert!(error.to_string().contains(file), "{error}");
        }
        // Whoever writes new checksums does not make it whole.
        checksums::write(&path).expect("written");
        let opened = Bundle::open(&path).and_then(|bundle| Scorer::new(bundle, &device()));
        let error = opened.expect_err("a file is missing").to_string();
        assert!(error.contains(&format!("members/3/{file}")), "{error}");
    }
}

#[test]
fn a_flipped_byte_of_a_member_is_found() {
    let written = Written::new();
    let path = bundle_of_three(&written);
    for file in ["head.safetensors", "tables.safetensors"] {
        let file = path.join("members/2").join(file);
        let whole = fs::read(&file).expect("read");
        let mut flipped = whole.clone();
        *flipped.last_mut().expect("a byte") ^= 1;
        fs::write(&file, flipped).expect("written");
        let error = Bundle::open_verified(&path).expect_err("damaged");
        assert!(is_damaged(&error), "{error}");
        fs::write(&file, whole).expect("written");
    }
    Bundle::open_verified(&path).expect("a whole bundle");
}

#[test]
fn a_number_of_members_that_is_not_the_directorys_is_refused() {
    let written = Written::new();
    for (members, says) in [("0", "`members` is 0"), ("4", "members/4")] {
        let path = bundle_of_three(&written);
        rewrite(&path, "bundle.toml", |text| {
            text.replace("members = 3", &format!("members = {members}"))
        });
        let error = Bundle::open(&path).expect_err("another number");
        let is_missing = matches!(&error, BundleError::Storage(StorageError::Io { .. }));
        assert!(is_damaged(&error) || is_missing, "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[test]
fn a_bundle_of_one_member_takes_the_place_of_one_of_three() {
    let written = Written::new();
    bundle_of_three(&written);
    let path = written.bundle(&Model::linear(&device()));
    let bundle = Bundle::open_verified(&path).expect("a bundle");
    assert_eq!(bundle.num_members(), 1);
    assert_eq!(bundle.tables(0).linear, Some(&LINEAR[..]));
}
