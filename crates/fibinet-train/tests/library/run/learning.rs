use std::fs;

use fibinet_data::prepare::Progress;
use fibinet_model::bundle::Bundle;
use fibinet_nn::models::AnySpec;
use fibinet_testing::{assert_close, cpu_devices};
use fibinet_train::TrainError;
use fibinet_train::run::{EvaluationReport, Event, RunOptions, train};

use crate::run::{Directory, TRAIN_ROWS, VALID_ROWS, log, options};

/// The `[model]` section of a model, with few units if it has any.
fn model(name: &str) -> String {
    let template = AnySpec::template(name).expect("a model");
    let few_units = [("embedding_dim", "4"), ("hidden_units", "[8]")];
    let keys = few_units.iter().filter(|(key, _)| template.contains(key));
    let keys: String = keys
        .map(|(key, value)| format!("{key} = {value}\n"))
        .collect();
    format!("[model]\nname = '{name}'\nnumerics = 'dense'\n{keys}")
}

#[test]
fn every_model_learns_and_its_bundle_scores_as_reported() {
    for (backend, device) in cpu_devices() {
        for name in AnySpec::NAMES {
            let directory = Directory::of_model(&model(name));
            directory.write("test.csv", &log(5000, VALID_ROWS, 0));
            let (report, _) = directory.train(&device, &["data.test=test.csv"]);
            let auc = report.valid.auc.expect("two classes");
            assert!(auc > 0.75, "{name} on {backend}: AUC {auc}");
            assert_eq!(
                directory.evaluate("valid.csv", &device),
                report.valid,
                "{name}"
            );
            let test = directory.evaluate("test.csv", &device);
            assert_eq!(Some(test), report.test, "{name}");

            let bundle = Bundle::open_verified(&directory.at("run")).expect("a bundle");
            assert_eq!(bundle.model.head.name(), *name);
            let written = fs::read_to_string(directory.at("run/report.json"));
            let reported = serde_json::to_string_pretty(&report).expect("JSON");
            assert_eq!(written.expect("a report"), reported);
        }
    }
}

/// The evaluations among some events.
fn evaluations(events: &[Event]) -> Vec<EvaluationReport> {
    let evaluations = events.iter().filter_map(|event| match event {
        Event::Evaluation(report) => Some(*report),
        _ => None,
    });
    evaluations.collect()
}

#[test]
fn events_come_in_the_order_of_the_run() {
    for (_, device) in cpu_devices() {
        let directory = Directory::new();
        let (report, events) = directory.train(&device, &[]);
        let is_preparing = |event: &&Event| matches!(event, Event::Preparing(_));
        let (preparing, training) = events.split_at(events.iter().take_while(is_preparing).count());
        let last = preparing.last().expect("progress");
        let all_rows = TRAIN_ROWS + VALID_ROWS;
        assert_eq!(*last, Event::Preparing(Progress::Encoding(all_rows)));
        let (begin, epochs) = training.split_first().expect("training");
        let clicks = |name| {
            let log = fs::read_to_string(directory.at(name)).expect("a log");
            log.lines().filter(|line| line.starts_with("1,")).count()
        };
        let Event::Training { memory_bytes, .. } = *begin else {
            panic!("{begin:?} begins training");
        };
        // A weight and its two moments.
        assert!(memory_bytes > 12 * report.num_parameters as u64);
        let expected = Event::Training {
            train_rows: TRAIN_ROWS as usize,
            train_clicks: clicks("train.csv"),
            valid_rows: VALID_ROWS as usize,
            valid_clicks: clicks("valid.csv"),
            test_rows: 0,
            test_clicks: 0,
            members: 1,
            num_parameters: report.num_parameters,
            memory_bytes,
        };
        assert_eq!(*begin, expected);
        // Six steps and an evaluation per epoch.
        assert_eq!(epochs.len(), 3 * 7);
        for (events, of_epoch) in epochs.chunks(7).zip(1..) {
            let (last, steps) = events.split_last().expect("seven events");
            for (step, of_rows) in steps.iter().zip((100..).step_by(100)) {
                assert!(
                    matches!(step, Event::Step { epoch, rows, loss }
                        if *epoch == of_epoch && *rows == of_rows && *loss > 0.0),
                    "{step:?} in epoch {of_epoch}"
                );
            }
            assert!(
                matches!(last, Event::Evaluation(report)
                    if report.epoch == of_epoch && report.step == 6 * of_epoch as u64),
                "{last:?} ends epoch {of_epoch}"
            );
        }
    }
}

#[test]
fn early_stopping_keeps_the_weights_of_the_best_epoch() {
    for (backend, device) in cpu_devices() {
        let directory = Directory::new();
        let (report, events) = directory.train(
            &device,
            &[
                "train.epochs=30",
                "train.patience=2",
                "train.monitor=logloss",
                "train.calibration=none",
            ],
        );
        let evaluations = evaluations(&events);
        let losses = evaluations.iter().map(|report| report.valid.logloss);
        let (best, _) = losses
            .enumerate()
            .min_by(|(_, a), (_, b)| a.total_cmp(b))
            .expect("evaluations");
        assert!(best > 0, "{backend}: the first epoch is the best one");
        assert_eq!(report.best_epoch, best + 1, "{backend}");
        assert_eq!(evaluations.len(), report.best_epoch + 2, "{backend}");
        assert_eq!(report.epochs, evaluations.len());
        assert_eq!(report.valid, evaluations[best].valid);
        assert_eq!(directory.evaluate("valid.csv", &device), report.valid);

        let history = fs::read_to_string(directory.at("run/history.jsonl")).expect("a history");
        let reported = evaluations.iter().map(serde_json::to_string);
        let reported: Result<Vec<String>, _> = reported.collect();
        let lines: Vec<&str> = history.lines().collect();
        assert_eq!(lines, reported.expect("JSON"));
    }
}

#[test]
fn a_warm_start_goes_on_from_the_rows_and_the_head_of_its_bundle() {
    for (_, device) in cpu_devices() {
        let directory = Directory::new();
        directory.train(&device, &[]);
        directory.write("next.csv", &log(2000, TRAIN_ROWS, 4));
        let (base, out) = (directory.at("run"), directory.at("next"));
        let options = RunOptions {
            warm_start: Some(&base),
            ..options(&out, &device)
        };
        // So that the weights hardly move.
        let overrides = [
            "data.train=next.csv",
            "train.learning_rate=1e-9",
            "train.epochs=1",
            "train.calibration=none",
        ];
        let report = train(&directory.config(&overrides), &options, |_| {}).expect("a bundle");
        let warm_start = report.warm_start.expect("a warm start");
        let base = Bundle::open(&base).expect("a bundle");
        assert_eq!(warm_start.kept_rows, base.tables(0).sizes.num_rows());
        // Sites 12 to 15.
        assert_eq!(warm_start.new_rows, 4);
        let uncalibrated = |bundle: &str| {
            let mut logits = directory.predict(bundle, "valid.csv", &device).logits;
            let map = Bundle::open(&directory.at(bundle))
                .expect("a bundle")
                .output;
            for logit in &mut logits {
                *logit = (*logit - map.shift as f32) / map.scale as f32;
            }
            logits
        };
        let (before, after) = (uncalibrated("run"), uncalibrated("next"));
        assert_close(&after, &before, (1e-4, 1e-4), "a logit");
    }
}

#[test]
fn a_warm_start_from_another_model_is_refused() {
    let (_, device) = cpu_devices().swap_remove(0);
    let directory = Directory::new();
    directory.train(&device, &["train.epochs=1"]);
    let (base, out) = (directory.at("run"), directory.at("next"));
    let options = RunOptions {
        warm_start: Some(&base),
        ..options(&out, &device)
    };
    let config = directory.config(&["model.hidden_units=[4]"]);
    let error = train(&config, &options, |_| {}).expect_err("another model");
    assert!(matches!(error, TrainError::RunFile(_)), "{error}");
    assert!(!out.exists());
}
