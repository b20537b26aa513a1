use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use fibinet::train::{RunConfig, RunOptions, RunReport, train};

use super::progress::{Display, metrics_line};
use super::{device, print};

/// Train a model as a run file says and leave a bundle
///
/// Example: fibinet train fibinet.toml --out runs/first --set model.embedding_dim=16
#[derive(Debug, Args)]
pub(super) struct TrainArgs {
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
    /// Settings that replace the run file's.
    #[arg(long, value_name = "SECTION.KEY=VALUE", num_args = 1..)]
    set: Vec<String>,
    /// Print the result as one JSON object on stdout.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &TrainArgs) -> Result<()> {
    let mut config = RunConfig::read(&args.config, &args.set)?;
    if let Some(seed) = args.seed {
        config.train.seed = seed;
    }
    let device = device::select(args.device.as_deref())?;
    let options = RunOptions {
        out: &args.out,
        force: args.force,
        device: &device,
    };
    let mut display = Display::new();
    let report = train(&config, &options, |event| display.show(event))?;
    drop(display);
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
    let test = report.test.as_ref();
    lines.extend(test.map(|test| metrics_line("test            ", test)));
    lines.push(format!("parameters        {}", report.num_parameters));
    lines.push(format!("rows per second   {:.0}", report.rows_per_second));
    lines.push(format!("bundle            {out}"));
    lines.join("\n")
}
