use std::time::Duration;

use fibinet::data::Progress;
use fibinet::train::{EpochReport, Event, Metrics};
use indicatif::{ProgressBar, ProgressStyle};

/// Shows a run on stderr: bars on a terminal, a line an epoch everywhere.
pub(super) struct Display {
    bar: ProgressBar,
    train_rows: u64,
}

impl Display {
    pub(super) fn new() -> Self {
        let bar = ProgressBar::new_spinner();
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar, train_rows: 0 }
    }

    pub(super) fn show(&mut self, event: Event) {
        match event {
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
            Event::Epoch(report) => {
                self.line(&epoch_line(&report));
                self.bar.finish_and_clear();
            }
        }
    }

    /// A line above the bar; without a terminal a plain line.
    fn line(&self, text: &str) {
        if self.bar.is_hidden() {
            super::say(text);
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

fn epoch_line(report: &EpochReport) -> String {
    format!(
        "epoch {:>3}  train loss {:.5}  {}{}",
        report.epoch,
        report.train_loss,
        metrics_line("valid", &report.valid),
        if report.best { "  *" } else { "" },
    )
}

/// `valid  AUC 0.9012  log loss 0.31234`
pub(super) fn metrics_line(split: &str, metrics: &Metrics) -> String {
    let auc = match metrics.auc {
        Some(auc) => format!("{auc:.5}"),
        None => "undefined (one class)".to_owned(),
    };
    format!("{split}  AUC {auc}  log loss {:.5}", metrics.logloss)
}
