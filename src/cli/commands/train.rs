use std::path::PathBuf;

use anyhow::Result;
use burn::tensor::Device;
use clap::Args;
use fibinet::train::config::RunConfig;
use fibinet::train::run::{RunOptions, RunReport, SplitCells, train};

use crate::cli::args::{
    CacheArgs, DeviceArgs, MalformedRows, RunFileArgs, ThreadArgs, refuse_remote,
};
use crate::cli::output::{
    JsonArgs, Printer, ProgressDisplay, Report, cell_table, in_members, metrics_line, note,
    skipped_rows, surprise_line,
};

/// A greater AUC is remarked upon.
const MAX_HONEST_AUC: f64 = 0.99;

/// Train the model of a run file and write it as a bundle
///
/// Example: fibinet train fibinet.toml --out runs/first --set model.embedding_dim=16
#[derive(Debug, Args)]
pub(crate) struct TrainArgs {
    #[command(flatten)]
    run_file: RunFileArgs,
    /// Directory to write the bundle to.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Replace the bundle if it exists.
    #[arg(long)]
    force: bool,
    /// Seed of the initial weights and of the order of rows; replaces `train.seed`.
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    #[command(flatten)]
    device: DeviceArgs,
    #[command(flatten)]
    threads: ThreadArgs,
    /// What to do with malformed rows; by default what the run file says under `data.on_bad_row`, else
    /// `fail`.
    #[arg(long, value_enum, value_name = "CHOICE")]
    on_bad_row: Option<MalformedRows>,
    /// Bundle to continue training from, for a model that is trained every day. Keeps its dense
    /// parameters and the table rows of known tokens; new tokens get new rows. `[model]` must be the same.
    #[arg(long, value_name = "BUNDLE")]
    warm_start: Option<PathBuf>,
    #[command(flatten)]
    cache: CacheArgs,
    /// Do not keep the encoded rows for later runs.
    #[arg(long, conflicts_with = "cache")]
    no_cache: bool,
    #[command(flatten)]
    json: JsonArgs,
}

/// What `train` does, checked.
pub(crate) struct TrainJob {
    config: RunConfig,
    out: PathBuf,
    force: bool,
    device: Device,
    threads: ThreadArgs,
    warm_start: Option<PathBuf>,
    /// `None` if the encoded rows are not kept.
    cache: Option<PathBuf>,
    printer: Printer,
}

impl TrainArgs {
    pub(crate) fn check(self) -> Result<TrainJob> {
        refuse_remote(&self.out)?;
        let mut config = self.run_file.read()?;
        if let Some(seed) = self.seed {
            config.train.seed = seed;
        }
        if let Some(choice) = self.on_bad_row {
            config.data.on_bad_row = choice.into();
        }
        let cache = self.cache.directory(&self.run_file.config);
        refuse_remote(&cache)?;
        Ok(TrainJob {
            config,
            out: self.out,
            force: self.force,
            device: self.device.select()?,
            threads: self.threads,
            warm_start: self.warm_start,
            cache: (!self.no_cache).then_some(cache),
            printer: self.json.printer(),
        })
    }
}

impl TrainJob {
    pub(crate) fn run(self) -> Result<()> {
        self.threads.start()?;
        let options = RunOptions {
            out: &self.out,
            force: self.force,
            device: &self.device,
            warm_start: self.warm_start.as_deref(),
            cache: self.cache.as_deref(),
        };
        let mut display = ProgressDisplay::new();
        let report = train(&self.config, &options, |event| display.show(event))?;
        drop(display);
        if let Some(line) = skipped_rows(&report.skipped) {
            note(&line);
        }
        if let Some(line) = surprise_line(&report.fields.surprises, "these rows have") {
            note(&format!("test rows: {line}"));
        }
        if let Some(line) = too_good(&report) {
            note(&line);
        }
        let out = self.out;
        self.printer.print(&Trained { report, out })
    }
}

/// A remark on an AUC that honest columns hardly reach, of the test rows if there are some.
fn too_good(report: &RunReport) -> Option<String> {
    let (split, metrics) = match &report.test {
        Some(test) => ("test", test),
        None => ("validation", &report.valid),
    };
    let auc = metrics.auc.filter(|auc| *auc > MAX_HONEST_AUC)?;
    Some(format!(
        "note: the {split} AUC is {auc:.4}, which is too good for most logs: look for a column that is \
         only known after the click, or that identifies its row"
    ))
}

struct Trained {
    report: RunReport,
    out: PathBuf,
}

impl Report for Trained {
    fn text(&self) -> String {
        let report = &self.report;
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
        let SplitCells { valid, test, .. } = &report.fields;
        let splits = [valid.as_slice(), test];
        let splits = if test.is_empty() {
            &splits[..1]
        } else {
            &splits
        };
        if let Some(table) = cell_table(splits) {
            let of = if test.is_empty() {
                "validation rows"
            } else {
                "validation / test rows"
            };
            lines.push(format!("\nunusual cells in the {of}:\n{table}\n"));
        }
        lines.extend(report.warm_start.map(|rows| {
            let (kept, new) = (rows.kept_rows, rows.new_rows);
            format!("table rows        {kept} kept, {new} new")
        }));
        lines.extend([
            format!(
                "parameters        {}{}",
                report.num_parameters,
                in_members(report.members)
            ),
            format!("rows per second   {:.0}", report.rows_per_second),
            format!(
                "waited for data   {:.1}% of training",
                100.0 * report.data_wait
            ),
            format!("bundle            {}", self.out.display()),
        ]);
        lines.join("\n")
    }

    fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string(&self.report)
    }
}
