use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;
use clap::Args;
use fibinet::data::config::DataSpec;
use fibinet::data::prepare::{Progress, SkippedRows, prepare_cached, source_bytes};
use fibinet::train::run::Event;
use serde_json::json;

use crate::cli::args::{CacheArgs, RunFileArgs, refuse_remote};
use crate::cli::output::{JsonArgs, Printer, ProgressDisplay, Report, note, skipped_rows};

/// Fit the encoder and encode the rows of a run file ahead of training
///
/// `fibinet train` then reuses the encoded rows.
///
/// Example: fibinet prepare fibinet.toml
#[derive(Debug, Args)]
pub(crate) struct PrepareArgs {
    #[command(flatten)]
    run_file: RunFileArgs,
    #[command(flatten)]
    cache: CacheArgs,
    #[command(flatten)]
    json: JsonArgs,
}

/// What `prepare` does, checked.
pub(crate) struct PrepareJob {
    data: DataSpec,
    cache: PathBuf,
    printer: Printer,
}

impl PrepareArgs {
    pub(crate) fn check(self) -> Result<PrepareJob> {
        let data = self.run_file.read()?.validate()?.data;
        let cache = self.cache.directory(&self.run_file.config);
        refuse_remote(&cache)?;
        Ok(PrepareJob {
            data,
            cache,
            printer: self.json.printer(),
        })
    }
}

impl PrepareJob {
    pub(crate) fn run(self) -> Result<()> {
        let start = Instant::now();
        let mut display = ProgressDisplay::new();
        let mut reused = false;
        let (prepared, directory) = prepare_cached(&self.data, None, &self.cache, |progress| {
            reused |= progress == Progress::Reused;
            display.show(Event::Preparing(progress));
        })?;
        drop(display);
        let report = Preparation {
            train_rows: prepared.train.num_rows(),
            valid_rows: prepared.valid.num_rows(),
            test_rows: prepared.test.as_ref().map_or(0, |test| test.num_rows()),
            skipped: prepared.skipped.clone(),
            seconds: start.elapsed().as_secs_f64(),
            source_bytes: source_bytes(&self.data)?,
            reused,
            directory,
        };
        if self.printer == Printer::Text
            && let Some(line) = skipped_rows(&report.skipped)
        {
            note(&line);
        }
        self.printer.print(&report)
    }
}

struct Preparation {
    train_rows: usize,
    valid_rows: usize,
    test_rows: usize,
    skipped: SkippedRows,
    seconds: f64,
    source_bytes: u64,
    reused: bool,
    directory: PathBuf,
}

impl Preparation {
    /// Rows and bytes of the source per second; `None` if an earlier run had prepared them.
    fn speed(&self) -> Option<[f64; 2]> {
        let rows = self.train_rows + self.valid_rows + self.test_rows;
        let done = [rows as f64, self.source_bytes as f64];
        (!self.reused).then(|| done.map(|done| done / self.seconds))
    }
}

impl Report for Preparation {
    fn text(&self) -> String {
        let speed = self.speed().map_or(String::new(), |[rows, bytes]| {
            format!("; {rows:.0} rows/s, {:.1} MB/s", bytes / 1e6)
        });
        format!(
            "{} training rows, {} validation rows, {} test rows, in {}{speed}",
            self.train_rows,
            self.valid_rows,
            self.test_rows,
            self.directory.display(),
        )
    }

    fn json(&self) -> serde_json::Result<String> {
        let speed = self.speed();
        let report = json!({
            "train_rows": self.train_rows,
            "valid_rows": self.valid_rows,
            "test_rows": self.test_rows,
            "left_out": self.skipped,
            "bad_rows": self.skipped.bad_rows,
            "seconds": self.seconds,
            "source_bytes": self.source_bytes,
            "rows_per_second": speed.map(|[rows, _]| rows),
            "bytes_per_second": speed.map(|[_, bytes]| bytes),
            "reused": self.reused,
            "directory": self.directory.display().to_string(),
        });
        Ok(report.to_string())
    }
}
