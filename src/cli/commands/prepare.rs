use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;
use clap::Args;
use fibinet::data::{LeftOut, Progress, prepare_cached, source_bytes};
use fibinet::train::{Event, RunConfig};
use serde_json::json;

use crate::cli::output::{Display, left_out_line};
use crate::cli::{cache, print, say};

/// Fit the encoder and encode the rows of a run file, for `train` to find
///
/// Example: fibinet prepare fibinet.toml
#[derive(Debug, Args)]
pub(crate) struct PrepareArgs {
    /// The run file, as `fibinet init` writes it.
    config: PathBuf,
    /// Where encoded rows are kept; by default .fibinet-cache beside the run file.
    #[arg(long)]
    cache: Option<PathBuf>,
    /// Settings that replace the run file's.
    #[arg(long, value_name = "SECTION.KEY=VALUE", num_args = 1..)]
    set: Vec<String>,
    /// Print the result as one JSON object on stdout.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &PrepareArgs) -> Result<()> {
    let config = RunConfig::read(&args.config, &args.set)?;
    let spec = config.validate()?;
    let cache = cache(args.cache.as_deref(), &args.config);
    let start = Instant::now();
    let mut display = Display::new();
    let mut reused = false;
    let (prepared, directory) = prepare_cached(&spec, None, &cache, |progress| {
        reused |= progress == Progress::Reused;
        display.show(Event::Preparing(progress));
    })?;
    drop(display);
    let seconds = start.elapsed().as_secs_f64();
    let test_rows = prepared.test.as_ref().map_or(0, |test| test.num_rows());
    let rows = [
        prepared.train.num_rows(),
        prepared.valid.num_rows(),
        test_rows,
    ];
    let bytes = source_bytes(&spec)?;
    let LeftOut { bad_rows, .. } = prepared.left_out;
    let num_rows: usize = rows.iter().sum();
    let per_second = (!reused).then(|| [num_rows as f64 / seconds, bytes as f64 / seconds]);
    if args.json {
        return print(
            &json!({
                "train_rows": rows[0],
                "valid_rows": rows[1],
                "test_rows": rows[2],
                "left_out": prepared.left_out,
                "bad_rows": bad_rows,
                "seconds": seconds,
                "source_bytes": bytes,
                "rows_per_second": per_second.map(|[rows, _]| rows),
                "bytes_per_second": per_second.map(|[_, bytes]| bytes),
                "reused": reused,
                "directory": directory.display().to_string(),
            })
            .to_string(),
        );
    }
    if let Some(line) = left_out_line(&prepared.left_out) {
        say(&line);
    }
    let speed = per_second.map_or(String::new(), |[rows, bytes]| {
        format!("; {rows:.0} rows/s, {:.1} MB/s", bytes / 1e6)
    });
    print(&format!(
        "{} rows to train on, {} to stop by, {} to test, in {}{speed}",
        rows[0],
        rows[1],
        rows[2],
        directory.display(),
    ))
}
