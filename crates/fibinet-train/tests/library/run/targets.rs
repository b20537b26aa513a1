//! What a run finds in the place of its bundle.

use fibinet_data::ErrorClass;
use fibinet_testing::cpu_devices;
use fibinet_train::run::train;

use crate::run::{Directory, options};

#[test]
fn a_bundle_that_is_there_is_refused_before_any_work() {
    for (_, device) in cpu_devices() {
        let directory = Directory::new();
        directory.train(&device, &["train.epochs=1"]);
        let (before, out) = (directory.files(), directory.at("run"));
        let mut events = 0;
        let result = train(&directory.config(&[]), &options(&out, &device), |_| {
            events += 1;
        });
        let error = result.expect_err("a bundle is there");
        assert!(error.to_string().ends_with("run exists"), "{error}");
        assert_eq!(error.class(), ErrorClass::Usage);
        assert_eq!(events, 0);
        assert!(directory.files() == before, "a file changed");
    }
}

#[test]
fn a_bundle_is_replaced_if_that_is_asked_for() {
    for (_, device) in cpu_devices() {
        let directory = Directory::new();
        let (first, _) = directory.train(&device, &["train.epochs=1"]);
        let second = directory
            .retrain(&device, &["train.seed=7"])
            .expect("a bundle");
        assert_ne!(second.valid, first.valid);
        assert_eq!(directory.evaluate("valid.csv", &device), second.valid);
    }
}

#[test]
fn what_is_not_a_bundle_is_never_replaced() {
    let (_, device) = cpu_devices().swap_remove(0);
    let directory = Directory::new();
    std::fs::create_dir(directory.at("run")).expect("made");
    directory.write("run/notes.txt", "not a bundle");
    let before = directory.files();
    let error = directory.retrain(&device, &[]).expect_err("not a bundle");
    assert!(error.to_string().contains("cannot be replaced"), "{error}");
    assert_eq!(error.class(), ErrorClass::Usage);
    assert!(directory.files() == before, "a file changed");
}
