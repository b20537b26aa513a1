use std::time::Duration;

use fibinet::data::{LeftOut, Progress};
use fibinet::train::{EvaluationReport, Event, Metrics};
use indicatif::{ProgressBar, ProgressStyle};

/// Shows a run on stderr: bars on a terminal, a line an epoch everywhere.
pub(crate) struct Display {
    bar: ProgressBar,
    train_rows: u64,
}

impl Display {
    pub(crate) fn new() -> Self {
        let bar = ProgressBar::new_spinner();
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar, train_rows: 0 }
    }

    pub(crate) fn show(&mut self, event: Event) {
        match event {
            Event::Preparing(Progress::Reused) => {
                self.line("the encoded rows of an earlier run are used again");
            }
            Event::Preparing(Progress::Counting(rows)) => {
                self.bar.set_message(format!("counting: {rows} rows"));
            }
            Event::Preparing(Progress::Fitting(rows)) => {
                self.bar
                    .set_message(format!("fitting the encoder: {rows} rows"));
            }
            Event::Preparing(Progress::Encoding(rows)) => {
                self.bar.set_message(format!("encoding: {rows} rows"));
            }
            Event::Training {
                train_rows,
                valid_rows,
                test_rows,
                num_parameters,
            } => {
                self.train_rows = train_rows as u64;
                self.line(&format!(
                    "{train_rows} rows to train on, {valid_rows} to stop by, {test_rows} to test; \
                     {num_parameters} parameters"
                ));
                self.bar.finish_and_clear();
            }
            Event::Step { epoch, rows, loss } => {
                if self.bar.is_finished() {
                    self.bar = epoch_bar(epoch, self.train_rows);
                }
                self.bar.set_position(rows as u64);
                self.bar.set_message(format!("loss {loss:.4}"));
            }
            Event::Evaluation(report) => {
                self.line(&evaluation_line(&report));
                self.bar.finish_and_clear();
            }
        }
    }

    /// A line above the bar; without a terminal a plain line.
    fn line(&self, text: &str) {
        if self.bar.is_hidden() {
            crate::cli::say(text);
        } else {
            self.bar.println(text);
        }
    }
}

fn epoch_bar(epoch: usize, rows: u64) -> ProgressBar {
    let template = "epoch {prefix} {wide_bar} {pos}/{len} rows  {per_sec}  {msg}  {eta} left";
    let bar = ProgressBar::new(rows).with_prefix(epoch.to_string());
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn evaluation_line(report: &EvaluationReport) -> String {
    format!(
        "epoch {:>3}  step {:>6}  train loss {:.5}  {}{}",
        report.epoch,
        report.step,
        report.train_loss,
        metrics_line("valid", &report.valid),
        if report.best { "  *" } else { "" },
    )
}

/// What was left out of the data, if anything.
pub(crate) fn left_out_line(left_out: &LeftOut) -> Option<String> {
    let bad = left_out.first_bad_row.as_ref().map(|first| {
        let rows = left_out.bad_rows;
        format!("bad rows skipped: {rows}, the first: {first}")
    });
    let others = (left_out.of_no_split > 0)
        .then(|| format!("{} rows are of no split", left_out.of_no_split));
    let lines: Vec<String> = bad.into_iter().chain(others).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// `valid  AUC 0.9012  log loss 0.31234  predicted/observed 1.004`
pub(crate) fn metrics_line(split: &str, metrics: &Metrics) -> String {
    let auc = match metrics.auc {
        Some(auc) => format!("{auc:.5}"),
        None => "undefined (one class)".to_owned(),
    };
    let calibration = match metrics.calibration_ratio {
        Some(ratio) => format!("{ratio:.3}"),
        None => "undefined (no click)".to_owned(),
    };
    let within = match metrics.group_auc {
        Some(within) => format!("  within {} groups {:.5}", within.groups, within.auc),
        None => String::new(),
    };
    format!(
        "{split}  AUC {auc}{within}  log loss {:.5}  predicted/observed {calibration}",
        metrics.logloss
    )
}
