//! Runs that end without a bundle leave the earlier one as it was.

use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::tensor::Device;
use fibinet_data::ErrorClass;
use fibinet_testing::cpu_devices;
use fibinet_train::TrainError;
use fibinet_train::run::{Event, RunOptions, train};

use crate::run::{Directory, log, options};

/// A directory in which a run has written the bundle `run`.
fn trained(device: &Device) -> Directory {
    let directory = Directory::new();
    directory.train(device, &["train.epochs=1"]);
    directory
}

#[test]
fn a_malformed_row_in_the_second_file_is_named_and_nothing_changes() {
    for (_, device) in cpu_devices() {
        let directory = trained(&device);
        let rows = log(0, 4, 0) + "7,s1,t1,5\n" + "1,s1,t1,5\n";
        directory.write("bad.csv", &rows);
        let before = directory.files();
        let error = directory
            .retrain(&device, &["data.valid=bad.csv"])
            .expect_err("a malformed row");
        let TrainError::Data(error) = &error else {
            panic!("{error}");
        };
        assert!(error.is_bad_row(), "{error}");
        assert!(error.to_string().contains("bad.csv:6"), "{error}");
        assert!(directory.files() == before, "a file changed");
    }
}

#[test]
fn a_loss_that_diverges_at_once_is_an_error_and_nothing_changes() {
    for (backend, device) in cpu_devices() {
        let directory = trained(&device);
        let before = directory.files();
        let overrides = ["train.learning_rate=1e30", "train.max_gradient_norm=0"];
        let error = directory
            .retrain(&device, &overrides)
            .expect_err("it diverges");
        assert_eq!(error.class(), ErrorClass::Failure);
        let TrainError::NotFinite(failure) = error else {
            panic!("{error}");
        };
        assert!(
            !failure.loss.is_finite() && failure.kept.is_none(),
            "{failure}"
        );
        assert!(directory.files() == before, "{backend}: a file changed");
    }
}

#[test]
fn a_loss_that_diverges_later_leaves_the_best_weights_beside_the_bundle() {
    for (_, device) in cpu_devices() {
        let directory = trained(&device);
        let mut before = directory.files();
        // Gradients that grow from step to step, evaluated after each of them.
        let error = directory
            .retrain(
                &device,
                &[
                    "train.optimizer=sgd",
                    "train.row_optimizer=sgd",
                    "train.learning_rate=50",
                    "train.max_gradient_norm=0",
                    "train.evaluate_every=1",
                    "train.patience=99",
                ],
            )
            .expect_err("it diverges");
        let TrainError::NotFinite(failure) = error else {
            panic!("{error}");
        };
        let kept = directory.at("run.diverged");
        assert_eq!(failure.kept, Some((1, kept.clone())));
        let predictions = directory.predict("run.diverged", "valid.csv", &device);
        assert!(predictions.metrics(1.0).logloss.is_finite());
        let mut after = directory.files();
        after.retain(|path, _| !path.starts_with(&kept));
        before.retain(|path, _| !path.starts_with(&kept));
        assert!(after == before, "a file changed");
    }
}

#[test]
fn a_run_that_its_observer_ends_changes_nothing() {
    for (_, device) in cpu_devices() {
        let directory = trained(&device);
        let (before, out) = (directory.files(), directory.at("run"));
        let options = RunOptions {
            force: true,
            ..options(&out, &device)
        };
        let config = directory.config(&[]);
        let run = || {
            train(&config, &options, |event| {
                if matches!(event, Event::Step { epoch: 2, .. }) {
                    panic!("the observer ends the run");
                }
            })
        };
        let payload = catch_unwind(AssertUnwindSafe(run)).expect_err("a panic");
        let message = payload.downcast_ref::<&str>();
        assert_eq!(message, Some(&"the observer ends the run"));
        assert!(directory.files() == before, "a file changed");
    }
}
