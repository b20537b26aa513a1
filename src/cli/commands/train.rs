use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use fibinet::train::{RunConfig, RunOptions, RunReport, train};

use crate::cli::args::BadRow;
use crate::cli::args::device;
use crate::cli::output::{Display, left_out_line, metrics_line};
use crate::cli::{cache, print, say};

/// Train a model as a run file says and leave a bundle
///
/// Example: fibinet train fibinet.toml --out runs/first --set model.embedding_dim=16
#[derive(Debug, Args)]
pub(crate) struct TrainArgs {
    /// The run file, as `fibinet init` writes it.
    config: PathBuf,
    /// The directory that the bundle becomes.
    #[arg(long)]
    out: PathBuf,
    /// Replace the directory where it exists.
    #[arg(long)]
    force: bool,
    /// Decides the drawn weights and the rows' order (train.seed).
    #[arg(long)]
    seed: Option<u64>,
    /// flex, ndarray, wgpu, vulkan, metal or cuda, as far as compiled in.
    #[arg(long)]
    device: Option<String>,
    /// Threads to compute with; by default all cores.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// What a row that cannot be read does: end the run, or be left out and counted.
    #[arg(long, value_enum)]
    on_bad_row: Option<BadRow>,
    /// A bundle to go on from, for training again every day: its head and the rows of tokens that it
    /// knows are taken, new tokens get new rows.
    #[arg(long, value_name = "RUN")]
    warm_start: Option<PathBuf>,
    /// Where encoded rows are kept for the next run; by default .fibinet-cache beside the run file.
    #[arg(long, conflicts_with = "no_cache")]
    cache: Option<PathBuf>,
    /// Keep no encoded rows.
    #[arg(long)]
    no_cache: bool,
    /// Settings that replace the run file's.
    #[arg(long, value_name = "SECTION.KEY=VALUE", num_args = 1..)]
    set: Vec<String>,
    /// Print the result as one JSON object on stdout.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &TrainArgs) -> Result<()> {
    let mut config = RunConfig::read(&args.config, &args.set)?;
    if let Some(seed) = args.seed {
        config.train.seed = seed;
    }
    if let Some(choice) = args.on_bad_row {
        config.data.on_bad_row = choice.into();
    }
    if let Some(threads) = args.threads {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads.into())
            .build_global()
            .context("--threads")?;
    }
    let device = device::select(args.device.as_deref())?;
    let cache = cache(args.cache.as_deref(), &args.config);
    let options = RunOptions {
        out: &args.out,
        force: args.force,
        device: &device,
        warm_start: args.warm_start.as_deref(),
        cache: (!args.no_cache).then_some(cache.as_path()),
    };
    let mut display = Display::new();
    let report = train(&config, &options, |event| display.show(event))?;
    drop(display);
    if let Some(line) = left_out_line(&report.left_out) {
        say(&line);
    }
    if args.json {
        return print(&serde_json::to_string(&report)?);
    }
    print(&table(&report, &args.out.display().to_string()))
}

fn table(report: &RunReport, out: &str) -> String {
    let mut lines = vec![
        String::new(),
        format!(
            "best epoch        {} of {}",
            report.best_epoch, report.epochs
        ),
        metrics_line("valid           ", &report.valid),
    ];
    if report.calibration.is_some() {
        let before = report.valid_logloss_uncalibrated;
        lines.push(format!("  uncalibrated    log loss {before:.5}"));
    }
    let test = report.test.as_ref();
    lines.extend(test.map(|test| metrics_line("test            ", test)));
    if let Some(rows) = report.warm_start {
        lines.push(format!(
            "rows of tables    {} kept, {} new",
            rows.kept_rows, rows.new_rows
        ));
    }
    lines.push(format!("parameters        {}", report.num_parameters));
    lines.push(format!("rows per second   {:.0}", report.rows_per_second));
    lines.push(format!(
        "waited for data   {:.1}% of training",
        100.0 * report.data_wait
    ));
    lines.push(format!("bundle            {out}"));
    lines.join("\n")
}
