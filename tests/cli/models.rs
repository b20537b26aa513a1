//! Every model of the registry, from `init` to a warm start.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use fibinet::nn::models::AnySpec;
use serde_json::Value;

use super::{ADULT, fail, json, number, scratch, shared_directory, succeed, text};

/// `train.epochs` by default.
const MOST_EPOCHS: f64 = 20.0;

/// A trained run of one model on the Adult sample.
struct ModelRun {
    directory: PathBuf,
    name: &'static str,
    report: Value,
}

static RUNS: LazyLock<Vec<ModelRun>> = LazyLock::new(|| {
    let names = AnySpec::NAMES.iter().copied();
    names
        .map(|name| {
            let directory = shared_directory();
            let one = ["--members", "1"];
            let init = ["init", ADULT, "--label", "label", "--model", name];
            let init = [&init[..], &one].concat();
            succeed(&directory, &init);
            let train = ["train", "fibinet.toml", "--out", "run", "--json", "--set"];
            // Fast, and slow enough that no model is best before it is calibrated.
            let short = ["train.learning_rate=0.02", "train.patience=1"];
            let report = json(&succeed(&directory, &[&train[..], &short].concat()));
            ModelRun {
                directory,
                name,
                report,
            }
        })
        .collect()
});

impl ModelRun {
    fn bundle(&self) -> PathBuf {
        self.directory.join("run")
    }

    fn inspected(&self) -> Value {
        let bundle = self.bundle();
        json(&succeed(
            &self.directory,
            &["inspect", text(&bundle), "--json"],
        ))
    }
}

fn evaluate(at: &Path, bundle: &Path) -> Value {
    json(&succeed(
        at,
        &["evaluate", text(bundle), "--json", "--data", ADULT],
    ))
}

#[test]
fn every_model_learns_stops_early_and_calibrates() {
    for run in RUNS.iter() {
        let (name, report) = (run.name, &run.report);
        // Logistic regression has about .90 on this sample, with a standard error of .02.
        assert!(number(&report["test"], "auc") > 0.85, "{name}: {report}");
        assert!(
            number(&report["test"], "logloss") < 0.42,
            "{name}: {report}"
        );
        let (best, epochs) = (number(report, "best_epoch"), number(report, "epochs"));
        assert!(best < epochs && epochs < MOST_EPOCHS, "{name}: {report}");
        let before = number(report, "valid_logloss_uncalibrated");
        let after = number(&report["valid"], "logloss");
        assert!(report["calibration"].is_object(), "{name}: {report}");
        assert!(after < before, "{name}: {report}");
    }
}

#[test]
fn every_model_scores_as_it_was_evaluated() {
    for run in RUNS.iter() {
        let directory = scratch();
        let (at, bundle) = (directory.path(), run.bundle());
        let predict = [
            "predict",
            text(&bundle),
            "--data",
            ADULT,
            "-o",
            "scores.csv",
        ];
        succeed(at, &predict);
        let scores = fs::read_to_string(at.join("scores.csv")).expect("scores");
        let clicks: f64 = scores
            .lines()
            .skip(1)
            .map(|score| score.parse::<f64>().expect("a number"))
            .sum();
        let labels = fs::read_to_string(ADULT).expect("the sample");
        let observed = labels.lines().skip(1).filter(|row| row.starts_with('1'));
        let ratio = clicks / observed.count() as f64;
        let evaluated = number(&evaluate(at, &bundle), "calibration_ratio");
        assert!(
            (ratio - evaluated).abs() < 1e-4,
            "{}: {ratio}, {evaluated}",
            run.name
        );
    }
}

#[test]
fn every_model_is_shown_by_its_name_and_settings() {
    for run in RUNS.iter() {
        let shown = run.inspected();
        assert_eq!(shown["model"]["name"], run.name);
        let all = number(&shown, "num_parameters");
        let parts = number(&shown, "table_parameters") + number(&shown, "head_parameters");
        assert_eq!(all, parts, "{shown}");
        assert_eq!(
            shown["pair_bytes"].is_object(),
            run.name == "fibinet",
            "{shown}"
        );
    }
}

#[test]
fn logistic_regression_has_one_number_per_table_row() {
    let run = RUNS.iter().find(|run| run.name == "lr").expect("lr");
    let shown = run.inspected();
    let fields = shown["fields"].as_array().expect("fields");
    let rows = fields.iter().map(|field| number(field, "ids")).sum::<f64>();
    assert_eq!(number(&shown, "table_parameters"), rows, "{shown}");
    // The bias.
    assert_eq!(number(&shown, "head_parameters"), 1.0, "{shown}");
}

#[test]
fn every_model_trains_on_from_its_own_bundle() {
    for run in RUNS.iter() {
        let directory = scratch();
        let (config, bundle) = (run.directory.join("fibinet.toml"), run.bundle());
        let next = directory.path().join("next");
        let train = [
            "train",
            text(&config),
            "--out",
            text(&next),
            "--no-cache",
            "--json",
        ];
        let warm = ["--warm-start", text(&bundle), "--set", "train.epochs=1"];
        let report = json(&succeed(directory.path(), &[&train[..], &warm].concat()));
        let kept = number(&report["warm_start"], "kept_rows");
        assert!(kept > 0.0, "{}: {report}", run.name);
        // One more epoch is about as good as the run that it starts from.
        let (before, after) = (&run.report["valid"], &report["valid"]);
        let drop = number(before, "auc") - number(after, "auc");
        assert!(drop < 0.02, "{}: {before}, {after}", run.name);
    }
}

#[test]
fn a_bundle_of_another_model_is_not_a_start() {
    let find = |name| RUNS.iter().find(|run| run.name == name).expect("a run");
    let (lr, dnn) = (find("lr"), find("dnn"));
    let directory = scratch();
    let (config, bundle) = (lr.directory.join("fibinet.toml"), dnn.bundle());
    let out = directory.path().join("next");
    let train = ["train", text(&config), "--out", text(&out), "--no-cache"];
    let warm = ["--warm-start", text(&bundle)];
    let says = "[model] is `lr`, but the bundle to warm-start from holds `dnn`";
    fail(directory.path(), &[&train[..], &warm].concat(), 2, says);
}

#[test]
fn an_unknown_model_gets_the_nearest_name() {
    let directory = scratch();
    let init = ["init", ADULT, "--label", "label", "--model", "fibinett"];
    fail(
        directory.path(),
        &init,
        2,
        "a similar value exists: 'fibinet'",
    );
}
