//! Runs on small logs, on every CPU backend that is compiled in.

mod failures;
mod learning;
mod targets;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use fibinet_data::formats::{Label, open_rows};
use fibinet_data::mix_seed;
use fibinet_model::bundle::BundleError;
use fibinet_model::scorer::{ScoreOptions, Scorer};
use fibinet_train::TrainError;
use fibinet_train::config::RunConfig;
use fibinet_train::metrics::{Metrics, Predictions};
use fibinet_train::run::{Event, RunOptions, RunReport, train};

const TRAIN_ROWS: u64 = 600;
const VALID_ROWS: u64 = 300;

const DATA: &str = r#"[data]
train = "train.csv"
valid = "valid.csv"
label = "click"

[[data.fields]]
name = "site"
kind = "categorical"

[[data.fields]]
name = "tags"
kind = "multi_categorical"
pooling = "max"

[[data.fields]]
name = "price"
kind = "numeric"
encoding = "value"
"#;

const FIBINET: &str = r#"[model]
name = "fibinet"
numerics = "dense"
embedding_dim = 4
hidden_units = [8]
"#;

const TRAIN: &str = r#"[train]
batch_size = 100
learning_rate = 0.02
epochs = 3
"#;

/// Rows in which sites and tags decide the click, seven times out of eight.
fn log(first_row: u64, num_rows: u64, first_site: u64) -> String {
    let row = |row: u64| {
        let draw = |number: u64| mix_seed(number, row);
        let (site, tag) = (first_site + draw(1) % 12, draw(2) % 5);
        let click = (site.is_multiple_of(3) || tag == 0) != draw(3).is_multiple_of(8);
        let (price, click) = (draw(4) % 1000, u8::from(click));
        format!("{click},s{site},t{tag}|t{},{price}\n", (tag + 1) % 5)
    };
    let rows: String = (first_row..first_row + num_rows).map(row).collect();
    format!("click,site,tags,price\n{rows}")
}

/// A directory with a run file, its logs and what runs write.
struct Directory {
    directory: tempfile::TempDir,
}

impl Directory {
    fn new() -> Self {
        Self::of_model(FIBINET)
    }

    /// A directory whose run file has this `[model]` section.
    fn of_model(model: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let directory = Self { directory };
        directory.write("run.toml", &format!("{DATA}{model}{TRAIN}"));
        directory.write("train.csv", &log(0, TRAIN_ROWS, 0));
        directory.write("valid.csv", &log(TRAIN_ROWS, VALID_ROWS, 0));
        directory
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.at(name), text).expect("written");
    }

    fn config(&self, overrides: &[&str]) -> RunConfig {
        let overrides: Vec<String> = overrides.iter().map(|text| (*text).to_owned()).collect();
        RunConfig::read(&self.at("run.toml"), &overrides).expect("a run file")
    }

    /// Trains to the bundle `run`, which is not there yet, and returns the events with the report.
    fn train(&self, device: &Device, overrides: &[&str]) -> (RunReport, Vec<Event>) {
        let (out, mut events) = (self.at("run"), Vec::new());
        let options = options(&out, device);
        let report = train(&self.config(overrides), &options, |event| {
            events.push(event);
        });
        (report.expect("a bundle"), events)
    }

    /// Trains to `run`, replacing the bundle that is there.
    fn retrain(&self, device: &Device, overrides: &[&str]) -> Result<RunReport, TrainError> {
        let out = self.at("run");
        let options = RunOptions {
            force: true,
            ..options(&out, device)
        };
        train(&self.config(overrides), &options, |_| {})
    }

    /// The predictions of a bundle for the rows of a file.
    fn predict(&self, bundle: &str, rows: &str, device: &Device) -> Predictions {
        let scorer = Scorer::open(&self.at(bundle), device).expect("a bundle");
        let format = scorer.encoder().format();
        let mut reader = open_rows(&self.at(rows), format, Label::Required).expect("a log");
        let options = ScoreOptions {
            labels: true,
            ..ScoreOptions::default()
        };
        let mut predictions = Predictions::default();
        let scored = scorer.score_rows(reader.as_mut(), &options, |rows| {
            predictions.extend(&rows.logits, &rows.labels, &rows.groups);
            Ok::<_, BundleError>(())
        });
        scored.expect("proper rows");
        predictions
    }

    /// The metrics of the bundle `run` on the rows of a file.
    fn evaluate(&self, rows: &str, device: &Device) -> Metrics {
        self.predict("run", rows, device).metrics(1.0)
    }

    /// Every file under the directory, with its bytes.
    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        let mut directories = vec![self.directory.path().to_owned()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).expect("a directory") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    directories.push(path);
                } else {
                    let bytes = fs::read(&path).expect("a file");
                    files.insert(path, bytes);
                }
            }
        }
        files
    }
}

/// The options of a run from nothing to a bundle that is not there yet.
fn options<'a>(out: &'a Path, device: &'a Device) -> RunOptions<'a> {
    RunOptions {
        out,
        force: false,
        device,
        warm_start: None,
        cache: None,
    }
}
